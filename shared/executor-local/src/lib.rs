//! Jobs as processes of this machine.
//!
//! Each attempt has a directory and a small **wrapper** process, which takes the attempt's lock, runs the job, and
//! writes down how it ended. The server may die at any time: the wrapper goes on, and whoever opens the directory
//! next finds out everything from files. What stands where, and why nothing is started twice, is in [`layout`].
//!
//! [`LocalExecutor`] is the server's side, [`wrapper::run`] the wrapper's; [`InstantExecutor`] is for the kinds that
//! only pass the time. Kinds that a program of ours does (calls over HTTP) are jobs like scripts: the wrapper
//! starts that program, which is told what to do by [`helper`].
//!
//! Left out on purpose: isolation (a job runs with the rights of the server), limits of memory and CPU, kinds of other
//! systems.
//!
//! Start reading at [`layout`], then `wrapper`, then `executor`.

mod executor;
pub mod helper;
mod inspect;
mod instant;
pub mod layout;
mod process;
mod secret;
mod watch;
pub mod wrapper;

pub use executor::{Limits, LocalExecutor, OpenError};
pub use instant::InstantExecutor;
pub use secret::{FileSecrets, SecretFileError};

use jiff::Timestamp;

/// What time it is. Times of jobs are taken by the wrapper, a process of its own that no Clock port reaches.
#[expect(
    clippy::disallowed_methods,
    reason = "the wrapper is a process of its own: this is its real clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
