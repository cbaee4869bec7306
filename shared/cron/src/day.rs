//! Which days of a month fire: the one field whose meaning depends on the month.

use jiff::civil::Date;

use crate::calendar::Bits;

/// Days of the month count from 1. Weekdays count from 0, which is Sunday, in either dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayRule {
    /// Days that are in both sets.
    Both { days: Bits, weekdays: Bits },
    /// Days that are in either set: Unix, where both fields are restricted.
    Either { days: Bits, weekdays: Bits },
    /// `10,15W`: plain days, and the weekdays (Monday to Friday) nearest to others within the month.
    /// A month without the named day has no nearest weekday to it.
    NearestWeekday { days: Bits, anchors: Bits },
    /// `L`, `L-3`, and with `nearest_weekday` `LW`, `L-3W`. Months too short have no such day.
    BeforeLast {
        days_before: i8,
        nearest_weekday: bool,
    },
    /// `6L`: the last such weekday of the month.
    LastOfWeekday { weekday: i8 },
    /// `6#3`: the nth such weekday of the month, from 1.
    NthOfWeekday { weekday: i8, nth: i8 },
}

impl DayRule {
    /// Every day of every month.
    pub(crate) fn every() -> Self {
        Self::Both {
            days: (1..=31).collect(),
            weekdays: (0..=6).collect(),
        }
    }

    /// The days that fire in the month that begins on `first`.
    pub(crate) fn within(&self, first: Date) -> Bits {
        let month = Month::of(first);
        match *self {
            Self::Both { days, weekdays } => month
                .all()
                .intersection(days)
                .intersection(month.on(weekdays)),
            Self::Either { days, weekdays } => {
                month.all().intersection(days).union(month.on(weekdays))
            }
            Self::NearestWeekday { days, anchors } => {
                let moved = (1..=month.length).filter(|day| anchors.contains(*day));
                let moved = moved.map(|day| month.nearest_weekday(day)).collect();
                month.all().intersection(days).union(moved)
            }
            Self::BeforeLast {
                days_before,
                nearest_weekday,
            } => {
                let day = month.length - days_before;
                let moved = if nearest_weekday {
                    month.nearest_weekday(day)
                } else {
                    day
                };
                (day > 0).then_some(moved).into_iter().collect()
            }
            Self::LastOfWeekday { weekday } => month
                .nth(weekday, 5)
                .or_else(|| month.nth(weekday, 4))
                .into_iter()
                .collect(),
            Self::NthOfWeekday { weekday, nth } => month.nth(weekday, nth).into_iter().collect(),
        }
    }
}

struct Month {
    length: i8,
    first_weekday: i8,
}

impl Month {
    fn of(first: Date) -> Self {
        Self {
            length: first.days_in_month(),
            first_weekday: first.weekday().to_sunday_zero_offset(),
        }
    }

    fn all(&self) -> Bits {
        (1..=self.length).collect()
    }

    fn on(&self, weekdays: Bits) -> Bits {
        (1..=self.length)
            .filter(|day| weekdays.contains(self.weekday(*day)))
            .collect()
    }

    fn weekday(&self, day: i8) -> i8 {
        (self.first_weekday + day - 1) % 7
    }

    fn nth(&self, weekday: i8, nth: i8) -> Option<i8> {
        let first = 1 + (weekday - self.first_weekday).rem_euclid(7);
        let day = first + 7 * (nth - 1);
        (day <= self.length).then_some(day)
    }

    /// Monday to Friday, never leaving the month: Saturday the 1st moves to the 3rd, a last Sunday two days back.
    fn nearest_weekday(&self, day: i8) -> i8 {
        match self.weekday(day) {
            6 if day == 1 => day + 2,
            6 => day - 1,
            0 if day == self.length => day - 2,
            0 => day + 1,
            _ => day,
        }
    }
}
