//! What only the day fields of Quartz know: `?`, `L`, `W` and `#`.

use crate::calendar::Bits;
use crate::day::DayRule;
use crate::fault::{CronFault, Field};
use crate::field::{self, Spec, WEEKDAYS};
use crate::token::Token;

pub(crate) const DAY_OF_MONTH: Spec = Spec::numbers(Field::DayOfMonth, 1, 31, true);
const DAY_OF_WEEK: Spec = Spec::numbers(Field::DayOfWeek, 1, 7, true).named(WEEKDAYS, 1);

/// How far before the last day `L-n` may reach. Source: Quartz.
const DAYS_BEFORE_LAST: Spec = Spec::numbers(Field::DayOfMonth, 0, 30, false);
/// What may stand in a list of days of the month.
const LISTED_OF_MONTH: &str = "days, ranges, steps and forms such as `15W`";
/// What may stand in a list of days of the week.
const LISTED_OF_WEEK: &str = "days, ranges and steps";
const NTH: Spec = Spec::numbers(Field::DayOfWeek, 1, 5, false);

/// A day field: its rule and its normalised text.
pub(crate) type Form = (DayRule, String);

/// Reads both day fields, exactly one of which must be `?`.
pub(crate) fn days(
    month: Token<'_>,
    week: Token<'_>,
    faults: &mut Vec<CronFault>,
) -> Option<(DayRule, [String; 2])> {
    let unspecified = || "?".to_owned();
    match (month.text == "?", week.text == "?") {
        (false, true) => of_month(month, faults).map(|(rule, text)| (rule, [text, unspecified()])),
        (true, false) => of_week(week, faults).map(|(rule, text)| (rule, [unspecified(), text])),
        (both, _) => {
            if !both {
                of_month(month, faults);
                of_week(week, faults);
            }
            let found = if both { "both are" } else { "neither is" };
            let message =
                format!("exactly one of day of month and day of week must be `?`, here {found}");
            faults.push(week.fault(Field::DayOfWeek, message));
            None
        }
    }
}

fn of_month(token: Token<'_>, faults: &mut Vec<CronFault>) -> Option<Form> {
    let listed = token.text.contains(',');
    if !listed && let Some(rest) = token.after_letter('L') {
        return before_last(rest).map_err(|fault| faults.push(fault)).ok();
    }
    let (mut days, mut anchors, mut texts) = (Bits::default(), Bits::default(), Vec::new());
    for part in token.split(|c| c == ',') {
        if part.after_letter('L').is_some() {
            let message = format!(
                "{} cannot stand in a list, allowed there are {LISTED_OF_MONTH}",
                part.quoted()
            );
            faults.push(part.fault(Field::DayOfMonth, message));
        } else if let Some(day) = part.before_letter('W') {
            match field::value(&DAY_OF_MONTH, day) {
                Ok(day) => {
                    anchors = anchors.union(i8::try_from(day).ok().into_iter().collect());
                    texts.push(format!("{day}W"));
                }
                Err(fault) => faults.push(fault),
            }
        } else {
            let list = field::list(&DAY_OF_MONTH, part, faults);
            days = days.union(list.bits(&DAY_OF_MONTH));
            texts.push(list.text);
        }
    }
    let rule = if anchors.is_empty() {
        DayRule::Both {
            days,
            weekdays: every_weekday(),
        }
    } else {
        DayRule::NearestWeekday { days, anchors }
    };
    Some((rule, texts.join(",")))
}

/// Reads what follows the `L`: nothing, `W`, `-3` or `-3W`.
fn before_last(rest: Token<'_>) -> Result<Form, CronFault> {
    let (rest, nearest_weekday) = match rest.before_letter('W') {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let days_before = match rest.after_letter('-') {
        Some(days) => field::value(&DAYS_BEFORE_LAST, days)?,
        None if rest.text.is_empty() => 0,
        None => {
            let message = format!(
                "{} cannot follow `L`, allowed are `L`, `LW`, `L-3` and `L-3W`",
                rest.quoted()
            );
            return Err(rest.fault(Field::DayOfMonth, message));
        }
    };
    let before = if days_before > 0 {
        format!("-{days_before}")
    } else {
        String::new()
    };
    let weekday = if nearest_weekday { "W" } else { "" };
    let rule = DayRule::BeforeLast {
        days_before: i8::try_from(days_before).unwrap_or(i8::MAX),
        nearest_weekday,
    };
    Ok((rule, format!("L{before}{weekday}")))
}

fn of_week(token: Token<'_>, faults: &mut Vec<CronFault>) -> Option<Form> {
    if !token.text.contains(',') {
        let special = special_weekday(token).transpose();
        if let Some(special) = special.map_err(|fault| faults.push(fault)).ok()? {
            return Some(special);
        }
    }
    let mut plain = Vec::new();
    for part in token.split(|c| c == ',') {
        if special_weekday(part).is_some() {
            let message = format!(
                "{} cannot stand in a list, allowed there are {LISTED_OF_WEEK}",
                part.quoted()
            );
            faults.push(part.fault(Field::DayOfWeek, message));
        } else {
            plain.push(field::list(&DAY_OF_WEEK, part, faults));
        }
    }
    let weekdays = plain.iter().flat_map(|list| list.numbers(&DAY_OF_WEEK));
    let weekdays = weekdays.map(from_sunday).collect();
    let texts: Vec<_> = plain.into_iter().map(|list| list.text).collect();
    Some((
        DayRule::Both {
            days: (1..=31).collect(),
            weekdays,
        },
        texts.join(","),
    ))
}

/// Reads `L`, `6L` or `6#3`; `None` for anything else.
fn special_weekday(token: Token<'_>) -> Option<Result<Form, CronFault>> {
    if let Some((weekday, nth)) = token.split_once('#') {
        return Some(nth_weekday(weekday, nth));
    }
    let weekday = token.before_letter('L')?;
    if weekday.text.is_empty() {
        let weekdays = std::iter::once(from_sunday(7)).collect();
        return Some(Ok((
            DayRule::Both {
                days: (1..=31).collect(),
                weekdays,
            },
            "7".to_owned(),
        )));
    }
    let form = |number| {
        (
            DayRule::LastOfWeekday {
                weekday: from_sunday(number),
            },
            format!("{number}L"),
        )
    };
    Some(field::value(&DAY_OF_WEEK, weekday).map(form))
}

fn nth_weekday(weekday: Token<'_>, nth: Token<'_>) -> Result<Form, CronFault> {
    let weekday = field::value(&DAY_OF_WEEK, weekday)?;
    let nth = field::value(&NTH, nth)?;
    let rule = DayRule::NthOfWeekday {
        weekday: from_sunday(weekday),
        nth: i8::try_from(nth).unwrap_or(i8::MAX),
    };
    Ok((rule, format!("{weekday}#{nth}")))
}

/// Quartz counts from 1, which is Sunday.
fn from_sunday(number: u16) -> i8 {
    i8::try_from((number + 6) % 7).unwrap_or(0)
}

pub(crate) fn every_weekday() -> Bits {
    (0..7).collect()
}
