//! The engine alone: no store, no queue, no clock.

use super::layers;
use crate::engine;
use crate::report::{Report, table};
use crate::shape::Shape;

pub(crate) fn alone(report: &mut Report) -> anyhow::Result<String> {
    let shapes = [
        Shape::Chain(100),
        Shape::Fan(300),
        layers(30),
        layers(100),
        layers(1_000),
        layers(10_000),
    ];
    for shape in shapes {
        report.engine.push(engine::measure(shape)?);
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
