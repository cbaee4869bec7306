//! Instants under a calendar against a naive walk from day to day, in zones with odd changes of their clocks.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use porpoise_cron::Cron;
use porpoise_engine::schedule::{Fires, Observed};
use porpoise_model::Exclusions;
use porpoise_model::calendar::WEEKDAYS;
use porpoise_model::workflow::ExcludedDay;
use proptest::prelude::*;

/// And whether an hour that comes twice has its instants twice.
const CRONS: [(&str, bool); 9] = [
    ("30 2 * * *", false),
    ("15 0 * * MON", false),
    ("0 0 1,15 * *", false),
    ("45 23 * * SAT,SUN", false),
    ("20 */2 * * *", false),
    ("30 * * * SUN", true),
    ("0 30 1-3 L * ?", false),
    ("0 0 6 ? * 6#1 2011", false),
    ("0 0 0 13 * ?", false),
];
/// And a day around which its clocks change, or change in a way that needs thought.
const ZONES: [(&str, Date); 8] = [
    ("UTC", date(2026, 12, 25)),
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    // At midnight, forward and back.
    ("America/Havana", date(2026, 3, 8)),
    ("America/Havana", date(2026, 11, 1)),
    // Back across midnight: a day is begun twice.
    ("America/St_Johns", date(2010, 11, 7)),
    // A day that never was.
    ("Pacific/Apia", date(2011, 12, 30)),
    ("Africa/Casablanca", date(2026, 2, 15)),
];
const AROUND: i32 = 25;

#[derive(Debug, Clone)]
struct Case {
    cron: usize,
    zone: usize,
    excluded: Vec<i32>,
    weekdays: u8,
    policy: ExcludedDay,
}

fn case() -> impl Strategy<Value = Case> {
    let policies = vec![ExcludedDay::Skip, ExcludedDay::Next, ExcludedDay::Previous];
    (
        0..CRONS.len(),
        0..ZONES.len(),
        prop::collection::vec(-AROUND..AROUND, 0..40),
        prop_oneof![Just(0_u8), Just(0b110_0000), 0..0b111_1111_u8],
        prop::sample::select(policies),
    )
        .prop_map(|(cron, zone, excluded, weekdays, policy)| Case {
            cron,
            zone,
            excluded,
            weekdays,
            policy,
        })
}

fn later(day: Date, days: i32) -> Date {
    day.checked_add(Span::new().days(days)).unwrap()
}

/// The times of a day that the cron names, read where clocks never change.
fn times(cron: &Cron, day: Date) -> Vec<Time> {
    let midnight = day.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let before = midnight - Span::new().nanoseconds(1);
    let fires = cron.fires(before, &TimeZone::UTC);
    let local = fires.map(|fire| TimeZone::UTC.to_datetime(fire));
    let on_it = local.take_while(|local| local.date() == day);
    on_it.map(DateTime::time).collect()
}

/// The instants at which the clocks of a zone show a time.
fn at(local: DateTime, zone: &TimeZone, twice: bool) -> Vec<Timestamp> {
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(local).unwrap();
    match zone.to_ambiguous_zoned(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => vec![at(offset)],
        AmbiguousOffset::Gap { .. } => Vec::new(),
        AmbiguousOffset::Fold { before, after } if twice => vec![at(before), at(after)],
        AmbiguousOffset::Fold { after, .. } => vec![at(after)],
    }
}

fn excludes(case: &Case, day: Date) -> bool {
    let bit = day.weekday().to_monday_zero_offset();
    let around = ZONES[case.zone].1;
    let mut excluded = case.excluded.iter();
    case.weekdays & (1 << bit) != 0 || excluded.any(|days| later(around, *days) == day)
}

fn naive(case: &Case) -> BTreeSet<Timestamp> {
    let ((cron, twice), (zone, around)) = (CRONS[case.cron], ZONES[case.zone]);
    let (cron, zone) = (Cron::parse(cron).unwrap(), TimeZone::get(zone).unwrap());
    let mut instants = BTreeSet::new();
    for days in -100..100 {
        let day = later(around, days);
        let mut to = day;
        while excludes(case, to) {
            match case.policy {
                ExcludedDay::Skip => break,
                ExcludedDay::Next => to = later(to, 1),
                ExcludedDay::Previous => to = later(to, -1),
            }
        }
        if excludes(case, to) {
            continue;
        }
        for time in times(&cron, day) {
            instants.extend(at(to.to_datetime(time), &zone, twice));
        }
    }
    instants
}

fn observed(case: &Case) -> Observed {
    let around = ZONES[case.zone].1;
    let dates = case.excluded.iter().map(|days| later(around, *days));
    let bits = |day: &Weekday| case.weekdays & (1 << day.to_monday_zero_offset()) != 0;
    let weekdays = WEEKDAYS.map(|(day, _)| day).into_iter().filter(bits);
    Observed {
        calendar: "bank".parse().unwrap(),
        revision: 1,
        policy: case.policy,
        exclusions: Exclusions::new(dates.collect(), weekdays).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn instants_under_a_calendar_are_those_of_a_walk_from_day_to_day(case in case()) {
        let (zone, around) = ZONES[case.zone];
        let fires = Fires::of(CRONS[case.cron].0, zone, Some(&observed(&case))).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let edge = |days| later(around, days).to_zoned(zone.clone()).unwrap().timestamp();
        let (from, to) = (edge(-40), edge(40));
        let expected: Vec<Timestamp> = naive(&case).range(from..to).copied().collect();
        let before = from - Span::new().nanoseconds(1);
        let last = to - Span::new().nanoseconds(1);
        prop_assert_eq!(&fires.between(before, last, 10_000), &expected);
        let mut down = Vec::new();
        let mut at = last;
        while let Some(fire) = fires.previous_at_or_before(at, before) {
            down.push(fire);
            at = fire - Span::new().nanoseconds(1);
        }
        down.reverse();
        prop_assert_eq!(&down, &expected);
    }
}

#[test]
fn a_search_ends_where_a_calendar_leaves_nothing() {
    let day = date(2026, 1, 1);
    let dates = (0..10_000).map(|days| later(day, days)).collect();
    let weekdays = WEEKDAYS.map(|(day, _)| day).into_iter().take(6);
    let exclusions = Exclusions::new(dates, weekdays).unwrap();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    for (cron, policy, first) in [
        // Sundays only, from 2053 on.
        ("* * * * * ? *", ExcludedDay::Skip, Some("2053-05-25")),
        ("* * * * * ? *", ExcludedDay::Next, Some("2053-05-25")),
        ("0 0 29 2 *", ExcludedDay::Skip, Some("2060-02-29")),
        ("0 0 0 5 6 ? 2026", ExcludedDay::Next, Some("2053-05-25")),
        ("0 0 0 5 6 ? 2026", ExcludedDay::Skip, None),
        ("0 0 0 5 6 ? 2026", ExcludedDay::Previous, None),
        ("0 0 30 2 *", ExcludedDay::Next, None),
    ] {
        let observed = Observed {
            calendar: "never".parse().unwrap(),
            revision: 1,
            policy,
            exclusions: exclusions.clone(),
        };
        let fires = Fires::of(cron, "Europe/Berlin", Some(&observed)).unwrap();
        let next = fires.next_after(now);
        let day = next.map(|at| at.to_zoned(TimeZone::get("Europe/Berlin").unwrap()).date());
        assert_eq!(
            day,
            first.map(|day| day.parse().unwrap()),
            "{cron} {policy:?}"
        );
    }
}
