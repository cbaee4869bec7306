//! Every row of a table that was recorded from DolphinScheduler's own resolver of `$[...]`.

#![expect(clippy::print_stderr, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use porpoise_expression::{Dialect, ExpressionError, Instant, Template, Unknown, render};

/// What 3.1 does not know and leaves as written, as its release that was run for the table showed.
const LATER: [&str; 7] = [
    "this_day(",
    "last_day(",
    "month_first_day(",
    "month_last_day(",
    "week_first_day(",
    "week_last_day(",
    "year_week(",
];

/// The expressions on which the native dialect differs, and why.
const NATIVE_DIFFERS: [(&str, &str); 8] = [
    (
        "$[add_months(yyyy-MM-dd,-3+1)]",
        "a sign holds for one number",
    ),
    ("$[yyyyMMdd+(2-1)*3]", "brackets in a pattern are a fault"),
    ("$[yyyyMMddHH-(1/24)]", "brackets in a pattern are a fault"),
    ("$[yyyyMMdd-1.5]", "a dot in a number is a fault"),
    ("$[]", "a pattern without letters is a fault"),
    ("$[YYYYMMdd]", "weeks of ISO 8601"),
    ("$[year_week(", "the year that the week belongs to"),
    ("$[unknown", "what cannot be evaluated is a fault"),
];

struct Row {
    base: String,
    input: String,
    output: String,
}

impl Row {
    fn rendered(&self, dialect: Dialect) -> Result<String, ExpressionError> {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let instant = Instant::local(self.base.parse().unwrap(), zone).unwrap();
        let template = Template::parse(&self.input);
        let nothing = BTreeMap::new();
        render(&template, &nothing, &instant, dialect, Unknown::Fault)
    }

    fn differs_natively(&self) -> bool {
        let known = |(start, _): &(&str, &str)| self.input.starts_with(start);
        NATIVE_DIFFERS.iter().any(known) || self.output == self.input
    }
}

/// `None`, loudly, without the folder of the tables.
fn rows() -> Option<Vec<Row>> {
    let Some(folder) = std::env::var_os("PORPOISE_DS_DATA") else {
        eprintln!("SKIPPED: the table of date expressions needs PORPOISE_DS_DATA");
        return None;
    };
    let file = Path::new(&folder).join("golden/time-expressions.csv");
    let Ok(table) = fs::read_to_string(&file) else {
        eprintln!("SKIPPED: there is no {}", file.display());
        return None;
    };
    let rows: Vec<_> = table.lines().skip(1).map(row).collect();
    assert!(!rows.is_empty(), "the table has no rows");
    Some(rows)
}

fn row(line: &str) -> Row {
    let [base, input, output] = cells(line).try_into().unwrap();
    Row {
        base,
        input,
        output,
    }
}

fn assert_all(rows: &[Row], dialect: Dialect, expected: impl Fn(&Row) -> String) {
    let wrong: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let (found, expected) = (row.rendered(dialect), expected(row));
            let Row { base, input, .. } = row;
            let line = || format!("{input} at {base}: {found:?}, not {expected:?}");
            (found.as_ref() != Ok(&expected)).then(line)
        })
        .collect();
    let lines = wrong.join("\n");
    assert!(wrong.is_empty(), "{} rows differ:\n{lines}", wrong.len());
}

#[test]
fn every_row_is_met_by_3_2() {
    let Some(rows) = rows() else { return };
    assert_all(&rows, Dialect::DolphinScheduler32, |row| row.output.clone());
}

#[test]
fn every_row_is_met_by_3_1_which_leaves_later_functions_as_written() {
    let Some(rows) = rows() else { return };
    assert_all(&rows, Dialect::DolphinScheduler31, |row| {
        let is_later = LATER
            .iter()
            .any(|name| row.input.starts_with(&format!("$[{name}")));
        let text = if is_later { &row.input } else { &row.output };
        text.clone()
    });
}

#[test]
fn the_native_dialect_differs_only_where_it_says() {
    let Some(rows) = rows() else { return };
    let (differing, same): (Vec<_>, Vec<_>) = rows.into_iter().partition(Row::differs_natively);
    assert_all(&same, Dialect::Porpoise1, |row| row.output.clone());
    for (start, reason) in NATIVE_DIFFERS {
        let these = differing.iter().filter(|row| row.input.starts_with(start));
        let these: Vec<_> = these.collect();
        if these.is_empty() {
            eprintln!("SKIPPED: the table has no `{start}`");
            continue;
        }
        let mut these = these.into_iter();
        let differs = these.any(|row| row.rendered(Dialect::Porpoise1).as_ref() != Ok(&row.output));
        assert!(differs, "`{start}` is as in the table: {reason}");
    }
}

/// Splits a line at commas outside double quotes.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}
