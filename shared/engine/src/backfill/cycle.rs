//! How often a workflow runs, and how long the times are for which another one waits for it.
//!
//! A workflow goes along with the backfill of one that it waits for if the two are the same: then each date of the one has
//! its date of the other. Source: `DolphinScheduler` compares the `cycle` of a dependence with that of the schedule.

use std::collections::BTreeSet;

use jiff::Timestamp;
use porpoise_model::dependence::Period;

use crate::schedule::Fires;

/// Instants of a cron that are looked at: more than a year of days.
const INSTANTS_MAX: usize = 400;

/// How often something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cycle {
    /// Several times an hour.
    Minute,
    /// Several times a day, and no more than once an hour.
    Hour,
    /// Several times a week, and no more than once a day.
    Day,
    /// Several times a month, and no more than once a week.
    Week,
    /// No more than once a month.
    Month,
}

impl Cycle {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// That of a cron; by a clock that never changes. `None`: it is none.
    pub fn of_cron(cron: &str) -> Option<Self> {
        let fires = Fires::of(cron, "UTC", None).ok()?;
        let mut cycle = Self::Month;
        let (mut days, mut weeks, mut months) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let mut last: Option<Timestamp> = None;
        for _ in 0..INSTANTS_MAX {
            let Some(next) = fires.next_after(last.unwrap_or(Timestamp::UNIX_EPOCH)) else {
                break;
            };
            let hour = |at: Timestamp| at.as_second().div_euclid(3_600);
            if last.is_some_and(|last| hour(last) == hour(next)) {
                return Some(Self::Minute);
            }
            let day = next.to_zoned(jiff::tz::TimeZone::UTC).date();
            let week = day.iso_week_date();
            if !months.insert((day.year(), day.month())) {
                cycle = cycle.min(Self::Week);
            }
            if !weeks.insert((week.year(), week.week())) {
                cycle = cycle.min(Self::Day);
            }
            if !days.insert(day) {
                cycle = cycle.min(Self::Hour);
            }
            last = Some(next);
        }
        Some(cycle)
    }

    /// That of the word for the times for which there has to be a run.
    pub const fn of_period(period: Period) -> Self {
        match period {
            Period::ThisHour
            | Period::LastHour
            | Period::Last2Hours
            | Period::Last3Hours
            | Period::Last24Hours => Self::Hour,
            Period::Today
            | Period::LastDay
            | Period::Last2Days
            | Period::Last3Days
            | Period::Last7Days => Self::Day,
            Period::ThisWeek
            | Period::LastWeek
            | Period::LastMonday
            | Period::LastTuesday
            | Period::LastWednesday
            | Period::LastThursday
            | Period::LastFriday
            | Period::LastSaturday
            | Period::LastSunday => Self::Week,
            Period::ThisMonth
            | Period::ThisMonthBegin
            | Period::ThisMonthEnd
            | Period::LastMonth
            | Period::LastMonthBegin
            | Period::LastMonthEnd => Self::Month,
        }
    }
}

/// Where the times for which there has to be a run lie from the instant that the waiting run stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lies {
    /// All of them before it.
    Before,
    /// Some before it, and some not.
    Across,
    /// None before it.
    From,
}

const fn lies(period: Period) -> Lies {
    match period {
        Period::LastHour
        | Period::Last2Hours
        | Period::Last3Hours
        | Period::LastDay
        | Period::Last2Days
        | Period::Last3Days
        | Period::Last7Days
        | Period::LastWeek
        | Period::LastMonday
        | Period::LastTuesday
        | Period::LastWednesday
        | Period::LastThursday
        | Period::LastFriday
        | Period::LastSaturday
        | Period::LastSunday
        | Period::LastMonth
        | Period::LastMonthBegin
        | Period::LastMonthEnd => Lies::Before,
        // In the dialects of `DolphinScheduler` the last 24 hours end with the first one of the day itself.
        Period::Last24Hours | Period::ThisWeek | Period::ThisMonth | Period::ThisMonthBegin => {
            Lies::Across
        }
        Period::ThisHour | Period::Today | Period::ThisMonthEnd => Lies::From,
    }
}

/// Whether all of it lies before the instant that the waiting run stands for: a run of the same date is none of those that
/// it waits for.
pub fn looks_back(period: Period) -> bool {
    lies(period) == Lies::Before
}

/// Whether some of it lies before that instant: runs of earlier dates are waited for.
pub fn reaches_back(period: Period) -> bool {
    lies(period) != Lies::From
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_is_due_as_often_as_its_closest_instants() {
        for (cron, cycle) in [
            ("*/10 * * * *", Cycle::Minute),
            ("5 * * * *", Cycle::Hour),
            ("0 6,18 * * *", Cycle::Hour),
            ("0 0 0/4 * * ? *", Cycle::Hour),
            ("30 2 * * *", Cycle::Day),
            ("0 6 * * MON-FRI", Cycle::Day),
            ("0 6 * * MON", Cycle::Week),
            ("0 0 1,15 * *", Cycle::Week),
            ("0 0 1 * *", Cycle::Month),
            ("0 0 29 2 *", Cycle::Month),
        ] {
            assert_eq!(Cycle::of_cron(cron), Some(cycle), "{cron}");
        }
        assert_eq!(Cycle::of_cron("every night"), None);
    }
}
