//! What calls of a table would cost on DynamoDB.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, Table, WriteError, check_item,
    check_key,
};

/// Bytes of a write unit. Source: DynamoDB developer guide, "Read and write operations".
pub const WRITE_UNIT_BYTES: usize = 1024;
/// Bytes of a read unit, which a strongly consistent read costs in full and an eventual one by half. Source: as above.
pub const READ_UNIT_BYTES: usize = 4096;

/// A table that counts what passes through it.
///
/// A write costs a unit for each KB begun, also when its condition does not hold: a put by the larger of the item and
/// of what stands under its key, as far as that was written through this table; a delete by what it removes, for which
/// that is read first, uncounted. Calls that fail otherwise cost nothing.
#[derive(Debug)]
pub struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
    /// Bytes of what was written.
    standing: Mutex<BTreeMap<Key, usize>>,
}

/// Names the kind of item that stands at a partition and a sort key (for a query: at the start of its range).
pub type KindOf = fn(partition: &str, sort: &str) -> &'static str;

/// Counters, in total and by kind of item.
#[derive(Debug)]
pub struct Meter {
    kind_of: KindOf,
    kinds: Mutex<BTreeMap<&'static str, Counts>>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Over all kinds.
    pub total: Counts,
    /// By kind of item.
    pub kinds: BTreeMap<&'static str, Counts>,
}

/// What was called and what it costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls of `get`.
    pub gets: u64,
    /// Calls of `query`: pages.
    pub queries: u64,
    /// Calls of `put`, refused ones included.
    pub puts: u64,
    /// Calls of `delete`, refused ones included.
    pub deletes: u64,
    /// Writes whose condition did not hold.
    pub refused: u64,
    /// Write units.
    pub write_units: u64,
    /// Units of 4 KB that were read strongly consistent, each at the full price.
    pub strong_read_units: u64,
    /// Units of 4 KB that were read eventually consistent, each at half the price.
    pub eventual_read_units: u64,
}

impl<T> Metered<T> {
    /// Counts everything as of one kind, `item`.
    pub fn new(inner: T) -> Self {
        Self::with_kinds(inner, |_, _| "item")
    }

    /// Counts by kind of item as well.
    pub fn with_kinds(inner: T, kind_of: KindOf) -> Self {
        Self {
            inner,
            meter: Arc::new(Meter {
                kind_of,
                kinds: Mutex::default(),
            }),
            standing: Mutex::default(),
        }
    }

    /// The counters, which stay readable when the table has been handed on.
    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The table beneath.
    pub const fn inner(&self) -> &T {
        &self.inner
    }
}

impl Meter {
    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = Counts::default();
        kinds.values().for_each(|counts| total += *counts);
        Snapshot {
            total,
            kinds: kinds.clone(),
        }
    }

    fn count(&self, partition: &str, sort: &str, counts: Counts) {
        let kind = (self.kind_of)(partition, sort);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        *kinds.entry(kind).or_default() += counts;
    }
}

impl Snapshot {
    /// What was counted since `earlier`, a snapshot of the same meter.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let kinds = self.kinds.iter().map(|(kind, counts)| {
            let before = earlier.kinds.get(kind).copied().unwrap_or_default();
            (*kind, counts.minus(before))
        });
        Self {
            total: self.total.minus(earlier.total),
            kinds: kinds.collect(),
        }
    }
}

impl Counts {
    /// All calls.
    pub const fn calls(&self) -> u64 {
        self.gets + self.queries + self.puts + self.deletes
    }

    /// Reading `bytes` in one call.
    fn read(consistency: Consistency, bytes: usize) -> Self {
        let units = units(bytes, READ_UNIT_BYTES);
        match consistency {
            Consistency::Strong => Self {
                strong_read_units: units,
                ..Self::default()
            },
            Consistency::Eventual => Self {
                eventual_read_units: units,
                ..Self::default()
            },
        }
    }

