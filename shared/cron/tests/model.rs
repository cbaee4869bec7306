//! Random expressions against a walk over every instant that matches each field by its definition.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use porpoise_cron::Cron;
use proptest::prelude::*;
use proptest::sample::select;

/// Instants near which the zones do something: a spring gap, an autumn overlap, a day left out, a year's end.
const MOMENTS: [(&str, &str); 14] = [
    ("UTC", "2024-02-28T12:00:00Z"),
    ("UTC", "2025-12-31T00:00:00Z"),
    ("Asia/Shanghai", "2024-02-28T12:00:00Z"),
    ("Asia/Shanghai", "1991-09-14T12:00:00Z"),
    ("America/New_York", "2024-03-10T07:00:00Z"),
    ("America/New_York", "2024-11-03T06:00:00Z"),
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2060-10-31T01:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
    ("Pacific/Apia", "2012-03-31T14:00:00Z"),
    ("Pacific/Kwajalein", "1993-08-20T12:00:00Z"),
    ("America/Sao_Paulo", "2018-11-04T03:00:00Z"),
];

#[derive(Debug, Clone)]
struct Item {
    /// `None` is `*`.
    base: Option<(i8, Option<i8>)>,
    step: Option<i8>,
}

#[derive(Debug, Clone)]
enum Day {
    List(Vec<Item>),
    NearestWeekday(i8),
    BeforeLast(i8, bool),
    LastOf(i8),
    Nth(i8, i8),
}

#[derive(Debug, Clone)]
struct Expression {
    quartz: bool,
    seconds: Vec<Item>,
    minutes: Vec<Item>,
    hours: Vec<Item>,
    /// Under Quartz one of both is `?`.
    month_days: Option<Day>,
    months: Vec<Item>,
    week_days: Option<Day>,
}

impl Item {
    fn text(&self) -> String {
        let base = match self.base {
            None => "*".to_owned(),
            Some((first, None)) => first.to_string(),
            Some((first, Some(last))) => format!("{first}-{last}"),
        };
        self.step
            .map_or_else(|| base.clone(), |step| format!("{base}/{step}"))
    }

    /// Walks from the first number step by step, around the end if need be, as one would by hand.
    fn admits(&self, number: i8, low: i8, high: i8) -> bool {
        let (first, last) = match (self.base, self.step) {
            (None, _) => (low, high),
            (Some((first, Some(last))), _) => (first, last),
            (Some((first, None)), None) => (first, first),
            (Some((first, None)), Some(_)) => (first, high),
        };
        let (mut at, mut taken) = (first, 0);
        loop {
            if taken % self.step.unwrap_or(1) == 0 && at == number {
                return true;
            }
            if at == last {
                return false;
            }
            at = if at == high { low } else { at + 1 };
            taken += 1;
        }
    }
}

fn text_of(items: &[Item]) -> String {
    items.iter().map(Item::text).collect::<Vec<_>>().join(",")
}

fn any_admits(items: &[Item], number: i8, low: i8, high: i8) -> bool {
    items.iter().any(|item| item.admits(number, low, high))
}

impl Day {
    fn text(&self) -> String {
        match self {
            Self::List(items) => text_of(items),
            Self::NearestWeekday(day) => format!("{day}W"),
            Self::BeforeLast(days, weekday) => {
                let offset = if *days > 0 {
                    format!("-{days}")
                } else {
                    String::new()
                };
                format!("L{offset}{}", if *weekday { "W" } else { "" })
            }
            Self::LastOf(weekday) => format!("{weekday}L"),
            Self::Nth(weekday, nth) => format!("{weekday}#{nth}"),
        }
    }

    fn starred(&self) -> bool {
        self.text().starts_with('*')
    }
}

/// The weekday of the month with the least distance to `day`.
fn nearest_weekday(of: Date, day: i8) -> Option<i8> {
    let month = (1..=of.days_in_month()).map(|day| Date::new(of.year(), of.month(), day).unwrap());
    let weekdays =
        month.filter(|date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday));
    let exists = (1..=of.days_in_month()).contains(&day);
    let nearest = weekdays
        .map(Date::day)
        .min_by_key(|other| (other - day).abs())?;
    exists.then_some(nearest)
}

impl Expression {
    fn text(&self) -> String {
        let day = |day: &Option<Day>| day.as_ref().map_or_else(|| "?".to_owned(), Day::text);
        let rest = format!(
            "{} {} {} {} {}",
            text_of(&self.minutes),
            text_of(&self.hours),
            day(&self.month_days),
            text_of(&self.months),
            day(&self.week_days)
        );
        if self.quartz {
            format!("{} {rest}", text_of(&self.seconds))
        } else {
            rest
        }
    }

