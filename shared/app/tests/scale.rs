//! What a task costs does not grow with the size of its run: neither what is billed nor the time that steps take.
#![expect(clippy::disallowed_methods, reason = "times of steps are measured")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use indexmap::IndexMap;
use jiff::Timestamp;
use porpoise_app::{App, Delivery, Executors, HOME, Ports};
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::input::{Command, PoolCommand, PoolInput};
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_model::workflow::{
    Concurrency, FailureStrategy, Kind, PoolUse, Priority, STORED_FORM, Task, Timeout,
    TimeoutAction, Workflow,
};
use porpoise_model::{
    Actor, Address, AttemptKey, CommandId, PoolId, ProjectId, RunId, RunState, Value,
};
use porpoise_ports::executor::{
    Job, JobRef, JobReport, JobState, LogChunk, LogError, SubmitError, Submitted,
};
use porpoise_ports::meter::{Meter, Metered};
use porpoise_ports::queue::Message;
use porpoise_ports::{Bus, Clock, Executor, Ids, Queue, Timers, Unavailable};
use porpoise_store_memory::{MemoryBlobs, MemoryTable};

/// All that is outside: time passes with each job that ends.
#[derive(Debug, Default)]
struct World {
    millis: AtomicI64,
    ids: AtomicU64,
    sent: AtomicU64,
    messages: Mutex<BTreeMap<Address, VecDeque<Bytes>>>,
    intents: Mutex<VecDeque<Bytes>>,
    wakes: Mutex<BTreeMap<Address, i64>>,
    open: Mutex<VecDeque<AttemptKey>>,
    over: Mutex<BTreeMap<AttemptKey, JobState>>,
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let millis = self.millis.load(Ordering::Relaxed);
        Timestamp::from_millisecond(1_767_225_600_000 + millis).unwrap()
    }
}

impl Ids for World {
    fn fresh(&self) -> u128 {
        u128::from(self.ids.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl Queue for World {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let count = u64::try_from(messages.len()).unwrap();
        self.sent.fetch_add(count, Ordering::Relaxed);
        let mut queue = self.messages.lock().unwrap();
        for message in messages {
            let group = queue.entry(message.group).or_default();
            group.push_back(message.body);
        }
        Ok(())
    }
}

#[async_trait]
impl Bus for World {
    async fn send(&self, _: &str, intents: Vec<Bytes>) -> Result<(), Unavailable> {
        let count = u64::try_from(intents.len()).unwrap();
        self.sent.fetch_add(count, Ordering::Relaxed);
        self.intents.lock().unwrap().extend(intents);
        Ok(())
    }
}

#[async_trait]
impl Timers for World {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let mut wakes = self.wakes.lock().unwrap();
        let millis = at.as_millisecond() - 1_767_225_600_000;
        let wake = wakes.entry(aggregate).or_insert(millis);
        *wake = millis.min(*wake);
        Ok(())
    }
}

#[async_trait]
impl Executor for World {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.open.lock().unwrap().push_back(job.key);
        Ok(Submitted {
            external_id: job.key.to_string(),
        })
    }

