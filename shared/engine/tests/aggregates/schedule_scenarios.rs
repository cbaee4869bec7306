//! What schedules promise, in stories.

use jiff::{SignedDuration, Timestamp};
use porpoise_engine::EffectKey;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Effect, Trigger};
use porpoise_engine::input::{ScheduleCommand, ScheduleInput, Spec};
use porpoise_engine::schedule::{Schedule, ScheduleFact, upcoming};
use porpoise_model::workflow::MissedFires;
use porpoise_model::{RunId, ScheduleId, WorkflowId};

use super::driver::{Driver, command, midnight, project};

pub(crate) fn workflow() -> WorkflowId {
    WorkflowId::first_named(project(), "nightly")
}

pub(crate) fn spec(cron: &str) -> Spec {
    Spec {
        cron: cron.to_owned(),
        timezone: "UTC".to_owned(),
        start: None,
        end: None,
        missed: MissedFires::Latest,
        offline: false,
        calendar: None,
    }
}

pub(crate) fn set(id: u8, spec: Spec) -> ScheduleInput {
    ScheduleInput::Commanded(command(
        id,
        ScheduleCommand::Set {
            workflow: workflow(),
            workflow_name: "nightly".to_owned(),
            spec: Box::new(spec),
        },
    ))
}

pub(crate) fn switch(id: u8, what: ScheduleCommand) -> ScheduleInput {
    ScheduleInput::Commanded(command(id, what))
}

pub(crate) fn scheduled(spec: Spec) -> Driver<Schedule> {
    let mut schedule = Driver::new();
    schedule.give(&[set(255, spec)]);
    schedule
}

pub(crate) fn wake_at(schedule: &mut Driver<Schedule>, at: &str) {
    schedule.now = format!("2026-03-{at}Z").parse().unwrap();
    schedule.give(&[ScheduleInput::Woken]);
}

pub(crate) fn done_all(schedule: &mut Driver<Schedule>) {
    let keys: Vec<EffectKey> = schedule.state.outbox.iter().map(|(key, _)| key).collect();
    for key in keys {
        schedule.give(&[Schedule::acknowledged(key)]);
    }
}

fn time(at: Timestamp) -> String {
    at.strftime("%d %H:%M:%S").to_string()
}

pub(crate) fn say(fact: &ScheduleFact) -> String {
    let next = |next: &Option<porpoise_engine::run::state::Time>| {
        next.map_or("never again".to_owned(), |next| {
            format!("next {}", time(next.0))
        })
    };
    match fact {
        ScheduleFact::Commanded { what, outcome, .. } => match outcome {
            Outcome::Accepted => format!("{what} accepted"),
            Outcome::Refused { reason } => format!("{what} refused: {reason}"),
        },
        ScheduleFact::Set {
            online, next: at, ..
        } if *online => format!("online, {}", next(at)),
        ScheduleFact::Set { .. } => "offline".to_owned(),
        ScheduleFact::WentOnline { next: at } => format!("online, {}", next(at)),
        ScheduleFact::WentOffline => "offline".to_owned(),
        ScheduleFact::Unset => "no schedule".to_owned(),
        ScheduleFact::Came {
            fired,
            missed,
            next: at,
        } => {
            let fired: Vec<String> = fired.iter().map(|at| time(at.0)).collect();
            let missed = missed.map(|m| format!("missed {} to {}; ", time(m.from), time(m.to)));
            format!(
                "fired [{}]; {}{}",
                fired.join(", "),
                missed.unwrap_or_default(),
                next(at)
            )
        }
        ScheduleFact::Created { instant } => format!("created {}", time(*instant)),
        ScheduleFact::Halted { reason } => format!("halted: {reason}"),
        ScheduleFact::CalendarChanged { change, next: at } => {
            format!(
                "calendar {} revision {}, {}",
                change.calendar,
                change.revision,
                next(at)
            )
        }
    }
}

