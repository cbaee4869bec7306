//! The bus in process: batches of intents for the dispatcher.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_ports::{Bus, Unavailable};
use tokio::sync::Notify;

/// Batches that wait, by place, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct LocalBus {
    waiting: Mutex<Vec<(String, Vec<Bytes>)>>,
    arrived: Notify,
}

impl LocalBus {
    /// All that waits, once something does.
    pub(super) async fn next(&self) -> Vec<(String, Vec<Bytes>)> {
        loop {
            let arrived = self.arrived.notified();
            let waiting =
                std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            if !waiting.is_empty() {
                return waiting;
            }
            arrived.await;
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.iter_mut().find(|(waits, _)| waits == place) {
            Some((_, batch)) => batch.extend(intents),
            None => waiting.push((place.to_owned(), intents)),
        }
        drop(waiting);
        self.arrived.notify_one();
        Ok(())
    }
}
