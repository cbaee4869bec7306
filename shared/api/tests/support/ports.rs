//! The ports: a table that can fail, queues that the test empties, a clock that it moves.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use porpoise_api::{Changes, Waited};
use porpoise_app::{App, Executors, Ports, PullBus};
use porpoise_model::job::{Job, Work};
use porpoise_model::{Address, AttemptKey, Cause};
use porpoise_ports::executor::{
    JobRef, JobReport, JobState, LogChunk, LogError, NoLog, SubmitError, Submitted,
};
use porpoise_ports::queue::Message;
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Page, Query, ReadError, WriteError,
};
use porpoise_ports::{Bus, Clock, Executor, Ids, Queue, Table, Timers, Unavailable};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};
use tokio::sync::Notify;

pub const PLACE: &str = "local";
/// What a failing store tells the server's log and nobody else.
pub const SECRET: &str = "disk /dev/sdx1 of ada is on fire";

/// All that the process under test would find again.
#[derive(Debug)]
pub struct World {
    pub table: MemoryTable,
    pub down: AtomicBool,
    pub closing: AtomicBool,
    /// How often somebody waited for a log to grow.
    pub waits: AtomicU64,
    blobs: Arc<MemoryBlobs>,
    now: AtomicI64,
    ids: AtomicU64,
    moved: Notify,
    queue: Mutex<BTreeMap<Address, Vec<Bytes>>>,
    bus: Mutex<VecDeque<(String, Vec<Bytes>)>>,
    wakes: Mutex<Vec<(i64, Address)>>,
    jobs: Mutex<BTreeMap<AttemptKey, Running>>,
    /// Why no log can be read.
    pub no_log: Mutex<Option<NoLog>>,
}

#[derive(Debug)]
struct Running {
    job: Job,
    state: JobState,
    log: Vec<u8>,
}

#[derive(Debug)]
struct Port(Arc<World>);

impl World {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            table: MemoryTable::new(),
            down: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            waits: AtomicU64::new(0),
            blobs: Arc::new(MemoryBlobs::new()),
            now: AtomicI64::new(1_767_225_600_000),
            ids: AtomicU64::new(1),
            moved: Notify::new(),
            queue: Mutex::default(),
            bus: Mutex::default(),
            wakes: Mutex::default(),
            jobs: Mutex::default(),
            no_log: Mutex::default(),
        })
    }

    pub fn app(self: &Arc<Self>) -> App {
        let port = Arc::new(Port(Arc::clone(self)));
        let executor: Arc<dyn Executor> = port.clone();
        let executors = Executors::none()
            .with_prompt(["noop", "shell"], &executor)
            .with(["sleep"], &executor);
        let ports = Ports {
            table: port.clone(),
            blobs: self.blobs.clone(),
            queue: port.clone(),
            bus: port.clone(),
            timers: port.clone(),
            clock: port.clone(),
            ids: port,
        };
        App::new(ports, executors)
    }

    pub fn changes(self: &Arc<Self>) -> Arc<dyn Changes> {
        Arc::new(Port(Arc::clone(self)))
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::SeqCst)).expect("a time")
    }

    /// Lets time go by.
    pub fn advance(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// The server is about to stop.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    pub fn next_messages(&self) -> Option<(Address, Vec<Bytes>)> {
        self.queue.lock().unwrap().pop_first()
    }

    pub fn next_intents(&self) -> Option<(String, Vec<Bytes>)> {
        self.bus.lock().unwrap().pop_front()
    }

    /// Who is to be woken by now.
    pub fn next_wake(&self) -> Option<Address> {
        let mut wakes = self.wakes.lock().unwrap();
        let now = self.now.load(Ordering::SeqCst);
        let due = wakes.iter().position(|(at, _)| *at <= now)?;
        Some(wakes.swap_remove(due).1)
    }

    pub fn is_busy(&self) -> bool {
        !self.queue.lock().unwrap().is_empty() || !self.bus.lock().unwrap().is_empty()
    }

    /// What sleeps wakes up; says how many did.
    pub fn end_jobs(&self) -> usize {
        let mut ended = 0;
        for running in self.jobs.lock().unwrap().values_mut() {
            if let JobState::Running { started } = running.state {
                running.state = JobState::Succeeded {
                    started,
                    ended: self.now(),
                    outputs: BTreeMap::new(),
                };
                ended += 1;
            }
        }
        ended
    }

    /// The job of a task writes to its log.
    pub fn write_log(&self, task: &str, text: &str) {
        for running in self.jobs.lock().unwrap().values_mut() {
            if running.job.task_name == task {
                running.log.extend_from_slice(text.as_bytes());
            }
        }
    }

    /// How many jobs there ever were of a task.
    pub fn jobs_of(&self, task: &str) -> usize {
        let jobs = self.jobs.lock().unwrap();
        let of_task = jobs.values().filter(|job| job.job.task_name == task);
        of_task.count()
    }

    fn up(&self) -> Result<(), Unavailable> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Unavailable::new("the table", SECRET));
        }
        Ok(())
    }
}

