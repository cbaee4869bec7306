//! What a run costs where every call is billed: units, reads and effects, counted by a meter at the table.
//!
//! The app runs over a table in memory, one message group, one batch of intents and one job at a time, so that the
//! figures are the same in every run. Two ways in which jobs end: **together**, as soon as they are submitted (`noop`:
//! the most that a step can take in), and **alone**, one at a time, each with a step of its own (the least).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use porpoise::host::{OsIds, SystemClock};
use porpoise_app::{App, Delivery, Executors, HOME, Ports};
use porpoise_engine::run::Run;
use porpoise_model::workflow::Kind;
use porpoise_model::{Actor, Address, AttemptKey, RunState};
use porpoise_ports::executor::{
    Job, JobRef, JobReport, JobState, LogChunk, LogError, SubmitError, Submitted,
};
use porpoise_ports::meter::{Counts, Meter, Metered, Snapshot};
use porpoise_ports::queue::Message;
use porpoise_ports::{Bus, Executor, Ids, Queue, Timers, Unavailable};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};
use serde::Serialize;

use crate::server::new_run;
use crate::shape::Shape;

/// Intents that the dispatcher gets at once.
const BATCH_INTENTS_MAX: usize = 1_000;

/// How jobs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ends {
    /// As soon as they are submitted.
    Together,
    /// One at a time.
    Alone,
}

impl Ends {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Together => "together",
            Self::Alone => "alone",
        }
    }
}

/// What a run of a shape cost for each task.
#[derive(Debug, Serialize)]
pub(crate) struct CostRow {
    pub(crate) shape: String,
    pub(crate) tasks: u32,
    pub(crate) ends: Ends,
    pub(crate) write_units: f64,
    /// Calls of `get`, and pages of queries.
    pub(crate) reads: f64,
    /// Messages, intents and wakes.
    pub(crate) effects: f64,
    /// Write units by kind of item.
    pub(crate) by_kind: BTreeMap<&'static str, f64>,
}

/// What the app sends, in the order of sending.
#[derive(Debug, Default)]
struct Sent {
    messages: Mutex<VecDeque<Message>>,
    intents: Mutex<VecDeque<Bytes>>,
    count: AtomicU64,
}

/// Takes jobs, and lets them end when it is told to.
#[derive(Debug)]
struct Target {
    ends: Ends,
    open: Mutex<VecDeque<AttemptKey>>,
    over: Mutex<BTreeMap<AttemptKey, JobState>>,
}

/// The app with all that drives it.
struct Bench {
    app: App,
    sent: Arc<Sent>,
    target: Arc<Target>,
    meter: Arc<Meter>,
}

/// Runs a shape to its end, and counts.
pub(crate) async fn measure(shape: Shape, ends: Ends) -> anyhow::Result<CostRow> {
    let bench = Bench::new(ends);
    let workflow = shape.workflow(&Kind::Noop)?;
    let applied = bench.app.apply(&workflow, &Actor::engine()).await?;
    let new = porpoise_engine::effect::NewRun {
        workflow: applied.head.workflow,
        workflow_name: shape.name(),
        version: Some(applied.head.version),
        ..new_run(OsIds::default().fresh(), now())
    };
    let before = bench.meter.snapshot();
    bench.app.create_run(new.clone()).await?;
    bench.drain().await?;
    let counted = bench.meter.snapshot().since(&before);
    let address = Address::run(new.project, new.run);
    let state = bench.app.look::<Run>(address).await?.state.run_state();
    anyhow::ensure!(state == RunState::Succeeded, "the run ended as {state}");
    Ok(row(
        shape,
        ends,
        &counted,
        bench.sent.count.load(Ordering::Relaxed),
    ))
}

fn row(shape: Shape, ends: Ends, counted: &Snapshot, effects: u64) -> CostRow {
    let per_task = |count: u64| {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) / f64::from(shape.tasks())
    };
    let units = |(kind, counts): (&&'static str, &Counts)| (*kind, per_task(counts.write_units));
    CostRow {
        shape: shape.name(),
        tasks: shape.tasks(),
        ends,
        write_units: per_task(counted.total.write_units),
        reads: per_task(counted.total.gets + counted.total.queries),
        effects: per_task(effects),
        by_kind: counted.kinds.iter().map(units).collect(),
    }
}

