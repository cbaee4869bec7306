//! Calls that are spared, and those that are not.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{join_all, poll_fn};
use jiff::Timestamp;
use porpoise_app::{App, Delivery, Executors, Order, Ports};
use porpoise_engine::Input;
use porpoise_engine::effect::{Attempt, Intent};
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::job::{Job, Work};
use porpoise_model::workflow::{Kind, Task, Workflow};
use porpoise_model::{Actor, Address, AttemptKey, ProjectId, RunId, VersionHash};
use porpoise_ports::executor::JobState;
use porpoise_ports::meter::{Counts, Meter, Metered};
use porpoise_ports::{Blobs, Loops, Unavailable};

use crate::support::retail;
use crate::support::retail::{new_run, project};
use crate::support::{Fault, Port, World};

const PLACE: &str = "local";
const SECOND: i64 = 1_000;

fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

fn chain(tasks: u32) -> Workflow {
    let kind = Kind::Shell {
        script: "true".to_owned(),
    };
    let task = |at: u32| {
        let mut task = Task::new(format!("t{at}").parse().unwrap(), kind.clone());
        task.after = at.checked_sub(1).into_iter().collect();
        task
    };
    retail::workflow((0..tasks).map(task).collect())
}

/// Functions over one table, whose reads are counted.
struct Home {
    world: Arc<World>,
    table: Arc<Metered<Port>>,
    meter: Arc<Meter>,
}

impl Home {
    fn new() -> Self {
        let world = World::new(-1, Fault::Cut);
        let table = Metered::new(Port(Arc::clone(&world)));
        let meter = table.meter();
        let table = Arc::new(table);
        Self {
            world,
            table,
            meter,
        }
    }

    /// One that remembers nothing.
    fn function(&self) -> App {
        let port = Arc::new(Port(Arc::clone(&self.world)));
        let ports = Ports {
            table: self.table.clone(),
            blobs: port.clone(),
            queue: port.clone(),
            bus: port.clone(),
            timers: port.clone(),
            clock: port.clone(),
            ids: port,
        };
        App::new(ports, Executors::none()).swept()
    }

    /// A run whose first task is dispatched and acknowledged.
    fn begun(&self) -> (App, Address) {
        let app = self.function();
        let head = now(app.apply(&chain(3), &Actor::engine())).unwrap().head;
        let new = new_run(head.workflow, "create");
        let address = Address::run(new.project, new.run);
        now(app.create_run(new)).unwrap();
        step(&app, address, RunInput::Start);
        step(&app, address, reported(0, ReportKind::Accepted));
        (app, address)
    }

    /// What calls of the table that takes.
    fn took(&self, work: impl FnOnce()) -> Counts {
        let before = self.meter.snapshot();
        work();
        self.meter.snapshot().since(&before).total
    }
}

fn reported(task: u32, what: ReportKind) -> RunInput {
    let attempt = Attempt::of(task, 1);
    RunInput::Reported(vec![Report { attempt, what }])
}

fn step(app: &App, address: Address, input: RunInput) {
    let body: Bytes = minicbor::to_vec(Input::Run(input)).unwrap().into();
    now(app.on_group(address, Delivery::First, vec![body])).unwrap();
}

fn end_of(task: u32, home: &Home) -> RunInput {
    let ended = Timestamp::from_millisecond(home.world.now_millis()).unwrap();
    let (started, outputs) = (ended, BTreeMap::new());
    let end = ReportKind::Succeeded {
        started,
        ended,
        outputs,
    };
    reported(task, end)
}

#[test]
fn after_a_quiet_while_the_tail_of_a_log_is_read_for_half_the_price() {
    let home = Home::new();
    let (app, address) = home.begun();
    home.world.advance(61 * SECOND);
    let took = home.took(|| step(&app, address, end_of(0, &home)));
    assert_eq!((took.queries, took.gets), (1, 0));
    assert_eq!((took.strong_read_units, took.eventual_read_units), (0, 1));
}

#[test]
fn nothing_to_do_is_believed_after_a_look_at_all_of_the_log() {
    let home = Home::new();
    let (app, address) = home.begun();
    home.world.advance(61 * SECOND);
    let again = reported(0, ReportKind::Accepted);
    let took = home.took(|| step(&app, address, again));
    assert_eq!((took.strong_read_units, took.eventual_read_units), (1, 1));
    // but for what is over for good, and what nobody knows yet
    home.world.advance(61 * SECOND);
    step(&app, address, end_of(0, &home));
    step(&app, address, reported(1, ReportKind::Accepted));
    home.world.advance(61 * SECOND);
    let took = home.took(|| step(&app, address, end_of(0, &home)));
    assert_eq!((took.strong_read_units, took.eventual_read_units), (0, 1));
    home.world.advance(61 * SECOND);
    let took = home.took(|| step(&app, address, end_of(2, &home)));
    assert_eq!((took.strong_read_units, took.eventual_read_units), (1, 1));
}

