//! A fake of EMR Serverless and Athena on loopback: nothing that runs here has job states that a test can drive.
//!
//! It speaks the real protocols, as the published service models say (folder `model`), so the real clients of the SDK
//! are what tests use. Every request is checked against its model (required members, lengths, ranges, patterns,
//! enumerations), also for members that the model does not know, which the real services ignore; every answer is
//! checked against its model as well, so that the fake can't lie about shapes. Regions and accounts are told apart by
//! the scope of the signature: an access key of twelve digits is the account's number.
//!
//! What happens to a job is its [`Script`]: given with the job (an argument or a comment that begins with `fake:`), or
//! drawn from a seed. Time is real or a test's own ([`Time`]). Calls are throttled by the documented rates, events of
//! EventBridge come as reliably as [`Delivery`] says, and the billed utilisation minutes after the end of a job.
//!
//! # Where it guesses
//! What no document says, and what therefore nothing may rest on: the texts of messages; that a client token is
//! remembered for ever unless [`Options::tokens_live`] says otherwise; that a job that is over can't be canceled; that
//! a list of an application that does not exist is refused. Signatures are not verified.
//!
//! Start reading at [`FakeAws`], then `emr/life.rs` for what becomes of a job.

#![expect(
    clippy::indexing_slicing,
    reason = "members of JSON objects that this crate builds itself: a missing one is made, or is null"
)]

mod answer;
mod athena;
mod caller;
mod check;
mod clock;
mod emr;
mod fake;
mod mail;
mod model;
mod postman;
mod request;
mod rest;
mod script;
mod server;
mod throttle;
mod world;

pub use clock::Time;
pub use emr::JobRun;
pub use fake::{FakeAws, Options};
pub use mail::{Delivery, Event, Posted, Sink};
pub use script::{Behaviour, Script, ScriptError};
pub use world::Trouble;
