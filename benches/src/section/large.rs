//! Runs of 10,000 tasks.

use std::path::Path;
use std::time::Duration;

use porpoise_model::workflow::Kind;

use super::{layers, made};
use crate::machine::ms;
use crate::real::{Real, Seen};
use crate::report::{Report, table};
use crate::shape::Shape;

pub(crate) fn large(report: &mut Report, dir: &Path) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for shape in [layers(1_000), Shape::Fan(10_000)] {
        let server = Real::start(&made(dir.join(shape.name()))?)?;
        server.apply(shape, &Kind::Noop)?;
        let seen = server.run(shape)?;
        let (slowest, steps) = server.slowest_step()?;
        server.stop()?;
        large_bars(report, shape, &seen, (slowest, steps));
        rows.push([
            shape.name(),
            format!("{:.0}", ms(seen.wall)),
            format!("{:.0}", f64::from(shape.tasks()) / seen.wall.as_secs_f64()),
            format!("{:.3}", seen.cpu.as_secs_f64()),
            format!("{:.1}", seen.peak_rss_mib),
            steps.to_string(),
            format!("{:.1}", ms(slowest)),
        ]);
    }
    let head = [
        "10,000 tasks, noop",
        "wall ms",
        "tasks/s",
        "CPU s",
        "peak RSS MiB",
        "steps",
        "slowest ms",
    ];
    Ok(table(&head, &rows))
}

fn large_bars(report: &mut Report, shape: Shape, seen: &Seen, steps: (Duration, usize)) {
    let shape = shape.name();
    report.bar(
        format!("{shape} through the server: peak RSS"),
        "below 150 MiB",
        format!("{:.1} MiB", seen.peak_rss_mib),
        seen.peak_rss_mib < 150.0,
    );
    let (slowest, count) = steps;
    report.bar(
        format!("{shape} through the server: slowest step"),
        "at most 50 ms",
        format!("{:.1} ms, of {count}", ms(slowest)),
        slowest <= Duration::from_millis(50),
    );
}
