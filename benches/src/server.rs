//! A run through the server's host and its durable store, in this process: what happens between two tasks is seen
//! finer than the API tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use porpoise::host::{Host, OsIds, SystemClock};
use porpoise_app::Executors;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::plan::Plan;
use porpoise_engine::run::Run;
use porpoise_executor_local::{InstantExecutor, Limits, LocalExecutor};
use porpoise_model::workflow::Kind;
use porpoise_model::{Actor, Address, CommandId, ProjectId, RunId, RunState};
use porpoise_ports::{Executor, Ids};
use serde::Serialize;

use crate::machine::{ms, percentile};
use crate::process;
use crate::shape::Shape;
use crate::stamp::{Gap, Stamped};

/// After this long a run is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host, and what sees its jobs.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) host: Host,
    stamped: Arc<Stamped>,
}

/// What one run took.
#[derive(Debug, Clone)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// Ascending.
    pub(crate) gaps: Vec<Gap>,
}

/// How a shape fared with `noop` tasks.
#[derive(Debug, Serialize)]
pub(crate) struct ServerRow {
    pub(crate) shape: String,
    /// Through the running server, over HTTP; the median of the runs.
    pub(crate) wall_ms: f64,
    pub(crate) tasks_per_second: f64,
    pub(crate) gap_median_ms: f64,
    pub(crate) gap_p99_ms: f64,
    /// Between the end of a task and the start of the next: median.
    pub(crate) gap_syncs: u64,
    pub(crate) cpu_seconds: f64,
    pub(crate) peak_rss_mib: f64,
}

impl Local {
    /// A host over the store in `dir`, with the executors of the server.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let instant = InstantExecutor::open(dir, Arc::new(SystemClock))?;
        let news = instant.completions();
        let stamped = Stamped::new(instant);
        let executor: Arc<dyn Executor> = stamped.clone();
        let executors = Executors::none().with_prompt(["noop", "sleep"], &executor);
        let mut host = Host::open(dir, executors)?;
        stamped.count(host.table());
        host.start(news);
        Ok(Self { host, stamped })
    }

    /// The same for processes, with the wrapper of the product.
    pub(crate) fn with_processes(dir: &Path) -> anyhow::Result<Self> {
        let local = LocalExecutor::open(dir, process::wrapper()?, Limits::default())?;
        let news = local.completions();
        let stamped = Stamped::new(local);
        let executor: Arc<dyn Executor> = stamped.clone();
        let mut host = Host::open(dir, Executors::none().with(["command"], &executor))?;
        stamped.count(host.table());
        host.start(news);
        Ok(Self { host, stamped })
    }

    /// Runs a shape and waits for its end.
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) async fn run(&self, shape: Shape, kind: &Kind) -> anyhow::Result<Took> {
        let app = self.host.app();
        let workflow = shape.workflow(kind)?;
        let plan = Plan::compile(Arc::clone(&workflow))?;
        let applied = app.apply(&workflow, &Actor::engine()).await?;
        let new = NewRun {
            workflow: applied.head.workflow,
            workflow_name: shape.name(),
            version: Some(applied.head.version),
            ..new_run(OsIds::default().fresh(), Timestamp::now())
        };
        self.stamped.expect(workflow.tasks.len());
        let begun = Instant::now();
        app.create_run(new.clone()).await?;
        tokio::time::timeout(PATIENCE, self.stamped.all()).await?;
        self.ended(&new).await?;
        Ok(Took {
            wall: begun.elapsed(),
            gaps: self.stamped.gaps(|task| plan.upstream(task).to_vec()),
        })
    }

    /// Waits until the log says that the run is over.
    pub(crate) async fn ended(&self, new: &NewRun) -> anyhow::Result<()> {
        let address = Address::run(new.project, new.run);
        let written = self.host.table().written(&address.to_string());
        loop {
            let next = written.notified();
            let loaded = self.host.app().look::<Run>(address).await?;
            let state = loaded.state.run_state();
            if state.is_terminal() {
                anyhow::ensure!(state == RunState::Succeeded, "the run ended as {state}");
                return Ok(());
            }
            next.await;
        }
    }

    pub(crate) async fn stop(self) {
        self.host.stop().await;
    }
}

impl Took {
    /// Median and 99th percentile of the gaps, in milliseconds.
    pub(crate) fn gap_ms(&self) -> (f64, f64) {
        let times: Vec<Duration> = self.gaps.iter().map(|gap| gap.time).collect();
        (ms(percentile(&times, 50)), ms(percentile(&times, 99)))
    }

    /// The median of the syncs in a gap.
    pub(crate) fn gap_syncs(&self) -> u64 {
        let mut syncs: Vec<u64> = self.gaps.iter().map(|gap| gap.syncs).collect();
        syncs.sort_unstable();
        syncs.get(syncs.len() / 2).copied().unwrap_or_default()
    }
}

/// A run of nothing yet.
pub(crate) fn new_run(id: u128, now: Timestamp) -> NewRun {
    let project = ProjectId::of_name("bench");
    NewRun {
        project,
        run: RunId::of_command(CommandId::from_bytes(id.to_le_bytes())),
        workflow: porpoise_model::WorkflowId::first_named(project, "bench"),
        workflow_name: "bench".to_owned(),
        version: None,
        trigger: Trigger::Api,
        logical_date: now,
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor: Actor::engine(),
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: now,

        placement: porpoise_engine::placement::Placement::default(),
        only: None,
        project_parameters: None,
    }
}
