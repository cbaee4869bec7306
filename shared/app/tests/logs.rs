//! Logs of jobs: found by the attempt while the job runs and long after, by processes that know nothing of it, and not
//! carried where the data of their run may not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use porpoise_app::job_log::JobLogError;
use porpoise_app::{App, Order};
use porpoise_engine::effect::{Attempt, Intent};
use porpoise_model::job::{Job, Work};
use porpoise_model::{Place, ProjectId, RunId};
use porpoise_ports::Logs;
use porpoise_ports::logs::{LogAsk, LogChunk, LogError, LogPart, NoLog};

use crate::support::{Fault, PLACE, World};

const EU: &str = "aws.eu-central-1.111122223333";
const US: &str = "aws.us-east-1.111122223333";

fn run() -> RunId {
    RunId::from_bytes([5; 16])
}

fn dispatch(app: &App, attempt: u32, residency: &[&str]) {
    let key = Attempt::of(7, attempt).key(run());
    let order = Order::Dispatch(Intent {
        place: PLACE.to_owned(),
        job: Job {
            key,
            project: ProjectId::of_name("p"),
            run: run(),
            task: 7,
            map: 0,
            attempt,
            task_name: "load".to_owned(),
            work: Work::Shell {
                script: "true".to_owned(),
            },
            env: BTreeMap::new(),
            outputs: BTreeMap::new(),
            dialect: "porpoise/1".to_owned(),
            secrets: BTreeSet::new(),
            target: None,
            residency: places(residency),
            labels: BTreeMap::new(),
            files: BTreeMap::new(),
        },
        rank: (2, 2),
        since: Timestamp::from_millisecond(1_000).unwrap(),
    });
    let order = minicbor::to_vec(order).unwrap().into();
    let sent = app.on_intents(PLACE, vec![order]);
    sent.now_or_never().unwrap().unwrap();
}

fn places(places: &[&str]) -> BTreeSet<Place> {
    places.iter().map(|place| place.parse().unwrap()).collect()
}

fn ask(attempt: u32) -> LogAsk {
    LogAsk {
        place: PLACE.to_owned(),
        project: ProjectId::of_name("p"),
        run: run(),
        task: 7,
        map: 0,
        attempt,
        external_id: None,
        ended: None,
        part: Some(LogPart { from: 0, limit: 99 }),
    }
}

fn read(app: &App, ask: &LogAsk, residency: &[&str]) -> Result<Option<LogChunk>, JobLogError> {
    let residency = places(residency);
    let read = app.job_log(ask, &residency);
    read.now_or_never().unwrap()
}

/// What the target is asked for: what it calls the job, and the latest time that it may be of.
fn looked_up(world: &World) -> (Option<String>, Option<i64>) {
    let asked = world.logs.lock().unwrap();
    let job = asked.last().unwrap();
    let until = job.until.map(Timestamp::as_millisecond);
    (job.external_id.clone(), until)
}

fn world() -> (Arc<World>, App) {
    let world = World::new(-1, Fault::Cut);
    world.remembers.store(true, Ordering::SeqCst);
    let app = world.app();
    (world, app)
}