    fn admits_month_day(&self, date: Date) -> Option<bool> {
        Some(match self.month_days.as_ref()? {
            Day::List(items) => any_admits(items, date.day(), 1, 31),
            Day::NearestWeekday(day) => nearest_weekday(date, *day) == Some(date.day()),
            Day::BeforeLast(days, weekday) => {
                let day = date.days_in_month() - days;
                if *weekday {
                    nearest_weekday(date, day) == Some(date.day())
                } else {
                    day == date.day()
                }
            }
            Day::LastOf(_) | Day::Nth(..) => unreachable!(),
        })
    }

    fn admits_week_day(&self, date: Date) -> Option<bool> {
        let from_sunday = date.weekday().to_sunday_zero_offset();
        let nth = (date.day() - 1) / 7 + 1;
        Some(match self.week_days.as_ref()? {
            Day::List(items) if self.quartz => any_admits(items, from_sunday + 1, 1, 7),
            Day::List(items) => {
                any_admits(items, from_sunday, 0, 7)
                    || (from_sunday == 0 && any_admits(items, 7, 0, 7))
            }
            Day::LastOf(weekday) => {
                *weekday == from_sunday + 1 && date.day() + 7 > date.days_in_month()
            }
            Day::Nth(weekday, which) => *weekday == from_sunday + 1 && *which == nth,
            Day::NearestWeekday(_) | Day::BeforeLast(..) => unreachable!(),
        })
    }

    fn admits_date(&self, date: Date) -> bool {
        let starred = |day: &Option<Day>| day.as_ref().is_some_and(Day::starred);
        match (self.admits_month_day(date), self.admits_week_day(date)) {
            (Some(month), Some(week)) if starred(&self.month_days) || starred(&self.week_days) => {
                month && week
            }
            (Some(month), Some(week)) => month || week,
            (month, week) => month.or(week).unwrap(),
        }
    }

    fn admits(&self, local: DateTime) -> bool {
        let second = if self.quartz {
            any_admits(&self.seconds, local.second(), 0, 59)
        } else {
            local.second() == 0
        };
        second
            && any_admits(&self.minutes, local.minute(), 0, 59)
            && any_admits(&self.hours, local.hour(), 0, 23)
            && any_admits(&self.months, local.month(), 1, 12)
            && self.admits_date(local.date())
    }

    fn fires_at(&self, at: Timestamp, zone: &TimeZone) -> bool {
        let local = zone.to_datetime(at);
        let every_hour = (0..24).all(|hour| any_admits(&self.hours, hour, 0, 23));
        let is_last_pass = || zone.to_ambiguous_timestamp(local).later().unwrap() == at;
        self.admits(local) && ((!self.quartz && every_hour) || is_last_pass())
    }
}

fn item(low: i8, high: i8, wraps: bool) -> impl Strategy<Value = Item> {
    let base = prop_oneof![
        2 => Just(None),
        2 => (low..=high).prop_map(|first| Some((first, None))),
        2 => (low..=high, low..=high).prop_map(move |(a, b)| {
            Some(if wraps { (a, Some(b)) } else { (a.min(b), Some(a.max(b))) })
        }),
    ];
    (base, proptest::option::of(1..=high)).prop_map(|(base, step)| Item { base, step })
}

fn items(low: i8, high: i8, wraps: bool) -> impl Strategy<Value = Vec<Item>> {
    prop_oneof![
        1 => Just(vec![Item { base: None, step: None }]),
        2 => proptest::collection::vec(item(low, high, wraps), 1..4),
    ]
}

