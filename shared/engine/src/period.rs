//! The intervals of a period: pure calculation over a calendar, an instant and a time zone.
//!
//! Two readings. In the dialects of `DolphinScheduler` it is what its own code computes (`DateInterval`, versions 3.1 to
//! 3.4 alike), with what is odd about it: `last24Hours` begins at one o'clock of the day before and ends with the first
//! hour of the day itself, and `thisMonthEnd` is the first of the month. The native reading is what the words say.
//!
//! Days begin with their first instant, whatever the clock shows then, and end where the next begins: a day has 23 or
//! 25 hours where clocks change. Hours before an hour are hours that really passed.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use porpoise_model::dependence::Period;
use porpoise_model::workflow::Schedule;

use crate::schedule::{Fires, Observed};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl Interval {
    /// Whether an instant lies in it.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// How the words of periods are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// As they say.
    Native,
    /// As `DolphinScheduler` computes them.
    DolphinScheduler,
}

impl Reading {
    /// That of a workflow in this dialect.
    pub fn of_dialect(dialect: &str) -> Self {
        if dialect.starts_with("porpoise/") {
            Self::Native
        } else {
            Self::DolphinScheduler
        }
    }
}

/// The intervals of a period at `base`, oldest first; fewer at the ends of the calendar.
pub fn intervals(
    period: Period,
    base: Timestamp,
    zone: &TimeZone,
    reading: Reading,
) -> Vec<Interval> {
    let today = base.to_zoned(zone.clone()).date();
    let days = |first: Option<Date>, last: Option<Date>| match (first, last) {
        (Some(first), Some(last)) => days(first, last, zone),
        (None, _) | (_, None) => Vec::new(),
    };
    let ago = |days: i32| today.checked_sub(Span::new().days(days)).ok();
    let one = |day: Option<Date>| days(day, day);
    let last_week = |day: Weekday| one(monday(today, 1).and_then(|monday| on(monday, day)));
    let months_ago = |months: i32| today.checked_sub(Span::new().months(months)).ok();
    let first = |of: Option<Date>| of.map(Date::first_of_month);
    let last = |of: Option<Date>| of.map(Date::last_of_month);
    match period {
        Period::ThisHour => hours(base, zone, 0, 0),
        Period::LastHour => hours(base, zone, 1, 1),
        Period::Last2Hours => hours(base, zone, 2, 1),
        Period::Last3Hours => hours(base, zone, 3, 1),
        Period::Last24Hours => match reading {
            Reading::Native => hours(base, zone, 24, 1),
            Reading::DolphinScheduler => from_one_to_one(today, zone),
        },
        Period::Today => one(Some(today)),
        Period::LastDay => one(ago(1)),
        Period::Last2Days => days(ago(2), ago(1)),
        Period::Last3Days => days(ago(3), ago(1)),
        Period::Last7Days => days(ago(7), ago(1)),
        Period::ThisWeek => days(monday(today, 0), Some(today)),
        Period::LastWeek => {
            let monday = monday(today, 1);
            days(
                monday,
                monday.and_then(|monday| on(monday, Weekday::Sunday)),
            )
        }
        Period::LastMonday => last_week(Weekday::Monday),
        Period::LastTuesday => last_week(Weekday::Tuesday),
        Period::LastWednesday => last_week(Weekday::Wednesday),
        Period::LastThursday => last_week(Weekday::Thursday),
        Period::LastFriday => last_week(Weekday::Friday),
        Period::LastSaturday => last_week(Weekday::Saturday),
        Period::LastSunday => last_week(Weekday::Sunday),
        Period::ThisMonth => days(Some(today.first_of_month()), Some(today)),
        Period::ThisMonthBegin => one(Some(today.first_of_month())),
        Period::ThisMonthEnd => match reading {
            Reading::Native => one(Some(today.last_of_month())),
            Reading::DolphinScheduler => one(Some(today.first_of_month())),
        },
        Period::LastMonth => days(first(months_ago(1)), last(months_ago(1))),
        Period::LastMonthBegin => one(first(months_ago(1))),
        Period::LastMonthEnd => one(last(months_ago(1))),
    }
}

/// Those of the intervals in which a schedule fires, by the calendar that it follows. All of them, if it cannot be read.
pub fn scheduled(
    intervals: &[Interval],
    schedule: &Schedule,
    calendar: Option<&Observed>,
) -> Vec<Interval> {
    let Ok(instants) = Fires::of(&schedule.cron, &schedule.timezone, calendar) else {
        return intervals.to_vec();
    };
    let fires = |interval: &&Interval| {
        let start = schedule
            .start
            .map_or(interval.start, |start| start.max(interval.start));
        let end = schedule
            .end
            .map_or(interval.end, |end| end.min(interval.end));
        let before = start.checked_sub(SignedDuration::from_nanos(1));
        let next = before.ok().and_then(|before| instants.next_after(before));
        next.is_some_and(|next| next < end)
    };
    intervals.iter().filter(fires).copied().collect()
}

