//! The public face: an expression and its questions.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::calendar::{Calendar, YEARS};
use crate::day::DayRule;
use crate::fault::CronError;
use crate::parse;
use crate::zone::{self, Fires, Passes};

/// A cron expression: a set of local times, to the second.
///
/// Displays as its normalised text: single spaces, names as numbers, capital letters, no leading zeros,
/// nicknames spelled out, and no year field where it admits every year. Parsing that text gives an equal value.
///
/// ```
/// use jiff::{Timestamp, tz::TimeZone};
/// use porpoise_cron::Cron;
///
/// let cron = Cron::parse("30 2 * * MON-FRI")?;
/// let berlin = TimeZone::get("Europe/Berlin")?;
/// let friday_evening: Timestamp = "2026-11-20T18:00:00Z".parse()?;
/// let monday = cron.next_after(friday_evening, &berlin);
/// assert_eq!(monday, Some("2026-11-23T01:30:00Z".parse()?));
///
/// let error = Cron::parse("61 2 * * *").unwrap_err();
/// assert_eq!(error.to_string(), "minute: `61` is out of range 0..=59");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    pub(crate) dialect: Dialect,
    pub(crate) text: String,
    pub(crate) calendar: Calendar,
}

/// Which grammar an expression is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Five fields, as in POSIX and Vixie cron: where neither day field begins with `*`, either may match.
    Unix,
    /// Six or seven fields, as in Quartz: exactly one of the day fields is `?`.
    Quartz,
}

impl Cron {
    /// Reads an expression of either dialect: five fields or a nickname are Unix, six or seven fields are Quartz.
    ///
    /// # Errors
    /// Every fault of the expression.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        parse::expression(text, None)
    }

    /// Reads an expression of `dialect` only; a `DolphinScheduler` schedule, for one, must be Quartz.
    ///
    /// # Errors
    /// Every fault of the expression.
    pub fn parse_as(text: &str, dialect: Dialect) -> Result<Self, CronError> {
        parse::expression(text, Some(dialect))
    }

    /// The grammar that the expression was written in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The first fire strictly after `after`, in whole seconds.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        self.fires(after, zone).next()
    }

    /// The fires strictly after `after`, oldest first.
    pub fn fires(&self, after: Timestamp, zone: &TimeZone) -> Fires<'_> {
        Fires::new(&self.calendar, self.passes(), after, zone.clone())
    }

    /// The latest fire at or before `at` and strictly after `not_before`.
    ///
    /// Searches backwards by fields: its cost does not grow with the number of fires in between.
    pub fn previous_at_or_before(
        &self,
        at: Timestamp,
        not_before: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        zone::last_within(&self.calendar, self.passes(), not_before, at, zone)
    }

    /// The fires after `from_exclusive` up to and including `to_inclusive`, oldest first, at most `limit` of them.
    pub fn fires_between(
        &self,
        from_exclusive: Timestamp,
        to_inclusive: Timestamp,
        limit: usize,
        zone: &TimeZone,
    ) -> Vec<Timestamp> {
        self.fires(from_exclusive, zone)
            .take_while(|fire| *fire <= to_inclusive)
            .take(limit)
            .collect()
    }

    /// Whether the expression names a day, whatever the time.
    pub fn names(&self, day: Date) -> bool {
        self.calendar.contains_date(day)
    }

    /// The same times on every day, from 1970 to 2099.
    #[must_use]
    pub fn on_every_day(&self) -> Self {
        let mut words: Vec<&str> = self.text.split(' ').collect();
        let (times, rest) = match self.dialect {
            Dialect::Unix => (2, "* * *"),
            Dialect::Quartz => (3, "* * ?"),
        };
        words.truncate(times);
        words.push(rest);
        Self {
            dialect: self.dialect,
            text: words.join(" "),
            calendar: Calendar {
                days: DayRule::every(),
                months: (1..=12).collect(),
                years: YEARS.collect(),
                ..self.calendar.clone()
            },
        }
    }

    fn passes(&self) -> Passes {
        match self.dialect {
            Dialect::Unix if self.calendar.admits_every_hour() => Passes::Both,
            Dialect::Unix | Dialect::Quartz => Passes::Second,
        }
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