fn quartz_days() -> impl Strategy<Value = (Option<Day>, Option<Day>)> {
    prop_oneof![
        3 => items(1, 31, true).prop_map(|list| (Some(Day::List(list)), None)),
        3 => items(1, 7, true).prop_map(|list| (None, Some(Day::List(list)))),
        1 => (1..=31_i8).prop_map(|day| (Some(Day::NearestWeekday(day)), None)),
        1 => (0..=30_i8, any::<bool>()).prop_map(|(days, weekday)| (Some(Day::BeforeLast(days, weekday)), None)),
        1 => (1..=7_i8).prop_map(|weekday| (None, Some(Day::LastOf(weekday)))),
        1 => (1..=7_i8, 1..=5_i8).prop_map(|(weekday, nth)| (None, Some(Day::Nth(weekday, nth)))),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    any::<bool>().prop_flat_map(|quartz| {
        let days = if quartz {
            quartz_days().boxed()
        } else {
            let list = (items(1, 31, false), items(0, 7, false));
            list.prop_map(|(month, week)| (Some(Day::List(month)), Some(Day::List(week))))
                .boxed()
        };
        let time = (
            items(0, 59, quartz),
            items(0, 59, quartz),
            items(0, 23, quartz),
        );
        (time, days, items(1, 12, quartz)).prop_map(
            move |((seconds, minutes, hours), days, months)| Expression {
                quartz,
                seconds,
                minutes,
                hours,
                month_days: days.0,
                months,
                week_days: days.1,
            },
        )
    })
}

/// A zone and a window around one of its moments.
fn window(hours: i64) -> impl Strategy<Value = (TimeZone, Timestamp, Timestamp)> {
    (select(MOMENTS.as_slice()), 0..hours * 3_600, 0..1_000_i64).prop_map(
        move |((zone, moment), back, millis)| {
            let moment: Timestamp = moment.parse().unwrap();
            let from =
                moment - SignedDuration::from_secs(back) + SignedDuration::from_millis(millis);
            (
                TimeZone::get(zone).unwrap(),
                from,
                from + SignedDuration::from_hours(hours),
            )
        },
    )
}

/// Walks in whole steps of `step` seconds from the first one after `from`.
fn walk(
    expression: &Expression,
    from: Timestamp,
    to: Timestamp,
    zone: &TimeZone,
    step: i64,
) -> Vec<Timestamp> {
    let first = (from.as_second() / step + 1) * step;
    let instants = (first..=to.as_second()).step_by(usize::try_from(step).unwrap());
    let instants = instants.map(|second| Timestamp::from_second(second).unwrap());
    instants
        .filter(|at| expression.fires_at(*at, zone))
        .collect()
}

fn check(expression: &Expression, from: Timestamp, to: Timestamp, zone: &TimeZone, step: i64) {
    let cron = Cron::parse(&expression.text()).unwrap();
    let expected = walk(expression, from, to, zone, step);
    let found = cron.fires_between(from, to, usize::MAX, zone);
    assert_eq!(found, expected, "{}", expression.text());
    assert_eq!(
        cron.previous_at_or_before(to, from, zone),
        expected.last().copied()
    );
    assert_eq!(Cron::parse(&cron.to_string()), Ok(cron));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn fires_of_days_equal_a_walk_over_every_minute(expression in expression(), (zone, from, to) in window(96)) {
        let on_the_minute = vec![Item { base: Some((0, None)), step: None }];
        check(&Expression { seconds: on_the_minute, ..expression }, from, to, &zone, 60);
    }

    #[test]
    fn fires_of_hours_equal_a_walk_over_every_second(expression in expression(), (zone, from, to) in window(2)) {
        let any = vec![Item { base: None, step: None }];
        let dates = Expression { months: any.clone(), month_days: Some(Day::List(any)), week_days: None, ..expression.clone() };
        check(if expression.quartz { &dates } else { &expression }, from, to, &zone, 1);
    }

    #[test]
    fn fires_of_years_equal_a_walk_over_every_day(expression in expression(), (zone, from, _) in window(96)) {
        let noon = |at: i8| vec![Item { base: Some((at, None)), step: None }];
        let daily = Expression { seconds: noon(0), minutes: noon(0), hours: noon(12), ..expression };
        let cron = Cron::parse(&daily.text()).unwrap();
        let first = zone.to_datetime(from).date();
        let dates = (1..1_000).map(|days| first + days.days()).filter(|date| daily.admits_date(*date))
            .filter(|date| any_admits(&daily.months, date.month(), 1, 12));
        let ambiguous = dates.map(|date| zone.to_ambiguous_timestamp(date.at(12, 0, 0, 0)));
        let expected: Vec<_> = ambiguous.filter(|at| !at.is_ambiguous()).map(|at| at.later().unwrap()).take(20).collect();
        let start = zone.to_timestamp(first.at(23, 59, 59, 0)).unwrap();
        let found: Vec<_> = cron.fires(start, &zone).take(expected.len()).collect();
        prop_assert_eq!(found, expected, "{}", daily.text());
    }

    #[test]
    fn previous_agrees_with_next_and_fires_only_grow(expression in expression(), (zone, from, _) in window(96)) {
        let cron = Cron::parse(&expression.text()).unwrap();
        let fires: Vec<_> = cron.fires(from, &zone).take(50).collect();
        prop_assert!(fires.is_sorted_by(|a, b| a < b));
        let mut before = from;
        for fire in fires {
            prop_assert_eq!(cron.next_after(before, &zone), Some(fire));
            prop_assert_eq!(cron.previous_at_or_before(fire, before, &zone), Some(fire));
            let just_before = fire - SignedDuration::from_nanos(1);
            prop_assert_eq!(cron.previous_at_or_before(just_before, before, &zone), None);
            prop_assert_eq!(cron.next_after(just_before, &zone), Some(fire));
            before = fire;
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_places_inside_it(text in "[-0-9*/,?LWlw#@ A-FJMNRSTU\u{e9}\u{4f9d}]{0,40}") {
        if let Err(error) = Cron::parse(&text) {
            prop_assert!(!error.faults.is_empty());
            for fault in error.faults {
                prop_assert!(text.get(fault.span).is_some());
            }
        }
    }
}