#[test]
fn a_sweep_that_finds_nothing_to_do_costs_half_a_read_of_a_known_run() {
    let home = Home::new();
    let (_, address) = home.begun();
    home.world.advance(121 * SECOND);
    let sweeper = home.function();
    now(sweeper.sweep()).unwrap();
    home.world.advance(600 * SECOND);
    let took = home.took(|| {
        let swept = now(sweeper.sweep()).unwrap();
        assert_eq!((swept.open, swept.failed), (1, Vec::new()));
    });
    let shards = 16;
    assert_eq!((took.queries, took.gets), (shards + 1, 0));
    assert_eq!(took.strong_read_units, 0);
    assert_eq!(
        (took.write_units, home.world.bus.lock().unwrap().len()),
        (0, 1)
    );
    // what waits for two minutes is still found, and sent again
    let app = home.function();
    step(&app, address, end_of(0, &home));
    home.world.bus.lock().unwrap().clear();
    home.world.advance(119 * SECOND);
    now(sweeper.sweep()).unwrap();
    assert!(home.world.bus.lock().unwrap().is_empty(), "under way");
    home.world.advance(SECOND);
    now(sweeper.sweep()).unwrap();
    assert_eq!(home.world.bus.lock().unwrap().len(), 1);
}

/// Blobs that answer at the second look.
#[derive(Debug)]
struct Slow {
    port: Port,
    gets: AtomicU64,
}

#[async_trait]
impl Blobs for Slow {
    async fn put(
        &self,
        place: &str,
        project: ProjectId,
        bytes: Bytes,
    ) -> Result<VersionHash, Unavailable> {
        self.port.put(place, project, bytes).await
    }

