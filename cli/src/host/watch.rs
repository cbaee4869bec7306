//! A table that tells who waits for it that a log has grown.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use porpoise_ports::Table;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use tokio::sync::Notify;

/// The table inside, and who waits for which partition.
#[derive(Debug)]
pub struct Watched<T> {
    inner: T,
    waiting: Mutex<BTreeMap<String, Arc<Notify>>>,
}

impl<T: Table> Watched<T> {
    /// Watches a table.
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            waiting: Mutex::default(),
        }
    }

    /// The table inside.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Notified whenever an item of a log of this partition is written. Ask before you read, wait after.
    pub fn written(&self, partition: &str) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, notify| Arc::strong_count(notify) > 1);
        waiting.entry(partition.to_owned()).or_default().clone()
    }

    fn notify(&self, partition: &str) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = waiting.get(partition) {
            notify.notify_waiters();
        }
    }
}

#[async_trait]
impl<T: Table> Table for Watched<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        self.inner.get(key, consistency).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.inner.query(query).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let log = item
            .key
            .sort
            .starts_with("log/")
            .then(|| item.key.partition.clone());
        self.inner.put(item, condition).await?;
        if let Some(partition) = log {
            self.notify(&partition);
        }
        Ok(())
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.inner.delete(key, condition).await
    }

    /// No log is written without hurry: nobody is told.
    async fn put_unhurried(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        self.inner.put_unhurried(item, condition).await
    }

    async fn delete_unhurried(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.inner.delete_unhurried(key, condition).await
    }
}
