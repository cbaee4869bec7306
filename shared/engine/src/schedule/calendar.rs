//! The instants of a cron as a calendar lets them be.
//!
//! What the calendar does is said by days. A day that it excludes has no instant. Any other day has those of the cron if
//! the cron names it; under the policy `next` also if the cron names one of the excluded days just before it, under
//! `previous` one of those just after it. Then it has them at the cron's times of day, each once, by the rules of the
//! cron where clocks change: a time that the clocks skip on that day is skipped.
//!
//! Days are looked at one by one, at most as many as the years have in which a cron fires; times are never tried one by
//! one. So a calendar that excludes nearly everything costs little, and the search ends.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_cron::Cron;
use porpoise_model::calendar::{FIRST_DAY, LAST_DAY};
use porpoise_model::limits::CALENDAR_SEARCH_DAYS_MAX;
use porpoise_model::workflow::ExcludedDay;
use porpoise_model::{Actor, Exclusions, Name};

use super::instants::SpecError;

const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

/// The calendar of a schedule or a backfill, as it stood when that was last told.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Observed {
    /// What people call it.
    #[n(0)]
    pub calendar: Name,
    /// Counts its changes.
    #[n(1)]
    pub revision: u64,
    /// What becomes of an instant on an excluded day.
    #[n(2)]
    pub policy: ExcludedDay,
    /// Those days.
    #[n(3)]
    pub exclusions: Exclusions,
}

/// A calendar was put: what a schedule that follows it has to know.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct CalendarChange {
    /// What people call it.
    #[n(0)]
    pub calendar: Name,
    /// Counts its changes: an older one than is known changes nothing.
    #[n(1)]
    pub revision: u64,
    /// The days that it excludes now.
    #[n(2)]
    pub exclusions: Exclusions,
    /// Who put it.
    #[n(3)]
    pub actor: Actor,
}

/// A cron in a time zone, under a calendar or under none: a set of instants.
#[derive(Debug, Clone)]
pub struct Fires {
    /// Under a policy that moves instants, its times on every day.
    cron: Cron,
    zone: TimeZone,
    rule: Option<Rule>,
}

/// Which days have instants.
#[derive(Debug, Clone)]
struct Rule {
    policy: ExcludedDay,
    exclusions: Exclusions,
    /// As written.
    named: Cron,
}

impl Fires {
    /// Reads them.
    ///
    /// # Errors
    /// The cron or the time zone is none.
    pub fn of(cron: &str, timezone: &str, observed: Option<&Observed>) -> Result<Self, SpecError> {
        let read = Cron::parse(cron);
        let read = read.map_err(|error| SpecError::Cron(cron.to_owned(), error))?;
        let zone = TimeZone::get(timezone);
        let zone = zone.map_err(|_| SpecError::TimeZone(timezone.to_owned()))?;
        let rule = observed.map(|observed| Rule {
            policy: observed.policy,
            exclusions: observed.exclusions.clone(),
            named: read.clone(),
        });
        let moves = observed.is_some_and(|observed| match observed.policy {
            ExcludedDay::Skip => false,
            ExcludedDay::Next | ExcludedDay::Previous => true,
        });
        let cron = if moves { read.on_every_day() } else { read };
        Ok(Self { cron, zone, rule })
    }

