//! What was measured, against what was asked for.

use serde::Serialize;

use crate::cost::CostRow;
use crate::engine::EngineRow;
use crate::process::ProcessRow;
use crate::server::ServerRow;

/// Everything that one call measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) cpus: usize,
    /// Median of appending 4 KB and syncing, in the directory of the stores.
    pub(crate) fsync_ms: f64,
    pub(crate) engine: Vec<EngineRow>,
    pub(crate) noop: Vec<ServerRow>,
    pub(crate) processes: Vec<ProcessRow>,
    pub(crate) cost: Vec<CostRow>,
    /// Scenarios, each with every line of its bill.
    pub(crate) bill: Vec<serde_json::Value>,
    pub(crate) bars: Vec<Bar>,
}

/// A figure that has to be reached.
#[derive(Debug, Serialize)]
pub(crate) struct Bar {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Report {
    pub(crate) fn bar(
        &mut self,
        what: impl Into<String>,
        wanted: impl Into<String>,
        measured: impl Into<String>,
        met: bool,
    ) {
        self.bars.push(Bar {
            what: what.into(),
            wanted: wanted.into(),
            measured: measured.into(),
            met,
        });
    }

    /// The table of bars, as Markdown.
    pub(crate) fn table(&self) -> String {
        let head = ["what", "bar", "measured", ""];
        let mark = |met| if met { "met" } else { "MISSED" }.to_owned();
        let rows = self.bars.iter().map(|bar| {
            [
                bar.what.clone(),
                bar.wanted.clone(),
                bar.measured.clone(),
                mark(bar.met),
            ]
        });
        table(&head, &rows.collect::<Vec<_>>())
    }
}

/// A Markdown table whose columns are aligned.
pub(crate) fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let head = head.map(str::to_owned);
    let mut widths = [0; N];
    for row in std::iter::once(&head).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(3).max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!(" {cell:<width$} |"));
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.map(|width| "-".repeat(width));
    let body = rows.iter().map(line).collect::<String>();
    format!("{}{}{body}", line(&head), line(&rule))
}
