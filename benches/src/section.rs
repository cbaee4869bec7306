//! The parts: what is measured, how often, and what is asked for. Each gives its table.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use porpoise::host::OsIds;
use porpoise_engine::effect::NewRun;
use porpoise_model::Actor;
use porpoise_model::workflow::Kind;
use porpoise_ports::Ids as _;
use tokio::runtime::Runtime;

use crate::cost::{self, CostRow, Ends};
use crate::machine::{self, ms};
use crate::process::{self, ProcessRow};
use crate::real::Real;
use crate::report::{Report, table};
use crate::server::{Local, ServerRow, Took, new_run};
use crate::shape::Shape;

/// Runs of a shape of which the median counts.
const RUNS: usize = 5;
/// Finished runs in the store with which the server starts.
const HISTORY: u32 = 10_000;
/// Of which so many are made at the same time.
const AT_ONCE: u32 = 200;
/// How long the server is watched doing nothing, and how long it has to come to rest before.
const IDLE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(3);
/// CPU time that is no work: a millionth of the time that passes, for each thread that the kernel may wake.
const NOTHING: Duration = Duration::from_millis(2);

/// Ten layers.
const fn layers(width: u32) -> Shape {
    Shape::Layers { layers: 10, width }
}

pub(crate) fn engine(report: &mut Report) -> anyhow::Result<String> {
    let shapes = [
        Shape::Chain(100),
        Shape::Fan(300),
        layers(30),
        layers(100),
        layers(1_000),
        layers(10_000),
    ];
    for shape in shapes {
        report.engine.push(crate::engine::measure(shape)?);
    }
    if let Some(row) = report.engine.last() {
        let (speed, size) = (row.transitions_per_second, row.state_bytes_per_task);
        report.bar(
            "engine alone, 100,000 tasks: transitions per second",
            "at least 2 million",
            format!("{:.2} million", speed / 1e6),
            speed >= 2e6,
        );
        report.bar(
            "engine alone, 100,000 tasks: state per task",
            "below 4 B",
            format!("{size:.2} B"),
            size < 4.0,
        );
    }
    let head = [
        "engine alone",
        "compile ms",
        "run ms",
        "transitions/s",
        "state B/task",
        "log B/task",
    ];
    let rows = report.engine.iter().map(|row| {
        [
            row.shape.clone(),
            format!("{:.2}", row.compile_ms),
            format!("{:.2}", row.run_ms),
            format!("{:.0}", row.transitions_per_second),
            format!("{:.2}", row.state_bytes_per_task),
            format!("{:.1}", row.log_bytes_per_task),
        ]
    });
    Ok(table(&head, &rows.collect::<Vec<_>>()))
}

pub(crate) fn noop(report: &mut Report, runtime: &Runtime, dir: &Path) -> anyhow::Result<String> {
    let shapes = [
        (Shape::Chain(100), RUNS),
        (Shape::Fan(300), RUNS),
        (layers(30), RUNS),
        (layers(100), 3),
        (layers(1_000), 1),
    ];
    let inside = runtime.block_on(inside(&dir.join("host"), &shapes))?;
    let server = Real::start(&made(dir.join("server"))?)?;
    for ((shape, runs), took) in shapes.into_iter().zip(&inside) {
        report.noop.push(noop_row(&server, shape, runs, took)?);
    }
    server.stop()?;
    noop_bars(report);
    let head = [
        "server, noop",
        "wall ms",
        "tasks/s",
        "gap median ms",
        "gap p99 ms",
        "syncs in a gap",
        "CPU s",
        "peak RSS MiB",
    ];
    let rows = report.noop.iter().map(|row| {
        [
            row.shape.clone(),
            format!("{:.1}", row.wall_ms),
            format!("{:.0}", row.tasks_per_second),
            format!("{:.3}", row.gap_median_ms),
            format!("{:.3}", row.gap_p99_ms),
            row.gap_syncs.to_string(),
            format!("{:.3}", row.cpu_seconds),
            format!("{:.1}", row.peak_rss_mib),
        ]
    });
    Ok(table(&head, &rows.collect::<Vec<_>>()))
}

