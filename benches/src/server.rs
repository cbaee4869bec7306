//! The engine behind its durable store, with the host's own loops: what a run costs from its creation to its end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use porpoise::host::Host;
use porpoise_app::Executors;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::plan::Plan;
use porpoise_model::workflow::Kind;
use porpoise_model::{Actor, Address, CommandId, ProjectId, RunId, RunState};
use porpoise_ports::{Executor, Ids};
use serde::Serialize;

use crate::shape::Shape;
use crate::stamp::Stamped;

/// What one shape took.
#[derive(Debug, Serialize)]
pub(crate) struct ServerRow {
    pub(crate) shape: String,
    pub(crate) wall_ms: f64,
    pub(crate) tasks_per_second: f64,
    pub(crate) gap_median_ms: f64,
    pub(crate) gap_p99_ms: f64,
    pub(crate) syncs: u64,
    pub(crate) cpu_seconds: f64,
}

/// Runs a shape on a host and waits for its end.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) async fn measure(
    host: &Host,
    stamped: &Stamped,
    shape: Shape,
    kind: &Kind,
) -> anyhow::Result<ServerRow> {
    let workflow = shape.workflow(kind)?;
    let plan = Plan::compile(Arc::clone(&workflow))?;
    let actor = Actor::engine();
    let applied = host.app().apply(&workflow, &actor).await?;
    let project = ProjectId::of_name("bench");
    let command = CommandId::from_bytes(porpoise::host::OsIds::default().fresh().to_le_bytes());
    let now = Timestamp::now();
    let new = NewRun {
        project,
        run: RunId::of_command(command),
        workflow: applied.head.workflow,
        workflow_name: shape.name(),
        version: Some(applied.head.version),
        trigger: Trigger::Api,
        logical_date: now,
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor,
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: now,
    };
    stamped.forget();
    let (syncs, cpu, begun) = (host.table().inner().sync_count(), cpu(), Instant::now());
    host.app().create_run(new.clone()).await?;
    let state = ended(host, &new).await?;
    let wall = begun.elapsed();
    anyhow::ensure!(state == RunState::Succeeded, "the run ended as {state}");
    let gaps = stamped.gaps(|task| plan.upstream(task).to_vec());
    Ok(ServerRow {
        shape: shape.name(),
        wall_ms: wall.as_secs_f64() * 1e3,
        tasks_per_second: f64::from(shape.tasks()) / wall.as_secs_f64(),
        gap_median_ms: percentile(&gaps, 50),
        gap_p99_ms: percentile(&gaps, 99),
        syncs: host.table().inner().sync_count() - syncs,
        cpu_seconds: self::cpu().saturating_sub(cpu).as_secs_f64(),
    })
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |gap| gap.as_secs_f64() * 1e3)
}

/// Waits until the log says that the run is over.
async fn ended(host: &Host, new: &NewRun) -> anyhow::Result<RunState> {
    let address = Address::run(new.project, new.run);
    let written = host.table().written(&address.to_string());
    loop {
        let next = written.notified();
        let loaded = host
            .app()
            .look::<porpoise_engine::run::Run>(address)
            .await?;
        if loaded.state.run_state().is_terminal() {
            return Ok(loaded.state.run_state());
        }
        next.await;
    }
}

/// CPU time of this process so far.
fn cpu() -> Duration {
    let times = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(times.tv_sec).unwrap_or(0),
        u32::try_from(times.tv_nsec).unwrap_or(0),
    )
}

/// A host over a fresh store in `dir`.
pub(crate) fn host(dir: &Path, stamped: &Arc<Stamped>) -> anyhow::Result<Host> {
    let executor: Arc<dyn Executor> = stamped.clone();
    let mut host = Host::open(
        dir,
        Executors::none().with_prompt(["noop", "sleep"], &executor),
    )?;
    let (_, completions) = tokio::sync::mpsc::unbounded_channel();
    host.start(completions);
    Ok(host)
}

/// The median time of appending 4 KB to a file and syncing it: what a durable write costs on this disk.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
pub(crate) fn fsync(dir: &Path) -> anyhow::Result<f64> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(dir.join("fsync"))?;
    let mut took = Vec::new();
    for _ in 0..300 {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort_unstable();
    Ok(percentile(&took, 50))
}
