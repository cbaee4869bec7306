//! Being woken later.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_model::Address;

use crate::Unavailable;

/// Wakes aggregates, the poll loop and the sweep.
#[async_trait]
pub trait Timers: Debug + Send + Sync {
    /// Sends the aggregate its `Woken` input at `at` or later, at least once. Wakes may come twice, and one that was
    /// asked for and is no longer needed comes all the same: a wake only ever says "look again".
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable>;
}
