//! Logs: loading, reading and appending records, and snapshots.
//!
//! Key: partition the aggregate's address, sort key `log/{sequence:016x}`, `snapshot`, or `note/…` for
//! [annotations](crate::annotations).
//! A record's revision is its sequence number; the snapshot's is that of the last record in it.

use std::sync::Arc;

use jiff::Timestamp;
use porpoise_engine::Aggregate;
use porpoise_engine::input::Annotation;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::record::{self, ReadRecordError, Record};
use porpoise_model::limits::RECORD_BYTES_MAX;
use porpoise_model::{Address, VersionHash};
use porpoise_ports::table::{Condition, Consistency, Item, Key, Query};

use crate::app::App;
use crate::context::{ContextError, Steppable};
use crate::snapshot;
use crate::store::StoreError;

/// Sort keys of records begin so.
const LOG: &str = "log/";

/// An aggregate as its log tells it.
#[derive(Debug, Clone)]
pub struct Loaded<A: Aggregate> {
    /// The fold of all records up to [`Self::sequence`].
    pub state: A::State,
    /// What its version says; `None` before a first fact has named one.
    pub context: Option<Arc<A::Context>>,
    /// That version.
    pub version: Option<VersionHash>,
    /// The last record that is folded; 0: none.
    pub sequence: u64,
    /// Bytes of the records that are not in the snapshot.
    pub(crate) tail_bytes: usize,
    /// Bytes of the snapshot; 0: none.
    pub(crate) snapshot_bytes: usize,
    /// When the last record was written, if it was seen.
    pub(crate) written: Option<Timestamp>,
}

