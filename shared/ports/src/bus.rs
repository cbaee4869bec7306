//! Intents on their way to the place where they are to be carried out.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Unavailable;

/// Carries batches of intents to the dispatcher of a place, at least once, in any order.
#[async_trait]
pub trait Bus: Debug + Send + Sync {
    /// Sends a batch to the dispatcher of `place`. The batch may arrive late, twice, after later ones, or never:
    /// its sender sends again what nobody acknowledged.
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable>;
}
