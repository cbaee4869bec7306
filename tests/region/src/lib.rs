//! A region for tests: real components in the place of AWS, on loopback, for as long as a test wants them.
//!
//! [`dynamodb`] gives Amazon's own DynamoDB Local, [`ministack`] an emulator of most other services. A run of all
//! tests starts each once and names it in a variable ([`Component::variable`]); without it, each is started once for
//! this process, and stops with it, however it ends: the program `region` of this crate, which runs a component, stops
//! when its standard input ends.
//!
//! Left out on purpose: clients of any service (tests choose their own), and everything that is not a process here.
//!
//! Start reading at [`dynamodb`], then `serve.rs` for what the program does. `docs/dev/components.md` says how to run
//! one by hand.

mod component;
mod process;
mod server;

use std::sync::atomic::{AtomicU64, Ordering};

pub use component::Component;
pub use process::{Process, program};
pub use server::{DynamoDbLocal, Manner, Ministack};

/// DynamoDB Local: the one that the variable names, else the one of this process, which the first call starts.
///
/// All tests of a run share it: a test makes tables of its own, with names that no other test has.
///
/// # Errors
/// If it is not installed or does not start; the error says what to do.
pub fn dynamodb() -> anyhow::Result<DynamoDbLocal> {
    DynamoDbLocal::shared()
}

/// Ministack: the one that the variable names, else the one of this process, which the first call starts.
///
/// All tests of a run share it: a test makes queues, buses and buckets of its own, with names that no other test has.
///
/// # Errors
/// If it is not installed or does not start; the error says what to do.
pub fn ministack() -> anyhow::Result<Ministack> {
    Ministack::shared()
}

/// A name that nothing else on a shared component has.
pub fn unique(prefix: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    format!(
        "{prefix}-{}-{}-{made}",
        time.as_micros(),
        std::process::id()
    )
}
