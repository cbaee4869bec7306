//! The same with a real process for each task, against loops without a server.

use std::path::Path;

use tokio::runtime::Runtime;

use super::{layers, made, median, middle};
use crate::machine::{ms, percentile};
use crate::process::{self, ProcessRow};
use crate::real::Real;
use crate::report::{Report, table};
use crate::server::{Local, Took};
use crate::shape::Shape;

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
    let local = {
        let _inside = runtime.enter();
        Local::with_processes(&made(dir.join("host"))?)?
    };
    let server = Real::start(&made(dir.join("server"))?)?;
    for (shape, runs) in shapes {
        let inside = runtime.block_on(median(&local, shape, runs, &process::kind()))?;
        let row = process_row(&server, &dir.join(shape.name()), shape, runs, &inside)?;
        report.processes.push(row);
    }
    server.stop()?;
    runtime.block_on(local.stop());
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
        "CPU s: server",
        "jobs",
        "peak RSS MiB",
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
            format!("{:.2}", row.cpu_seconds),
            format!("{:.2}", row.jobs_cpu_seconds),
            format!("{:.1}", row.peak_rss_mib),
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
    server: &Real,
    dir: &Path,
    shape: Shape,
    runs: usize,
    inside: &Took,
) -> anyhow::Result<ProcessRow> {
    let tasks = shape.tasks();
    let (mut seen, mut bare, mut spawns) = (Vec::new(), Vec::new(), Vec::new());
    server.apply(shape, &process::kind())?;
    for turn in 0..runs {
        let dir = made(dir.join(turn.to_string()))?;
        bare.push(process::wrappers(&dir, tasks)?);
        seen.push(server.run(shape)?);
        spawns.push(process::spawns(tasks)?);
    }
    bare.sort_unstable();
    spawns.sort_unstable();
    let seen = middle(seen);
    let (gap_median_ms, gap_p99_ms) = inside.gap_ms();
    Ok(ProcessRow {
        shape: shape.name(),
        wall_ms: ms(seen.wall),
        tasks_per_second: f64::from(tasks) / seen.wall.as_secs_f64(),
        gap_median_ms,
        gap_p99_ms,
        cpu_seconds: seen.cpu.as_secs_f64(),
        jobs_cpu_seconds: seen.jobs_cpu.as_secs_f64(),
        peak_rss_mib: seen.peak_rss_mib,
        bare_ms: ms(percentile(&bare, 50)),
        spawns_ms: ms(percentile(&spawns, 50)),
    })
}
