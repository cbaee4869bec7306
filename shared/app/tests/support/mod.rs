//! A world in memory whose every call can be the last one, or fail after it took effect.

mod channel;
mod event;
mod executor;
mod log;
pub mod retail;
mod stand;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use jiff::Timestamp;
use porpoise_app::{App, Delivery, Executors, Ports};
use porpoise_model::job::{Job, Work};
use porpoise_model::{Address, AttemptKey, Cause, ProjectId, VersionHash};
use porpoise_ports::executor::{JobRef, JobState, JobUsage, JobUsageLine};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{Blobs, Bus, Clock, Executor, Ids, Queue, Table, Timers, Unavailable};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};

use channel::Channel;

pub const PLACE: &str = "local";

/// What happens at the call whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call takes effect.
    Cut,
    /// The call takes effect, and its caller hears that it failed.
    LostAnswer,
    /// The call comes after all that others have to do.
    Stand,
}

#[derive(Debug)]
pub struct Fuse {
    left: AtomicI64,
    calls: AtomicU64,
    fault: Fault,
    goes_on: AtomicBool,
    trace: Mutex<Vec<String>>,
}

impl Fuse {
    /// `Err`: say that it failed, after doing it.
    async fn pass(&self, call: &str) -> bool {
        self.trace.lock().unwrap().push(call.to_owned());
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.left.fetch_sub(1, Ordering::SeqCst) != 0 {
            return true;
        }
        match self.fault {
            Fault::Cut => std::future::pending().await,
            Fault::LostAnswer => false,
            Fault::Stand => stand::until(&self.goes_on).await,
        }
    }
}

/// Whether there was one left.
fn counts_down(left: &AtomicU64) -> bool {
    let one_less = |left: u64| left.checked_sub(1);
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
        .is_ok()
}

pub fn bill(hours: u64) -> JobUsage {
    JobUsage {
        lines: vec![JobUsageLine {
            measure: "vcpu_hours".to_owned(),
            millionths: hours * 1_000_000,
            nanodollars: None,
        }],
    }
}

fn lost() -> Unavailable {
    Unavailable::new("the world", "answer lost")
}

#[derive(Debug)]
pub struct World {
    fuse: Fuse,
    pub table: MemoryTable,
    blobs: MemoryBlobs,
    now: AtomicI64,
    ids: AtomicU64,
    pub queue: Mutex<BTreeMap<Address, VecDeque<Bytes>>>,
    pub bus: Mutex<VecDeque<(String, Vec<Bytes>)>>,
    pub wakes: Mutex<Vec<(i64, Address)>>,
    pub jobs: Mutex<BTreeMap<AttemptKey, (Job, JobState)>>,
    pub submits: Mutex<Vec<(u32, u32)>>,
    pub canceled: Mutex<Vec<AttemptKey>>,
    pub capacity: AtomicU64,
    /// Submissions, and queries of the table, that are still to be throttled.
    pub throttled: AtomicU64,
    pub throttled_queries: AtomicU64,
    pub errors: AtomicU64,
    /// Whether messages, intents and wakes die with the process.
    pub forgetful: AtomicBool,
    pub channel: Channel,
    /// Whether the target tells of jobs that are over for ever, and what it billed for them.
    pub remembers: AtomicBool,
    pub logs: Mutex<Vec<JobRef>>,
}

#[derive(Debug, Clone)]
pub struct Port(pub Arc<World>);