/// An aggregate could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The same call may succeed later, unless the store refused.
    #[error("cannot read the log of `{0}`")]
    Store(Address, #[source] StoreError),
    /// Written by a later release, or damaged.
    #[error("cannot read record {1} of `{0}`")]
    Record(Address, u64, #[source] ReadRecordError),
    /// A record is missing: the log was tampered with.
    #[error("the log of `{0}` lacks record {1}")]
    Gap(Address, u64),
    /// What the facts refer to cannot be had.
    #[error("cannot load what `{0}` is to be read with")]
    Context(Address, #[source] ContextError),
    /// A fact came before any fact that names a version.
    #[error("the log of `{0}` has facts before it names a version")]
    NoVersion(Address),
}

/// The outcome of an append.
#[derive(Debug)]
pub(crate) enum Appended {
    /// All records are durable.
    Written {
        /// How many.
        records: u64,
        /// How large, together.
        bytes: usize,
    },
    /// Another step was committed first; of a decision of several records, the first ones may stand.
    Conflict,
}

/// Records of a log with their numbers, oldest first.
#[derive(Debug)]
pub(crate) struct RecordsPage<A: Aggregate> {
    pub(crate) records: Vec<(u64, Record<A::Fact>)>,
    /// Whether there were no more when it was read.
    pub(crate) last: bool,
}

pub(crate) fn record_key(address: Address, sequence: u64) -> Key {
    Key::new(address.to_string(), record_sort(sequence))
}

fn record_sort(sequence: u64) -> String {
    format!("{LOG}{sequence:016x}")
}

fn records_after(address: Address, after: u64, limit: usize, consistency: Consistency) -> Query {
    Query {
        partition: address.to_string(),
        from: record_sort(after.saturating_add(1)),
        to: record_sort(u64::MAX),
        descending: false,
        limit,
        after: None,
        consistency,
    }
}

impl App {
    /// The records of a log after number `after`, at most `limit` of them, oldest first.
    ///
    /// Costs one query; a page may hold fewer than `limit` and still not be the last: it is the last when empty.
    pub async fn records<A: Steppable>(
        &self,
        address: Address,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Record<A::Fact>)>, LoadError> {
        let query = records_after(address, after, limit, Consistency::Strong);
        Ok(self.read_page::<A>(address, &query).await?.records)
    }

    /// As many records after number `after` as one query gives.
    pub(crate) async fn records_page<A: Steppable>(
        &self,
        address: Address,
        after: u64,
    ) -> Result<RecordsPage<A>, LoadError> {
        let query = records_after(address, after, usize::MAX, Consistency::Strong);
        self.read_page(address, &query).await
    }

    async fn read_page<A: Steppable>(
        &self,
        address: Address,
        query: &Query,
    ) -> Result<RecordsPage<A>, LoadError> {
        let page = self.store.page(query).await;
        let page = page.map_err(|error| LoadError::Store(address, error))?;
        let read = |item: Item| Ok((item.revision, read_record::<A>(address, &item)?));
        Ok(RecordsPage {
            records: page.items.into_iter().map(read).collect::<Result<_, _>>()?,
            last: page.next.is_none(),
        })
    }

    /// The aggregate as its log tells it now: snapshot and tail, or all records. Nothing is decided or sent.
    ///
    /// Costs a query; of a log of more records than a small run has, also a read, and a query of the records since the
    /// snapshot.
    pub async fn look<A: Steppable>(&self, address: Address) -> Result<Loaded<A>, LoadError> {
        self.look_as(address, Consistency::Strong).await
    }

    /// The same; where an eventual read will do, the newest records may be missing.
    pub(crate) async fn look_as<A: Steppable>(
        &self,
        address: Address,
        consistency: Consistency,
    ) -> Result<Loaded<A>, LoadError> {
        let context = |error| LoadError::Context(address, error);
        let unread = |error| LoadError::Store(address, error);
        let first = records_after(address, 0, self.read_first, consistency);
        let first = self.store.page(&first).await.map_err(unread)?;
        if first.next.is_some()
            && let Some(snapshot) = snapshot::read::<A>(self, address).await.map_err(unread)?
        {
            let mut loaded = Loaded {
                context: A::context(self, address.project, snapshot.version)
                    .await
                    .map_err(context)?,
                ..snapshot
            };
            self.catch_up(address, &mut loaded, consistency).await?;
            return Ok(loaded);
        }
        let mut loaded = Loaded {
            state: A::State::default(),
            context: A::context(self, address.project, None)
                .await
                .map_err(context)?,
            version: None,
            sequence: 0,
            tail_bytes: 0,
            snapshot_bytes: 0,
            written: None,
        };
        for item in &first.items {
            self.fold(address, &mut loaded, item).await?;
        }
        if first.next.is_some() {
            self.catch_up(address, &mut loaded, consistency).await?;
        }
        Ok(loaded)
    }

    /// Folds the records that came since; says whether there were any. An eventual read may miss the newest ones, and
    /// never one before others.
    pub(crate) async fn catch_up<A: Steppable>(
        &self,
        address: Address,
        loaded: &mut Loaded<A>,
        consistency: Consistency,
    ) -> Result<bool, LoadError> {
        let mut moved = false;
        let mut query = records_after(address, loaded.sequence, usize::MAX, consistency);
        loop {
            let page = self
                .store
                .page(&query)
                .await
                .map_err(|error| LoadError::Store(address, error))?;
            for item in &page.items {
                self.fold(address, loaded, item).await?;
                moved = true;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(moved),
            }
        }
    }

    async fn fold<A: Steppable>(
        &self,
        address: Address,
        loaded: &mut Loaded<A>,
        item: &Item,
    ) -> Result<(), LoadError> {
        let next = loaded.sequence + 1;
        if item.revision != next || item.key.sort != record_sort(next) {
            return Err(LoadError::Gap(address, next));
        }
        let record = read_record::<A>(address, item)?;
        for fact in &record.facts {
            if let Some(version) = A::version(fact).filter(|v| Some(*v) != loaded.version) {
                loaded.context = A::context(self, address.project, Some(version))
                    .await
                    .map_err(|error| LoadError::Context(address, error))?;
                loaded.version = Some(version);
            }
            let context = loaded
                .context
                .as_deref()
                .ok_or(LoadError::NoVersion(address))?;
            A::evolve(&mut loaded.state, context, fact, record.at);
        }
        loaded.sequence = next;
        loaded.written = Some(record.at);
        loaded.tail_bytes += item.body.len();
        Ok(())
    }

    /// Appends facts after record `sequence`: one put if absent, and one more for each further 64 KB.
    ///
    /// `breaks` are the positions in `facts` at which a decision begins: one that fits a record is never torn.
    pub(crate) async fn append<A: Aggregate>(
        &self,
        address: Address,
        sequence: u64,
        at: Timestamp,
        facts: Vec<A::Fact>,
        breaks: &[usize],
        notes: &[Annotation],
    ) -> Result<Appended, StoreError> {
        let condition = if mutant::on(Mutant::RecordOverwritten) {
            Condition::None
        } else {
            Condition::Absent
        };
        let (mut records, mut bytes) = (0, 0);
        let mut notes = notes;
        for body in split::<A>(at, facts, breaks) {
            let body = record::with_notes(body, std::mem::take(&mut notes));
            records += 1;
            bytes += body.len();
            let item = Item {
                key: record_key(address, sequence + records),
                revision: sequence + records,
                body: body.into(),
            };
            if !self.store.put(item, condition).await? {
                return Ok(Appended::Conflict);
            }
        }
        Ok(Appended::Written { records, bytes })
    }

    /// All records of a log as they are stored, oldest first. Costs a query.
    pub(crate) async fn log_items(&self, address: Address) -> Result<Vec<Item>, StoreError> {
        let query = Query::prefix(address.to_string(), LOG);
        self.store.all(query).await
    }

    /// When the last record of a log was written, about: as an eventual read of it tells. Costs such a read.
    pub(crate) async fn last_written(&self, address: Address) -> Option<Timestamp> {
        let last = Query {
            descending: true,
            limit: 1,
            consistency: Consistency::Eventual,
            ..Query::prefix(address.to_string(), LOG)
        };
        let page = self.store.page(&last).await.ok()?;
        let last = page.items.into_iter().next()?;
        record::time(&last.body).ok()
    }
}

fn read_record<A: Aggregate>(address: Address, item: &Item) -> Result<Record<A::Fact>, LoadError> {
    Record::from_bytes(&item.body).map_err(|error| LoadError::Record(address, item.revision, error))
}

/// The encoded records of a decision. All in one if they fit.
fn split<A: Aggregate>(at: Timestamp, facts: Vec<A::Fact>, breaks: &[usize]) -> Vec<Vec<u8>> {
    let whole = Record { at, facts };
    let bytes = whole.to_bytes();
    if bytes.len() <= RECORD_BYTES_MAX {
        return vec![bytes];
    }
    let sizes: Vec<usize> = whole.facts.iter().map(minicbor_len).collect();
    let mut facts = whole.facts.into_iter();
    cut(&sizes, breaks)
        .into_iter()
        .map(|count| {
            let facts = facts.by_ref().take(count).collect();
            Record { at, facts }.to_bytes()
        })
        .collect()
}

fn minicbor_len<F: minicbor::Encode<()>>(fact: &F) -> usize {
    minicbor::to_vec(fact).map_or(0, |bytes| bytes.len())
}

/// How many facts go into each record. A record has 32 bytes beside its facts at most.
fn cut(sizes: &[usize], breaks: &[usize]) -> Vec<usize> {
    let room = RECORD_BYTES_MAX - 32;
    let (mut counts, mut count, mut used) = (Vec::new(), 0, 0);
    for (at, size) in sizes.iter().enumerate() {
        let whole = decision_size(sizes, breaks, at);
        let tears = whole.is_some_and(|whole| whole <= room && used + whole > room);
        if count > 0 && (tears || used + size > room) {
            counts.push(count);
            (count, used) = (0, 0);
        }
        count += 1;
        used += size;
    }
    counts.push(count);
    counts
}

/// The size of the decision that begins at `at`, if one does.
fn decision_size(sizes: &[usize], breaks: &[usize], at: usize) -> Option<usize> {
    let found = breaks.binary_search(&at).ok()?;
    let end = breaks.get(found + 1).copied().unwrap_or(sizes.len());
    sizes.get(at..end).map(|sizes| sizes.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_that_fits_a_record_is_never_torn() {
        let room = RECORD_BYTES_MAX - 32;
        let half = room / 2;
        assert_eq!(cut(&[half, half, half], &[0, 1, 2]), [2, 1]);
        assert_eq!(cut(&[half, half, half], &[0, 1]), [1, 2]);
    }

    #[test]
    fn a_decision_beyond_a_record_fills_several() {
        let third = (RECORD_BYTES_MAX - 32) / 3;
        assert_eq!(cut(&[third; 7], &[0]), [3, 3, 1]);
        assert_eq!(cut(&[RECORD_BYTES_MAX * 2, 1], &[0, 1]), [1, 1]);
    }
}
