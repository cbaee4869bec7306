//! The local times of an expression, as one set per field, and the search over them in both directions.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time};

use crate::day::DayRule;

/// The years in which anything fires. Source: Quartz's documentation of the year field.
pub(crate) const YEARS: RangeInclusive<i16> = 1970..=2099;

/// Every field is non-empty except `years`, which may lie outside [`YEARS`] altogether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(crate) seconds: Bits,
    pub(crate) minutes: Bits,
    pub(crate) hours: Bits,
    pub(crate) days: DayRule,
    pub(crate) months: Bits,
    pub(crate) years: BTreeSet<i16>,
}

impl Calendar {
    pub(crate) fn admits_every_hour(&self) -> bool {
        (0..24).all(|hour| self.hours.contains(hour))
    }

    /// The first matching local time at or after `from`.
    pub(crate) fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        if self.contains_date(from.date())
            && let Some(time) = self.time_at_or_after(from.time())
        {
            return Some(from.date().to_datetime(time));
        }
        let date = self.date_at_or_after(from.date().tomorrow().ok()?)?;
        Some(date.to_datetime(self.time_at_or_after(Time::MIN)?))
    }

    /// The last matching local time at or before `to`.
    pub(crate) fn at_or_before(&self, to: DateTime) -> Option<DateTime> {
        if self.contains_date(to.date())
            && let Some(time) = self.time_at_or_before(to.time())
        {
            return Some(to.date().to_datetime(time));
        }
        let date = self.date_at_or_before(to.date().yesterday().ok()?)?;
        Some(date.to_datetime(self.time_at_or_before(Time::MAX)?))
    }

    pub(crate) fn contains_date(&self, date: Date) -> bool {
        self.years.contains(&date.year())
            && self.months.contains(date.month())
            && self.days.within(date.first_of_month()).contains(date.day())
    }

    fn date_at_or_after(&self, from: Date) -> Option<Date> {
        for &year in self.years.range(from.year()..) {
            let mut month = Date::new(year, 1, 1)
                .ok()?
                .max(from.first_of_month())
                .month();
            while let Some(next) = self.months.at_or_above(month) {
                let first = Date::new(year, next, 1).ok()?;
                let day = if first < from { from.day() } else { 1 };
                if let Some(day) = self.days.within(first).at_or_above(day) {
                    return Date::new(year, next, day).ok();
                }
                month = next + 1;
            }
        }
        None
    }

    fn date_at_or_before(&self, to: Date) -> Option<Date> {
        for &year in self.years.range(..=to.year()).rev() {
            let mut month = Date::new(year, 12, 1)
                .ok()?
                .min(to.first_of_month())
                .month();
            while let Some(next) = self.months.at_or_below(month) {
                let first = Date::new(year, next, 1).ok()?;
                let day = first.last_of_month().min(to).day();
                if let Some(day) = self.days.within(first).at_or_below(day) {
                    return Date::new(year, next, day).ok();
                }
                month = next - 1;
            }
        }
        None
    }

    fn time_at_or_after(&self, from: Time) -> Option<Time> {
        let (hour, minute) = (from.hour(), from.minute());
        if self.hours.contains(hour) {
            if self.minutes.contains(minute)
                && let Some(second) = self.seconds.at_or_above(from.second())
            {
                return Time::new(hour, minute, second, 0).ok();
            }
            if let Some(minute) = self.minutes.at_or_above(minute + 1) {
                return Time::new(hour, minute, self.seconds.at_or_above(0)?, 0).ok();
            }
        }
        let hour = self.hours.at_or_above(hour + 1)?;
        Time::new(
            hour,
            self.minutes.at_or_above(0)?,
            self.seconds.at_or_above(0)?,
            0,
        )
        .ok()
    }

    fn time_at_or_before(&self, to: Time) -> Option<Time> {
        let (hour, minute) = (to.hour(), to.minute());
        if self.hours.contains(hour) {
            if self.minutes.contains(minute)
                && let Some(second) = self.seconds.at_or_below(to.second())
            {
                return Time::new(hour, minute, second, 0).ok();
            }
            if let Some(minute) = self.minutes.at_or_below(minute - 1) {
                return Time::new(hour, minute, self.seconds.at_or_below(63)?, 0).ok();
            }
        }
        let hour = self.hours.at_or_below(hour - 1)?;
        Time::new(
            hour,
            self.minutes.at_or_below(63)?,
            self.seconds.at_or_below(63)?,
            0,
        )
        .ok()
    }
}

/// A set of numbers from 0 to 63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bits(u64);

impl Bits {
    pub(crate) fn contains(self, number: i8) -> bool {
        self.0 & Self::only(number) != 0
    }

    /// The least element at or above `number`.
    pub(crate) fn at_or_above(self, number: i8) -> Option<i8> {
        let below = Self::only(number).wrapping_sub(1);
        let rest = self.0 & !below;
        (rest != 0).then(|| i8::try_from(rest.trailing_zeros()).ok())?
    }

    /// The greatest element at or below `number`.
    pub(crate) fn at_or_below(self, number: i8) -> Option<i8> {
        let bit = Self::only(number);
        let rest = self.0 & (bit | bit.wrapping_sub(1));
        (bit != 0 && rest != 0).then(|| i8::try_from(rest.ilog2()).ok())?
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn only(number: i8) -> u64 {
        u32::try_from(number)
            .ok()
            .and_then(|number| 1_u64.checked_shl(number))
            .unwrap_or(0)
    }
}

impl FromIterator<i8> for Bits {
    fn from_iter<T: IntoIterator<Item = i8>>(numbers: T) -> Self {
        numbers.into_iter().fold(Self::default(), |set, number| {
            Self(set.0 | Self::only(number))
        })
    }
}