#[test]
fn a_log_is_found_while_the_job_runs_and_after_it_by_whoever_knows_nothing() {
    let (world, app) = world();
    for attempt in [1, 2] {
        dispatch(&app, attempt, &[]);
        let key = Attempt::of(7, attempt).key(run());
        let id = Some(format!("job of {key}"));
        // its item says nothing of it, and the index does
        let stranger = world.app();
        let wanted = format!("log of {key}");
        let found = read(&stranger, &ask(attempt), &[]).unwrap().unwrap();
        assert_eq!(found.bytes, wanted.as_bytes());
        assert_eq!(looked_up(&world), (id.clone(), None));
        // what its run was told comes first
        let told = LogAsk {
            external_id: Some("told".to_owned()),
            ..ask(attempt)
        };
        read(&stranger, &told, &[]).unwrap().unwrap();
        assert_eq!(looked_up(&world).0.as_deref(), Some("told"));
        world.end_jobs();
        app.tick(PLACE).now_or_never().unwrap().unwrap();
        // until its bill has come, it stays listed
        world.advance(40_000_000);
        app.tick(PLACE).now_or_never().unwrap().unwrap();
        assert_eq!(world.open_entries(), Vec::<String>::new());
        // nobody knows any more what the target calls it, so the target is asked by the key
        let over = LogAsk {
            ended: Timestamp::from_millisecond(9_000).ok(),
            ..ask(attempt)
        };
        let found = read(&world.app(), &over, &[]).unwrap().unwrap();
        assert_eq!(found.bytes, wanted.as_bytes());
        assert_eq!(looked_up(&world), (None, Some(9_000)));
    }
    assert_eq!(read(&app, &ask(3), &[]).unwrap(), None, "never dispatched");
}

/// Another place that answers with what it was asked.
#[derive(Debug, Default)]
struct Far(Mutex<Vec<LogAsk>>);

#[async_trait]
impl Logs for Far {
    async fn read(&self, ask: &LogAsk) -> Result<Option<LogChunk>, LogError> {
        self.0.lock().unwrap().push(ask.clone());
        if ask.part.is_none() {
            let none = NoLog {
                address: Some("s3://logs/".to_owned()),
                ..NoLog::never("kept")
            };
            return Err(none.into());
        }
        Ok(None)
    }
}

/// An app at home that runs no jobs.
fn far(world: &Arc<World>) -> (Arc<Far>, App) {
    let far = Arc::new(Far::default());
    let app = world.app().at_home(EU.parse().unwrap());
    let logs: Arc<dyn Logs> = far.clone();
    (far, app.reading_logs_from(logs))
}

#[test]
fn a_host_without_jobs_asks_their_place() {
    let (world, _) = world();
    let (far, app) = far(&world);
    let of = |place: &str| LogAsk {
        place: place.to_owned(),
        ..ask(1)
    };
    for residency in [&[][..], &[EU], &[EU, US]] {
        assert_eq!(read(&app, &of(US), residency).unwrap(), None);
    }
    assert_eq!(read(&app, &of(porpoise_app::HOME), &[]).unwrap(), None);
    let asked = std::mem::take(&mut *far.0.lock().unwrap());
    let asked: Vec<_> = asked.iter().map(|ask| (&*ask.place, ask.part)).collect();
    let part = ask(1).part;
    let wanted = [(US, part), (US, part), (US, part), (EU, part)];
    assert_eq!(asked, wanted);
}

#[test]
fn no_byte_of_a_log_is_asked_for_that_may_not_be_at_home() {
    let (world, _) = world();
    let (far, app) = far(&world);
    let Err(JobLogError::None(none)) = read(&app, &ask(1), &[US]) else {
        panic!("it was read");
    };
    assert_eq!(none.address.as_deref(), Some("s3://logs/"));
    assert_eq!(far.0.lock().unwrap()[0].part, None);
}

#[test]
fn the_place_of_a_job_gives_no_byte_of_it_away_either() {
    let (world, app) = world();
    dispatch(&app, 1, &[PLACE]);
    let refusing = world.app().at_home(EU.parse().unwrap());
    let read = refusing.log_here(&ask(1)).now_or_never().unwrap();
    let Err(JobLogError::None(none)) = read else {
        panic!("{read:?}");
    };
    assert!(
        none.why.contains(&format!("may not be at `{EU}`")),
        "{none:?}"
    );
    assert_eq!(none.address, None, "this target knows of none");
    assert_eq!(world.logs.lock().unwrap().len(), 0);
    // at its own place, it is read
    assert!(
        app.log_here(&ask(1))
            .now_or_never()
            .unwrap()
            .unwrap()
            .is_some()
    );
}
