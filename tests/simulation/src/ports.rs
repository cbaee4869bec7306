//! The ports of a host over the world: each call is a point at which anything can happen.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use porpoise_app::PullBus;
use porpoise_engine::record;
use porpoise_model::job::Job;
use porpoise_model::{Address, ProjectId, Target, VersionHash};
use porpoise_ports::executor::{
    JobRef, JobReport, JobUsage, LogChunk, LogError, News, Rate, SubmitError, Submitted,
};
use porpoise_ports::notices::Notice;
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{
    Blobs, Bus, Clock, Executor, Ids, Loops, Notices, Queue, Table, Timers, Unavailable,
};

use crate::check::Checks;
use crate::fault::{Fault, Op};
use crate::mail::TakenIn;
use crate::site::SITE;
use crate::world::{Event, Failed, Hub, MILLI, SECOND, World, lock};

/// Who hands over to a queue in process waits so long.
const PATIENCE: i64 = 20 * SECOND;

pub(crate) fn unavailable(what: &'static str) -> Unavailable {
    Unavailable::new(what, "as the simulator wanted it")
}

pub(crate) fn read_error(failed: Failed) -> ReadError {
    match failed {
        Failed::Throttled => ReadError::Throttled,
        Failed::Unavailable => unavailable("the table").into(),
    }
}

pub(crate) fn write_error(failed: Failed) -> WriteError {
    match failed {
        Failed::Throttled => WriteError::Throttled,
        Failed::Unavailable => unavailable("the table").into(),
    }
}

/// What is written under a key.
pub(crate) fn kind_of(key: &Key, delete: bool) -> Op {
    let (partition, sort) = (key.partition.as_str(), key.sort.as_str());
    if sort.starts_with("log/") {
        Op::PutRecord
    } else if sort == "snapshot" {
        Op::PutSnapshot
    } else if partition.starts_with("open/") {
        if delete { Op::DeleteOpen } else { Op::PutOpen }
    } else if let Some(place) = partition.strip_prefix("jobs/") {
        match (place.contains('/'), delete) {
            (true, _) => Op::PutJob,
            (false, false) => Op::PutJobEntry,
            (false, true) => Op::DeleteJobEntry,
        }
    } else if partition.starts_with("loop/") {
        Op::PutLoop
    } else if partition.starts_with("budget/") {
        Op::PutBudget
    } else if partition.starts_with("sent/") {
        Op::PutSent
    } else if partition.starts_with("pull/") {
        if delete {
            Op::DeleteOrder
        } else {
            Op::PutOrder
        }
    } else if partition.contains("/waits/") {
        if delete { Op::DeleteWait } else { Op::PutWait }
    } else if partition.contains("/runs") {
        Op::PutLine
    } else {
        Op::PutWorkflow
    }
}

impl World {
    pub(crate) fn get(&mut self, key: &Key, consistency: Consistency) -> Option<Item> {
        if consistency == Consistency::Eventual && key.sort == "snapshot" {
            let stale = self.rates.stale;
            if self.former.contains_key(&key.partition)
                && self.strikes(stale, Fault::Stale, Op::Read)
            {
                return self.former.get(&key.partition).cloned().flatten();
            }
        }
        self.item(key)
    }

    /// An eventual read of a log may miss its newest records.
    fn query(&mut self, query: &Query) -> Result<Page, ReadError> {
        let mut page = self.page(query)?;
        let ends_it = query.descending || page.next.is_none();
        let hides = query.consistency == Consistency::Eventual
            && query.from.starts_with("log/")
            && ends_it
            && !page.items.is_empty();
        if !hides || !self.strikes(self.rates.stale, Fault::Stale, Op::Query) {
            return Ok(page);
        }
        let hidden = 1 + usize::try_from(self.chance.below(2)).unwrap_or_default();
        if query.descending {
            let limit = query.limit.saturating_add(hidden);
            let more = Query {
                limit,
                ..query.clone()
            };
            page = self.page(&more)?;
            page.items.drain(..hidden.min(page.items.len()));
        } else {
            let left = page.items.len().saturating_sub(hidden);
            page.items.truncate(left);
        }
        Ok(page)
    }

