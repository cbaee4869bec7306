//! A region in a box: the whole control plane on loopback, deployed from its template, run by its real functions.
//!
//! Ministack plays AWS: it runs the functions, their queues, buses, schedules, state machines and the HTTP API, and
//! with [`Options::auth`] refuses what their roles do not allow. DynamoDB Local is the table. Between the functions and
//! both stands the [`tap`], which notes every call: so what a function uses can be compared with what its role grants.
//!
//! ```text
//!  you ─▶ door ─▶ ministack ─▶ functions ─▶ tap ─┬─▶ ministack
//!        (signs)     ▲                           ├─▶ DynamoDB Local          (after ministack has checked the role)
//!                    └──────── events ───────────┴─▶ EMR Serverless, Athena  (after the tap has)
//! ```
//!
//! EMR Serverless and Athena are a fake of ours ([`jobs`]); who may do what there is judged by [`policy`], after the
//! policies that ministack has of the role.
//!
//! Left out on purpose: time that passes faster than ours, quotas, throttles, and buses between regions: no component
//! here has them. Everything stops with the process that started it, without a trace.
//!
//! Start reading at [`Cloud`].

mod aws;
pub mod call;
mod cloud;
mod deploy;
mod door;
mod http;
pub mod jobs;
mod judged;
pub mod policy;
mod rights;
pub mod stock;
mod subscriber;
pub mod tap;
pub mod template;

pub use cloud::{Cloud, Options};
pub use door::Door;
pub use subscriber::Subscriber;
