//! Write units, reads and effects of a task, as the DAG grows.

use tokio::runtime::Runtime;

use super::layers;
use crate::cost::{self, CostRow, Ends};
use crate::report::{Report, table};
use crate::shape::Shape;

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
