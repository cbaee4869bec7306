//! One event: its first day, how many days it has, and on which days it comes again.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::line::Line;
use super::rule::Rule;
use super::{Span, Wrong, short};

/// An event of whole days.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) uid: String,
    /// It stands for this day of the series of the same id.
    pub(super) instead_of: Option<Date>,
    pub(super) canceled: bool,
    start: Date,
    /// Days that one occurrence has, from 1.
    length: i64,
    /// And the line that it stands in.
    rules: Vec<(Rule, usize)>,
    more: Vec<Date>,
    except: BTreeSet<Date>,
    line: usize,
}

impl Event {
    /// Reads the lines of an event, which begins in line `since`.
    pub(super) fn read(lines: &[Line], since: usize) -> Result<Self, Wrong> {
        let Some(first) = only(lines, "DTSTART")? else {
            let wrong = Wrong::new(since, "the event has no `DTSTART`");
            return Err(wrong.hint("`DTSTART;VALUE=DATE:20261225` is its day"));
        };
        let start = day(first, &first.value)?;
        let mut event = Self {
            uid: only(lines, "UID")?.map_or_else(String::new, |line| line.value.clone()),
            instead_of: None,
            canceled: false,
            start,
            length: length(lines, start)?,
            rules: Vec::new(),
            more: Vec::new(),
            except: BTreeSet::new(),
            line: since,
        };
        if let Some(line) = only(lines, "RECURRENCE-ID")? {
            event.instead_of = Some(day(line, &line.value)?);
        }
        for line in lines {
            match line.name.as_str() {
                "RRULE" => event.rules.push((Rule::read(line, start)?, line.number)),
                "EXRULE" => {
                    let wrong = Wrong::new(line.number, "`EXRULE` is not read");
                    return Err(wrong.hint("name the days with `EXDATE`"));
                }
                "RDATE" => event.more.extend(days_of(line)?),
                "EXDATE" => event.except.extend(days_of(line)?),
                "STATUS" => event.canceled = line.value.trim().eq_ignore_ascii_case("CANCELLED"),
                _ => {}
            }
        }
        Ok(event)
    }

    /// Which event it is, as faults name it.
    pub(super) fn path(&self) -> String {
        named(&self.uid)
    }

    /// Adds the days of every occurrence, without those that begin on a day that is left out.
    pub(super) fn days(
        &self,
        left_out: &BTreeSet<Date>,
        span: &mut Span,
        days: &mut BTreeSet<Date>,
    ) -> Result<(), Wrong> {
        let too_much = |line| {
            let wrong = Wrong::new(line, "the events of the file come to too many days");
            wrong.hint("shorten them, or let their rules begin later")
        };
        let mut starts: BTreeSet<Date> = self.more.iter().copied().collect();
        starts.insert(self.start);
        for (rule, line) in &self.rules {
            let found = rule.expand(self.start, span);
            starts.extend(found.ok_or_else(|| too_much(*line))?);
        }
        let taken = |day: &Date| !self.except.contains(day) && !left_out.contains(day);
        for start in starts.into_iter().filter(taken) {
            for after in 0..self.length {
                let hours = SignedDuration::from_hours(24 * after);
                let Ok(day) = start.checked_add(hours) else {
                    break;
                };
                if !span.look() {
                    return Err(too_much(self.line));
                }
                days.insert(day);
            }
        }
        Ok(())
    }
}

/// Which event these lines are of.
pub(super) fn path(lines: &[Line]) -> String {
    let uid = lines.iter().find(|line| line.name == "UID");
    named(uid.map_or("", |line| line.value.as_str()))
}

fn named(uid: &str) -> String {
    if uid.is_empty() {
        "event".to_owned()
    } else {
        format!("event {}", short(uid))
    }
}

/// The line of this name; two of them are a fault.
fn only<'l>(lines: &'l [Line], name: &str) -> Result<Option<&'l Line>, Wrong> {
    let mut named = lines.iter().filter(|line| line.name == name);
    let (first, second) = (named.next(), named.next());
    match second {
        Some(second) => {
            let message = format!("the event has `{name}` twice");
            Err(Wrong::new(second.number, message))
        }
        None => Ok(first),
    }
}

/// A whole day: `20261225`.
pub(super) fn day(line: &Line, text: &str) -> Result<Date, Wrong> {
    let text = text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let typed = line.parameter("VALUE");
    if text.contains(['T', 't']) || typed.is_some_and(|typed| !typed.eq_ignore_ascii_case("DATE")) {
        let message = format!("`{}` has a time of day: `{}`", line.name, short(text));
        let hint = "a calendar is made of whole days: `DTSTART;VALUE=DATE:20261225`";
        return Err(Wrong::new(line.number, message).hint(hint));
    }
    let date = (digits && text.len() == 8).then(|| Date::strptime("%Y%m%d", text).ok());
    date.flatten().ok_or_else(|| {
        let message = format!("`{}` is no day: `{}`", line.name, short(text));
        Wrong::new(line.number, message).hint("write `20261225`")
    })
}

fn days_of(line: &Line) -> Result<Vec<Date>, Wrong> {
    let texts = line.value.split(',');
    texts.map(|text| day(line, text)).collect()
}

/// How many days one occurrence has: to the day before `DTEND`, or as `DURATION` says, or one.
fn length(lines: &[Line], start: Date) -> Result<i64, Wrong> {
    match (only(lines, "DTEND")?, only(lines, "DURATION")?) {
        (Some(line), Some(_)) => {
            let message = "the event has both `DTEND` and `DURATION`";
            Err(Wrong::new(line.number, message))
        }
        (Some(line), None) => {
            let end = day(line, &line.value)?;
            let days = end.duration_since(start).as_hours() / 24;
            // The same day is found in the wild, and means that day.
            if days < 0 {
                let message = "the event ends before it starts";
                return Err(Wrong::new(line.number, message));
            }
            Ok(days.max(1))
        }
        (None, Some(line)) => duration(line),
        (None, None) => Ok(1),
    }
}

/// `P3D` or `P2W`; hours and less only if they are none.
fn duration(line: &Line) -> Result<i64, Wrong> {
    let none = || {
        let message = format!("`{}` is no number of whole days", short(&line.value));
        Wrong::new(line.number, message).hint("write `P1D` or `P2W`")
    };
    let text = line.value.trim().to_ascii_uppercase();
    let text = text.strip_prefix('+').unwrap_or(&text);
    let text = text.strip_prefix('P').ok_or_else(none)?;
    let (days, times) = text.split_once('T').unwrap_or((text, ""));
    let zero = |c: char| c == '0' || matches!(c, 'H' | 'M' | 'S');
    if !times.chars().all(zero) {
        return Err(none());
    }
    let (number, unit) = if let Some(number) = days.strip_suffix('W') {
        (number, 7)
    } else {
        (days.strip_suffix('D').ok_or_else(none)?, 1)
    };
    let number: u32 = number.parse().map_err(|_| none())?;
    Ok((i64::from(number) * unit).max(1))
}