    async fn get(
        &self,
        place: &str,
        project: ProjectId,
        hash: VersionHash,
    ) -> Result<Option<Bytes>, Unavailable> {
        let failed = self.gets.fetch_add(1, Ordering::SeqCst) == 0;
        let mut looked = false;
        poll_fn(|_| {
            if std::mem::replace(&mut looked, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        if failed {
            return Err(Unavailable::new("the blobs", "not now"));
        }
        Blobs::get(&self.port, place, project, hash).await
    }
}

#[test]
fn a_version_that_many_want_at_the_same_time_is_read_once() {
    let home = Home::new();
    let head = now(home.function().apply(&chain(3), &Actor::engine()))
        .unwrap()
        .head;
    let blobs = Arc::new(Slow {
        port: Port(Arc::clone(&home.world)),
        gets: AtomicU64::new(0),
    });
    let mut ports = home.function().ports().clone();
    ports.blobs = blobs.clone();
    let app = App::new(ports, Executors::none());
    let mut all = pin!(join_all((0..10).map(|_| app.plan(project(), head.version))));
    let read = loop {
        if let Some(read) = all.as_mut().now_or_never() {
            break read;
        }
    };
    let failed = read.iter().filter(|plan| plan.is_err()).count();
    assert_eq!(failed, 1, "whoever met the outage; the next one reads");
    assert_eq!(blobs.gets.load(Ordering::SeqCst), 2);
}

#[derive(Debug, Default)]
struct Loop;

#[async_trait]
impl Loops for Loop {
    async fn start(&self, _: &str, _: u64) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn is_alive(&self, _: &str, _: u64) -> Result<bool, Unavailable> {
        Ok(true)
    }
}

fn place() -> (Arc<World>, App) {
    let world = World::new(-1, Fault::Cut);
    world.remembers.store(true, Ordering::SeqCst);
    let app = world.app().with_loops(Arc::new(Loop));
    (world, app)
}

fn key(of: u8, task: u32) -> AttemptKey {
    Attempt::of(task, 1).key(run(of))
}

fn dispatch(world: &World, app: &App, of: u8, task: u32) {
    let attempt = Attempt::of(task, 1);
    let order = Order::Dispatch(Intent {
        place: PLACE.to_owned(),
        job: Job {
            key: attempt.key(run(of)),
            project: project(),
            run: run(of),
            task,
            map: 0,
            attempt: 1,
            task_name: format!("t{task}"),
            work: Work::Shell {
                script: "true".to_owned(),
            },
            env: BTreeMap::new(),
            outputs: BTreeMap::new(),
            dialect: "porpoise/1".to_owned(),
            secrets: std::collections::BTreeSet::new(),
            target: None,
            residency: std::collections::BTreeSet::new(),
            labels: BTreeMap::new(),
            files: BTreeMap::new(),
        },
        rank: (2, 1),
        since: Timestamp::from_millisecond(world.now_millis()).unwrap(),
    });
    let order: Bytes = minicbor::to_vec(order).unwrap().into();
    now(app.on_intents(PLACE, vec![order])).unwrap();
}

fn set(world: &World, key: AttemptKey, state: JobState) {
    world.jobs.lock().unwrap().get_mut(&key).unwrap().1 = state;
}

/// What was said since the last call, of which job of which run.
fn said(world: &World) -> Vec<(RunId, u32, &'static str)> {
    let mut said = Vec::new();
    for (address, bodies) in std::mem::take(&mut *world.queue.lock().unwrap()) {
        for body in bodies {
            let Input::Run(RunInput::Reported(reports)) = minicbor::decode(&body).unwrap() else {
                panic!("no report")
            };
            said.extend(reports.into_iter().map(|report| {
                let word = match report.what {
                    ReportKind::Accepted => "accepted",
                    ReportKind::Waiting { .. } => "waiting",
                    ReportKind::Started { .. } => "started",
                    ReportKind::Succeeded { .. }
                    | ReportKind::Failed { .. }
                    | ReportKind::Canceled { .. } => "ended",
                };
                (RunId::from_bytes(address.id), report.attempt.task, word)
            }));
        }
    }
    said.sort_unstable();
    said
}

#[test]
fn starts_wait_for_news_of_any_run_and_are_said_beside_them() {
    let (world, dispatcher) = place();
    let poller = world.app().with_loops(Arc::new(Loop));
    for (of, task) in [(1, 0), (2, 0), (3, 0), (3, 1)] {
        dispatch(&world, &dispatcher, of, task);
    }
    set(&world, key(3, 1), JobState::Waiting { why: None });
    world.advance(60 * SECOND);
    now(poller.tick(PLACE)).unwrap();
    assert_eq!(said(&world), [], "nothing is worth a message");
    let ended = Timestamp::from_millisecond(world.now_millis()).unwrap();
    let end = JobState::Succeeded {
        started: ended,
        ended,
        outputs: BTreeMap::new(),
    };
    set(&world, key(1, 0), end);
    now(poller.check(PLACE, &[key(1, 0)])).unwrap();
    let both = [(run(1), 0, "ended"), (run(2), 0, "started")];
    assert_eq!(said(&world), both, "of the third run, more is to come");
    now(poller.tick(PLACE)).unwrap();
    assert_eq!(said(&world), [], "once");
    // before the run asks again, whatever there is
    world.advance(30 * SECOND);
    now(poller.tick(PLACE)).unwrap();
    assert_eq!(
        said(&world),
        [(run(3), 0, "started"), (run(3), 1, "waiting")]
    );
}

#[test]
fn the_target_is_not_asked_for_the_end_of_a_job_if_an_event_tells_all() {
    let (world, dispatcher) = place();
    let poller = world.app().with_loops(Arc::new(Loop));
    let asks = || {
        let trace = world.trace();
        trace
            .iter()
            .filter(|call| call.starts_with("list "))
            .count()
    };
    for of in [1, 2] {
        dispatch(&world, &dispatcher, of, 0);
    }
    let event = |of: u8| {
        let at = Timestamp::from_millisecond(world.now_millis()).unwrap();
        format!("job of {} succeeded at {at}", key(of, 0))
    };
    world.advance(60 * SECOND);
    world.end_jobs();
    let before = asks();
    assert!(now(poller.on_news(PLACE, &event(1))).unwrap());
    assert_eq!(said(&world), [(run(1), 0, "ended")]);
    assert_eq!(asks(), before + 1, "it does not know when it began");
    // of the other it was told while it ran
    let (world, dispatcher) = place();
    let poller = world.app().with_loops(Arc::new(Loop));
    dispatch(&world, &dispatcher, 2, 0);
    world.advance(60 * SECOND);
    now(poller.tick(PLACE)).unwrap();
    world.advance(20 * SECOND);
    world.end_jobs();
    let at = Timestamp::from_millisecond(world.now_millis()).unwrap();
    let before = world.trace().len();
    let event = format!("job of {} succeeded at {at}", key(2, 0));
    assert!(now(poller.on_news(PLACE, &event)).unwrap());
    assert_eq!(said(&world), [(run(2), 0, "ended")]);
    let after: Vec<String> = world.trace().into_iter().skip(before).collect();
    assert!(
        !after.iter().any(|call| call.starts_with("list ")),
        "{after:?}"
    );
}

#[test]
fn whoever_adds_to_an_entry_that_is_looked_after_does_not_look_for_the_loop() {
    let (world, dispatcher) = place();
    let looks = || {
        let trace = world.trace();
        let look = |call: &&String| call.starts_with("get loop/");
        trace.iter().filter(look).count()
    };
    dispatch(&world, &dispatcher, 1, 0);
    let first = looks();
    assert_eq!(first, 1);
    dispatch(&world, &dispatcher, 1, 1);
    assert_eq!(looks(), first, "the entry stands, so the loop is alive");
    // everything ends, and the entry is removed: the loop may end
    let poller = world.app().with_loops(Arc::new(Loop));
    world.end_jobs();
    now(poller.tick(PLACE)).unwrap();
    world.advance(3_600 * SECOND);
    now(poller.tick(PLACE)).unwrap();
    assert_eq!(world.open_entries(), [""; 0]);
    dispatch(&world, &dispatcher, 1, 2);
    assert_eq!(looks(), first + 1);
}
