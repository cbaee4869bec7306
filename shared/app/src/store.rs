//! The table with what every caller wants: conditions as answers, all pages.
//!
//! A throttled call is not repeated here: adapters wait between their own calls, and whoever is told comes back later
//! (a message when it is delivered again, the poll loop when it has rested).

use std::sync::Arc;

use porpoise_ports::table::{Condition, Consistency, Item, Key, Query, ReadError, WriteError};
use porpoise_ports::{Table, Unavailable};

/// The store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The same call may succeed later; nothing was written.
    #[error("the store takes no more calls for now")]
    Throttled,
    /// An item that no table takes: a fault of the caller.
    #[error("the store refuses the item")]
    Refused(#[source] WriteError),
    /// The same call may succeed later; a write may have happened or not.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A table, shared.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    table: Arc<dyn Table>,
}

impl Store {
    pub(crate) fn new(table: Arc<dyn Table>) -> Self {
        Self { table }
    }

    /// One item, as of the last acknowledged write.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.read(key, Consistency::Strong).await
    }

    /// One item, perhaps a little old: for what is only a hint.
    pub(crate) async fn hint(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        self.read(key, Consistency::Eventual).await
    }

    async fn read(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, StoreError> {
        self.table.get(key, consistency).await.map_err(read_error)
    }

    /// One page of a range.
    pub(crate) async fn page(
        &self,
        query: &Query,
    ) -> Result<porpoise_ports::table::Page, StoreError> {
        self.table.query(query).await.map_err(read_error)
    }

    /// All items of a range, page after page.
    pub(crate) async fn all(&self, mut query: Query) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        loop {
            let page = self.page(&query).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// Writes; `false`: the condition does not hold and nothing was written.
    pub(crate) async fn put(&self, item: Item, condition: Condition) -> Result<bool, StoreError> {
        written_or(self.table.put(item, condition).await)
    }

    /// Removes; `false`: the condition does not hold and nothing was removed.
    pub(crate) async fn delete(&self, key: &Key, condition: Condition) -> Result<bool, StoreError> {
        written_or(self.table.delete(key, condition).await)
    }

    /// Writes what nothing waits for; `false`: the condition does not hold and nothing was written.
    pub(crate) async fn put_unhurried(
        &self,
        item: Item,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        written_or(self.table.put_unhurried(item, condition).await)
    }

    /// Removes what nobody looks for any more; `false`: the condition does not hold and nothing was removed.
    pub(crate) async fn delete_unhurried(
        &self,
        key: &Key,
        condition: Condition,
    ) -> Result<bool, StoreError> {
        written_or(self.table.delete_unhurried(key, condition).await)
    }
}

fn read_error(error: ReadError) -> StoreError {
    match error {
        ReadError::Throttled => StoreError::Throttled,
        ReadError::Unavailable(error) => StoreError::Unavailable(error),
    }
}

fn written_or(written: Result<(), WriteError>) -> Result<bool, StoreError> {
    match written {
        Ok(()) => Ok(true),
        Err(WriteError::Condition(_)) => Ok(false),
        Err(WriteError::Throttled) => Err(StoreError::Throttled),
        Err(WriteError::Unavailable(error)) => Err(StoreError::Unavailable(error)),
        Err(error @ (WriteError::TooLarge { .. } | WriteError::BadKey(_))) => {
            Err(StoreError::Refused(error))
        }
    }
}
