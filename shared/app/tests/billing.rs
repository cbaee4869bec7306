//! Jobs whose targets remember them: their ends are noted nowhere else, and what they were billed comes later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use porpoise_app::poller::Next;
use porpoise_app::{App, Delivery, Order};
use porpoise_engine::Input;
use porpoise_engine::effect::{Attempt, Intent};
use porpoise_engine::input::{ReportKind, RunInput};
use porpoise_model::job::{Job, Work};
use porpoise_model::{Address, ProjectId, RunId};

use crate::support::{Fault, World, bill};

const PLACE: &str = "local";
const MINUTE: i64 = 60_000;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

fn shell(task: u32, world: &World) -> Bytes {
    let attempt = Attempt::of(task, 1);
    let order = Order::Dispatch(Intent {
        place: PLACE.to_owned(),
        job: Job {
            key: attempt.key(run()),
            project: ProjectId::of_name("p"),
            run: run(),
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
        since: jiff::Timestamp::from_millisecond(world.now_millis()).unwrap(),
    });
    minicbor::to_vec(order).unwrap().into()
}

fn world() -> (Arc<World>, App) {
    let world = World::new(-1, Fault::Cut);
    world.remembers.store(true, Ordering::SeqCst);
    let app = world.app();
    (world, app)
}

fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

/// The messages home since the last call: how many ends they tell, and which annotations they bring.
fn home(world: &World) -> (usize, Vec<Bytes>) {
    let mut queue = world.queue.lock().unwrap();
    let bodies: Vec<Bytes> = queue.values_mut().flat_map(std::mem::take).collect();
    let (mut ends, mut notes) = (0, Vec::new());
    for body in bodies {
        match minicbor::decode(&body).unwrap() {
            Input::Run(RunInput::Reported(reports)) => {
                let ended = |report: &&porpoise_engine::input::Report| {
                    matches!(report.what, ReportKind::Succeeded { .. })
                };
                ends += reports.iter().filter(ended).count();
            }
            Input::Run(RunInput::Annotated(_)) => notes.push(body),
            Input::Run(_)
            | Input::Pool(_)
            | Input::Gate(_)
            | Input::Schedule(_)
            | Input::Backfill(_) => {
                panic!("something else came home")
            }
        }
    }
    (ends, notes)
}

fn puts_of_jobs(world: &World) -> usize {
    let trace = world.trace();
    let job = |call: &&String| call.starts_with("put jobs/local/");
    trace.iter().filter(job).count()
}

#[test]
fn an_end_that_the_target_tells_again_is_noted_nowhere() {
    let (world, app) = world();
    now(app.on_intents(PLACE, vec![shell(0, &world)])).unwrap();
    assert_eq!(puts_of_jobs(&world), 1, "recorded; the index says the rest");
    world.end_jobs();
    now(app.tick(PLACE)).unwrap();
    assert_eq!((home(&world).0, puts_of_jobs(&world)), (1, 1));
    // the dispatch comes again, late, to somebody who knows nothing
    let other = world.app();
    now(other.on_intents(PLACE, vec![shell(0, &world)])).unwrap();
    now(other.tick(PLACE)).unwrap();
    assert_eq!(home(&world).0, 1, "it is told again");
    assert_eq!(world.submits.lock().unwrap().len(), 1);
}

#[test]
fn a_batch_of_more_jobs_than_an_entry_of_the_index_holds_is_listed() {
    let (world, app) = world();
    let jobs = (0..10_000).map(|task| shell(task, &world)).collect();
    now(app.on_intents(PLACE, jobs)).unwrap();
    world.end_jobs();
    // whoever knows nothing finds all of them
    now(world.app().tick(PLACE)).unwrap();
    assert_eq!(home(&world).0, 10_000);
}

#[test]
fn a_bill_is_asked_for_when_it_should_be_known_and_kept_beside_the_run() {
    let (world, app) = world();
    now(app.on_intents(PLACE, vec![shell(0, &world), shell(1, &world)])).unwrap();
    world.end_jobs();
    assert!(
        matches!(now(app.tick(PLACE)), Ok(Next::In(_))),
        "bills are to come"
    );
    world.advance(2 * MINUTE);
    now(app.tick(PLACE)).unwrap();
    assert_eq!(home(&world), (2, Vec::new()));
    world.advance(2 * MINUTE);
    assert_eq!(now(app.tick(PLACE)).unwrap(), Next::Idle);
    let (ends, notes) = home(&world);
    assert_eq!((ends, notes.len()), (0, 1), "one message a run");
    assert!(world.open_entries().is_empty());
    let address = Address::run(ProjectId::of_name("p"), run());
    // twice, as queues do
    now(app.on_group(address, Delivery::Again, notes.clone())).unwrap();
    now(app.on_group(address, Delivery::Again, notes)).unwrap();
    let usage = now(app.usage_of_run(ProjectId::of_name("p"), run())).unwrap();
    let wanted = [0, 1].map(|task| (Attempt::of(task, 1), bill(7)));
    assert_eq!(usage, BTreeMap::from(wanted));
}

#[test]
fn an_event_brings_the_bill_sooner_and_a_process_that_knows_nothing_asks_again() {
    let (world, app) = world();
    now(app.on_intents(PLACE, vec![shell(0, &world), shell(1, &world)])).unwrap();
    let about = |task| format!("bill of job of {}", Attempt::of(task, 1).key(run()));
    assert!(
        !now(app.on_news(PLACE, &about(0))).unwrap(),
        "it is not over"
    );
    world.end_jobs();
    now(app.tick(PLACE)).unwrap();
    assert!(now(app.on_news(PLACE, &about(0))).unwrap());
    assert!(!now(app.on_news(PLACE, &about(0))).unwrap(), "once");
    let (_, notes) = home(&world);
    let address = Address::run(ProjectId::of_name("p"), run());
    now(app.on_group(address, Delivery::Again, notes)).unwrap();
    // the process dies; the next one hears of the ends again, and of the bills in their time
    let other = world.app();
    now(other.tick(PLACE)).unwrap();
    world.advance(4 * MINUTE);
    assert_eq!(now(other.tick(PLACE)).unwrap(), Next::Idle);
    let (_, notes) = home(&world);
    now(other.on_group(address, Delivery::Again, notes)).unwrap();
    let usage = now(other.usage_of_run(ProjectId::of_name("p"), run())).unwrap();
    assert_eq!(usage.len(), 2);
    assert_eq!(usage.get(&Attempt::of(1, 1)), Some(&bill(7)));
}