/// Monday of the week of a day, or of so many weeks before.
fn monday(day: Date, weeks_before: i32) -> Option<Date> {
    let since = i32::from(day.weekday().to_monday_zero_offset());
    let days = since + 7 * weeks_before;
    day.checked_sub(Span::new().days(days)).ok()
}

fn on(monday: Date, day: Weekday) -> Option<Date> {
    let days = i32::from(day.to_monday_zero_offset());
    monday.checked_add(Span::new().days(days)).ok()
}

/// Each day from `first` to `last`. One that a zone left out (Samoa had no 30 December 2011) is none.
fn days(first: Date, last: Date, zone: &TimeZone) -> Vec<Interval> {
    let start = |day: Date| Some(day.to_zoned(zone.clone()).ok()?.timestamp());
    let day = |day: Date| {
        let interval = Interval {
            start: start(day)?,
            end: start(day.tomorrow().ok()?)?,
        };
        (interval.start < interval.end).then_some(interval)
    };
    let days = first.series(Span::new().days(1));
    days.take_while(|day| *day <= last)
        .filter_map(day)
        .collect()
}

/// The hours that really passed, from `from` hours before that of `base` to `to` before it.
fn hours(base: Timestamp, zone: &TimeZone, from: i64, to: i64) -> Vec<Interval> {
    let local = base.to_zoned(zone.clone());
    let within = SignedDuration::from_mins(i64::from(local.minute()))
        + SignedDuration::from_secs(i64::from(local.second()))
        + SignedDuration::from_nanos(i64::from(local.subsec_nanosecond()));
    let hour = |ago: i64| {
        let start = base.checked_sub(within).ok()?;
        let start = start.checked_sub(SignedDuration::from_hours(ago)).ok()?;
        Some(Interval {
            start,
            end: start.checked_add(SignedDuration::from_hours(1)).ok()?,
        })
    };
    (to..=from).rev().filter_map(hour).collect()
}

