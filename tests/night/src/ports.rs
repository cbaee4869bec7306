//! The ports over the world: each call is a point at which a function can be killed.

use std::collections::btree_map::Entry;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use jiff::Timestamp;
use porpoise_app::HOME;
use porpoise_model::job::Job;
use porpoise_model::{Address, ProjectId, Target, VersionHash};
use porpoise_ports::executor::{
    JobRef, JobReport, JobUsage, LogChunk, LogError, News, Rate, SubmitError, Submitted,
};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{Blobs, Bus, Clock, Executor, Ids, Loops, Queue, Table, Timers, Unavailable};

use crate::world::{Event, Failed, Hub, MILLI, MINUTE, SECOND, Ticking, World, lock, micros};

/// The places with data, the home's first.
pub(crate) const PLACES: [&str; 2] = [
    "aws.eu-central-1.111122223333",
    "aws.eu-west-1.111122223333",
];

/// Which place this is.
pub(crate) fn number(place: &str) -> Option<usize> {
    match place {
        HOME => Some(0),
        place => PLACES.iter().position(|known| *known == place),
    }
}

fn unavailable(what: &'static str) -> Unavailable {
    Unavailable::new(what, "as the night wanted it")
}

fn read_error(failed: Failed) -> ReadError {
    match failed {
        Failed::Throttled => ReadError::Throttled,
        Failed::Unavailable => unavailable("the table").into(),
    }
}

fn write_error(failed: Failed) -> WriteError {
    match failed {
        Failed::Throttled => WriteError::Throttled,
        Failed::Unavailable => unavailable("the table").into(),
    }
}

#[async_trait]
impl Table for Hub {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        let store = self.store;
        let get = |world: &mut World| {
            world.stores[store]
                .table
                .get(key, consistency)
                .now_or_never()
        };
        let got = self.call(("get item", true), get).await;
        got.map_err(read_error)?
            .unwrap_or(Err(ReadError::Throttled))
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let store = self.store;
        let read = |world: &mut World| world.stores[store].table.query(query).now_or_never();
        let page = self.call(("query", true), read).await;
        page.map_err(read_error)?
            .unwrap_or(Err(ReadError::Throttled))
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let store = self.store;
        let put = |world: &mut World| {
            world.mix_bytes(item.key.sort.as_bytes());
            world.tell(|| {
                format!(
                    "    {store} put {} {} {}",
                    item.key.partition, item.key.sort, item.revision
                )
            });
            let put = world.stores[store]
                .table
                .put(item, condition)
                .now_or_never();
            put.unwrap_or(Err(WriteError::Throttled))
        };
        self.call(("put item", false), put)
            .await
            .map_err(write_error)?
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        let store = self.store;
        let delete = |world: &mut World| {
            world.mix_bytes(key.sort.as_bytes());
            let deleted = world.stores[store].table.delete(key, condition);
            deleted.now_or_never().unwrap_or(Err(WriteError::Throttled))
        };
        self.call(("delete item", false), delete)
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
        let store = self.store;
        let put = |world: &mut World| {
            world.stores[store].blobs.insert((project, hash), bytes);
        };
        let put = self.call(("put blob", false), put).await;
        put.map_err(|_| unavailable("the blobs"))?;
        Ok(hash)
    }

    async fn get(
        &self,
        _: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let store = self.store;
        let read = |world: &mut World| world.stores[store].blobs.get(&(project, hash)).cloned();
        let read = self.call(("get blob", true), read).await;
        read.map_err(|_| unavailable("the blobs"))
    }
}

#[async_trait]
impl Queue for Hub {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let sent = self.call(("send inputs", false), |world| world.enqueue(messages));
        sent.await.map_err(|_| unavailable("the queue"))
    }
}

#[async_trait]
impl Bus for Hub {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let number = number(place).ok_or_else(|| unavailable("a bus of no place"))?;
        let sent = self.call(("send intents", false), |world| {
            world.post(number, &intents);
        });
        sent.await.map_err(|_| unavailable("the bus"))
    }
}

impl World {
    /// Intents set out.
    fn post(&mut self, place: usize, intents: &[Bytes]) {
        for intent in intents {
            self.mix_bytes(intent);
        }
        if self.strikes(self.rates.lose_intents, "lost", "intents") {
            return;
        }
        let copies = 1 + u32::from(self.strikes(self.rates.double_intents, "doubled", "intents"));
        for _ in 0..copies {
            let late = self.strikes(50, "late", "intents");
            let longest = if late { 5 * MINUTE } else { SECOND };
            let delay = self.chance.between(10 * MILLI, longest);
            self.after(delay, Event::Intents(place, intents.to_vec(), 0));
        }
    }
}

