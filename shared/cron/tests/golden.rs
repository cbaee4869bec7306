//! Every row of a table that was recorded from Quartz: validity and the next four fires.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use porpoise_cron::{Cron, Dialect};

#[test]
fn every_row_of_the_quartz_table_is_met() {
    let Some(folder) = std::env::var_os("PORPOISE_DS_DATA") else {
        eprintln!("SKIPPED: every_row_of_the_quartz_table_is_met needs PORPOISE_DS_DATA");
        return;
    };
    let file = Path::new(&folder).join("golden/quartz-cron.csv");
    let Ok(table) = fs::read_to_string(&file) else {
        eprintln!("SKIPPED: there is no {}", file.display());
        return;
    };
    let rows: Vec<_> = table.lines().skip(1).map(cells).collect();
    assert!(!rows.is_empty(), "the table has no rows");
    let wrong: Vec<_> = rows.iter().filter_map(|row| difference(row)).collect();
    assert!(
        wrong.is_empty(),
        "{} rows differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn difference(row: &[String]) -> Option<String> {
    let [zone, after, text, valid, expected] = row else {
        return Some(format!("not a row: {row:?}"));
    };
    let zone = TimeZone::get(zone).unwrap();
    let after = after
        .parse::<DateTime>()
        .unwrap()
        .to_zoned(zone.clone())
        .unwrap()
        .timestamp();
    let found = match Cron::parse_as(text, Dialect::Quartz) {
        Ok(cron) => Some(outcome(&cron, after, &zone)),
        Err(_) => None,
    };
    let expected = (valid == "OK").then(|| expected.split(' ').map(instant).collect::<Vec<_>>());
    (found != expected).then(|| format!("{text} after {after}: {found:?}, not {expected:?}"))
}

/// Four fires, or fewer and then `None`.
fn outcome(cron: &Cron, after: Timestamp, zone: &TimeZone) -> Vec<Option<Timestamp>> {
    let mut fires: Vec<_> = cron.fires(after, zone).take(4).map(Some).collect();
    if fires.len() < 4 {
        fires.push(None);
    }
    fires
}

fn instant(text: &str) -> Option<Timestamp> {
    (text != "END").then(|| text.parse().unwrap())
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