/// The 24 hours that a clock shows from one o'clock of the day before to one o'clock of the day. An hour that the clock
/// skips is none, one that it shows twice lasts two.
fn from_one_to_one(today: Date, zone: &TimeZone) -> Vec<Interval> {
    let Ok(yesterday) = today.yesterday() else {
        return Vec::new();
    };
    let first = yesterday.at(1, 0, 0, 0);
    let shown = |hours: i32| {
        let local = first.checked_add(Span::new().hours(hours)).ok()?;
        Some(local.to_zoned(zone.clone()).ok()?.timestamp())
    };
    let hour = |hours: i32| {
        let interval = Interval {
            start: shown(hours)?,
            end: shown(hours + 1)?,
        };
        (interval.start < interval.end).then_some(interval)
    };
    (0..24).filter_map(hour).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn zoned(period: Period, base: &str, zone: &str, reading: Reading) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let base = base.parse().unwrap();
        let show = |interval: Interval| {
            let hours = interval.end.duration_since(interval.start).as_hours();
            let start = interval.start.to_zoned(zone.clone());
            format!("{}+{hours}h", start.strftime("%m-%dT%H:%M"))
        };
        let found = intervals(period, base, &zone, reading);
        found.into_iter().map(show).collect()
    }

    #[test]
    fn words_say_what_they_say_and_dolphinscheduler_says_otherwise() {
        let at = "2026-11-22T10:30:00Z";
        let of = |period, reading| zoned(period, at, "UTC", reading);
        let end = Period::ThisMonthEnd;
        assert_eq!(of(end, Reading::Native), ["11-30T00:00+24h"]);
        assert_eq!(of(end, Reading::DolphinScheduler), ["11-01T00:00+24h"]);
        let hours = of(Period::Last24Hours, Reading::Native);
        assert_eq!(
            (hours.len(), &*hours[0], &*hours[23]),
            (24, "11-21T10:00+1h", "11-22T09:00+1h")
        );
        let hours = of(Period::Last24Hours, Reading::DolphinScheduler);
        assert_eq!(
            (hours.len(), &*hours[0], &*hours[23]),
            (24, "11-21T01:00+1h", "11-22T00:00+1h")
        );
    }

    #[test]
    fn days_on_which_clocks_change_have_23_and_25_hours() {
        let of = |base| zoned(Period::LastDay, base, "Europe/Berlin", Reading::Native);
        assert_eq!(of("2026-03-30T06:00:00Z"), ["03-29T00:00+23h"]);
        assert_eq!(of("2026-10-26T06:00:00Z"), ["10-25T00:00+25h"]);
        // Midnight itself is skipped: the day begins at one o'clock.
        let cairo = zoned(
            Period::Today,
            "2024-04-26T06:00:00Z",
            "Africa/Cairo",
            Reading::Native,
        );
        assert_eq!(cairo, ["04-26T01:00+23h"]);
    }

    #[test]
    fn hours_before_an_hour_are_hours_that_passed() {
        let of = |base, reading| zoned(Period::Last3Hours, base, "Europe/Berlin", reading);
        let spring = ["03-29T01:00+1h", "03-29T03:00+1h", "03-29T04:00+1h"];
        let autumn = ["10-25T02:00+1h", "10-25T02:00+1h", "10-25T03:00+1h"];
        for reading in [Reading::Native, Reading::DolphinScheduler] {
            assert_eq!(of("2026-03-29T03:10:00Z", reading), spring);
            assert_eq!(of("2026-10-25T03:10:00Z", reading), autumn);
        }
        let shown = zoned(
            Period::Last24Hours,
            "2026-03-29T20:00:00Z",
            "Europe/Berlin",
            Reading::DolphinScheduler,
        );
        assert_eq!(shown.len(), 24, "the day before has no change");
        let shown = zoned(
            Period::Last24Hours,
            "2026-03-30T20:00:00Z",
            "Europe/Berlin",
            Reading::DolphinScheduler,
        );
        assert_eq!(shown.len(), 23, "there was no two o'clock: {shown:?}");
    }

    #[test]
    fn a_day_that_a_zone_left_out_is_none() {
        let days = zoned(
            Period::Last2Days,
            "2012-01-01T00:00:00Z",
            "Pacific/Apia",
            Reading::Native,
        );
        assert_eq!(days, ["12-31T00:00+24h"]);
    }

    const ZONES: [&str; 6] = [
        "UTC",
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Africa/Cairo",
        "Australia/Lord_Howe",
    ];

    proptest! {
        #[test]
        fn intervals_are_in_order_apart_and_within_two_months(
            second in 0_i64..4_000_000_000,
            zone in prop::sample::select(ZONES.to_vec()),
            period in prop::sample::select(Period::all().collect::<Vec<_>>()),
            native: bool,
        ) {
            let base = Timestamp::from_second(second).unwrap();
            let zone = TimeZone::get(zone).unwrap();
            let reading = if native { Reading::Native } else { Reading::DolphinScheduler };
            let found = intervals(period, base, &zone, reading);
            prop_assert!((1..=31).contains(&found.len()));
            for pair in found.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start);
            }
            for interval in &found {
                prop_assert!(interval.start < interval.end);
                let hours = interval.end.duration_since(interval.start);
                prop_assert!(hours <= SignedDuration::from_hours(25));
                prop_assert!(base.duration_since(interval.start) < SignedDuration::from_hours(63 * 24));
            }
            let last = found.last().unwrap();
            let either = [Period::ThisMonthBegin, Period::ThisMonthEnd, Period::Last24Hours];
            let now = [Period::ThisHour, Period::Today, Period::ThisWeek, Period::ThisMonth];
            let reaches_now = now.contains(&period) == last.contains(base);
            prop_assert!(either.contains(&period) || reaches_now);
        }

        #[test]
        fn whole_days_and_weeks_leave_nothing_out(
            second in 0_i64..4_000_000_000,
            zone in prop::sample::select(ZONES.to_vec()),
        ) {
            let base = Timestamp::from_second(second).unwrap();
            let zone = TimeZone::get(zone).unwrap();
            let of = |period| intervals(period, base, &zone, Reading::Native);
            let (week, this) = (of(Period::LastWeek), of(Period::ThisWeek));
            prop_assert_eq!(week.len(), 7);
            prop_assert_eq!(week[6].end, this[0].start);
            let (month, begin) = (of(Period::LastMonth), of(Period::ThisMonthBegin));
            prop_assert_eq!(month[month.len() - 1].end, begin[0].start);
            prop_assert_eq!(of(Period::LastMonthEnd)[0], month[month.len() - 1]);
            prop_assert_eq!(of(Period::Last7Days)[6].end, of(Period::Today)[0].start);
        }
    }
}
