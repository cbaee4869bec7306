//! Reading a business calendar: a list of days, YAML or JSON, or an iCalendar file.

use std::sync::Arc;

use jiff::civil::{Date, Weekday};
use porpoise_model::Exclusions;
use porpoise_model::calendar::{WEEKDAYS, weekday};
use porpoise_model::limits::{CALENDAR_DATES_MAX, VALUE_BYTES_MAX};

use crate::fault::{FaultKind, Faults, quoted};
use crate::fields::CALENDAR;
use crate::icalendar;
use crate::read::context::{At, Reader};
use crate::read::one_document;

/// Reads the days that a calendar excludes: a YAML or JSON file with `dates` and `weekdays`, or an iCalendar file
/// (RFC 5545), all of whose events have to be of whole days. `file_name` serves messages.
///
/// Events that recur are expanded from ten years before `this_year` to ten years after it.
///
/// # Errors
/// Every fault of the file: nothing is taken from a file that has one.
pub fn read_calendar(file_name: &str, bytes: &[u8], this_year: i16) -> Result<Exclusions, Faults> {
    let file: Arc<str> = file_name.into();
    if icalendar::is_one(bytes) {
        return icalendar::read(&file, bytes, this_year);
    }
    let what = "a calendar is one document, with `dates` and `weekdays`";
    let read = |reader: &mut Reader<'_>, at: At<'_>| reader.days(at).unwrap_or_default();
    let ((dates, weekdays), place) = one_document(&file, bytes, what, read)?;
    Exclusions::new(dates, weekdays)
        .map_err(|error| Faults::one(FaultKind::OutOfRange, place, &error.to_string(), None))
}

impl Reader<'_> {
    fn days(&mut self, at: At<'_>) -> Option<(Vec<Date>, Vec<Weekday>)> {
        let fields = self.object(at, &CALENDAR)?;
        let dates = fields.get("dates").and_then(|at| self.single_days(at));
        let weekdays = fields.get("weekdays").and_then(|at| self.weekdays(at));
        Some((dates.unwrap_or_default(), weekdays.unwrap_or_default()))
    }

    fn single_days(&mut self, at: At<'_>) -> Option<Vec<Date>> {
        let items = self.list(at, Some("write `[2026-12-25, 2026-12-26]`".to_owned()))?;
        if !self.at_most(at, items.len(), CALENDAR_DATES_MAX) {
            return None;
        }
        let items = items.iter().enumerate();
        let days = items.filter_map(|(index, item)| self.single_day(at.index(index, *item)));
        Some(days.collect())
    }

    fn single_day(&mut self, at: At<'_>) -> Option<Date> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        let date = date_of(text);
        if date.is_none() {
            let hint = Some("write `2026-12-25`".to_owned());
            self.fault(
                at,
                FaultKind::BadValue,
                format!("{} is no day", quoted(text)),
                hint,
            );
        }
        date
    }

    fn weekdays(&mut self, at: At<'_>) -> Option<Vec<Weekday>> {
        let items = self.list(at, Some("write `[saturday, sunday]`".to_owned()))?;
        if !self.at_most(at, items.len(), WEEKDAYS.len()) {
            return None;
        }
        let items = items.iter().enumerate();
        let days = items.filter_map(|(index, item)| self.weekday(at.index(index, *item)));
        Some(days.collect())
    }

    fn weekday(&mut self, at: At<'_>) -> Option<Weekday> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        let day = weekday(text);
        if day.is_none() {
            let words = WEEKDAYS.map(|(_, word)| word);
            let hint = self.suggester.hint(text, words);
            let hint = hint.or_else(|| Some(format!("write one of {}", words.join(", "))));
            let message = format!("{} is no day of the week", quoted(text));
            self.fault(at, FaultKind::BadValue, message, hint);
        }
        day
    }
}

/// A day alone: `2026-12-25`. A time beside it is none.
fn date_of(text: &str) -> Option<Date> {
    (text.len() == "2026-12-25".len()).then(|| text.parse().ok())?
}