    /// Writing or removing `bytes`, which ended so.
    fn write(bytes: usize, outcome: &Result<(), WriteError>) -> Self {
        let refused = match outcome {
            Ok(()) => false,
            Err(WriteError::Condition(_)) => true,
            Err(
                WriteError::TooLarge { .. }
                | WriteError::BadKey(_)
                | WriteError::Throttled
                | WriteError::Unavailable(_),
            ) => return Self::default(),
        };
        Self {
            refused: u64::from(refused),
            write_units: units(bytes, WRITE_UNIT_BYTES),
            ..Self::default()
        }
    }

    fn minus(self, before: Self) -> Self {
        Self {
            gets: self.gets.saturating_sub(before.gets),
            queries: self.queries.saturating_sub(before.queries),
            puts: self.puts.saturating_sub(before.puts),
            deletes: self.deletes.saturating_sub(before.deletes),
            refused: self.refused.saturating_sub(before.refused),
            write_units: self.write_units.saturating_sub(before.write_units),
            strong_read_units: self
                .strong_read_units
                .saturating_sub(before.strong_read_units),
            eventual_read_units: self
                .eventual_read_units
                .saturating_sub(before.eventual_read_units),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.gets += more.gets;
        self.queries += more.queries;
        self.puts += more.puts;
        self.deletes += more.deletes;
        self.refused += more.refused;
        self.write_units += more.write_units;
        self.strong_read_units += more.strong_read_units;
        self.eventual_read_units += more.eventual_read_units;
    }
}

/// Units begun; a call costs at least one.
fn units(bytes: usize, unit: usize) -> u64 {
    u64::try_from(bytes.div_ceil(unit).max(1)).unwrap_or(u64::MAX)
}

#[async_trait]
impl<T: Table> Table for Metered<T> {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        let read = self.inner.get(key, consistency).await;
        let mut counts = Counts::default();
        if let Ok(found) = &read {
            counts = Counts::read(consistency, found.as_ref().map_or(0, Item::size));
        }
        counts.gets = 1;
        self.meter.count(&key.partition, &key.sort, counts);
        read
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let read = self.inner.query(query).await;
        let mut counts = Counts::default();
        if let Ok(page) = &read {
            let bytes = page.items.iter().map(Item::size).sum();
            counts = Counts::read(query.consistency, bytes);
        }
        counts.queries = 1;
        self.meter.count(&query.partition, &query.from, counts);
        read
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let (key, bytes) = (item.key.clone(), item.size());
        let outcome = self.inner.put(item, condition).await;
        self.count_put(&key, bytes, &outcome);
        outcome
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let bytes = self.standing_bytes(key).await;
        let outcome = self.inner.delete(key, condition).await;
        self.count_delete(key, bytes, &outcome);
        outcome
    }

    async fn put_unhurried(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let (key, bytes) = (item.key.clone(), item.size());
        let outcome = self.inner.put_unhurried(item, condition).await;
        self.count_put(&key, bytes, &outcome);
        outcome
    }

    async fn delete_unhurried(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let bytes = self.standing_bytes(key).await;
        let outcome = self.inner.delete_unhurried(key, condition).await;
        self.count_delete(key, bytes, &outcome);
        outcome
    }
}

impl<T: Table> Metered<T> {
    fn count_put(&self, key: &Key, bytes: usize, outcome: &Result<(), WriteError>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = standing.get(key).copied().unwrap_or_default();
        if outcome.is_ok() {
            standing.insert(key.clone(), bytes);
        }
        drop(standing);
        let mut counts = Counts::write(bytes.max(before), outcome);
        counts.puts = 1;
        self.meter.count(&key.partition, &key.sort, counts);
    }

    fn count_delete(&self, key: &Key, bytes: usize, outcome: &Result<(), WriteError>) {
        if outcome.is_ok() {
            let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
            standing.remove(key);
        }
        let mut counts = Counts::write(bytes, outcome);
        counts.deletes = 1;
        self.meter.count(&key.partition, &key.sort, counts);
    }

    /// Bytes of what stands under a key: what its removal is billed by.
    async fn standing_bytes(&self, key: &Key) -> usize {
        let stands = self.inner.get(key, Consistency::Strong).await;
        stands.ok().flatten().map_or(0, |item| item.size())
    }
}