#[async_trait]
impl Timers for Hub {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let at = at.as_microsecond();
        let arm = |world: &mut World| {
            if !world.strikes(world.rates.lose_wake, "lost", "wake") {
                let late = world.chance.between(0, 5 * SECOND);
                world.at(at.max(world.now) + late, Event::Wake(aggregate, at));
            }
        };
        let armed = self.call(("arm wake", false), arm).await;
        armed.map_err(|_| unavailable("the timers"))
    }
}

impl Clock for Hub {
    fn now(&self) -> Timestamp {
        self.watch.now()
    }
}

impl Ids for Hub {
    fn fresh(&self) -> u128 {
        lock(&self.world).chance.bits128()
    }
}

#[async_trait]
impl Loops for Hub {
    async fn start(&self, place: &str, epoch: u64) -> Result<(), Unavailable> {
        let place = number(place).ok_or_else(|| unavailable("a loop of no place"))?;
        let start = |world: &mut World| {
            if let Entry::Vacant(free) = world.loops.entry((place, epoch)) {
                free.insert(true);
                let first = Ticking {
                    place,
                    epoch,
                    tick: 0,
                    tries: 0,
                };
                world.after(300 * MILLI, Event::Tick(first));
            }
        };
        let started = self.call(("start loop", false), start).await;
        started.map_err(|_| unavailable("the loops"))
    }

    async fn is_alive(&self, place: &str, epoch: u64) -> Result<bool, Unavailable> {
        let place = number(place).ok_or_else(|| unavailable("a loop of no place"))?;
        let alive = |world: &mut World| world.loops.get(&(place, epoch)) == Some(&true);
        let alive = self.call(("see loop", true), alive).await;
        alive.map_err(|_| unavailable("the loops"))
    }
}

/// A real executor, before and after whose calls its function can be killed.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) hub: Hub,
    pub(crate) executor: Arc<dyn Executor>,
}

#[async_trait]
impl Executor for Guarded {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let (executor, job) = (Arc::clone(&self.executor), job.clone());
        let submit = |world: &mut World| {
            let key = job.key;
            let second = world.mutant.and_then(|mutant| mutant.second(&job));
            let submitted = world.service.run(async {
                let submitted = executor.submit(&job).await;
                if let Some(second) = second {
                    _ = executor.submit(&second).await; // the bug is that it is asked at all
                }
                submitted
            });
            world.mix(u64::from(submitted.is_ok()));
            world.tell(|| format!("    submit {key}: {submitted:?}"));
            submitted
        };
        let submitted = self.hub.call(("submit", false), submit).await;
        submitted.map_err(|_| SubmitError::Unavailable(unavailable("the target")))?
    }

    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let (executor, jobs) = (Arc::clone(&self.executor), jobs.to_vec());
        let list = |world: &mut World| {
            let count = jobs.len();
            let listed = world.service.run(async move { executor.list(&jobs).await });
            let (mutant, now) = (world.mutant, micros(world.now));
            let listed = listed.map(|reports| match mutant {
                None => reports,
                Some(mutant) => {
                    let said = reports.into_iter();
                    said.map(|report| mutant.says(report, now)).collect()
                }
            });
            let found = listed.as_ref().map_or(0, Vec::len);
            world.mix(found as u64);
            world.tell(|| format!("    list {count}: {found}, {:?}", listed.as_ref().err()));
            listed
        };
        let listed = self.hub.call(("list", true), list).await;
        listed.map_err(|_| unavailable("the target"))?
    }

    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        let (executor, job) = (Arc::clone(&self.executor), job.clone());
        let cancel = |world: &mut World| {
            world
                .service
                .run(async move { executor.cancel(&job).await })
        };
        let canceled = self.hub.call(("cancel", false), cancel).await;
        canceled.map_err(|_| unavailable("the target"))?
    }

    async fn log(&self, _: &JobRef, _: u64, _: usize) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }

    fn rate(&self, target: Option<&Target>) -> Option<Rate> {
        self.executor.rate(target)
    }

    fn remembers(&self) -> bool {
        self.executor.remembers()
    }

    async fn usage(&self, job: &JobRef) -> Result<Option<JobUsage>, Unavailable> {
        let (executor, job) = (Arc::clone(&self.executor), job.clone());
        let usage =
            |world: &mut World| world.service.run(async move { executor.usage(&job).await });
        let usage = self.hub.call(("usage", true), usage).await;
        usage.map_err(|_| unavailable("the target"))?
    }

    fn read_event(&self, event: &str) -> Option<News> {
        self.executor.read_event(event)
    }
}
