//! The bus in process: batches of intents for the dispatcher, and those of sites for their agents.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_app::PullBus;
use porpoise_model::Place;
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

/// The way to each place: what is for a site waits in the store until its agent fetches it, all else is dispatched here.
#[derive(Debug)]
pub(super) struct ByPlace {
    pub(super) here: Arc<LocalBus>,
    pub(super) pulled: PullBus,
}

#[async_trait]
impl Bus for ByPlace {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        if matches!(place.parse(), Ok(Place::Site(_))) {
            return self.pulled.send(place, intents).await;
        }
        self.here.send(place, intents).await
    }
}
