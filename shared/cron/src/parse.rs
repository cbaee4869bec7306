//! From text to [`Cron`]: which dialect, which field is which.

use std::collections::BTreeSet;

use crate::calendar::{Bits, Calendar, YEARS};
use crate::cron::{Cron, Dialect};
use crate::day::DayRule;
use crate::day_form;
use crate::fault::{CronError, CronFault, Field};
use crate::field::{self, List, MONTHS, Spec, WEEKDAYS};
use crate::token::Token;

/// Longer than any sensible expression; keeps the work and the faults bounded.
const TEXT_BYTES_MAX: usize = 1_000;

const NICKNAMES: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// Reads `text`, in `dialect` or else in that which its number of fields tells.
pub(crate) fn expression(text: &str, dialect: Option<Dialect>) -> Result<Cron, CronError> {
    let mut faults = Vec::new();
    let cron = fields(Token { text, start: 0 }, dialect, &mut faults);
    match cron {
        Some(cron) if faults.is_empty() => Ok(cron),
        Some(_) | None => Err(CronError { faults }),
    }
}

fn fields(text: Token<'_>, dialect: Option<Dialect>, faults: &mut Vec<CronFault>) -> Option<Cron> {
    if text.text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "{} bytes are too long, allowed are {TEXT_BYTES_MAX}",
            text.text.len()
        );
        faults.push(text.fault(Field::Expression, message));
        return None;
    }
    let words: Vec<_> = text.words().collect();
    let unix = dialect != Some(Dialect::Quartz);
    let quartz = dialect != Some(Dialect::Unix);
    match *words.as_slice() {
        [name] if unix && name.text.starts_with('@') => nickname(name, faults),
        [minute, hour, day, month, weekday] if unix => {
            unix_cron([minute, hour, day, month, weekday], faults)
        }
        [second, minute, hour, day, month, weekday] if quartz => {
            quartz_cron([second, minute, hour, day, month, weekday], None, faults)
        }
        [second, minute, hour, day, month, weekday, year] if quartz => quartz_cron(
            [second, minute, hour, day, month, weekday],
            Some(year),
            faults,
        ),
        _ => {
            faults.push(text.fault(Field::Expression, wrong_count(words.len(), unix, quartz)));
            None
        }
    }
}

fn wrong_count(found: usize, unix: bool, quartz: bool) -> String {
    let found = match found {
        0 => "there are no fields".to_owned(),
        1 => "there is 1 field".to_owned(),
        more => format!("there are {more} fields"),
    };
    let unix =
        unix.then_some("5 (minute hour day-of-month month day-of-week) or a name such as `@daily`");
    let quartz =
        quartz.then_some("6 or 7 (second minute hour day-of-month month day-of-week [year])");
    let allowed: Vec<_> = unix.into_iter().chain(quartz).collect();
    format!("{found}, allowed are {}", allowed.join(", or "))
}

fn nickname(name: Token<'_>, faults: &mut Vec<CronFault>) -> Option<Cron> {
    let found = NICKNAMES
        .iter()
        .find(|(nickname, _)| nickname.eq_ignore_ascii_case(name.text));
    let Some((_, text)) = found else {
        let allowed: Vec<_> = NICKNAMES.iter().map(|(nickname, _)| *nickname).collect();
        let message = format!(
            "{} is not a known name, allowed are {}",
            name.quoted(),
            allowed.join(", ")
        );
        faults.push(name.fault(Field::Expression, message));
        return None;
    };
    fields(Token { text, start: 0 }, Some(Dialect::Unix), faults)
}

