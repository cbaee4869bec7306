//! Recurrence rules over whole days (RFC 5545, section 3.3.10).
//!
//! A rule is expanded period by period: the days of a year, month, week or day that the rule lets through, of these the
//! positions that it names, until it has had enough. What makes no sense for whole days (`BYHOUR`, `FREQ=HOURLY` …) is a
//! fault, and so is `BYWEEKNO`.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

use super::event::day;
use super::line::Line;
use super::{Span, Wrong, short};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    every: Every,
    interval: i32,
    count: Option<u32>,
    until: Option<Date>,
    months: Vec<i8>,
    month_days: Vec<i8>,
    year_days: Vec<i16>,
    /// With a number: which of those in the month or year, from the end if it is below zero.
    weekdays: Vec<(Option<i16>, Weekday)>,
    positions: Vec<i16>,
    week_start: Weekday,
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Every {
    Day,
    Week,
    Month,
    Year,
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("MO", Weekday::Monday),
    ("TU", Weekday::Tuesday),
    ("WE", Weekday::Wednesday),
    ("TH", Weekday::Thursday),
    ("FR", Weekday::Friday),
    ("SA", Weekday::Saturday),
    ("SU", Weekday::Sunday),
];

impl Rule {
    /// Reads the rule of an event that starts on this day.
    pub(super) fn read(line: &Line, start: Date) -> Result<Self, Wrong> {
        let wrong = |message: String| Wrong::new(line.number, message);
        let mut rule = Self {
            every: Every::Day,
            interval: 1,
            count: None,
            until: None,
            months: Vec::new(),
            month_days: Vec::new(),
            year_days: Vec::new(),
            weekdays: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Monday,
        };
        let mut every = None;
        for part in line.value.trim().split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let none = || wrong(format!("`{}` is not read in a rule", short(part)));
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => every = Some(frequency(value).ok_or_else(none)?),
                "INTERVAL" => {
                    let interval = value.parse().ok().filter(|number| *number > 0);
                    rule.interval = interval.ok_or_else(none)?;
                }
                "COUNT" => {
                    let count = value.parse().ok().filter(|number| *number > 0);
                    rule.count = Some(count.ok_or_else(none)?);
                }
                // Some write the last moment of a day where only a day belongs.
                "UNTIL" => {
                    let date = value.split(['T', 't']).next().unwrap_or(value);
                    rule.until = Some(day(&Line { parameters: Vec::new(), ..line.clone() }, date)?);
                }
                "BYMONTH" => rule.months = numbers(value, 1, 12).ok_or_else(none)?,
                "BYMONTHDAY" => rule.month_days = numbers(value, -31, 31).ok_or_else(none)?,
                "BYYEARDAY" => rule.year_days = numbers(value, -366, 366).ok_or_else(none)?,
                "BYSETPOS" => rule.positions = numbers(value, -366, 366).ok_or_else(none)?,
                "BYDAY" => {
                    let days: Option<_> = value.split(',').map(numbered_weekday).collect();
                    rule.weekdays = days.ok_or_else(none)?;
                }
                "WKST" => {
                    let found = numbered_weekday(value).filter(|(nth, _)| nth.is_none());
                    rule.week_start = found.ok_or_else(none)?.1;
                }
                _ => return Err(none().hint("FREQ=DAILY, WEEKLY, MONTHLY or YEARLY with INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYYEARDAY, BYDAY, BYSETPOS and WKST")),
            }
        }
        rule.every = every.ok_or_else(|| wrong("the rule has no `FREQ`".to_owned()))?;
        if rule.count.is_some() && rule.until.is_some() {
            return Err(wrong("the rule has both `COUNT` and `UNTIL`".to_owned()));
        }
        rule.fits().map_err(wrong)?;
        rule.complete(start);
        Ok(rule)
    }

    /// Parts that mean nothing beside each other.
    fn fits(&self) -> Result<(), String> {
        let nth = self.weekdays.iter().any(|(nth, _)| nth.is_some());
        match self.every {
            Every::Day | Every::Week if nth => {
                Err("`BYDAY` has a number, which only months and years have use for".to_owned())
            }
            Every::Week if !self.month_days.is_empty() => {
                Err("a weekly rule has no `BYMONTHDAY`".to_owned())
            }
            Every::Day | Every::Week | Every::Month if !self.year_days.is_empty() => {
                Err("only a yearly rule has `BYYEARDAY`".to_owned())
            }
            Every::Day | Every::Week | Every::Month | Every::Year => Ok(()),
        }
    }

    /// What a rule leaves out comes from the day of its event.
    fn complete(&mut self, start: Date) {
        let free =
            self.month_days.is_empty() && self.weekdays.is_empty() && self.year_days.is_empty();
        match self.every {
            Every::Week if self.weekdays.is_empty() => {
                self.weekdays.push((None, start.weekday()));
            }
            Every::Month if free => self.month_days.push(start.day()),
            Every::Year if free => {
                self.month_days.push(start.day());
                if self.months.is_empty() {
                    self.months.push(start.month());
                }
            }
            Every::Day | Every::Week | Every::Month | Every::Year => {}
        }
    }

    /// The days of the rule from `start` on that lie in the span; `None` if the budget does not last.
    pub(super) fn expand(&self, start: Date, span: &mut Span) -> Option<Vec<Date>> {
        let last = self.until.map_or(span.last, |until| until.min(span.last));
        let (mut found, mut counted) = (Vec::new(), 0);
        let mut period = self.skipped(self.first_of(start), span.first);
        while let Some(first) = period.filter(|first| *first <= last) {
            for day in self.within(first, span)? {
                if day < start {
                    continue;
                }
                counted += 1;
                if day > last || self.count.is_some_and(|count| counted > count) {
                    return Some(found);
                }
                if day >= span.first {
                    found.push(day);
                }
            }
            period = self.next(first, self.interval);
        }
        Some(found)
    }

    /// Where nothing is counted, years before the span need not be looked at.
    fn skipped(&self, first: Date, span: Date) -> Option<Date> {
        let years = i32::from(span.year()) - i32::from(first.year()) - 1;
        match self.every {
            Every::Year if self.count.is_none() && years > self.interval => {
                self.next(first, years / self.interval * self.interval)
            }
            Every::Year | Every::Month | Every::Week | Every::Day => Some(first),
        }
    }

    fn first_of(&self, day: Date) -> Date {
        match self.every {
            Every::Day => day,
            Every::Week => {
                let since = day.weekday().since(self.week_start);
                day.saturating_sub(i64::from(since).days())
            }
            Every::Month => day.first_of_month(),
            Every::Year => day.first_of_year(),
        }
    }

    fn next(&self, first: Date, periods: i32) -> Option<Date> {
        let span = match self.every {
            Every::Day => jiff::Span::new().try_days(periods),
            Every::Week => jiff::Span::new().try_weeks(periods),
            Every::Month => jiff::Span::new().try_months(periods),
            Every::Year => jiff::Span::new().try_years(periods),
        };
        first.checked_add(span.ok()?).ok()
    }

    /// The days of a period that the rule lets through, at the positions that it names.
    fn within(&self, first: Date, span: &mut Span) -> Option<Vec<Date>> {
        let end = self.next(first, 1);
        let mut days = Vec::new();
        let mut next = Some(first);
        while let Some(day) = next.filter(|day| end.is_none_or(|end| *day < end)) {
            if !span.look() {
                return None;
            }
            if !self.months.is_empty() && !self.months.contains(&day.month()) {
                next = day.last_of_month().tomorrow().ok();
                continue;
            }
            if self.admits(day) {
                days.push(day);
            }
            next = day.tomorrow().ok();
        }
        if self.positions.is_empty() {
            return Some(days);
        }
        let count = i16::try_from(days.len()).unwrap_or(i16::MAX);
        let at = |(index, _): &(i16, Date)| {
            let mut positions = self.positions.iter();
            positions.any(|nth| *nth == index + 1 || *nth == index - count)
        };
        let days = (0..).zip(days).filter(at);
        Some(days.map(|(_, day)| day).collect())
    }

    /// Whether the rule lets a day of one of its months through.
    fn admits(&self, day: Date) -> bool {
        let month_day = |nth: &i8| *nth == day.day() || *nth == day.day() - day.days_in_month() - 1;
        let year_day = |nth: &i16| {
            *nth == day.day_of_year() || *nth == day.day_of_year() - day.days_in_year() - 1
        };
        let weekday = |(nth, weekday): &(Option<i16>, Weekday)| {
            *weekday == day.weekday() && nth.is_none_or(|nth| self.is_nth(day, nth))
        };
        (self.month_days.is_empty() || self.month_days.iter().any(month_day))
            && (self.year_days.is_empty() || self.year_days.iter().any(year_day))
            && (self.weekdays.is_empty() || self.weekdays.iter().any(weekday))
    }

    /// Whether a day is the nth of its weekday: in the month, or in the year of a yearly rule that names no month.
    fn is_nth(&self, day: Date, nth: i16) -> bool {
        let (at, of) = match self.every {
            Every::Year if self.months.is_empty() => (day.day_of_year(), day.days_in_year()),
            Every::Year | Every::Month | Every::Week | Every::Day => {
                (i16::from(day.day()), i16::from(day.days_in_month()))
            }
        };
        nth == (at - 1) / 7 + 1 || nth == -((of - at) / 7 + 1)
    }
}