#[async_trait]
impl Changes for Port {
    async fn moved(&self, aggregate: Address, sequence: u64, wait: Duration) -> Waited {
        self.0.waits.fetch_add(1, Ordering::SeqCst);
        let wait = i64::try_from(wait.as_millis()).expect("a wait");
        let until = self.0.now.load(Ordering::SeqCst) + wait;
        let key = Key::new(aggregate.to_string(), format!("log/{:016x}", sequence + 1));
        loop {
            let moved = self.0.moved.notified();
            if let Ok(Some(_)) = self.0.table.get(&key, Consistency::Strong).await {
                return Waited::Moved;
            }
            if self.0.closing.load(Ordering::SeqCst) {
                return Waited::Closing;
            }
            if self.0.now.load(Ordering::SeqCst) >= until {
                return Waited::TimeUp;
            }
            moved.await;
        }
    }
}

#[async_trait]
impl Table for Port {
    async fn get(&self, key: &Key, consistency: Consistency) -> Result<Option<Item>, ReadError> {
        self.0.up()?;
        self.0.table.get(key, consistency).await
    }

    async fn query(&self, query: &Query) -> Result<Page, ReadError> {
        self.0.up()?;
        self.0.table.query(query).await
    }

    async fn put(&self, item: Item, condition: Condition) -> Result<(), WriteError> {
        self.0.up()?;
        self.0.table.put(item, condition).await?;
        self.0.moved.notify_waiters();
        Ok(())
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), WriteError> {
        self.0.up()?;
        self.0.table.delete(key, condition).await
    }
}

#[async_trait]
impl Queue for Port {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let mut queue = self.0.queue.lock().unwrap();
        for message in messages {
            queue.entry(message.group).or_default().push(message.body);
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for Port {
    async fn send(&self, place: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        if place.starts_with("site.") {
            let port = Arc::new(Self(Arc::clone(&self.0)));
            let pulled = PullBus::new(port.clone(), port);
            return pulled.send(place, intents).await;
        }
        let mut bus = self.0.bus.lock().unwrap();
        bus.push_back((place.to_owned(), intents));
        Ok(())
    }
}

#[async_trait]
impl Timers for Port {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let mut wakes = self.0.wakes.lock().unwrap();
        wakes.push((at.as_millisecond(), aggregate));
        Ok(())
    }
}

impl Clock for Port {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl Ids for Port {
    fn fresh(&self) -> u128 {
        u128::from(self.0.ids.fetch_add(1, Ordering::SeqCst))
    }
}

/// What a script writes, as a local job would, if it is an `echo` of one text; two lines for any other.
fn written(script: &str, env: &BTreeMap<String, String>, now: Timestamp) -> String {
    let text = script.trim().strip_prefix("echo \"");
    let Some(text) = text.and_then(|text| text.strip_suffix('"')) else {
        return "first line\nsecond line\n".to_owned();
    };
    let text = env.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${name}"), value)
    });
    format!("{now} out {text}\n")
}

/// `noop` and `shell` are over at once, a shell that is `false` badly; `sleep` ends when the test says so.
#[async_trait]
impl Executor for Port {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        let started = self.0.now();
        let succeeded = || JobState::Succeeded {
            started,
            ended: started,
            outputs: BTreeMap::new(),
        };
        let (state, log) = match &job.work {
            Work::Noop => (succeeded(), String::new()),
            Work::Shell { script } if script.trim() == "false" => {
                let failed = JobState::Failed {
                    started: Some(started),
                    ended: started,
                    cause: Cause::Exit { code: 1 },
                };
                (failed, String::new())
            }
            Work::Shell { script } => (succeeded(), written(script, &job.env, started)),
            Work::Sleep { .. }
            | Work::Python { .. }
            | Work::Command { .. }
            | Work::External { .. }
            | Work::Spark { .. }
            | Work::Hive { .. }
            | Work::Sql { .. }
            | Work::Function { .. }
            | Work::Http { .. }
            | Work::StateMachine { .. } => (JobState::Running { started }, String::new()),
        };
        let running = || Running {
            job: job.clone(),
            state,
            log: log.as_bytes().to_vec(),
        };
        let mut jobs = self.0.jobs.lock().unwrap();
        jobs.entry(job.key).or_insert_with(running);
        Ok(Submitted {
            external_id: format!("{}", 4_000 + job.task),
        })
    }

    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let jobs = self.0.jobs.lock().unwrap();
        let report = |JobRef { key, .. }: &JobRef| {
            jobs.get(key).map(|running| JobReport {
                key: *key,
                external_id: format!("{}", 4_000 + running.job.task),
                state: running.state.clone(),
            })
        };
        Ok(asked.iter().filter_map(report).collect())
    }

    async fn cancel(&self, JobRef { key, .. }: &JobRef) -> Result<(), Unavailable> {
        let ended = self.0.now();
        if let Some(running) = self.0.jobs.lock().unwrap().get_mut(key)
            && !running.state.is_terminal()
        {
            running.state = JobState::Canceled { ended };
        }
        Ok(())
    }

    async fn log(
        &self,
        JobRef { key, .. }: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        if let Some(none) = self.0.no_log.lock().unwrap().clone() {
            return Err(none.into());
        }
        let jobs = self.0.jobs.lock().unwrap();
        let Some(running) = jobs.get(key) else {
            return Ok(None);
        };
        let from = usize::try_from(from)
            .expect("a place")
            .min(running.log.len());
        let to = running.log.len().min(from.saturating_add(limit));
        Ok(Some(LogChunk {
            bytes: Bytes::copy_from_slice(&running.log[from..to]),
            next: u64::try_from(to).expect("a place"),
            end: to == running.log.len() && running.state.is_terminal(),
        }))
    }
}
