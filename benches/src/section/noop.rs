//! Runs of `noop` through the running server and its durable store.

use std::path::Path;

use porpoise_model::workflow::Kind;
use tokio::runtime::Runtime;

use super::{RUNS, layers, made, median, middle};
use crate::machine::{fsync, ms};
use crate::real::Real;
use crate::report::{Report, table};
use crate::server::{Local, ServerRow, Took};
use crate::shape::Shape;

pub(crate) fn noop(report: &mut Report, runtime: &Runtime, dir: &Path) -> anyhow::Result<String> {
    let shapes = [
        (Shape::Chain(100), RUNS),
        (Shape::Fan(300), RUNS),
        (layers(30), RUNS),
        (layers(100), 3),
        (layers(1_000), 1),
    ];
    // Beside what it is compared with: other work on the machine hits both.
    let before = fsync(dir)?;
    let inside = runtime.block_on(inside(&dir.join("host"), &shapes))?;
    report.fsync_ms = ms((before + fsync(dir)?) / 2);
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

fn noop_row(server: &Real, shape: Shape, runs: usize, inside: &Took) -> anyhow::Result<ServerRow> {
    server.apply(shape, &Kind::Noop)?;
    let seen = (0..runs).map(|_| server.run(shape));
    let seen = middle(seen.collect::<Result<_, _>>()?);
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