#[test]
fn a_schedule_creates_the_run_of_each_instant_and_says_which() {
    let mut schedule = scheduled(spec("30 2 * * *"));
    assert_eq!(
        Schedule::deadline(&schedule.state),
        Some("2026-03-02T02:30:00Z".parse().unwrap())
    );
    wake_at(&mut schedule, "02T02:30:00");
    let pending = schedule.pending();
    let [Effect::CreateRun(new)] = pending.as_slice() else {
        panic!("{pending:?}");
    };
    let id = ScheduleId::of_workflow(workflow());
    assert_eq!(new.run, RunId::of_instant(id, schedule.now));
    assert_eq!(new.trigger, Trigger::Schedule { schedule: id });
    assert_eq!((new.logical_date, new.version), (schedule.now, None));
    assert_eq!(new.actor.via, "schedule");
    done_all(&mut schedule);
    wake_at(&mut schedule, "03T02:30:59");
    schedule.restart();
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 02:30:00
    02:30:00 fired [02 02:30:00]; next 03 02:30:00
    02:30:00 created 02 02:30:00
    02:30:59 fired [03 02:30:00]; next 04 02:30:00
    ");
}

#[test]
fn a_schedule_that_a_wrong_clock_fired_years_ahead_begins_again_when_it_is_switched_on() {
    let mut schedule = scheduled(spec("0 * * * *"));
    wake_at(&mut schedule, "02T01:00:00");
    schedule.now = "2031-03-02T01:00:10Z".parse().unwrap();
    schedule.give(&[ScheduleInput::Woken]);
    wake_at(&mut schedule, "02T02:00:00");
    schedule.give(&[switch(1, ScheduleCommand::Offline)]);
    schedule.give(&[switch(2, ScheduleCommand::Online)]);
    wake_at(&mut schedule, "02T03:00:00");
    schedule.restart();
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    01:00:00 fired [02 01:00:00]; next 02 02:00:00
    01:00:10 fired [02 00:00:00, 02 01:00:00]; missed 02 02:00:00 to 01 23:00:00; next 02 02:00:00
    02:00:00 offline accepted, offline
    02:00:00 online accepted, online, next 02 03:00:00
    03:00:00 fired [02 03:00:00]; next 02 04:00:00
    ");
}