/// The run of median wall time of each shape, in a host of this process.
async fn inside(dir: &Path, shapes: &[(Shape, usize)]) -> anyhow::Result<Vec<Took>> {
    std::fs::create_dir(dir)?;
    let local = Local::open(dir)?;
    let mut medians = Vec::new();
    for (shape, runs) in shapes {
        medians.push(median(&local, *shape, *runs, &Kind::Noop).await?);
    }
    local.stop().await;
    Ok(medians)
}

async fn median(local: &Local, shape: Shape, runs: usize, kind: &Kind) -> anyhow::Result<Took> {
    let mut took = Vec::new();
    for _ in 0..runs {
        took.push(local.run(shape, kind).await?);
    }
    took.sort_by_key(|took| took.wall);
    let at = took.len() / 2;
    Ok(took.swap_remove(at))
}

fn noop_row(server: &Real, shape: Shape, runs: usize, inside: &Took) -> anyhow::Result<ServerRow> {
    server.apply(shape, &Kind::Noop)?;
    let mut seen = Vec::new();
    for _ in 0..runs {
        seen.push(server.run(shape)?);
    }
    seen.sort_by_key(|seen| seen.wall);
    let seen = seen.swap_remove(seen.len() / 2);
    let (gap_median_ms, gap_p99_ms) = inside.gap_ms();
    Ok(ServerRow {
        shape: shape.name(),
        wall_ms: ms(seen.wall),
        tasks_per_second: f64::from(shape.tasks()) / seen.wall.as_secs_f64(),
        gap_median_ms,
        gap_p99_ms,
        gap_syncs: inside.gap_syncs(),
        cpu_seconds: seen.cpu.as_secs_f64(),
        peak_rss_mib: seen.peak_rss_mib,
    })
}

fn noop_bars(report: &mut Report) {
    let fsync = report.fsync_ms;
    let row = |name: &str| report.noop.iter().find(|row| row.shape == name);
    let chain = row("chain-100").map(|row| (row.gap_median_ms, row.gap_syncs));
    let fan = row("fan-300").map(|row| row.wall_ms);
    if let Some((gap, syncs)) = chain {
        report.bar(
            "server, noop, chain-100: median gap",
            format!("at most 3 syncs of {fsync:.3} ms"),
            format!(
                "{gap:.3} ms ({:.1} times, {syncs} syncs in it)",
                gap / fsync
            ),
            gap <= 3.0 * fsync,
        );
    }
    if let Some(wall) = fan {
        report.bar(
            "server, noop, fan-300",
            "below 100 ms",
            format!("{wall:.1} ms"),
            wall < 100.0,
        );
    }
}

pub(crate) fn processes(
    report: &mut Report,
    runtime: &Runtime,
    dir: &Path,
) -> anyhow::Result<String> {
    let shapes = [
        (Shape::Chain(100), 3),
        (Shape::Fan(300), 3),
        (layers(30), 3),
        (layers(100), 1),
    ];
    for (index, (shape, runs)) in shapes.into_iter().enumerate() {
        let row = process_row(runtime, &made(dir.join(index.to_string()))?, shape, runs)?;
        report.processes.push(row);
    }
    if let Some(row) = report.processes.iter().find(|row| row.shape == "fan-300") {
        let (ratio, plain) = (row.wall_ms / row.bare_ms, row.wall_ms / row.spawns_ms);
        report.bar(
            "server, `true` processes, fan-300",
            "at most 2 times the bare loop",
            format!("{ratio:.2} times ({plain:.1} times plain spawns)"),
            ratio <= 2.0,
        );
    }
    let head = [
        "server, `true`",
        "wall ms",
        "tasks/s",
        "gap median ms",
        "gap p99 ms",
        "bare loop ms",
        "plain spawns ms",
    ];
    let rows = report.processes.iter().map(|row| {
        [
            row.shape.clone(),
            format!("{:.0}", row.wall_ms),
            format!("{:.0}", row.tasks_per_second),
            format!("{:.1}", row.gap_median_ms),
            format!("{:.1}", row.gap_p99_ms),
            format!("{:.0} ({:.2} x)", row.bare_ms, row.wall_ms / row.bare_ms),
            format!(
                "{:.0} ({:.1} x)",
                row.spawns_ms,
                row.wall_ms / row.spawns_ms
            ),
        ]
    });
    Ok(table(&head, &rows.collect::<Vec<_>>()))
}