/// What sort of item stands at a key.
fn kind_of(partition: &str, sort: &str) -> &'static str {
    if partition.starts_with("open/") {
        return "open index";
    }
    if let Some(rest) = partition.strip_prefix("jobs/") {
        return if rest.contains('/') {
            "job"
        } else {
            "job index"
        };
    }
    match sort.split('/').next() {
        Some("log") => "record",
        Some("snapshot") => "snapshot",
        _ => "other",
    }
}

impl Bench {
    fn new(ends: Ends) -> Self {
        let table = Metered::with_kinds(MemoryTable::default(), kind_of);
        let meter = table.meter();
        let sent = Arc::<Sent>::default();
        let target = Arc::new(Target {
            ends,
            open: Mutex::default(),
            over: Mutex::default(),
        });
        let executor: Arc<dyn Executor> = target.clone();
        let executors = match ends {
            Ends::Together => Executors::none().with_prompt(["noop"], &executor),
            Ends::Alone => Executors::none().with(["noop"], &executor),
        };
        let ports = Ports {
            table: Arc::new(table),
            blobs: Arc::new(MemoryBlobs::default()),
            queue: sent.clone(),
            bus: sent.clone(),
            timers: sent.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(OsIds::default()),
        };
        Self {
            app: App::new(ports, executors),
            sent,
            target,
            meter,
        }
    }

    /// Until nothing waits and nothing runs.
    async fn drain(&self) -> anyhow::Result<()> {
        loop {
            let first = lock(&self.sent.messages).pop_front();
            if let Some(first) = first {
                self.step(first).await?;
                continue;
            }
            let intents = self.sent.batch();
            if !intents.is_empty() {
                self.app.on_intents(HOME, intents).await?;
                continue;
            }
            let ends = lock(&self.target.open).pop_front();
            let Some(key) = ends else {
                return Ok(());
            };
            lock(&self.target.over).insert(key, succeeded());
            self.app.check(HOME, &[key]).await?;
        }
    }

    /// All that waits for the aggregate of the first message, as the host does it.
    async fn step(&self, first: Message) -> anyhow::Result<()> {
        let group = first.group;
        let mut bodies = vec![first.body];
        lock(&self.sent.messages).retain(|message| {
            let same = message.group == group;
            if same {
                bodies.push(message.body.clone());
            }
            !same
        });
        self.app.on_group(group, Delivery::Again, bodies).await?;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn succeeded() -> JobState {
    let at = now();
    JobState::Succeeded {
        started: at,
        ended: at,
        outputs: BTreeMap::new(),
    }
}

impl Sent {
    /// The next intents for the dispatcher.
    fn batch(&self) -> Vec<Bytes> {
        let mut intents = lock(&self.intents);
        let count = intents.len().min(BATCH_INTENTS_MAX);
        intents.drain(..count).collect()
    }

    fn count(&self, sent: usize) {
        let sent = u64::try_from(sent).unwrap_or_default();
        self.count.fetch_add(sent, Ordering::Relaxed);
    }
}

#[async_trait]
impl Queue for Sent {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        self.count(messages.len());
        lock(&self.messages).extend(messages);
        Ok(())
    }
}

#[async_trait]
impl Bus for Sent {
    async fn send(&self, _: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        self.count(intents.len());
        lock(&self.intents).extend(intents);
        Ok(())
    }
}

/// Nothing here waits for a time.
#[async_trait]
impl Timers for Sent {
    async fn wake(&self, _: Address, _: Timestamp) -> Result<(), Unavailable> {
        self.count(1);
        Ok(())
    }
}

#[async_trait]
impl Executor for Target {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        match self.ends {
            Ends::Together => {
                lock(&self.over).insert(job.key, succeeded());
            }
            Ends::Alone => lock(&self.open).push_back(job.key),
        }
        Ok(Submitted {
            external_id: job.key.to_string(),
        })
    }

    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let over = lock(&self.over);
        let report = |JobRef { key, .. }: &JobRef| {
            let state = over.get(key).cloned();
            JobReport {
                key: *key,
                external_id: key.to_string(),
                state: state.unwrap_or(JobState::Waiting { why: None }),
            }
        };
        Ok(asked.iter().map(report).collect())
    }

    async fn cancel(&self, _: &JobRef) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn log(&self, _: &JobRef, _: u64, _: usize) -> Result<Option<LogChunk>, LogError> {
        Ok(None)
    }
}
