//! What is played: so many runs of a workflow, one after the other or beside each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use porpoise_app::Executors;
use porpoise_app::target_store::TargetSpec;
use porpoise_engine::effect::NewRun;
use porpoise_engine::run::Run;
use porpoise_functions::log;
use porpoise_model::workflow::{Kind, PoolUse, Workflow};
use porpoise_model::{Actor, Address, RunState};
use porpoise_ports::meter::Snapshot;
use porpoise_ports::usage::{Line, Usage};
use porpoise_ports::{Clock as _, Ids as _};

use super::assumed::IDLE_MAX;
use super::books::{Books, Cause};
use super::functions::{Function, Handler};
use super::region::{PLACE, Region, Settings, TARGET_KIND};
use super::table::stored_bytes;
use super::target::JobTimes;
use super::template::Template;
use super::time::{Time, lock, logged};
use super::world::{Caller, Step, World};
use crate::server::new_run;
use crate::shape::Shape;

/// After the last job.
const AFTERWARDS: Duration = Duration::from_mins(15);
/// Nothing that is played takes so long.
const GIVEN_UP: Duration = Duration::from_hours(24 * 90);
/// Bytes of a request that starts a run, with its answer.
const REQUEST_BYTES: usize = 2_048;

/// What is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) shape: Shape,
    pub(crate) runs: u32,
    /// From the start of one to that of the next.
    pub(crate) every: Duration,
    /// How long a job takes, about.
    pub(crate) job: Duration,
    /// No function remembers anything.
    pub(crate) cold: bool,
    /// Each task needs a slot of a pool.
    pub(crate) pool: bool,
    /// Keep what was called when.
    pub(crate) traced: bool,
    pub(crate) seed: u64,
}

impl Scenario {
    pub(crate) const fn of(shape: Shape) -> Self {
        Self {
            shape,
            runs: 1,
            every: Duration::ZERO,
            job: Duration::from_mins(10),
            cold: false,
            pool: false,
            traced: false,
            seed: 1,
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) tasks: u32,
    pub(crate) books: Books,
    /// What the poll loop was alive.
    pub(crate) loops_lived: Duration,
    /// From submits to ends, all jobs together.
    pub(crate) job_hours: f64,
    pub(crate) took: Duration,
    /// Bytes that are billed for as long as the runs are kept.
    pub(crate) stored_bytes: u64,
    /// By kind of item.
    pub(crate) write_units: BTreeMap<&'static str, u64>,
    pub(crate) steps: Vec<Step>,
    /// What was asked of which tables, from the beginning, and how much of it before anything was counted.
    #[cfg(test)]
    pub(crate) tape: (Vec<super::replay::Asked>, usize),
}

impl Measured {
    /// The tasks' own usage, with a month of what they left behind.
    pub(crate) fn with_a_month(&self, template: &Template) -> Usage {
        let mut usage = self.books.of_the_tasks();
        let byte_hours = self.stored_bytes * porpoise_bill::HOURS_OF_A_MONTH;
        usage.add(Line::TableByteHours, byte_hours);
        usage.add(
            Line::BackupByteHours,
            if template.backups { byte_hours } else { 0 },
        );
        usage
    }

    pub(crate) fn per_task(&self, count: u64) -> f64 {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        f64::from(count) / f64::from(self.tasks.max(1))
    }

