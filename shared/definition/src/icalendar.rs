//! The days of an iCalendar file (RFC 5545): those of its events, every one of which has to be of whole days.
//!
//! Read are `DTSTART`, `DTEND`, `DURATION`, `RRULE`, `RDATE`, `EXDATE`, `RECURRENCE-ID`, `STATUS` and `UID` of `VEVENT`.
//! An event with a time of day is a fault: which days such a thing excludes, only its author knows. So is what a rule
//! says that is not read. Components beside events (`VTIMEZONE`, `VTODO`, `VALARM` …) and other properties say nothing
//! of days, and are passed over; an event that is `CANCELLED` takes place on no day.
//!
//! Recurrences are expanded over a bounded span of years, and all rules of a file share one budget of days that are
//! looked at.

mod event;
mod line;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::Date;
use porpoise_model::calendar::{FIRST_DAY, LAST_DAY};
use porpoise_model::{Exclusions, calendar};

use crate::fault::{Fault, FaultKind, Faults, Findings, Place};
use event::Event;
use line::{Line, lines};

/// Years before and after the present one over which recurrences are expanded.
const SPAN_YEARS: i16 = 10;
/// Days that all rules and events of a file may look at: a thousand days that recur each year need nine tenths of it.
const DAYS_LOOKED_AT_MAX: u64 = 1_000_000;

/// Something wrong in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    line: usize,
    message: String,
    hint: Option<&'static str>,
}

impl Wrong {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }
}

/// The days over which recurrences are expanded, and what is left of the budget.
#[derive(Debug)]
struct Span {
    first: Date,
    last: Date,
    left: u64,
}

impl Span {
    fn around(this_year: i16) -> Self {
        let year = this_year.clamp(FIRST_DAY.year(), LAST_DAY.year());
        let first = Date::new(year - SPAN_YEARS, 1, 1).unwrap_or(FIRST_DAY);
        let last = Date::new(year + SPAN_YEARS, 12, 31).unwrap_or(LAST_DAY);
        Self {
            first: first.max(FIRST_DAY),
            last: last.min(LAST_DAY),
            left: DAYS_LOOKED_AT_MAX,
        }
    }

    /// Takes one day from the budget.
    fn look(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

/// Whether a file is of this kind: what it begins with says it.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let begin = bytes.trim_ascii_start();
    let begin = begin.get(..BEGIN.len()).unwrap_or_default();
    begin.eq_ignore_ascii_case(BEGIN)
}

const BEGIN: &[u8] = b"BEGIN:VCALENDAR";

/// The days of all its events.
///
/// # Errors
/// Every fault, with its line and the event in which it is.
pub(crate) fn read(file: &Arc<str>, bytes: &[u8], this_year: i16) -> Result<Exclusions, Faults> {
    let mut wrongs = Vec::new();
    let events = text_of(bytes).and_then(|text| events(text, &mut wrongs));
    let events = events.unwrap_or_else(|wrong| {
        wrongs.push((String::new(), wrong));
        Vec::new()
    });
    let days = days(&events, this_year, &mut wrongs);
    let fault = |(path, wrong): (String, Wrong)| Fault {
        kind: FaultKind::BadValue,
        place: Place {
            file: Arc::clone(file),
            line: wrong.line,
            column: 1,
            path,
        },
        message: wrong.message,
        hint: wrong.hint.map(str::to_owned),
    };
    let mut findings = Findings::default();
    for wrong in wrongs {
        findings.fault(|| fault(wrong));
    }
    findings.into_result((), Vec::new())?;
    let known = days.into_iter();
    let known = known.filter(|day| (calendar::FIRST_DAY..=calendar::LAST_DAY).contains(day));
    Exclusions::new(known.collect(), []).map_err(|error| {
        let wrong = Wrong::new(1, error.to_string());
        Faults::of(fault((String::new(), wrong)))
    })
}

fn text_of(bytes: &[u8]) -> Result<&str, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let read = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = read.split(|byte| *byte == b'\n').count();
        Wrong::new(line, "the file is not UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The events of a file. Faults within an event are put with the others; what breaks the file as a whole is an error.
fn events(text: &str, wrongs: &mut Vec<(String, Wrong)>) -> Result<Vec<Event>, Wrong> {
    let mut open: Vec<(String, usize)> = Vec::new();
    let (mut events, mut event) = (Vec::new(), Vec::new());
    let mut last = 1;
    for line in lines(text) {
        let line = line?;
        last = line.number;
        match line.name.as_str() {
            "BEGIN" => open.push((line.value.trim().to_ascii_uppercase(), line.number)),
            "END" => {
                let ended = line.value.trim().to_ascii_uppercase();
                let Some((begun, since)) = open.pop().filter(|(begun, _)| *begun == ended) else {
                    let message = format!("`END:{}` ends nothing that was begun", short(&ended));
                    return Err(Wrong::new(line.number, message));
                };
                if begun == "VEVENT" {
                    let lines = std::mem::take(&mut event);
                    events.extend(one_event(&lines, since, wrongs));
                }
            }
            _ if open.last().is_some_and(|(name, _)| name == "VEVENT") => event.push(line),
            _ => {}
        }
    }
    if let Some((name, since)) = open.last() {
        let message = format!(
            "`BEGIN:{}` is never ended: the file is cut off",
            short(name)
        );
        return Err(Wrong::new(*since, message));
    }
    if events.is_empty() && wrongs.is_empty() {
        return Err(Wrong::new(
            last,
            "the file has no event: it excludes no day",
        ));
    }
    Ok(events)
}

fn one_event(lines: &[Line], since: usize, wrongs: &mut Vec<(String, Wrong)>) -> Option<Event> {
    match Event::read(lines, since) {
        Ok(event) => Some(event),
        Err(wrong) => {
            wrongs.push((event::path(lines), wrong));
            None
        }
    }
}

/// The days of events, less the days of a series that other events of the same id stand in for.
fn days(events: &[Event], this_year: i16, wrongs: &mut Vec<(String, Wrong)>) -> BTreeSet<Date> {
    let mut replaced: BTreeMap<&str, BTreeSet<Date>> = BTreeMap::new();
    for event in events {
        if let Some(instead) = event.instead_of {
            replaced.entry(&event.uid).or_default().insert(instead);
        }
    }
    let (mut days, mut span) = (BTreeSet::new(), Span::around(this_year));
    for event in events.iter().filter(|event| !event.canceled) {
        let none = BTreeSet::new();
        let instead = event.instead_of.is_none();
        let left_out = replaced.get(event.uid.as_str()).filter(|_| instead);
        if let Err(wrong) = event.days(left_out.unwrap_or(&none), &mut span, &mut days) {
            wrongs.push((event.path(), wrong));
            break;
        }
    }
    days
}

/// A text as a message can hold it.
fn short(text: &str) -> String {
    let shown = crate::fault::quoted(text);
    shown.trim_matches('`').to_owned()
}
