//! Items in nested maps.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, Table, WriteError, check_item,
    check_key,
};

/// A table in memory. Reads of both consistencies see every write.
#[derive(Debug, Default)]
pub struct MemoryTable {
    partitions: Mutex<Partitions>,
}

/// By partition, then by sort key.
type Partitions = BTreeMap<String, BTreeMap<String, Stored>>;

/// What stands under a key.
#[derive(Debug, Clone)]
struct Stored {
    revision: u64,
    body: Bytes,
}

impl MemoryTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows every item, in the order of partitions and sort keys, without copying: partition, sort key, revision,
    /// body. The table is locked meanwhile.
    pub fn for_each(&self, mut see: impl FnMut(&str, &str, u64, &Bytes)) {
        for (partition, items) in &*self.lock() {
            for (sort, stored) in items {
                see(partition, sort, stored.revision, &stored.body);
            }
        }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.lock().values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// A panic elsewhere leaves the maps whole: each change is one call.
    fn lock(&self) -> MutexGuard<'_, Partitions> {
        self.partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Table for MemoryTable {
    async fn get(&self, key: &Key, _: Consistency) -> Result<Option<Item>, ReadError> {
        let partitions = self.lock();
        let stored = stored(&partitions, key).cloned();
        drop(partitions);
        Ok(stored.map(|stored| item(key.clone(), &stored)))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        Ok(self
            .lock()
            .get(query.partition.as_str())
            .map_or_else(Page::default, |items| page(items, query)))
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        check_item(&item)?;
        let mut partitions = self.lock();
        if !holds(condition, &partitions, &item.key) {
            return Err(WriteError::Condition(item.key));
        }
        let Item {
            key,
            revision,
            body,
        } = item;
        let stored = Stored { revision, body };
        match partitions.get_mut(key.partition.as_str()) {
            Some(items) => drop(items.insert(key.sort, stored)),
            None => drop(partitions.insert(key.partition, BTreeMap::from([(key.sort, stored)]))),
        }
        Ok(())
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        check_key(key)?;
        let mut partitions = self.lock();
        if !holds(condition, &partitions, key) {
            return Err(WriteError::Condition(key.clone()));
        }
        if let Some(items) = partitions.get_mut(key.partition.as_str()) {
            items.remove(key.sort.as_str());
            if items.is_empty() {
                partitions.remove(key.partition.as_str());
            }
        }
        Ok(())
    }
}

fn stored<'a>(partitions: &'a Partitions, key: &Key) -> Option<&'a Stored> {
    partitions
        .get(key.partition.as_str())?
        .get(key.sort.as_str())
}

fn holds(condition: Condition, partitions: &Partitions, key: &Key) -> bool {
    condition == Condition::None
        || condition.holds(stored(partitions, key).map(|stored| stored.revision))
}

fn item(key: Key, stored: &Stored) -> Item {
    Item {
        key,
        revision: stored.revision,
        body: stored.body.clone(),
    }
}

/// The page of one partition that a query asks for.
fn page(items: &BTreeMap<String, Stored>, query: &Query) -> Page {
    let (from, to) = query.half_open();
    if to.as_deref().is_some_and(|to| to <= &*from) {
        return Page::default();
    }
    let to = to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let range = items
        .range::<str, _>((Bound::Included(&*from), to))
        .map(|(sort, stored)| {
            Ok::<_, Infallible>(item(
                Key::new(query.partition.as_str(), sort.as_str()),
                stored,
            ))
        });
    let filled = if query.descending {
        Page::fill(query.limit, range.rev())
    } else {
        Page::fill(query.limit, range)
    };
    match filled {
        Ok(page) => page,
        Err(impossible) => match impossible {},
    }
}