#[test]
fn after_a_stop_the_latest_missed_instant_fires_or_none() {
    let mut latest = scheduled(spec("0 * * * *"));
    let mut skip = scheduled(Spec {
        missed: MissedFires::Skip,
        ..spec("0 * * * *")
    });
    for schedule in [&mut latest, &mut skip] {
        wake_at(schedule, "02T01:00:00");
        wake_at(schedule, "02T09:30:00");
        wake_at(schedule, "02T10:01:00");
        wake_at(schedule, "02T11:01:01");
    }
    insta::assert_snapshot!(latest.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    01:00:00 fired [02 01:00:00]; next 02 02:00:00
    09:30:00 fired [02 09:00:00]; missed 02 02:00:00 to 02 08:00:00; next 02 10:00:00
    10:01:00 fired [02 10:00:00]; next 02 11:00:00
    11:01:01 fired [02 11:00:00]; next 02 12:00:00
    ");
    insta::assert_snapshot!(skip.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    01:00:00 fired [02 01:00:00]; next 02 02:00:00
    09:30:00 fired []; missed 02 02:00:00 to 02 09:00:00; next 02 10:00:00
    10:01:00 fired [02 10:00:00]; next 02 11:00:00
    11:01:01 fired []; missed 02 11:00:00 to 02 11:00:00; next 02 12:00:00
    ");
}

#[test]
fn a_stop_of_a_year_on_a_cron_of_every_second_costs_one_fact() {
    let mut schedule = scheduled(Spec {
        missed: MissedFires::Skip,
        ..spec("* * * * * ?")
    });
    schedule.now = "2027-03-02T00:00:00Z".parse().unwrap();
    let (facts, _) = schedule.give(&[ScheduleInput::Woken]);
    let [
        ScheduleFact::Came {
            fired,
            missed: Some(missed),
            next: Some(next),
        },
    ] = facts.as_slice()
    else {
        panic!("{facts:?}");
    };
    assert_eq!(fired.len(), 61, "the last minute is on time");
    assert_eq!(missed.from, midnight() + SignedDuration::from_secs(1));
    assert_eq!(missed.to, schedule.now - SignedDuration::from_secs(61));
    assert_eq!(next.0, schedule.now + SignedDuration::from_secs(1));
}

#[test]
fn a_clock_that_jumps_back_and_links_that_come_again_fire_nothing_twice() {
    let mut schedule = scheduled(spec("* * * * *"));
    wake_at(&mut schedule, "02T00:01:00");
    let link = ScheduleInput::Fired {
        generation: 1,
        instant: schedule.now,
    };
    wake_at(&mut schedule, "02T00:02:00");
    let length = schedule.log.len();
    wake_at(&mut schedule, "02T00:00:30");
    wake_at(&mut schedule, "02T00:01:10");
    schedule.give(&[link.clone(), link]);
    assert_eq!(schedule.log.len(), length);
    wake_at(&mut schedule, "02T00:03:00");
    assert_eq!(schedule.state.outbox.len(), 3);
}

#[test]
fn an_edit_fires_no_instant_again_and_what_was_due_before_it_goes_first() {
    let mut schedule = scheduled(spec("0 * * * *"));
    wake_at(&mut schedule, "02T01:00:00");
    schedule.give(&[set(
        1,
        Spec {
            timezone: "Asia/Tokyo".to_owned(),
            ..spec("0 * * * *")
        },
    )]);
    assert_eq!(schedule.state.generation, 2);
    let (facts, _) = schedule.give(&[set(
        2,
        Spec {
            timezone: "Asia/Tokyo".to_owned(),
            ..spec("0 * * * *")
        },
    )]);
    assert_eq!(facts.len(), 1, "what is set already changes nothing");
    assert_eq!(schedule.state.generation, 2);
    schedule.now = "2026-03-02T02:00:20Z".parse().unwrap();
    schedule.give(&[set(3, spec("0 2 * * *")), set(3, spec("0 2 * * *"))]);
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    01:00:00 fired [02 01:00:00]; next 02 02:00:00
    01:00:00 set accepted, online, next 02 02:00:00
    01:00:00 set accepted
    02:00:20 fired [02 02:00:00]; next 02 03:00:00, set accepted, online, next 03 02:00:00
    ");
}

#[test]
fn what_passes_while_it_is_offline_is_not_missed() {
    let mut schedule = scheduled(spec("0 * * * *"));
    schedule.give(&[switch(1, ScheduleCommand::Offline)]);
    assert!(!Schedule::is_open(&schedule.state));
    wake_at(&mut schedule, "02T05:00:00");
    schedule.now = "2026-03-02T05:30:00Z".parse().unwrap();
    schedule.give(&[
        switch(2, ScheduleCommand::Offline),
        switch(3, ScheduleCommand::Online),
    ]);
    schedule.give(&[
        switch(4, ScheduleCommand::Online),
        switch(3, ScheduleCommand::Online),
    ]);
    wake_at(&mut schedule, "02T06:00:00");
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    00:00:00 offline accepted, offline
    05:30:00 offline refused: the schedule is not online, online accepted, online, next 02 06:00:00
    05:30:00 online refused: the schedule is online already
    06:00:00 fired [02 06:00:00]; next 02 07:00:00
    ");
}

#[test]
fn an_edit_leaves_it_as_people_switched_it_and_an_unset_schedule_begins_anew() {
    let mut schedule = scheduled(spec("0 * * * *"));
    schedule.give(&[
        switch(1, ScheduleCommand::Offline),
        set(2, spec("5 * * * *")),
    ]);
    assert!(!schedule.state.online);
    schedule.give(&[
        switch(3, ScheduleCommand::Unset),
        switch(4, ScheduleCommand::Online),
    ]);
    schedule.give(&[set(5, spec("5 * * * *"))]);
    assert!(schedule.state.online);
    schedule.give(&[set(
        6,
        Spec {
            offline: true,
            ..spec("5 * * * *")
        },
    )]);
    assert!(!schedule.state.online);
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 01:00:00
    00:00:00 offline accepted, offline, set accepted, offline
    00:00:00 unset accepted, no schedule, online refused: there is no schedule
    00:00:00 set accepted, online, next 02 00:05:00
    00:00:00 set accepted, offline
    ");
}

#[test]
fn a_spec_that_cannot_be_read_is_refused_with_the_reason() {
    let mut schedule = Driver::<Schedule>::new();
    schedule.give(&[set(1, spec("61 2 * * *"))]);
    schedule.give(&[set(
        2,
        Spec {
            timezone: "Mars/Base".to_owned(),
            ..spec("0 2 * * *")
        },
    )]);
    assert_eq!(schedule.state.setting, None);
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set refused: `61 2 * * *` is not a cron expression: minute: `61` is out of range 0..=59
    00:00:00 set refused: `Mars/Base` is not a time zone
    ");
}

#[test]
fn it_begins_at_its_start_and_ends_before_its_end() {
    let mut schedule = scheduled(Spec {
        start: Some("2026-03-02T02:00:00Z".parse().unwrap()),
        end: Some("2026-03-02T04:00:00Z".parse().unwrap()),
        ..spec("0 * * * *")
    });
    for at in ["02T02:00:00", "02T03:00:00", "02T04:00:00", "02T05:00:00"] {
        wake_at(&mut schedule, at);
        done_all(&mut schedule);
    }
    assert!(!Schedule::is_open(&schedule.state), "it never fires again");
    insta::assert_snapshot!(schedule.story(say), @"
    00:00:00 set accepted, online, next 02 02:00:00
    02:00:00 fired [02 02:00:00]; next 02 03:00:00
    02:00:00 created 02 02:00:00
    03:00:00 fired [02 03:00:00]; never again
    03:00:00 created 02 03:00:00
    ");
}

#[test]
fn clock_changes_skip_and_repeat_as_the_cron_says() {
    let berlin = Spec {
        timezone: "Europe/Berlin".to_owned(),
        ..spec("30 2 * * *")
    };
    let shown = |after: &str| {
        let instants = upcoming(&berlin, after.parse().unwrap(), 3);
        instants
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(shown("2026-03-27T12:00:00Z"), @"
    2026-03-28T01:30:00Z
    2026-03-30T00:30:00Z
    2026-03-31T00:30:00Z
    ");
    insta::assert_snapshot!(shown("2026-10-24T12:00:00Z"), @"
    2026-10-25T01:30:00Z
    2026-10-26T01:30:00Z
    2026-10-27T01:30:00Z
    ");
    assert_eq!(upcoming(&spec("nonsense"), midnight(), 3), []);
}

#[test]
fn an_instant_stays_pending_until_its_run_exists() {
    let mut schedule = scheduled(spec("0 1 2 3 *"));
    wake_at(&mut schedule, "02T01:00:00");
    let key = EffectKey::Fire(schedule.now.as_millisecond());
    schedule.pass(600);
    schedule.give(&[ScheduleInput::Woken]);
    schedule.restart();
    assert_eq!(schedule.pending().len(), 1);
    schedule.give(&[switch(1, ScheduleCommand::Unset)]);
    assert_eq!(
        schedule.pending().len(),
        1,
        "also when the schedule is gone"
    );
    schedule.give(&[ScheduleInput::Done(key)]);
    let (facts, _) = schedule.give(&[ScheduleInput::Done(key)]);
    assert_eq!(facts, []);
    assert!(!Schedule::is_open(&schedule.state));
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_forgets_an_instant_whose_run_was_not_created_at_once() {
    use porpoise_engine::mutant::{Mutant, activate};
    let mut schedule = scheduled(spec("0 * * * *"));
    activate(Some(Mutant::ScheduleLinkLost));
    wake_at(&mut schedule, "02T01:00:00");
    assert_eq!(schedule.pending().len(), 1);
    wake_at(&mut schedule, "02T01:02:00");
    activate(None);
    assert_eq!(schedule.pending(), []);
}
