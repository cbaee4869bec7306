//! Golden tables: what DolphinScheduler's own code computed, against what ours computes, row by row; and the import of
//! every file of a folder.
//!
//! The folder is laid out as the one that `PORPOISE_DS_DATA` names. Tables that it does not have are listed as skipped, so
//! that nobody takes them for met.
//!
//! Start reading at [`tables`].

mod cron;
mod dependent;
mod fixture;
mod import;
mod time;

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

pub use import::{Cost, once};

/// What came of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    /// What it is of.
    pub name: &'static str,
    /// Rows, or files.
    pub rows: usize,
    /// Rows for which ours is the same.
    pub equal: usize,
    /// The others, a line each.
    pub different: Vec<String>,
    /// Rows that differ and are held to be wrong, a line each with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<String>,
    /// Why it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_run: Option<&'static str>,
}

impl Table {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            rows: 0,
            equal: 0,
            different: Vec::new(),
            held: Vec::new(),
            not_run: None,
        }
    }

    fn row(&mut self, difference: Option<String>) {
        self.rows += 1;
        match difference {
            None => self.equal += 1,
            Some(difference) => self.different.push(difference),
        }
    }

    fn hold(&mut self, line: String) {
        self.rows += 1;
        self.held.push(line);
    }

    /// A line about it.
    pub fn line(&self) -> String {
        let Self {
            name, rows, equal, ..
        } = self;
        if let Some(why) = self.not_run {
            return format!("{name:<46} {rows:>5} rows  SKIPPED: {why}");
        }
        let different = self.different.len();
        let mut line =
            format!("{name:<46} {rows:>5} rows  {equal:>5} equal  {different:>5} different");
        if !self.held.is_empty() {
            // Writing into a text does not fail.
            let _ = write!(line, "  {:>2} held to be wrong", self.held.len());
        }
        line
    }
}

/// All tables of a folder.
///
/// What the folder does not have is skipped, and says so.
///
/// # Errors
/// There is no such folder, or a table is none.
pub fn tables(folder: &Path) -> anyhow::Result<Vec<Table>> {
    anyhow::ensure!(folder.is_dir(), "there is no folder {}", folder.display());
    let golden = folder.join("golden");
    let mut tables = time::tables(&rows(&golden.join("time-expressions.csv"))?)?;
    tables.push(cron::table(&rows(&golden.join("quartz-cron.csv"))?)?);
    tables.extend(import::tables(folder)?);
    tables.push(dependent::table(&rows(
        &golden.join("dependent-intervals.csv"),
    )?)?);
    let expected = rows(&folder.join("engine-fixtures/EXPECTED.csv"))?;
    tables.push(fixture::table(folder, &expected)?);
    for table in tables.iter_mut().filter(|table| table.rows == 0) {
        table.not_run = Some("the folder has nothing of it");
    }
    Ok(tables)
}

/// The cells of each row but the first, which names them. None, if there is no such file.
fn rows(file: &Path) -> anyhow::Result<Vec<Vec<String>>> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let rows = text.lines().skip(1).filter(|line| !line.is_empty());
    Ok(rows.map(cells).collect())
}

/// Splits a line at commas outside double quotes; a doubled quote within quotes is one.
fn cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_may_hold_commas_and_quotes() {
        assert_eq!(cells(r#"a,"b,""c""",,d"#), ["a", "b,\"c\"", "", "d"]);
    }

    #[test]
    fn a_row_that_differs_is_told() {
        let row = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let rows = [
            row("2017-01-01 01:01:01|$[yyyyMMdd]|20170101"),
            row("2017-01-01 01:01:01|$[yyyyMMdd]|20170102"),
        ];
        let tables = time::tables(&rows).unwrap();
        assert_eq!((tables[0].rows, tables[0].equal), (2, 1));
        assert!(tables[0].different[0].contains("20170101"), "{tables:?}");
        let rows = [
            row(
                "UTC|2024-02-28 23:59:59|0 0 0 * * ? *|OK|2024-02-29T00:00:00Z 2024-03-01T00:00:00Z 2024-03-02T00:00:00Z 2024-03-03T00:00:00Z",
            ),
            row("UTC|2024-02-28 23:59:59|0 0 0 * * ? *|INVALID|"),
        ];
        let table = cron::table(&rows).unwrap();
        assert_eq!((table.rows, table.equal, table.different.len()), (2, 1, 1));
        let rows = [
            row("2024-03-01 00:10:00|last1Hour|1|2024-02-29 23:00:00/2024-02-29 23:59:59"),
            row("2024-03-01 00:10:00|last1Days|1|2024-02-29 00:00:00/2024-02-29 23:59:58"),
            row("2024-03-01 00:10:00|bogusValue|0|"),
        ];
        let table = dependent::table(&rows).unwrap();
        assert_eq!((table.rows, table.equal, table.different.len()), (3, 2, 1));
    }
}