impl World {
    /// The call number `at` (from 0) is hit by the fault; none if negative.
    pub fn new(at: i64, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            fuse: Fuse {
                left: AtomicI64::new(at),
                calls: AtomicU64::new(0),
                fault,
                goes_on: AtomicBool::new(false),
                trace: Mutex::default(),
            },
            table: MemoryTable::new(),
            blobs: MemoryBlobs::new(),
            now: AtomicI64::new(1_767_225_600_000),
            ids: AtomicU64::new(1),
            queue: Mutex::default(),
            bus: Mutex::default(),
            wakes: Mutex::default(),
            jobs: Mutex::default(),
            submits: Mutex::default(),
            canceled: Mutex::default(),
            capacity: AtomicU64::new(u64::MAX),
            throttled: AtomicU64::new(0),
            throttled_queries: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            forgetful: AtomicBool::new(false),
            channel: Channel::default(),
            remembers: AtomicBool::new(false),
            logs: Mutex::default(),
        })
    }

    pub fn calls(&self) -> u64 {
        self.fuse.calls.load(Ordering::SeqCst)
    }

    /// Every call so far, by its name and subject.
    pub fn trace(&self) -> Vec<String> {
        self.fuse.trace.lock().unwrap().clone()
    }

    pub fn advance(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    pub fn now_millis(&self) -> i64 {
        self.now.load(Ordering::SeqCst)
    }

    pub fn app(self: &Arc<Self>) -> App {
        let port = Arc::new(Port(Arc::clone(self)));
        let executor: Arc<dyn Executor> = port.clone();
        let executors = Executors::none()
            .with_prompt(["noop"], &executor)
            .with(["sleep", "shell"], &executor);
        let notices = port.clone();
        let app = App::new(
            Ports {
                table: port.clone(),
                blobs: port.clone(),
                queue: port.clone(),
                bus: port.clone(),
                timers: port.clone(),
                clock: port.clone(),
                ids: port,
            },
            executors,
        );
        self.channel.of(app, notices)
    }

    /// Items of the open index and of the index of open jobs.
    pub fn open_entries(&self) -> Vec<String> {
        let mut open = Vec::new();
        self.table.for_each(|partition, sort, _, _| {
            let job_index = partition.starts_with("jobs/") && partition.matches('/').count() == 1;
            if partition.starts_with("open/") || job_index {
                open.push(format!("{partition} {sort}"));
            }
        });
        open
    }

    /// Sleeping and running jobs that are due end.
    pub fn end_jobs(&self) {
        let now = Timestamp::from_millisecond(self.now_millis()).unwrap();
        for (job, state) in self.jobs.lock().unwrap().values_mut() {
            if let JobState::Running { started } = *state {
                let fails = matches!(&job.work, Work::Shell { script } if script == "false");
                *state = if fails && job.attempt == 1 {
                    JobState::Failed {
                        started: Some(started),
                        ended: now,
                        cause: Cause::Exit { code: 1 },
                    }
                } else {
                    JobState::Succeeded {
                        started,
                        ended: now,
                        outputs: BTreeMap::new(),
                    }
                };
            }
        }
    }

    pub fn running(&self) -> usize {
        let jobs = self.jobs.lock().unwrap();
        let running = jobs.values().filter(|(_, state)| !state.is_terminal());
        running.count()
    }
}

#[async_trait]
impl Table for Port {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        let heard = self
            .0
            .fuse
            .pass(&format!("get {} {}", key.partition, key.sort))
            .await;
        let item = self.0.table.get(key, consistency).await;
        if heard { item } else { Err(lost().into()) }
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        let heard = self
            .0
            .fuse
            .pass(&format!("query {} {}", query.partition, query.from))
            .await;
        if counts_down(&self.0.throttled_queries) {
            return Err(ReadError::Throttled);
        }
        let page = self.0.table.query(query).await;
        if heard { page } else { Err(lost().into()) }
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        let heard = self
            .0
            .fuse
            .pass(&format!(
                "put {} {} {}",
                item.key.partition,
                item.key.sort,
                item.body.len()
            ))
            .await;
        let put = self.0.table.put(item, condition).await;
        if heard { put } else { Err(lost().into()) }
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        let heard = self
            .0
            .fuse
            .pass(&format!("delete {} {}", key.partition, key.sort))
            .await;
        let deleted = self.0.table.delete(key, condition).await;
        if heard { deleted } else { Err(lost().into()) }
    }
}

#[async_trait]
impl Blobs for Port {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        let heard = self.0.fuse.pass("blob put").await;
        let put = self.0.blobs.put(place, project, bytes).await;
        if heard { put } else { Err(lost()) }
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let heard = self.0.fuse.pass("blob get").await;
        let got = self.0.blobs.get(place, project, hash).await;
        if heard { got } else { Err(lost()) }
    }
}

#[async_trait]
impl Queue for Port {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let heard = self.0.fuse.pass(&format!("queue {}", messages.len())).await;
        let mut queue = self.0.queue.lock().unwrap();
        for message in messages {
            queue
                .entry(message.group)
                .or_default()
                .push_back(message.body);
        }
        if heard { Ok(()) } else { Err(lost()) }
    }
}

#[async_trait]
impl Bus for Port {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let heard = self.0.fuse.pass(&format!("bus {}", intents.len())).await;
        self.0
            .bus
            .lock()
            .unwrap()
            .push_back((place.to_owned(), intents));
        if heard { Ok(()) } else { Err(lost()) }
    }
}

#[async_trait]
impl Timers for Port {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let heard = self.0.fuse.pass("wake").await;
        self.0
            .wakes
            .lock()
            .unwrap()
            .push((at.as_millisecond(), aggregate));
        if heard { Ok(()) } else { Err(lost()) }
    }
}

impl Clock for Port {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.now_millis()).unwrap()
    }
}

impl Ids for Port {
    fn fresh(&self) -> u128 {
        u128::from(self.0.ids.fetch_add(1, Ordering::SeqCst))
    }
}

