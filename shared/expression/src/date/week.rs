//! Weeks of a year, for any first day of the week.

use jiff::civil::{Date, Weekday};

/// What a week is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weeks {
    first: Weekday,
    /// How many days of the new year make a week its first one.
    days_min: i64,
}

impl Weeks {
    /// ISO 8601: from Monday, at least four days.
    pub(super) const ISO: Self = Self {
        first: Weekday::Monday,
        days_min: 4,
    };

    /// As in the USA: from Sunday, the week of the first of January is the first.
    pub(super) const USA: Self = Self {
        first: Weekday::Sunday,
        days_min: 1,
    };

    /// At least four days, from the given day, where 1 is Monday; and any other number is Monday too.
    pub(super) fn of_four_days(first: i64) -> Self {
        let first = i8::try_from(first)
            .ok()
            .and_then(|first| Weekday::from_monday_one_offset(first).ok());
        Self {
            first: first.unwrap_or(Weekday::Monday),
            days_min: 4,
        }
    }

    /// The number of a day in its week, from 1.
    pub(super) fn day(self, date: Date) -> i64 {
        i64::from(date.weekday().since(self.first)).saturating_add(1)
    }

    /// The year that the week of `date` belongs to, and the week's number in it.
    pub(super) fn of_year(self, date: Date) -> (i64, i64) {
        let year = i64::from(date.year());
        let day = i64::from(date.day_of_year());
        let weeks = self.number(date, day);
        if weeks < 1 {
            // The day is then also one of the year before, just later.
            let before = year.saturating_sub(1);
            let day = day.saturating_add(days_in(before));
            return (before, self.number(date, day));
        }
        let after = day.saturating_sub(days_in(year));
        if self.number(date, after) >= 1 {
            return (year.saturating_add(1), 1);
        }
        (year, weeks)
    }

    /// The number of the week of `date` in its month, 0 before the first week.
    pub(super) fn of_month(self, date: Date) -> i64 {
        self.number(date, i64::from(date.day()))
    }

    /// The number of the week of `date`, which is day `day` (from 1) of a period; below 1 if it begins before the
    /// first week of that period.
    fn number(self, date: Date, day: i64) -> i64 {
        const WEEK: i64 = 7;
        // The first day of this week, counted like `day`.
        let start = day.saturating_sub(self.day(date)).saturating_add(1);
        // A week belongs to the period if it has `days_min` days of it: if it starts late enough.
        let late_enough = start.saturating_add(WEEK).saturating_sub(self.days_min);
        late_enough
            .saturating_sub(1)
            .div_euclid(WEEK)
            .saturating_add(1)
    }
}

fn days_in(year: i64) -> i64 {
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The years around every leap rule, each day of them.
    fn days() -> impl Iterator<Item = Date> {
        [1899, 1999, 2015, 2023].into_iter().flat_map(|year| {
            let first = Date::constant(year, 1, 1);
            first.series(jiff::Span::new().days(1)).take(1200)
        })
    }

    #[test]
    fn weeks_of_four_days_from_monday_are_those_of_iso_8601() {
        for date in days() {
            let iso = date.iso_week_date();
            let expected = (i64::from(iso.year()), i64::from(iso.week()));
            assert_eq!(Weeks::ISO.of_year(date), expected, "{date}");
        }
    }

    #[test]
    fn the_first_week_of_the_usa_holds_the_first_of_january() {
        for date in days() {
            let (year, week) = Weeks::USA.of_year(date);
            let saturday = date
                .checked_add(jiff::Span::new().days(date.weekday().until(Weekday::Saturday)))
                .unwrap();
            assert_eq!(year, i64::from(saturday.year()), "{date}");
            let expected = (i64::from(saturday.day_of_year()) - 1) / 7 + 1;
            assert_eq!(week, expected, "{date}");
        }
    }

    #[test]
    fn weeks_of_a_month_start_at_zero_if_the_first_one_is_short() {
        let date = |day| Date::constant(2017, 1, day);
        assert_eq!(Weeks::ISO.of_month(date(1)), 0); // a Sunday
        assert_eq!(Weeks::ISO.of_month(date(2)), 1);
        assert_eq!(Weeks::USA.of_month(date(1)), 1);
        assert_eq!(Weeks::USA.of_month(date(8)), 2);
    }

    #[test]
    fn another_first_day_than_one_to_seven_is_monday() {
        assert_eq!(Weeks::of_four_days(0), Weeks::ISO);
        assert_eq!(Weeks::of_four_days(1000), Weeks::ISO);
        assert_eq!(Weeks::of_four_days(7).first, Weekday::Sunday);
    }
}