fn frequency(value: &str) -> Option<Every> {
    match value.trim().to_ascii_uppercase().as_str() {
        "DAILY" => Some(Every::Day),
        "WEEKLY" => Some(Every::Week),
        "MONTHLY" => Some(Every::Month),
        "YEARLY" => Some(Every::Year),
        _ => None,
    }
}

/// A list of numbers within these bounds, none of them zero.
fn numbers<T: TryFrom<i16>>(value: &str, from: i16, to: i16) -> Option<Vec<T>> {
    let number = |text: &str| {
        let number: i16 = text.trim().parse().ok()?;
        let known = number != 0 && (from..=to).contains(&number);
        known.then(|| T::try_from(number).ok())?
    };
    value.split(',').map(number).collect()
}

/// `MO`, `1MO`, `-1SU`.
fn numbered_weekday(text: &str) -> Option<(Option<i16>, Weekday)> {
    let text = text.trim().to_ascii_uppercase();
    let at = text.len().checked_sub(2)?;
    let (number, word) = text.split_at_checked(at)?;
    let mut known = WEEKDAYS.iter();
    let (_, weekday) = known.find(|(name, _)| *name == word)?;
    if number.is_empty() {
        return Some((None, *weekday));
    }
    let number: i16 = number.parse().ok()?;
    let known = number != 0 && (-53..=53).contains(&number);
    known.then_some((Some(number), *weekday))
}