    /// The first instant after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let Some(rule) = &self.rule else {
            return self.cron.next_after(after, &self.zone);
        };
        let (mut after, mut open) = (after, FIRST_DAY);
        loop {
            let fire = self.cron.next_after(after, &self.zone)?;
            let day = self.day_of(fire);
            if rule.has_instants(day) {
                return Some(fire);
            }
            if open <= day {
                open = rule.following(day)?;
            }
            // Between two changes of the clocks days follow each other; across one they may come twice.
            let change = self.zone.following(fire).next();
            let change = change.map_or(Timestamp::MAX, |change| change.timestamp());
            after = before(self.start_of(open).min(change)).max(fire);
        }
    }

    /// The latest instant at or before `at` and after `not_before`.
    pub fn previous_at_or_before(&self, at: Timestamp, not_before: Timestamp) -> Option<Timestamp> {
        let Some(rule) = &self.rule else {
            return self.cron.previous_at_or_before(at, not_before, &self.zone);
        };
        let (mut at, mut open) = (at, LAST_DAY);
        loop {
            let fire = self
                .cron
                .previous_at_or_before(at, not_before, &self.zone)?;
            let day = self.day_of(fire);
            if rule.has_instants(day) {
                return Some(fire);
            }
            if open >= day {
                open = rule.preceding(day)?;
            }
            let behind = self.end_of(open);
            let since = fire.checked_add(INSTANT).unwrap_or(fire);
            let change = self.zone.preceding(since).next();
            let change = change.map_or(Timestamp::MIN, |change| change.timestamp());
            at = before(behind.max(change).min(fire));
        }
    }

    /// The instants after the one time, up to and including the other, the earliest first, at most `limit`.
    pub fn between(&self, after: Timestamp, until: Timestamp, limit: usize) -> Vec<Timestamp> {
        if self.rule.is_none() {
            return self.cron.fires_between(after, until, limit, &self.zone);
        }
        let first = self.next_after(after);
        let instants = std::iter::successors(first, |fire| self.next_after(*fire));
        let within = instants.take_while(|fire| *fire <= until);
        within.take(limit).collect()
    }

    /// Whether an instant of the cron lies on an excluded day.
    pub(super) fn excludes(&self, at: Timestamp) -> bool {
        let rule = self.rule.as_ref();
        rule.is_some_and(|rule| rule.exclusions.contains(self.day_of(at)))
    }

    /// The day on which an instant of an excluded day is instead, if it is not skipped.
    pub(super) fn moved_to(&self, at: Timestamp) -> Option<Date> {
        let rule = self.rule.as_ref()?;
        let open = |day: &Date| !rule.exclusions.contains(*day);
        match rule.policy {
            ExcludedDay::Skip => None,
            ExcludedDay::Next => forward(self.day_of(at)).find(open),
            ExcludedDay::Previous => backward(self.day_of(at)).find(open),
        }
    }

    fn day_of(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at).date()
    }

    /// The first instant of a day.
    fn start_of(&self, day: Date) -> Timestamp {
        let start = day.to_zoned(self.zone.clone());
        start.map_or(Timestamp::MAX, |start| start.timestamp())
    }

    /// The first instant after a day; the later one, where clocks go back across midnight and begin the next day twice.
    fn end_of(&self, day: Date) -> Timestamp {
        let next = day
            .tomorrow()
            .unwrap_or(LAST_DAY)
            .to_datetime(Time::midnight());
        let end = self.zone.to_ambiguous_timestamp(next).later();
        end.unwrap_or(Timestamp::MAX)
    }
}

impl Rule {
    fn has_instants(&self, day: Date) -> bool {
        if self.exclusions.contains(day) {
            return false;
        }
        self.named.names(day)
            || match self.policy {
                ExcludedDay::Skip => false,
                ExcludedDay::Next => self.named_among(backward(day)),
                ExcludedDay::Previous => self.named_among(forward(day)),
            }
    }

    /// Whether the cron names one of the excluded days with which these days begin.
    fn named_among(&self, days: impl Iterator<Item = Date>) -> bool {
        let mut excluded = days.take_while(|day| self.exclusions.contains(*day));
        excluded.any(|day| self.named.names(day))
    }

    fn following(&self, day: Date) -> Option<Date> {
        forward(day).find(|day| self.has_instants(*day))
    }

    fn preceding(&self, day: Date) -> Option<Date> {
        backward(day).find(|day| self.has_instants(*day))
    }
}

/// The days after a day, up to the last one on which a cron fires.
fn forward(day: Date) -> impl Iterator<Item = Date> {
    let days = std::iter::successors(day.tomorrow().ok(), |day| day.tomorrow().ok());
    days.take(CALENDAR_SEARCH_DAYS_MAX)
        .take_while(|day| *day <= LAST_DAY)
}

/// The days before a day, down to the first one on which a cron fires.
fn backward(day: Date) -> impl Iterator<Item = Date> {
    let days = std::iter::successors(day.yesterday().ok(), |day| day.yesterday().ok());
    days.take(CALENDAR_SEARCH_DAYS_MAX)
        .take_while(|day| *day >= FIRST_DAY)
}

/// The time just before another.
pub(crate) fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(INSTANT).unwrap_or(Timestamp::MIN)
}