/// Turn and turn about, so that what else the machine does hits all three; the medians.
fn process_row(
    runtime: &Runtime,
    dir: &Path,
    shape: Shape,
    runs: usize,
) -> anyhow::Result<ProcessRow> {
    let tasks = shape.tasks();
    let (mut took, mut bare, mut spawns) = (Vec::new(), Vec::new(), Vec::new());
    let local = {
        let _inside = runtime.enter();
        Local::with_processes(&made(dir.join("host"))?)?
    };
    for turn in 0..runs {
        bare.push(process::wrappers(
            &made(dir.join(format!("bare-{turn}")))?,
            tasks,
        )?);
        took.push(runtime.block_on(local.run(shape, &process::kind()))?);
        spawns.push(process::spawns(tasks)?);
    }
    runtime.block_on(local.stop());
    took.sort_by_key(|took| took.wall);
    bare.sort_unstable();
    spawns.sort_unstable();
    let took = took.swap_remove(runs / 2);
    let middle = |sorted: &[Duration]| ms(machine::percentile(sorted, 50));
    let (gap_median_ms, gap_p99_ms) = took.gap_ms();
    Ok(ProcessRow {
        shape: shape.name(),
        wall_ms: ms(took.wall),
        tasks_per_second: f64::from(tasks) / took.wall.as_secs_f64(),
        gap_median_ms,
        gap_p99_ms,
        bare_ms: middle(&bare),
        spawns_ms: middle(&spawns),
    })
}

pub(crate) fn cost(report: &mut Report, runtime: &Runtime) -> anyhow::Result<String> {
    let pairs = [
        (Shape::Chain(300), Shape::Chain(10_000)),
        (Shape::Fan(300), Shape::Fan(10_000)),
        (layers(30), layers(1_000)),
    ];
    for (small, large) in pairs {
        for ends in [Ends::Together, Ends::Alone] {
            let small = runtime.block_on(cost::measure(small, ends))?;
            let large = runtime.block_on(cost::measure(large, ends))?;
            cost_bars(report, &small, &large);
            report.cost.extend([small, large]);
        }
    }
    let head = [
        "cost per task",
        "jobs end",
        "write units",
        "reads",
        "effects",
        "write units by kind of item",
    ];
    let rows = report.cost.iter().map(|row| {
        let kinds = row.by_kind.iter().filter(|(_, units)| **units >= 0.005);
        let kinds: Vec<String> = kinds
            .map(|(kind, units)| format!("{kind} {units:.2}"))
            .collect();
        [
            row.shape.clone(),
            row.ends.word().to_owned(),
            format!("{:.2}", row.write_units),
            format!("{:.2}", row.reads),
            format!("{:.2}", row.effects),
            kinds.join(", "),
        ]
    });
    Ok(table(&head, &rows.collect::<Vec<_>>()))
}

fn cost_bars(report: &mut Report, small: &CostRow, large: &CostRow) {
    let figures = [
        ("write units", small.write_units, large.write_units),
        ("reads", small.reads, large.reads),
        ("effects", small.effects, large.effects),
    ];
    // What becomes cheaper as the DAG grows is no miss; what is next to nothing has no ratio.
    let grows = |small: f64, large: f64| large > small * 1.2 && large - small > 0.02;
    let text: Vec<String> = figures
        .iter()
        .map(|(what, small, large)| format!("{what} {small:.2} → {large:.2}"))
        .collect();
    let met = !figures
        .iter()
        .any(|(_, small, large)| grows(*small, *large));
    report.bar(
        format!(
            "cost per task, {} → {}, jobs end {}",
            small.shape,
            large.tasks,
            small.ends.word()
        ),
        "grows by at most 20 %",
        text.join(", "),
        met,
    );
}