    fn page(&self, query: &Query) -> Result<Page, ReadError> {
        let page = self.table.query(query).now_or_never();
        page.unwrap_or(Err(ReadError::Throttled))
    }

    fn item(&self, key: &Key) -> Option<Item> {
        let read = self.table.get(key, Consistency::Strong).now_or_never();
        read.and_then(Result::ok).flatten()
    }

    pub(crate) fn put(&mut self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let op = kind_of(&item.key, false);
        self.mix_bytes(item.key.sort.as_bytes());
        let former = (op == Op::PutSnapshot).then(|| self.item(&item.key));
        let key = item.key.clone();
        let (body, revision) = (item.body.clone(), item.revision);
        let put = self.table.put(item, condition).now_or_never();
        let put = put.unwrap_or(Err(WriteError::Throttled));
        self.mix(u64::from(put.is_ok()));
        if put.is_err() {
            self.tell(|| format!("    refused {op:?} {} {condition:?}", key.sort));
            return put;
        }
        if op != Op::PutRecord {
            self.tell(|| format!("    {op:?} {} {} rev {revision}", key.partition, key.sort));
        }
        if let Some(former) = former {
            self.former.insert(key.partition.clone(), former);
        }
        if op == Op::PutRecord {
            self.mix_bytes(&body);
            self.recorded(&key, revision, &body);
            for note in record::notes(&body).unwrap_or_default() {
                self.bill(&key.partition, &note.body);
            }
        } else if key.sort.starts_with("note/usage/") {
            self.bill(&key.partition, &body);
        } else if key.sort.starts_with("note/") {
            let note = minicbor::decode::<(u8, VersionHash, String, i64)>(&body);
            let why = note.map_or_else(|error| error.to_string(), |note| note.2);
            let what = format!("an input of {} was rejected: {why}", key.partition);
            self.violate("log-is-truth", what);
        }
        put
    }

    fn recorded(&mut self, key: &Key, revision: u64, body: &[u8]) {
        let Ok(address) = key.partition.parse::<Address>() else {
            return;
        };
        if self.story.is_some() {
            let line = Checks::in_words(address, body);
            self.tell(|| format!("    {address} record {revision}: {line}"));
        }
        let checked = self.checks.record(address, revision, body, &self.target);
        if let Err((invariant, what)) = checked {
            self.violate(invariant, format!("{address}, record {revision}: {what}"));
        }
    }

    fn delete_item(&mut self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.mix_bytes(key.sort.as_bytes());
        let op = kind_of(key, true);
        self.tell(|| format!("    {op:?} {} {} {condition:?}", key.partition, key.sort));
        if key.sort.starts_with("log/") {
            self.violate("log-is-truth", format!("{} is deleted", key.sort));
        }
        let deleted = self.table.delete(key, condition).now_or_never();
        deleted.unwrap_or(Err(WriteError::Throttled))
    }
}

#[async_trait]
impl Table for Hub {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        self.call(Op::Read, |world| world.get(key, consistency))
            .await
            .map_err(read_error)
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let read = |world: &mut World| world.query(query);
        self.call(Op::Query, read).await.map_err(read_error)?
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let op = kind_of(&item.key, false);
        self.call(op, |world| world.put(item, condition))
            .await
            .map_err(write_error)?
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        let op = kind_of(key, true);
        self.call(op, |world| world.delete_item(key, condition))
            .await
            .map_err(write_error)?
    }
}

#[async_trait]
impl Blobs for Hub {
    async fn put(
        &self,
        _: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let hash = VersionHash::of(&bytes);
        self.call(Op::PutBlob, |world| {
            world.blobs.insert((project, hash), bytes);
        })
        .await
        .map_err(|_| unavailable("the blobs"))?;
        Ok(hash)
    }

    async fn get(
        &self,
        _: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let read = |world: &mut World| world.blobs.get(&(project, hash)).cloned();
        let read = self.call(Op::GetBlob, read).await;
        read.map_err(|_| unavailable("the blobs"))
    }
}

