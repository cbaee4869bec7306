//! The intervals that an item of a DEPENDENT task looks at.

use anyhow::Context as _;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use porpoise_engine::period::{Interval, Reading, intervals};
use porpoise_model::dependence::Period;

use crate::Table;

pub(crate) fn table(rows: &[Vec<String>]) -> anyhow::Result<Table> {
    let mut table = Table::new("dependent intervals");
    let zone = TimeZone::UTC;
    for row in rows {
        let [base, word, count, expected] = row.as_slice() else {
            anyhow::bail!("not a row: {row:?}");
        };
        let at = instant(base)?;
        let period = Period::of_date_value(word);
        let found = period.map_or_else(Vec::new, |period| {
            intervals(period, at, &zone, Reading::DolphinScheduler)
        });
        let listed = expected.split(';').filter(|text| !text.is_empty());
        let listed = listed.map(interval).collect::<anyhow::Result<Vec<_>>>()?;
        anyhow::ensure!(
            listed.len().to_string() == *count,
            "the row counts {count} intervals and lists others: {row:?}"
        );
        let difference = || format!("{word} at {base}: {found:?}, not {listed:?}");
        table.row((found != listed).then(difference));
    }
    Ok(table)
}

/// The last second is named, and belongs to the interval.
fn interval(text: &str) -> anyhow::Result<Interval> {
    let (start, last) = text
        .split_once('/')
        .with_context(|| format!("not an interval: {text}"))?;
    Ok(Interval {
        start: instant(start)?,
        end: instant(last)? + SignedDuration::from_secs(1),
    })
}

fn instant(text: &str) -> anyhow::Result<Timestamp> {
    let local: DateTime = text
        .parse()
        .with_context(|| format!("not a time: {text}"))?;
    Ok(local.to_zoned(TimeZone::UTC)?.timestamp())
}