/// A process that dies with its memory at the call that is cut, and is started again.
#[derive(Debug)]
pub struct Host {
    pub world: Arc<World>,
    pub app: App,
    pub deaths: u32,
    /// Wakes that are due later are left alone.
    pub last_wake: i64,
    /// Who is in the middle of its messages.
    standing: Option<Address>,
}

impl Host {
    pub fn new(world: Arc<World>) -> Self {
        let app = world.app();
        Self {
            world,
            app,
            deaths: 0,
            last_wake: i64::MAX,
            standing: None,
        }
    }

    /// Runs one call; `None`: the process died in it and a new one has swept.
    pub fn call<T>(&mut self, work: impl AsyncFnOnce(&App) -> T) -> Option<T> {
        let done = work(&self.app).now_or_never();
        if done.is_none() {
            self.restart();
        }
        done
    }

    pub fn restart(&mut self) {
        self.deaths += 1;
        self.app = self.world.app();
        if self.world.forgetful.load(Ordering::SeqCst) {
            self.world.queue.lock().unwrap().clear();
            self.world.bus.lock().unwrap().clear();
            self.world.wakes.lock().unwrap().clear();
            self.app.recall(PLACE).now_or_never().unwrap().unwrap();
        }
        self.app.sweep().now_or_never().unwrap().unwrap();
        self.app.tick(PLACE).now_or_never().unwrap().unwrap();
    }

    /// Repeats a call until it succeeds, as somebody who was not answered does.
    pub fn insist<T, E: std::fmt::Debug>(&mut self, work: impl AsyncFn(&App) -> Result<T, E>) -> T {
        let work = &work;
        for _ in 0..3 {
            if let Some(Ok(done)) = self.call(work) {
                return done;
            }
        }
        panic!("not even the third time");
    }

    /// Delivers whatever is under way until nothing is, the clock going on when nothing else does.
    pub fn drive(&mut self, hours: i64) {
        let end = self.world.now_millis() + hours * 3_600_000;
        while self.world.now_millis() < end {
            if self.deliver_message() || self.deliver_intents() {
                continue;
            }
            let next = self.call(async |app| app.tick(PLACE).await);
            if matches!(next, Some(Err(_))) {
                self.world.errors.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let queue = &self.world.queue;
            let others = |at: &Address| self.standing != Some(*at);
            let is_empty =
                (queue.lock().unwrap().iter()).all(|(at, bodies)| !others(at) || bodies.is_empty());
            if !is_empty {
                continue;
            }
            if self.world.running() > 0 {
                self.world.advance(1_000);
                self.world.end_jobs();
                continue;
            }
            let first = self.world.wakes.lock().unwrap().iter().min().copied();
            let Some(wake) = first.filter(|wake| wake.0 <= self.last_wake) else {
                return;
            };
            self.world
                .wakes
                .lock()
                .unwrap()
                .retain(|other| *other != wake);
            let wait = wake.0 - self.world.now_millis();
            self.world.advance(wait.max(0));
            let woken = self.call(async |app| app.wake(wake.1).await);
            if matches!(woken, None | Some(Err(_))) {
                self.world.wakes.lock().unwrap().push(wake);
            }
        }
    }

    fn deliver_message(&mut self) -> bool {
        let group = {
            let queue = self.world.queue.lock().unwrap();
            let mut others = queue.iter().filter(|(at, _)| self.standing != Some(**at));
            let full = others.find(|(_, bodies)| !bodies.is_empty());
            full.map(|(address, bodies)| (*address, bodies.clone()))
        };
        let Some((address, bodies)) = group else {
            return false;
        };
        let bodies: Vec<Bytes> = bodies.into();
        let batch = vec![(address, Delivery::Again, bodies.clone())];
        let returned = match self.world.fuse.fault {
            Fault::Stand => Some(self.deliver_standing(address, batch)),
            Fault::Cut | Fault::LostAnswer => {
                self.call(async move |app| app.on_messages(batch).await)
            }
        };
        if returned.is_some_and(|returned| returned.is_empty()) {
            let mut queue = self.world.queue.lock().unwrap();
            queue.get_mut(&address).unwrap().drain(..bodies.len());
        } else {
            self.world.errors.fetch_add(1, Ordering::SeqCst);
        }
        true
    }

    fn deliver_intents(&mut self) -> bool {
        let batch = self.world.bus.lock().unwrap().pop_front();
        let Some((place, intents)) = batch else {
            return false;
        };
        let done = self.call(async |app| app.on_intents(&place, intents.clone()).await);
        // What failed is not delivered again: the outbox has to.
        if !matches!(done, Some(Ok(_))) {
            self.world.errors.fetch_add(1, Ordering::SeqCst);
        }
        true
    }
}