    /// Calls of AWS but those of the loop and of rules.
    pub(crate) fn calls(&self) -> u64 {
        let by_the_hour = |cause: &Cause| matches!(cause, Cause::Tick | Cause::Mend | Cause::Sweep);
        let accounts = self.books.accounts.iter();
        let own = accounts.filter(|(cause, _)| !by_the_hour(cause));
        own.map(|(_, account)| account.calls).sum()
    }
}

/// So much usage for `of` pieces is so much for `wanted`.
pub(crate) fn scaled(usage: &Usage, wanted: u64, of: u64) -> Usage {
    let mut scaled = Usage::default();
    for (line, pieces) in usage.lines() {
        let many = u128::from(pieces) * u128::from(wanted) / u128::from(of.max(1));
        scaled.add(line, u64::try_from(many).unwrap_or(u64::MAX));
    }
    scaled
}

fn settings(scenario: &Scenario, template: &Template) -> Settings {
    Settings {
        times: JobTimes::about(scenario.job),
        idle_max: if scenario.cold {
            Duration::ZERO
        } else {
            IDLE_MAX
        },
        megabytes: template.megabytes,
        poller_megabytes: template.poller_megabytes,
        system_logs: template.system_logs,
        sweep_every: template.sweep_every,
        mend_every: template.mend_every,
    }
}

/// Plays it to its end.
pub(crate) fn play(scenario: &Scenario, template: &Template) -> anyhow::Result<Measured> {
    log::to(logged, || {
        let world = World::new(scenario.seed, scenario.traced);
        let region = Region::new(&world, settings(scenario, template));
        let new = wait(&world.time, prepare(Arc::clone(&region), *scenario))?;
        let before = begin(&region);
        let started = Arc::<Mutex<Vec<NewRun>>>::default();
        world.time.spawn(start(
            Arc::clone(&region),
            new,
            *scenario,
            Arc::clone(&started),
        ));
        let tasks = scenario.shape.tasks() * scenario.runs;
        finish(&region, usize::try_from(tasks)?)?;
        let runs = std::mem::take(&mut *lock(&started));
        let took = Duration::from_nanos(world.time.now() - before.at);
        let measured = measure(&region, &before, tasks, took);
        wait(&world.time, check(Arc::clone(&region), runs))?;
        Ok(measured)
    })
}

/// Nothing happens for so long, but what rules call.
pub(crate) fn idle(template: &Template, hours: u64) -> anyhow::Result<Measured> {
    log::to(logged, || {
        let scenario = Scenario::of(Shape::Chain(1));
        let world = World::new(1, false);
        let region = Region::new(&world, settings(&scenario, template));
        let before = begin(&region);
        let until = world.time.now() + hours * 3_600 * 1_000_000_000 + 60 * 1_000_000_000;
        world.time.run(|| world.time.now() >= until);
        faultless(&world)?;
        Ok(measure(
            &region,
            &before,
            0,
            Duration::from_secs(hours * 3_600),
        ))
    })
}

/// What stood before anything was counted.
struct Before {
    #[cfg(test)]
    taped: usize,
    at: u64,
    stored: u64,
    home: Snapshot,
    place: Snapshot,
}

fn begin(region: &Region) -> Before {
    *lock(&region.world.books) = Books::default();
    lock(&region.world.steps).clear();
    Before {
        #[cfg(test)]
        taped: lock(&region.world.tape).len(),
        at: region.world.time.now(),
        stored: stored_bytes(&region.home.table) + stored_bytes(&region.place.table),
        home: region.home.table.meter().snapshot(),
        place: region.place.table.meter().snapshot(),
    }
}

fn measure(region: &Region, before: &Before, tasks: u32, took: Duration) -> Measured {
    let stored = stored_bytes(&region.home.table) + stored_bytes(&region.place.table);
    let mut write_units = BTreeMap::new();
    for (table, before) in [(&region.home, &before.home), (&region.place, &before.place)] {
        for (kind, counts) in table.table.meter().snapshot().since(before).kinds {
            *write_units.entry(kind).or_default() += counts.write_units;
        }
    }
    write_units.retain(|_, units| *units > 0);
    Measured {
        tasks,
        books: lock(&region.world.books).clone(),
        loops_lived: region.loops_lived(),
        job_hours: region.emr.job_hours(),
        took,
        stored_bytes: stored.saturating_sub(before.stored),
        write_units,
        steps: std::mem::take(&mut lock(&region.world.steps)),
        #[cfg(test)]
        tape: (std::mem::take(&mut lock(&region.world.tape)), before.taped),
    }
}

/// The workflow and its target, as people set them.
async fn prepare(region: Arc<Region>, scenario: Scenario) -> anyhow::Result<NewRun> {
    let caller = Caller::new(&region.world, "people");
    let app = region.app(&caller, &region.home, Executors::none());
    let new = new_run(1, region.world.now());
    let settings = serde_json::json!({
        "application_name": "etl",
        "execution_role": "arn:aws:iam::111122223333:role/porpoise-job-etl",
        "request": {"configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://example-logs/etl/"}}}},
    });
    let target = TargetSpec {
        name: "etl".parse()?,
        kind: TARGET_KIND.to_owned(),
        place: PLACE.parse()?,
        served_by: PLACE.parse()?,
        role: None,
        settings: settings.to_string(),
        default_for: ["spark".to_owned()].into(),
    };
    app.set_target(new.project, target, &Actor::engine())
        .await?;
    let mut workflow = Workflow::clone(&*scenario.shape.workflow(&spark())?);
    if scenario.pool {
        let pool = PoolUse {
            name: "etl".parse()?,
            slots: 1,
            weight: 0,
        };
        let tasks = workflow.tasks.iter_mut();
        tasks.for_each(|task| task.pool = Some(pool.clone()));
    }
    let applied = app.apply(&Arc::new(workflow), &Actor::engine()).await?;
    Ok(NewRun {
        workflow: applied.head.workflow,
        workflow_name: scenario.shape.name(),
        version: Some(applied.head.version),
        ..new
    })
}

