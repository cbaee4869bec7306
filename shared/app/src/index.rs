//! The open index: every aggregate of which anything may still happen by itself, in a few partitions.
//!
//! Key: partition `open/{shard:02x}`, sort key the aggregate's address. The revision is the sequence number of the
//! record that opened the aggregate (1 for its first). An entry is written before that record and removed after the
//! one that closed it; a run's first entry holds what it is to be created from, so that whoever sweeps can finish a
//! creation that was cut off.

use bytes::Bytes;
use porpoise_model::Address;
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query};

use crate::store::{Store, StoreError};

/// Partitions of the open index. Fixed for the life of a store.
pub(crate) const SHARDS: u8 = 16;

/// An entry of the open index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) address: Address,
    /// What a run that may not have a first record yet is created from; empty for all others.
    pub(crate) body: Bytes,
}

/// The open index.
#[derive(Debug, Clone)]
pub(crate) struct OpenIndex {
    store: Store,
}

impl OpenIndex {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Before record `sequence`, which opens the aggregate. An entry that is as new stays.
    pub(crate) async fn open(
        &self,
        address: Address,
        sequence: u64,
        body: Bytes,
    ) -> Result<(), StoreError> {
        let item = Item {
            key: key(address),
            revision: sequence,
            body,
        };
        self.store
            .put(item, Condition::OlderThan(sequence))
            .await
            .map(drop)
    }

    /// After record `sequence`, as of which the aggregate is closed: an entry that a later record needs stays.
    ///
    /// Who reopens the aggregate writes a larger revision before its record, so that either this removal finds that
    /// revision, or that entry comes after it.
    pub(crate) async fn close(&self, address: Address, sequence: u64) -> Result<(), StoreError> {
        let key = key(address);
        match self.store.get(&key).await? {
            Some(entry) if entry.revision <= sequence => self
                .store
                .delete(&key, Condition::Revision(entry.revision))
                .await
                .map(drop),
            Some(_) | None => Ok(()),
        }
    }

    /// All entries of one shard. Costs a query of as many pages as it takes.
    pub(crate) async fn shard(
        &self,
        shard: u8,
        consistency: Consistency,
    ) -> Result<Vec<Entry>, StoreError> {
        let query = Query {
            consistency,
            ..Query::prefix(partition(shard), "")
        };
        let items = self.store.all(query).await?;
        Ok(items.into_iter().filter_map(entry).collect())
    }
}

fn entry(item: Item) -> Option<Entry> {
    match item.key.sort.parse() {
        Ok(address) => Some(Entry {
            address,
            body: item.body,
        }),
        Err(error) => {
            tracing::error!(sort = item.key.sort, %error, "entry of the open index is no address");
            None
        }
    }
}

fn partition(shard: u8) -> String {
    format!("open/{shard:02x}")
}

fn key(address: Address) -> Key {
    let [first, ..] = address.id;
    Key::new(partition(first % SHARDS), address.to_string())
}
