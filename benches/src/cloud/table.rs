//! A table as a copy of a function has it: it answers after a while, and what a call costs goes to that copy's ledger.

use std::sync::Arc;

use async_trait::async_trait;
use porpoise_ports::Table;
use porpoise_ports::meter::{Counts, Metered};
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::usage::Line;
use porpoise_store_memory::MemoryTable;

use super::assumed::Service;
#[cfg(test)]
use super::replay::Op;
use super::world::Caller;

/// Bytes that an item is billed by beyond its own, when it is stored. Source: DynamoDB developer guide, "On-demand
/// capacity mode", on table storage.
const STORED_BESIDE_BYTES: usize = 100;

pub(crate) type Metering = Arc<Metered<MemoryTable>>;

#[derive(Debug)]
pub(crate) struct CloudTable {
    pub(crate) caller: Caller,
    pub(crate) table: Metering,
}

/// What sort of item stands at a key.
pub(crate) fn kind_of(partition: &str, sort: &str) -> &'static str {
    let jobs = partition
        .strip_prefix("jobs/")
        .map(|rest| rest.contains('/'));
    match (partition.split('/').next().unwrap_or_default(), jobs) {
        ("open", _) => "open index",
        ("budget", _) => "budget",
        ("loop", _) => "loop",
        (_, Some(true)) => "job",
        (_, Some(false)) => "job index",
        _ => match sort.split('/').next().unwrap_or_default() {
            "log" => "record",
            "snapshot" => "snapshot",
            _ if partition.contains("/runs") => "list",
            _ => "other",
        },
    }
}

/// Bytes that a table is billed by when it is stored.
pub(crate) fn stored_bytes(table: &Metering) -> u64 {
    let mut sum = 0;
    table.inner().for_each(|partition, sort, _, body| {
        sum += partition.len() + sort.len() + body.len() + 8 + STORED_BESIDE_BYTES;
    });
    u64::try_from(sum).unwrap_or(u64::MAX)
}

impl CloudTable {
    #[cfg(test)]
    fn tape(&self, op: Op) {
        let table = std::ptr::from_ref(&*self.table).addr();
        super::time::lock(&self.caller.world.tape).push(super::replay::Asked { table, op });
    }

    async fn before(&self, call: &str, partition: &str, sort: &str) -> Counts {
        let what = format!("{call} ({})", kind_of(partition, sort));
        self.caller.call(Service::DynamoDb, what).await;
        self.table.meter().snapshot().total
    }

    /// The table in memory answers at once, so nobody else counts in between.
    fn after(&self, before: Counts) {
        let now = self.table.meter().snapshot().total;
        let half_reads = |counts: Counts| 2 * counts.strong_read_units + counts.eventual_read_units;
        let ledger = &self.caller.ledger;
        ledger.count(Line::TableWrites, now.write_units - before.write_units);
        ledger.count(Line::TableHalfReads, half_reads(now) - half_reads(before));
    }
}

#[async_trait]
impl Table for CloudTable {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        let before = self.before("GetItem", &key.partition, &key.sort).await;
        #[cfg(test)]
        self.tape(Op::Get(key.clone(), consistency));
        let read = self.table.get(key, consistency).await;
        self.after(before);
        read
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let before = self.before("Query", &query.partition, &query.from).await;
        #[cfg(test)]
        self.tape(Op::Query(query.clone()));
        let read = self.table.query(query).await;
        self.after(before);
        read
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let key = &item.key;
        let before = self.before("PutItem", &key.partition, &key.sort).await;
        #[cfg(test)]
        self.tape(Op::Put(item.clone(), condition));
        let written = self.table.put(item, condition).await;
        self.after(before);
        written
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        let before = self.before("DeleteItem", &key.partition, &key.sort).await;
        #[cfg(test)]
        self.tape(Op::Delete(key.clone(), condition));
        let deleted = self.table.delete(key, condition).await;
        self.after(before);
        deleted
    }
}
