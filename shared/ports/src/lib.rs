//! The ports: what Porpoise asks of the world, and what each thing promises.
//!
//! A port promises no more than the weakest of its adapters can keep: [`Table`] has the shape and the limits of
//! DynamoDB, [`Queue`] and [`Bus`] deliver at least once. Adapters are crates of their own; the simulator has its own.
//! With the feature `conformance`, the suites are here that every adapter of a port passes.
//!
//! Start reading at [`table`].

pub mod backoff;
pub mod blobs;
pub mod bus;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod executor;
pub mod intents;
pub mod logs;
pub mod loops;
pub mod meter;
pub mod notices;
pub mod queue;
pub mod secrets;
pub mod source;
pub mod table;
pub mod target;
pub mod timers;
pub mod usage;

pub use blobs::Blobs;
pub use bus::Bus;
pub use clock::{Clock, Ids};
pub use executor::Executor;
pub use logs::Logs;
pub use loops::Loops;
pub use meter::{Meter, Metered};
pub use notices::Notices;
pub use queue::Queue;
pub use secrets::Secrets;
pub use table::Table;
pub use timers::Timers;
pub use usage::Ledger;

/// What lies beneath an error of an adapter.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A port could not do what it was asked, and the same call may succeed later. Whether it took effect is unknown.
#[derive(Debug, thiserror::Error)]
#[error("{what} is unavailable")]
pub struct Unavailable {
    /// Which part: `the table`, `the queue` …
    pub what: &'static str,
    /// What the adapter met.
    #[source]
    pub source: BoxError,
}

impl Unavailable {
    /// Wraps what an adapter met.
    pub fn new(what: &'static str, source: impl Into<BoxError>) -> Self {
        Self {
            what,
            source: source.into(),
        }
    }
}
