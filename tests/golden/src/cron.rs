//! Cron expressions: whether they are valid, and their next four fire times.

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use porpoise_cron::{Cron, Dialect};

use crate::Table;

pub(crate) fn table(rows: &[Vec<String>]) -> anyhow::Result<Table> {
    let mut table = Table::new("cron");
    for row in rows {
        let [zone, after, text, valid, expected] = row.as_slice() else {
            anyhow::bail!("not a row: {row:?}");
        };
        let zone = TimeZone::get(zone)?;
        let after: DateTime = after
            .parse()
            .with_context(|| format!("not a time: {after}"))?;
        let after = after.to_zoned(zone.clone())?.timestamp();
        let cron = Cron::parse_as(text, Dialect::Quartz).ok();
        let found = cron.map(|cron| fires(&cron, after, &zone));
        let expected = if valid == "OK" {
            Some(
                expected
                    .split(' ')
                    .map(instant)
                    .collect::<Result<Vec<_>, _>>()?,
            )
        } else {
            None
        };
        let difference = || format!("{text} after {after}: {found:?}, not {expected:?}");
        table.row((found != expected).then(difference));
    }
    Ok(table)
}

/// Four fires, or fewer and then `None`.
fn fires(cron: &Cron, after: Timestamp, zone: &TimeZone) -> Vec<Option<Timestamp>> {
    let mut fires: Vec<_> = cron.fires(after, zone).take(4).map(Some).collect();
    if fires.len() < 4 {
        fires.push(None);
    }
    fires
}

fn instant(text: &str) -> anyhow::Result<Option<Timestamp>> {
    if text == "END" {
        return Ok(None);
    }
    Ok(Some(
        text.parse()
            .with_context(|| format!("not an instant: {text}"))?,
    ))
}