pub(crate) fn large(report: &mut Report, _: &Runtime, dir: &Path) -> anyhow::Result<String> {
    let shape = layers(1_000);
    let server = Real::start(&made(dir.join("server"))?)?;
    server.apply(shape, &Kind::Noop)?;
    let seen = server.run(shape)?;
    let slowest = server.slowest_step()?;
    server.stop()?;
    report.bar(
        "10,000-task run through the server: peak RSS",
        "below 150 MiB",
        format!("{:.1} MiB", seen.peak_rss_mib),
        seen.peak_rss_mib < 150.0,
    );
    let (took, steps) = slowest.ok_or_else(|| anyhow::anyhow!("the server logged no steps"))?;
    report.bar(
        "10,000-task run through the server: slowest step",
        "at most 50 ms",
        format!("{:.1} ms, of {steps}", ms(took)),
        took <= Duration::from_millis(50),
    );
    let head = [
        "10,000 tasks, noop",
        "wall ms",
        "tasks/s",
        "CPU s",
        "peak RSS MiB",
    ];
    let row = [
        shape.name(),
        format!("{:.0}", ms(seen.wall)),
        format!("{:.0}", f64::from(shape.tasks()) / seen.wall.as_secs_f64()),
        format!("{:.3}", seen.cpu.as_secs_f64()),
        format!("{:.1}", seen.peak_rss_mib),
    ];
    Ok(table(&head, &[row]))
}

pub(crate) fn idle(report: &mut Report, runtime: &Runtime, dir: &Path) -> anyhow::Result<String> {
    let store = made(dir.join("server"))?;
    runtime.block_on(history(&store))?;
    let mut ready = Vec::new();
    for _ in 0..RUNS - 1 {
        let server = Real::start(&store)?;
        ready.push(server.ready);
        server.stop()?;
    }
    let server = Real::start(&store)?;
    ready.push(server.ready);
    ready.sort_unstable();
    std::thread::sleep(REST);
    let before = machine::cpu(server.pid())?;
    std::thread::sleep(IDLE);
    let used = machine::cpu(server.pid())?.saturating_sub(before);
    let (rss, _) = machine::memory(server.pid())?;
    server.stop()?;
    let ready = machine::percentile(&ready, 50);
    report.bar(
        "start to ready, 10,000 finished runs in the store",
        "at most 100 ms",
        format!("{:.1} ms", ms(ready)),
        ready <= Duration::from_millis(100),
    );
    report.bar(
        "idle: RSS",
        "at most 40 MiB",
        format!("{rss:.1} MiB"),
        rss <= 40.0,
    );
    report.bar(
        "idle: CPU",
        "not measurable",
        format!("{:.2} ms in {} s", ms(used), IDLE.as_secs()),
        used <= NOTHING,
    );
    let head = [
        "10,000 finished runs",
        "start to ready ms",
        "idle RSS MiB",
        "idle CPU ms",
    ];
    let row = [
        format!("median of {RUNS} starts, {} s idle", IDLE.as_secs()),
        format!("{:.1}", ms(ready)),
        format!("{rss:.1}"),
        format!("{:.2}", ms(used)),
    ];
    Ok(table(&head, &[row]))
}

/// Fills the store in `dir` with runs that are over.
async fn history(dir: &Path) -> anyhow::Result<()> {
    let local = Local::open(dir)?;
    let app = local.host.app();
    let shape = Shape::Chain(1);
    let workflow = shape.workflow(&Kind::Noop)?;
    let applied = app.apply(&workflow, &Actor::engine()).await?;
    let ids = OsIds::default();
    for _ in 0..HISTORY / AT_ONCE {
        let mut begun = Vec::new();
        for _ in 0..AT_ONCE {
            let new = NewRun {
                workflow: applied.head.workflow,
                workflow_name: shape.name(),
                version: Some(applied.head.version),
                ..new_run(ids.fresh(), now())
            };
            begun.push(new);
        }
        let created = begun.iter().map(|new| app.create_run(new.clone()));
        for created in futures_util::future::join_all(created).await {
            created?;
        }
        for new in &begun {
            local.ended(new).await?;
        }
    }
    local.stop().await;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A new directory.
fn made(dir: std::path::PathBuf) -> anyhow::Result<std::path::PathBuf> {
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}