    async fn list(&self, asked: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        let over = self.over.lock().unwrap();
        let report = |JobRef { key, .. }: &JobRef| JobReport {
            key: *key,
            external_id: key.to_string(),
            state: over
                .get(key)
                .cloned()
                .unwrap_or(JobState::Waiting { why: None }),
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

/// What each task of a fan has beside its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    /// Texts to resolve, and a time-out.
    Texts,
    /// A slot of a pool that has one for each of them.
    Slot,
    /// A delay of a second.
    Delay,
}

/// One task, then all but two at once, then one.
fn fan(tasks: u32, with: With) -> Arc<Workflow> {
    let kind = match with {
        With::Texts => Kind::Shell {
            script: "echo $day".to_owned(),
        },
        With::Nothing | With::Slot | With::Delay => Kind::Noop,
    };
    let task = |index: u32| {
        let mut task = Task::new(format!("t{index}").parse().unwrap(), kind.clone());
        task.after = match index {
            0 => vec![],
            last if last + 1 == tasks => (1..last).collect(),
            _ => vec![0],
        };
        match with {
            With::Nothing => {}
            With::Texts => {
                let day = "$[yyyy-MM-dd] of ${region}".to_owned();
                task.env.insert("day".to_owned(), day);
                task.timeout = Some(Timeout {
                    after: Duration::from_hours(5),
                    action: TimeoutAction::Fail,
                });
            }
            With::Slot => {
                task.pool = Some(PoolUse {
                    name: "everybody".parse().unwrap(),
                    slots: 1,
                    weight: 0,
                });
            }
            With::Delay => task.delay = Duration::from_secs(1),
        }
        task
    };
    let region = Value::text("region 7");
    Arc::new(Workflow {
        form: STORED_FORM,
        project: "p".parse().unwrap(),
        name: format!("fan-{tasks}").parse().unwrap(),
        description: String::new(),
        dialect: "porpoise/1".to_owned(),
        schedule: None,
        parameters: IndexMap::from([("region".to_owned(), region)]),
        outputs: IndexMap::new(),
        timeout: None,
        on_failure: FailureStrategy::Continue,
        concurrency: Concurrency::Parallel,
        priority: Priority::Medium,
        notify: std::collections::BTreeSet::new(),
        labels: BTreeMap::new(),
        tasks: (0..tasks).map(task).collect(),
    })
}

/// What a run took: calls counted, and times.
#[derive(Debug)]
struct Cost {
    tasks: u32,
    write_units: u64,
    reads: u64,
    effects: u64,
    steps: Duration,
    longest_step: Duration,
    places: Duration,
}

impl Cost {
    /// Calls for each task: write units, reads, effects.
    fn each(&self) -> [f64; 3] {
        [self.write_units, self.reads, self.effects]
            .map(|count| f64::from(u32::try_from(count).unwrap()) / f64::from(self.tasks))
    }
}

struct Bench {
    app: App,
    world: Arc<World>,
    meter: Arc<Meter>,
    cost: Cost,
}

impl Bench {
    fn new(tasks: u32) -> Self {
        let table = Metered::new(MemoryTable::default());
        let (meter, world) = (table.meter(), Arc::<World>::default());
        let executor: Arc<dyn Executor> = world.clone();
        let ports = Ports {
            table: Arc::new(table),
            blobs: Arc::new(MemoryBlobs::default()),
            queue: world.clone(),
            bus: world.clone(),
            timers: world.clone(),
            clock: world.clone(),
            ids: world.clone(),
        };
        Self {
            app: App::new(ports, Executors::none().with(["noop", "shell"], &executor)),
            world,
            meter,
            cost: Cost {
                tasks,
                write_units: 0,
                reads: 0,
                effects: 0,
                steps: Duration::ZERO,
                longest_step: Duration::ZERO,
                places: Duration::ZERO,
            },
        }
    }

    /// Creates the run of a workflow.
    async fn create(&self, workflow: &Workflow) -> Address {
        let applied = self.app.apply(workflow, &Actor::engine()).await.unwrap();
        self.resize().await;
        let new = NewRun {
            project: ProjectId::of_name("p"),
            run: RunId::from_bytes([1; 16]),
            workflow: applied.head.workflow,
            workflow_name: workflow.name.to_string(),
            version: Some(applied.head.version),
            trigger: Trigger::Manual,
            logical_date: self.world.now(),
            timezone: "UTC".to_owned(),
            parameters: BTreeMap::new(),
            actor: Actor::engine(),
            priority: None,
            on_failure: None,
            concurrency: None,
            dry_run: false,
            simulate: false,
            created: self.world.now(),
            placement: porpoise_engine::placement::Placement::default(),
            only: None,
            project_parameters: None,
        };
        let address = Address::run(new.project, new.run);
        self.app.create_run(new).await.unwrap();
        address
    }

    /// Runs a workflow to its end; one job ends at a time.
    async fn run(mut self, workflow: &Workflow) -> Cost {
        let address = self.create(workflow).await;
        let before = self.meter.snapshot();
        self.world.sent.store(0, Ordering::Relaxed);
        while self.next().await {}
        let counted = self.meter.snapshot().since(&before).total;
        self.cost.write_units = counted.write_units;
        self.cost.reads = counted.gets + counted.queries;
        self.cost.effects = self.world.sent.load(Ordering::Relaxed);
        let state = self.app.look::<Run>(address).await.unwrap().state;
        assert_eq!(state.run_state(), RunState::Succeeded);
        self.cost
    }

    /// Gives the pool a slot for each task.
    async fn resize(&self) {
        let resize = Command {
            id: CommandId::of_key("test", "resize"),
            actor: Actor::engine(),
            what: PoolCommand::Resize {
                slots: self.cost.tasks,
                name: "everybody".to_owned(),
            },
        };
        let project = ProjectId::of_name("p");
        let pool = Address::pool(project, PoolId::of_name(project, "everybody"));
        let inputs = vec![PoolInput::Commanded(resize)];
        self.app.step::<Pool>(pool, inputs).await.unwrap();
    }

    /// The next thing that happens; `false`: nothing does.
    async fn next(&mut self) -> bool {
        let group = {
            let mut messages = self.world.messages.lock().unwrap();
            messages.pop_first()
        };
        if let Some((address, bodies)) = group {
            let begun = Instant::now();
            self.app
                .on_group(address, Delivery::Again, bodies.into())
                .await
                .unwrap();
            self.stepped(begun);
            return true;
        }
        let intents: Vec<Bytes> = self.world.intents.lock().unwrap().drain(..).collect();
        if !intents.is_empty() {
            let begun = Instant::now();
            self.app.on_intents(HOME, intents).await.unwrap();
            self.cost.places += begun.elapsed();
            return true;
        }
        let job = self.world.open.lock().unwrap().pop_front();
        if let Some(key) = job {
            self.world.millis.fetch_add(10, Ordering::Relaxed);
            let (started, ended) = (self.world.now(), self.world.now());
            let over = JobState::Succeeded {
                started,
                ended,
                outputs: BTreeMap::new(),
            };
            self.world.over.lock().unwrap().insert(key, over);
            let begun = Instant::now();
            self.app.check(HOME, &[key]).await.unwrap();
            self.cost.places += begun.elapsed();
            return true;
        }
        let wake = {
            let mut wakes = self.world.wakes.lock().unwrap();
            let next = wakes
                .iter()
                .min_by_key(|(_, at)| **at)
                .map(|(address, at)| (*address, *at));
            next.and_then(|(address, at)| wakes.remove(&address).map(|_| (address, at)))
        };
        let Some((address, at)) = wake else {
            return false;
        };
        self.world.millis.fetch_max(at, Ordering::Relaxed);
        let begun = Instant::now();
        self.app.wake(address).await.unwrap();
        self.stepped(begun);
        true
    }

    fn stepped(&mut self, begun: Instant) {
        let took = begun.elapsed();
        self.cost.steps += took;
        self.cost.longest_step = self.cost.longest_step.max(took);
    }
}

fn cost(tasks: u32, with: With) -> Cost {
    let run = Bench::new(tasks).run(&fan(tasks, with)).now_or_never();
    run.unwrap()
}

const ALL: [With; 4] = [With::Nothing, With::Texts, With::Slot, With::Delay];

#[test]
fn a_task_is_billed_the_same_in_a_run_of_any_size() {
    for with in ALL {
        let (small, large) = (cost(300, with).each(), cost(3_000, with).each());
        for (small, large) in small.into_iter().zip(large) {
            assert!(large < small * 1.01 + 0.01, "{with:?}: {small}, {large}");
        }
    }
}

#[test]
fn a_run_that_is_watched_costs_a_query_for_each_look() {
    let watched = async {
        let mut bench = Bench::new(40);
        let address = bench.create(&fan(40, With::Slot)).await;
        let run = RunId::from_bytes(address.id);
        let watcher = App::new(bench.app.ports().clone(), Executors::none());
        let mut looks = 0;
        while bench.next().await {
            let stranger = App::new(bench.app.ports().clone(), Executors::none());
            let whole = stranger.run_view(address.project, run).await;
            let whole = whole.unwrap().unwrap();
            let before = bench.meter.snapshot();
            let seen = watcher.run_view(address.project, run).await;
            let seen = seen.unwrap().unwrap();
            let took = bench.meter.snapshot().since(&before).total;
            if looks > 0 {
                assert_eq!((took.gets, took.queries), (0, 1));
                assert!(took.strong_read_units <= 2, "{took:?}");
            }
            assert_eq!(seen.sequence, whole.sequence);
            assert_eq!(seen.view.state, whole.view.state);
            assert_eq!(seen.view.attempts, whole.view.attempts);
            looks += 1;
        }
        looks
    };
    assert!(watched.now_or_never().unwrap() > 40);
}

#[test]
#[ignore = "measures: run in release with --ignored --nocapture"]
fn steps_take_the_same_time_for_each_task_and_none_takes_long() {
    for with in ALL {
        for tasks in [300, 1_000, 3_000, 10_000] {
            let cost = cost(tasks, with);
            let each = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(tasks);
            let [writes, reads, effects] = cost.each();
            eprintln!(
                "{with:?} {tasks:>6}: {writes:.2} writes {reads:.2} reads {effects:.2} effects, \
                 {:.1} µs steps {:.1} µs places each, longest step {:.1} ms",
                each(cost.steps),
                each(cost.places),
                cost.longest_step.as_secs_f64() * 1e3,
            );
            assert!(cost.longest_step < Duration::from_millis(50));
            assert!(each(cost.steps + cost.places) < 200.0);
        }
    }
}