fn unix_cron(words: [Token<'_>; 5], faults: &mut Vec<CronFault>) -> Option<Cron> {
    const MINUTE: Spec = Spec::numbers(Field::Minute, 0, 59, false);
    const HOUR: Spec = Spec::numbers(Field::Hour, 0, 23, false);
    const DAY: Spec = Spec::numbers(Field::DayOfMonth, 1, 31, false);
    const MONTH: Spec = Spec::numbers(Field::Month, 1, 12, false).named(MONTHS, 1);
    const WEEKDAY: Spec = Spec::numbers(Field::DayOfWeek, 0, 7, false).named(WEEKDAYS, 0);
    let specs = [MINUTE, HOUR, DAY, MONTH, WEEKDAY];
    let mut read = specs
        .iter()
        .zip(words)
        .map(|(spec, word)| field::list(spec, word, faults));
    let lists = [
        read.next()?,
        read.next()?,
        read.next()?,
        read.next()?,
        read.next()?,
    ];
    let [minute, hour, day, month, weekday] = &lists;
    let (days, weekdays) = (day.bits(&DAY), unix_weekdays(weekday, &WEEKDAY));
    Some(Cron {
        dialect: Dialect::Unix,
        calendar: Calendar {
            seconds: std::iter::once(0).collect(),
            minutes: minute.bits(&MINUTE),
            hours: hour.bits(&HOUR),
            days: if day.starred || weekday.starred {
                DayRule::Both { days, weekdays }
            } else {
                DayRule::Either { days, weekdays }
            },
            months: month.bits(&MONTH),
            years: YEARS.collect(),
        },
        text: lists.each_ref().map(|list| list.text.as_str()).join(" "),
    })
}

/// Sunday is 0 and 7.
fn unix_weekdays(list: &List, spec: &Spec) -> Bits {
    list.numbers(spec)
        .filter_map(|number| i8::try_from(number % 7).ok())
        .collect()
}

fn quartz_cron(
    words: [Token<'_>; 6],
    year: Option<Token<'_>>,
    faults: &mut Vec<CronFault>,
) -> Option<Cron> {
    const SECOND: Spec = Spec::numbers(Field::Second, 0, 59, true);
    const MINUTE: Spec = Spec::numbers(Field::Minute, 0, 59, true);
    const HOUR: Spec = Spec::numbers(Field::Hour, 0, 23, true);
    const MONTH: Spec = Spec::numbers(Field::Month, 1, 12, true).named(MONTHS, 1);
    let [second, minute, hour, day, month, weekday] = words;
    let second = field::list(&SECOND, second, faults);
    let minute = field::list(&MINUTE, minute, faults);
    let hour = field::list(&HOUR, hour, faults);
    let mut late = Vec::new();
    let month = field::list(&MONTH, month, &mut late);
    let days = day_form::days(day, weekday, faults);
    faults.append(&mut late);
    let (years, year) = years(year, faults);
    faults.sort_by_key(|fault| fault.span.start);
    let (days, [day, weekday]) = days?;
    let texts = [
        &second.text,
        &minute.text,
        &hour.text,
        &day,
        &month.text,
        &weekday,
    ];
    let mut text = texts.map(String::as_str).join(" ");
    if year != "*" {
        text = format!("{text} {year}");
    }
    let calendar = Calendar {
        seconds: second.bits(&SECOND),
        minutes: minute.bits(&MINUTE),
        hours: hour.bits(&HOUR),
        days,
        months: month.bits(&MONTH),
        years,
    };
    Some(Cron {
        dialect: Dialect::Quartz,
        text,
        calendar,
    })
}

/// Any year may be written, as in Quartz; those outside [`YEARS`] never come.
fn years(token: Option<Token<'_>>, faults: &mut Vec<CronFault>) -> (BTreeSet<i16>, String) {
    const YEAR: Spec = Spec::numbers(Field::Year, 0, 9999, false);
    let list = field::list(
        &YEAR,
        token.unwrap_or(Token {
            text: "*",
            start: 0,
        }),
        faults,
    );
    let years = list
        .numbers(&YEAR)
        .filter_map(|year| i16::try_from(year).ok());
    (
        years.filter(|year| YEARS.contains(year)).collect(),
        list.text,
    )
}
