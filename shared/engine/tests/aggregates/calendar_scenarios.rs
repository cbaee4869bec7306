//! What schedules that follow a calendar promise, in stories. The second of March 2026 is a Monday.

use jiff::civil::Date;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::input::{ScheduleCommand, ScheduleInput, Spec};
use porpoise_engine::schedule::{CalendarChange, Observed, Schedule, upcoming};
use porpoise_model::Exclusions;
use porpoise_model::workflow::{ExcludedDay, MissedFires};

use super::driver::{command, midnight};
use super::schedule_scenarios::{done_all, say, scheduled, set, spec, switch, wake_at};

fn march(days: &[i8]) -> Exclusions {
    let dates = days.iter().map(|day| Date::new(2026, 3, *day).unwrap());
    Exclusions::new(dates.collect(), []).unwrap()
}

fn follows(cron: &str, policy: ExcludedDay, revision: u64, days: &[i8]) -> Spec {
    let observed = Observed {
        calendar: "bank".parse().unwrap(),
        revision,
        policy,
        exclusions: march(days),
    };
    Spec {
        calendar: Some(observed),
        ..spec(cron)
    }
}

fn put(calendar: &str, revision: u64, days: &[i8]) -> ScheduleInput {
    ScheduleInput::CalendarChanged(Box::new(CalendarChange {
        calendar: calendar.parse().unwrap(),
        revision,
        exclusions: march(days),
        actor: command(0, ()).actor,
    }))
}

#[test]
fn a_day_that_is_excluded_is_skipped_or_moved_and_no_instant_fires_twice() {
    let times = |policy| {
        let spec = follows("30 2 * * *", policy, 1, &[3, 4]);
        let times = upcoming(&spec, midnight(), 4);
        times
            .iter()
            .map(|at| at.strftime("%d").to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(times(ExcludedDay::Skip), ["02", "05", "06", "07"]);
    assert_eq!(times(ExcludedDay::Next), ["02", "05", "06", "07"]);
    let weekly = |policy| {
        let spec = follows("30 2 * * WED", policy, 1, &[4, 11, 10]);
        let times = upcoming(&spec, midnight(), 3);
        times
            .iter()
            .map(|at| at.strftime("%d %H:%M").to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        weekly(ExcludedDay::Skip),
        ["18 02:30", "25 02:30", "01 02:30"]
    );
    assert_eq!(
        weekly(ExcludedDay::Next),
        ["05 02:30", "12 02:30", "18 02:30"]
    );
    assert_eq!(
        weekly(ExcludedDay::Previous),
        ["03 02:30", "09 02:30", "18 02:30"]
    );
}

#[test]
fn a_run_stands_for_the_instant_to_which_it_was_moved() {
    let mut schedule = scheduled(follows("30 2 * * MON", ExcludedDay::Next, 1, &[2, 3]));
    wake_at(&mut schedule, "04T02:30:00");
    let porpoise_engine::effect::Effect::CreateRun(new) = &schedule.pending()[0] else {
        panic!("it creates a run");
    };
    assert_eq!(new.logical_date, schedule.now);
    done_all(&mut schedule);
    schedule.restart();
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 04 02:30:00
    02:30:00 fired [04 02:30:00]; next 09 02:30:00
    02:30:00 created 04 02:30:00
    ");
}

#[test]
fn a_calendar_that_is_put_again_moves_the_next_instant_once_however_often_it_is_told() {
    let mut schedule = scheduled(follows("0 6 * * *", ExcludedDay::Skip, 1, &[]));
    schedule.give(&[put("bank", 3, &[2, 3])]);
    for late in [
        put("bank", 3, &[2, 3]),
        put("bank", 2, &[4]),
        put("other", 9, &[5]),
    ] {
        let (facts, _) = schedule.give(&[late]);
        assert_eq!(facts, []);
    }
    assert_eq!(
        Schedule::deadline(&schedule.state),
        Some("2026-03-04T06:00:00Z".parse().unwrap())
    );
    // Told late: what was due before fires by the days of then.
    wake_at(&mut schedule, "04T06:00:00");
    schedule.now = "2026-03-05T06:00:01Z".parse().unwrap();
    schedule.give(&[put("bank", 4, &[5, 6])]);
    // A day that is not excluded any more does not fire what it would have fired before.
    schedule.now = "2026-03-06T12:00:00Z".parse().unwrap();
    schedule.give(&[put("bank", 5, &[])]);
    wake_at(&mut schedule, "07T06:00:00");
    schedule.restart();
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 06:00:00
    00:00:00 calendar bank revision 3, next 04 06:00:00
    06:00:00 fired [04 06:00:00]; next 05 06:00:00
    06:00:01 fired [05 06:00:00]; next 06 06:00:00, calendar bank revision 4, next 07 06:00:00
    12:00:00 calendar bank revision 5, next 07 06:00:00
    06:00:00 fired [07 06:00:00]; next 08 06:00:00
    ");
}

#[test]
fn who_sets_a_schedule_with_dates_of_before_does_not_undo_what_was_put_since() {
    let mut schedule = scheduled(follows("0 6 * * *", ExcludedDay::Skip, 1, &[]));
    schedule.give(&[put("bank", 2, &[2, 3])]);
    schedule.give(&[set(1, follows("0 7 * * *", ExcludedDay::Skip, 1, &[]))]);
    schedule.give(&[switch(2, ScheduleCommand::Offline)]);
    schedule.give(&[put("bank", 3, &[2])]);
    schedule.give(&[switch(3, ScheduleCommand::Online)]);
    schedule.give(&[set(4, spec("0 8 * * *"))]);
    schedule.give(&[put("bank", 4, &[2, 3, 4])]);
    schedule.restart();
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 06:00:00
    00:00:00 calendar bank revision 2, next 04 06:00:00
    00:00:00 set accepted, online, next 04 07:00:00
    00:00:00 offline accepted, offline
    00:00:00 calendar bank revision 3, never again
    00:00:00 online accepted, online, next 03 07:00:00
    00:00:00 set accepted, online, next 02 08:00:00
    ");
}

#[test]
fn of_missed_instants_the_latest_that_the_calendar_leaves_fires() {
    for (missed, fired) in [(MissedFires::Latest, 1), (MissedFires::Skip, 0)] {
        let mut schedule = scheduled(Spec {
            missed,
            ..follows("0 6 * * *", ExcludedDay::Skip, 1, &[4, 5])
        });
        wake_at(&mut schedule, "05T12:00:00");
        assert_eq!(schedule.pending().len(), fired);
        if missed == MissedFires::Latest {
            insta::assert_snapshot!(schedule.story(say), @"
            00:00:00 set accepted, online, next 02 06:00:00
            12:00:00 fired [03 06:00:00]; missed 02 06:00:00 to 02 06:00:00; next 06 06:00:00
            ");
        }
    }
}

#[test]
fn what_is_moved_fires_within_the_window_of_its_schedule_only() {
    let window = |policy| Spec {
        start: Some("2026-03-04T00:00:00Z".parse().unwrap()),
        end: Some("2026-03-18T00:00:00Z".parse().unwrap()),
        ..follows("0 6 * * TUE", policy, 1, &[3, 10, 17])
    };
    let days = |policy| {
        let times = upcoming(&window(policy), midnight(), 9);
        times
            .iter()
            .map(|at| at.strftime("%d").to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(days(ExcludedDay::Next), ["04", "11"]);
    assert_eq!(days(ExcludedDay::Previous), ["09", "16"]);
    assert_eq!(days(ExcludedDay::Skip), [""; 0]);
}
