//! Date expressions.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use porpoise_expression::{Dialect, Instant, Template, Unknown, render};

use crate::Table;

/// What versions before 3.2 leave as written.
const LATER: [&str; 7] = [
    "this_day(",
    "last_day(",
    "month_first_day(",
    "month_last_day(",
    "week_first_day(",
    "week_last_day(",
    "year_week(",
];

pub(crate) fn tables(rows: &[Vec<String>]) -> anyhow::Result<Vec<Table>> {
    let mut new = Table::new("time expressions, 3.2");
    let mut old = Table::new("time expressions, 3.1 (later functions stay)");
    for row in rows {
        let [base, input, output] = row.as_slice() else {
            anyhow::bail!("not a row: {row:?}");
        };
        let zone = TimeZone::get("Asia/Shanghai")?;
        let base = base
            .parse()
            .with_context(|| format!("not a time: {base}"))?;
        let instant = Instant::local(base, zone).context("not a time")?;
        let difference = |dialect, expected: &str| {
            let nothing = BTreeMap::new();
            let found = render(
                &Template::parse(input),
                &nothing,
                &instant,
                dialect,
                Unknown::Fault,
            );
            let is_equal = found.as_deref() == Ok(expected);
            (!is_equal).then(|| format!("{input} at {base}: {found:?}, not {expected:?}"))
        };
        new.row(difference(Dialect::DolphinScheduler32, output));
        let stays = LATER
            .iter()
            .any(|name| input.starts_with(&format!("$[{name}")));
        old.row(difference(
            Dialect::DolphinScheduler31,
            if stays { input } else { output },
        ));
    }
    Ok(vec![new, old])
}