/// A job as people write them.
fn spark() -> Kind {
    Kind::Spark {
        entry_point: "s3://example-code/etl/daily_orders.py".to_owned(),
        arguments: ["--day", "2026-11-21", "--source", "s3://example-raw/orders/", "--target", "s3://example-lake/orders/"]
            .map(str::to_owned)
            .into(),
        submit: Some(
            "--conf spark.executor.cores=4 --conf spark.executor.memory=14g --conf spark.executor.instances=8 --conf spark.sql.shuffle.partitions=400"
                .to_owned(),
        ),
        request: serde_json::Map::new(),
    }
}

/// Starts runs as the API does.
async fn start(
    region: Arc<Region>,
    new: NewRun,
    scenario: Scenario,
    started: Arc<Mutex<Vec<NewRun>>>,
) {
    for _ in 0..scenario.runs {
        let fresh = new_run(region.world.fresh(), region.world.now());
        let new = NewRun {
            workflow: new.workflow,
            workflow_name: new.workflow_name.clone(),
            version: new.version,
            ..fresh
        };
        let received = |ledger: &porpoise_ports::Ledger| ledger.api_request(REQUEST_BYTES);
        let begun = new.clone();
        let created = region.invoke(
            Function::Api,
            Cause::Start,
            received,
            |handler: Handler| async move {
                let app = handler.app();
                app.head(begun.project, begun.workflow).await?;
                let created = app.create_run(begun).await?;
                app.list_created(&created.run, scenario.shape.tasks())
                    .await?;
                anyhow::Ok(created.run)
            },
        );
        match created.await {
            Ok(run) => lock(&started).push(run),
            Err(error) => region
                .world
                .fault(format!("a run was not started: {error:#}")),
        }
        region.world.time.sleep(scenario.every).await;
    }
}

/// Until all jobs are over, and a while longer.
fn finish(region: &Region, tasks: usize) -> anyhow::Result<()> {
    let time = &region.world.time;
    let begun = time.now();
    let minute = 60 * 1_000_000_000;
    let (mut look, mut until) = (begun, None);
    let ended = time.run(|| {
        let now = time.now();
        if now >= look && until.is_none() {
            look = now + minute;
            if region.emr.over(region.world.now()) == tasks {
                until = Some(now + super::time::nanos(AFTERWARDS));
            }
        }
        until.is_some_and(|until| now >= until) || now - begun > super::time::nanos(GIVEN_UP)
    });
    faultless(&region.world)?;
    let over = region.emr.over(region.world.now());
    anyhow::ensure!(ended && over == tasks, "{over} of {tasks} jobs ended");
    Ok(())
}

fn faultless(world: &World) -> anyhow::Result<()> {
    let faults = lock(&world.faults);
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("; "));
    Ok(())
}

/// All runs have succeeded.
async fn check(region: Arc<Region>, runs: Vec<NewRun>) -> anyhow::Result<()> {
    let caller = Caller::new(&region.world, "people");
    let app = region.app(&caller, &region.home, Executors::none());
    for new in runs {
        let address = Address::run(new.project, new.run);
        let state = app.look::<Run>(address).await?.state.run_state();
        anyhow::ensure!(state == RunState::Succeeded, "a run ended as {state}");
    }
    Ok(())
}

/// Waits for something in virtual time.
fn wait<T: Send + 'static>(
    time: &Time,
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    let done = Arc::new(Mutex::new(None));
    let put = Arc::clone(&done);
    time.spawn(async move {
        let result = work.await;
        *lock(&put) = Some(result);
    });
    time.run(|| lock(&done).is_some());
    let result = lock(&done).take();
    result.unwrap_or_else(|| anyhow::bail!("it waits for something that never happens"))
}