#[async_trait]
impl Queue for Hub {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let sent = self.call(Op::SendInputs, |world| world.enqueue(messages));
        sent.await.map(drop).map_err(|_| unavailable("the queue"))
    }

    /// In process, nothing but a step that is written makes a message safe.
    async fn hand_over(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let sent = self.call(Op::SendInputs, |world| world.enqueue(messages));
        let tickets = sent.await.map_err(|_| unavailable("the queue"))?;
        let (in_process, until) = {
            let world = lock(&self.world);
            (world.mail.in_process, world.now + PATIENCE)
        };
        if !in_process {
            return Ok(());
        }
        let taken_in = TakenIn {
            world: Arc::clone(&self.world),
            tickets,
            until,
            set: false,
        };
        let in_time = taken_in.await;
        in_time
            .then_some(())
            .ok_or_else(|| unavailable("the queue"))
    }
}

#[async_trait]
impl Bus for Hub {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        if place == SITE {
            let hub = Arc::new(self.clone());
            return PullBus::new(hub.clone(), hub).send(place, intents).await;
        }
        let sent = self.call(Op::SendIntents, |world| world.post(intents));
        sent.await.map_err(|_| unavailable("the bus"))
    }
}

#[async_trait]
impl Timers for Hub {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let at = at.as_microsecond();
        let armed = self.call(Op::ArmWake, |world| world.set_wake(aggregate, at));
        armed.await.map_err(|_| unavailable("the timers"))
    }
}

impl Clock for Hub {
    fn now(&self) -> Timestamp {
        lock(&self.world).now_at(self.host)
    }
}

impl Ids for Hub {
    fn fresh(&self) -> u128 {
        lock(&self.world).chance.bits128()
    }
}

impl World {
    /// Starts an execution, unless one of that name was started before.
    fn start_loop(&mut self, epoch: u64) {
        self.mix(epoch);
        if let Entry::Vacant(free) = self.loops.entry(epoch) {
            free.insert(true);
            self.after(200 * MILLI, Event::LoopTick(epoch, 0));
        }
    }
}

#[async_trait]
impl Loops for Hub {
    async fn start(&self, _: &str, epoch: u64) -> Result<(), Unavailable> {
        let started = self.call(Op::StartLoop, |world| world.start_loop(epoch));
        started.await.map_err(|_| unavailable("the loops"))
    }

    async fn is_alive(&self, _: &str, epoch: u64) -> Result<bool, Unavailable> {
        let alive = |world: &mut World| world.loops.get(&epoch) == Some(&true);
        let alive = self.call(Op::AskLoop, alive).await;
        alive.map_err(|_| unavailable("the loops"))
    }
}

#[async_trait]
impl Notices for Hub {
    async fn send(&self, notice: &Notice) -> Result<(), Unavailable> {
        let told = self.call(Op::Notify, |world| world.notice(notice));
        told.await.map_err(|_| unavailable("the channel"))
    }
}

impl World {
    fn notice(&mut self, notice: &Notice) {
        self.mix_bytes(notice.key().as_bytes());
        self.tell(|| format!("    told {notice:?}"));
        if let Err((invariant, what)) = self.checks.told(notice) {
            self.violate(invariant, what);
        }
    }
}

#[async_trait]
impl Executor for Hub {
    fn rate(&self, _: Option<&Target>) -> Option<Rate> {
        lock(&self.world).target.rate()
    }

    fn billed_after(&self) -> Option<SignedDuration> {
        let bills = lock(&self.world).is_billed();
        bills.then_some(SignedDuration::from_secs(90))
    }

    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        self.call(Op::List, |world| world.target.bill(&job.key))
            .await
            .map_err(|_| unavailable("the target"))
    }

    fn remembers(&self) -> bool {
        lock(&self.world).target.remembers()
    }

    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.call(Op::Submit, |world| world.submit(job))
            .await
            .map_err(|_| SubmitError::Unavailable(unavailable("the target")))?
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        self.call(Op::List, |world| world.target.list(jobs))
            .await
            .map_err(|_| unavailable("the target"))
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        self.call(Op::Cancel, |world| world.cancel(job.key))
            .await
            .map_err(|_| unavailable("the target"))
    }

    async fn log(&self, _: &JobRef, _: u64, _: usize) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }

    fn read_event(&self, event: &str) -> Option<News> {
        let world = lock(&self.world);
        world.target.behind(event)?;
        Some(News {
            external_id: event.to_owned(),
            state: None,
            succeeded: world.target.succeeded(event),
            usage: None,
        })
    }
}
