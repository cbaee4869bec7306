//! Inputs on their way to aggregates: at least once, in order within a group.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_model::Address;

use crate::Unavailable;

/// Sends inputs to aggregates.
///
/// Delivery is at least once and in order within a group (one aggregate); a group has one batch in flight at a time.
/// The receiving side is the host's: a Lambda event source, the local server's loop, the simulator.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// Sends messages that their sender keeps until somebody acknowledges them (effects), or that it can make again;
    /// all or an unknown part of them when it fails. A queue in process may lose them when that dies.
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable>;

    /// Sends messages that nobody would send again (commands): returns when they cannot be lost any more. A durable
    /// queue sends them.
    async fn hand_over(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        self.send(messages).await
    }
}

/// One input for one aggregate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The aggregate: also the group.
    pub group: Address,
    /// Fresh for every send, never made from the content: equal inputs may be sent twice on purpose, and SQS drops a
    /// message whose id it saw within five minutes.
    pub deduplication: u128,
    /// The encoded input.
    pub body: Bytes,
}
