//! Poll loops that live outside of every process: executions of a state machine that call the poller, wait, and call
//! it again.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::Unavailable;

/// Starts the poll loops of places.
#[async_trait]
pub trait Loops: Debug + Send + Sync {
    /// Starts the loop of a place in an epoch; does nothing if it was started before, also if it has ended since.
    async fn start(&self, place: &str, epoch: u64) -> Result<(), Unavailable>;

    /// Whether that loop was started and has not ended. Somebody may have stopped it.
    async fn is_alive(&self, place: &str, epoch: u64) -> Result<bool, Unavailable>;
}
