//! What backfills promise, in stories.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use porpoise_engine::EffectKey;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::{AfterFailure, Backfill, BackfillFact, Dates, NewBackfill};
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Effect, GoesAlong, NewRun, Trigger};
use porpoise_engine::family::{ChildStage, ChildState, DateWord};
use porpoise_engine::input::{BackfillCommand, BackfillInput, Input, RunCommand, RunInput};
use porpoise_engine::placement::Placement;
use porpoise_engine::run::state::Time;
use porpoise_model::{
    Actor, BackfillId, CommandId, Outputs, RunId, RunState, VersionHash, WorkflowId,
};

use super::driver::{Driver, command, midnight, project};

pub(crate) fn id() -> BackfillId {
    BackfillId::of_command(CommandId::from_bytes([9; 16]))
}

pub(crate) fn day(number: i64) -> Timestamp {
    let first: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let days = SignedDuration::from_hours(24 * (number - 1));
    first.checked_add(days).unwrap()
}

/// The first so many days of January.
pub(crate) fn days(count: i64) -> Dates {
    Dates::Range {
        from: day(1),
        to: day(count),
        cron: "0 0 * * *".to_owned(),
        calendar: None,
    }
}

pub(crate) fn of(dates: Dates, parallel: u32) -> NewBackfill {
    NewBackfill {
        backfill: id(),
        like: NewRun {
            project: project(),
            run: RunId::from_bytes([0; 16]),
            workflow: WorkflowId::first_named(project(), "nightly"),
            workflow_name: "nightly".to_owned(),
            version: Some(VersionHash::of(b"nightly")),
            trigger: trigger(None),
            logical_date: midnight(),
            timezone: "UTC".to_owned(),
            parameters: BTreeMap::from([("mode".to_owned(), "full".to_owned())]),
            actor: Actor {
                principal: "ada".to_owned(),
                via: "cli".to_owned(),
                request: None,
            },
            priority: None,
            on_failure: None,
            concurrency: None,
            dry_run: false,
            simulate: false,
            created: midnight(),
            placement: Placement::default(),
            only: None,
            project_parameters: None,
        },
        dates,
        descending: false,
        parallel,
        after_failure: AfterFailure::Stop,
        dependents: None,
    }
}

pub(crate) fn trigger(dependent: Option<GoesAlong>) -> Trigger {
    Trigger::Backfill {
        backfill: id(),
        dependent,
    }
}

pub(crate) fn begin(new: NewBackfill) -> BackfillInput {
    BackfillInput::Begin(Box::new(new))
}

pub(crate) fn ended(date: Timestamp, state: RunState) -> BackfillInput {
    BackfillInput::Said(DateWord {
        date,
        said: 1,
        what: ChildState::Ended {
            state,
            started: None,
            ended: date,
            why: String::new(),
            outputs: Outputs::new(),
        },
        dependent: None,
    })
}

pub(crate) fn give(id: u8, what: BackfillCommand) -> BackfillInput {
    BackfillInput::Commanded(command(id, what))
}

fn begun(new: NewBackfill) -> Driver<Backfill> {
    let mut backfill = Driver::new();
    backfill.give(&[begin(new)]);
    backfill
}

/// The days whose runs are to be created.
fn to_create(backfill: &Driver<Backfill>) -> Vec<String> {
    let mut days = Vec::new();
    for effect in backfill.pending() {
        if let Effect::CreateRun(new) = effect {
            assert_eq!(new.run, RunId::of_backfill(id(), new.logical_date));
            assert_eq!(new.trigger, trigger(None));
            assert_eq!(new.parameters["mode"], "full");
            days.push(short(new.logical_date));
        }
    }
    days
}

fn short(date: Timestamp) -> String {
    date.strftime("%d").to_string()
}

pub(crate) fn say(fact: &BackfillFact) -> String {
    let next = |next: &Option<Time>| next.map_or("none".to_owned(), |next| short(next.0));
    match fact {
        BackfillFact::Begun {
            total, next: at, ..
        } => format!("{total} dates from {}", next(at)),
        BackfillFact::Commanded { what, outcome, .. } => match outcome {
            Outcome::Accepted => format!("{what} accepted"),
            Outcome::Refused { reason } => format!("{what} refused: {reason}"),
        },
        BackfillFact::Started { dates, next: at } => {
            let dates: Vec<String> = dates.iter().map(|date| short(date.0)).collect();
            format!("started {}, next {}", dates.join(" "), next(at))
        }
        BackfillFact::Created { date } => format!("created {}", short(*date)),
        BackfillFact::Ended { date, state } => format!("{} {state}", short(*date)),
        BackfillFact::Refused { date, why } => format!("{} refused: {why}", short(*date)),
        BackfillFact::Paused => "paused".to_owned(),
        BackfillFact::Resumed => "resumed".to_owned(),
        BackfillFact::Killed { by } => format!("killed by {}", by.principal),
        BackfillFact::Halted { reason } => format!("halted: {reason}"),
        BackfillFact::Over { state } => format!("over: {state}"),
        BackfillFact::Listed => "listed".to_owned(),
        BackfillFact::DependentsStarted { date, dependents } => {
            format!("{} goes on with {dependents:?}", short(*date))
        }
        BackfillFact::DependentCreated { date, dependent } => {
            format!("created {}/{dependent}", short(*date))
        }
        BackfillFact::DependentEnded {
            date,
            dependent,
            state,
        } => format!("{}/{dependent} {state}", short(*date)),
        BackfillFact::DependentRefused {
            date,
            dependent,
            why,
        } => format!("{}/{dependent} refused: {why}", short(*date)),
        BackfillFact::DateEnded { date, state } => format!("{} over: {state}", short(*date)),
    }
}

fn done_all(backfill: &mut Driver<Backfill>) {
    let keys: Vec<EffectKey> = backfill.state.outbox.iter().map(|(key, _)| key).collect();
    for key in keys {
        backfill.give(&[Backfill::acknowledged(key)]);
    }
}

#[test]
fn dates_run_one_after_the_other_unless_told_otherwise() {
    let mut backfill = begun(of(days(3), 1));
    assert_eq!(to_create(&backfill), ["01"]);
    done_all(&mut backfill);
    for number in 1..=3 {
        backfill.pass(60);
        backfill.give(&[ended(day(number), RunState::Succeeded)]);
        backfill.restart();
    }
    done_all(&mut backfill);
    assert!(!Backfill::is_open(&backfill.state));
    assert_eq!(backfill.state.run_state(), RunState::Succeeded);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 3 dates from 01, started 01, next 02
    00:00:00 listed
    00:00:00 created 01
    00:01:00 01 succeeded, started 02, next 03
    00:02:00 02 succeeded, started 03, next none
    00:03:00 03 succeeded, over: succeeded
    ");
}

#[test]
fn never_more_than_so_many_are_there_and_the_latest_come_first_if_that_is_asked_for() {
    let mut backfill = begun(NewBackfill {
        descending: true,
        ..of(days(5), 2)
    });
    assert_eq!(to_create(&backfill), ["04", "05"]);
    backfill.give(&[ended(day(4), RunState::Succeeded)]);
    backfill.give(&[
        ended(day(5), RunState::Succeeded),
        ended(day(3), RunState::Succeeded),
    ]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 5 dates from 05, started 05 04, next 03
    00:00:00 04 succeeded, started 03, next 02
    00:00:00 05 succeeded, 03 succeeded, started 02 01, next none
    ");
    let (running, over) = (Some(RunState::Running), Some(RunState::Succeeded));
    let how = [1, 2, 3, 4, 5].map(|number| backfill.state.date(day(number)));
    assert_eq!(how, [running, running, over, over, over]);
}

#[test]
fn a_run_that_does_not_succeed_stops_it_or_not_as_was_asked() {
    let mut stops = begun(of(days(4), 2));
    stops.give(&[ended(day(1), RunState::Failed)]);
    assert_eq!(
        stops.state.run_state(),
        RunState::Running,
        "one is there still"
    );
    stops.give(&[ended(day(2), RunState::Succeeded)]);
    assert_eq!(stops.state.run_state(), RunState::Failed);
    assert_eq!(stops.state.date(day(3)), None, "it never started");
    let mut goes_on = begun(NewBackfill {
        after_failure: AfterFailure::Continue,
        ..of(days(3), 1)
    });
    goes_on.give(&[ended(day(1), RunState::Canceled)]);
    goes_on.give(&[ended(day(2), RunState::Succeeded)]);
    goes_on.give(&[ended(day(3), RunState::Succeeded)]);
    assert_eq!(goes_on.state.run_state(), RunState::Failed);
    assert_eq!(goes_on.state.succeeded, 2);
    assert_eq!(goes_on.state.date(day(1)), Some(RunState::Canceled));
}

#[test]
fn who_pauses_it_lets_runs_end_and_starts_no_more() {
    let mut backfill = begun(of(days(2), 1));
    backfill.give(&[give(1, BackfillCommand::Pause)]);
    assert_eq!(backfill.state.run_state(), RunState::Pausing);
    backfill.give(&[ended(day(1), RunState::Succeeded)]);
    assert_eq!(backfill.state.run_state(), RunState::Paused);
    backfill.give(&[
        give(1, BackfillCommand::Pause),
        give(2, BackfillCommand::Pause),
    ]);
    backfill.restart();
    backfill.give(&[give(3, BackfillCommand::Resume)]);
    backfill.give(&[
        give(4, BackfillCommand::Resume),
        give(5, BackfillCommand::Pause),
    ]);
    backfill.give(&[ended(day(2), RunState::Succeeded)]);
    backfill.give(&[give(6, BackfillCommand::Kill)]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 2 dates from 01, started 01, next 02
    00:00:00 pause accepted, paused
    00:00:00 01 succeeded
    00:00:00 pause refused: the backfill is paused already
    00:00:00 resume accepted, resumed, started 02, next none
    00:00:00 resume refused: the backfill is not paused, pause refused: no further date starts: there is nothing to pause
    00:00:00 02 succeeded, over: succeeded
    00:00:00 kill refused: the backfill is over
    ");
}

#[test]
fn who_kills_it_stops_the_runs_also_those_that_may_not_be_there_yet() {
    let mut backfill = begun(of(days(9), 3));
    backfill.give(&[Backfill::acknowledged(EffectKey::Fire(
        day(1).as_millisecond(),
    ))]);
    backfill.give(&[give(1, BackfillCommand::Kill)]);
    assert_eq!(backfill.state.run_state(), RunState::Canceling);
    assert!(to_create(&backfill).is_empty());
    let mut stopped = Vec::new();
    for effect in backfill.pending() {
        if let Effect::StopRun { new, command } = effect {
            assert_eq!(
                (command.what, command.actor.principal.as_str()),
                (RunCommand::Kill, "ada")
            );
            stopped.push(short(new.logical_date));
        }
    }
    assert_eq!(stopped, ["01", "02", "03"]);
    backfill.restart();
    // One had ended by itself, one can't be created.
    backfill.give(&[
        ended(day(2), RunState::Canceled),
        ended(day(1), RunState::Succeeded),
        Backfill::refused(
            EffectKey::StopDated(day(3).as_millisecond()),
            "gone".to_owned(),
        ),
    ]);
    insta::assert_snapshot!(backfill.story(say), @r"
    00:00:00 9 dates from 01, started 01 02 03, next 04
    00:00:00 created 01
    00:00:00 kill accepted, killed by ada
    00:00:00 02 canceled, 01 succeeded, 03 refused: gone, over: canceled
    ");
}

#[test]
fn what_a_run_says_is_answered_each_time_and_counts_once() {
    let mut backfill = begun(of(days(2), 1));
    let open = BackfillInput::Said(DateWord {
        date: day(1),
        said: 4,
        what: ChildState::Open {
            stage: ChildStage::Running,
            started: None,
        },
        dependent: None,
    });
    let word = ended(day(1), RunState::Succeeded);
    let late = ended(day(1), RunState::Failed);
    for (input, said, follows) in [
        (open, 4, false),
        (word.clone(), 1, true),
        (word, 1, false),
        (late, 1, false),
    ] {
        let (facts, replies) = backfill.give(&[input]);
        assert_eq!(!facts.is_empty(), follows);
        let [Effect::Tell { to, input }] = replies.as_slice() else {
            panic!("{replies:?}");
        };
        assert_eq!(to.id, *RunId::of_backfill(id(), day(1)).as_bytes());
        let heard = RunInput::Done(EffectKey::TellParent(said));
        assert_eq!(*input, Input::Run(heard));
    }
    assert_eq!(
        (backfill.state.succeeded, backfill.state.failed.len()),
        (1, 0)
    );
}

#[test]
fn a_run_that_can_never_be_created_counts_as_one_that_failed() {
    let mut backfill = begun(of(days(2), 1));
    let key = EffectKey::Fire(day(1).as_millisecond());
    backfill.give(&[Backfill::refused(key, "no such target".to_owned())]);
    backfill.give(&[Backfill::refused(key, "no such target".to_owned())]);
    assert_eq!(backfill.state.run_state(), RunState::Failed);
    assert_eq!(backfill.state.problem.as_deref(), Some("no such target"));
}

#[test]
fn nothing_to_do_is_done_and_too_much_is_said() {
    let none = begun(of(Dates::list(Vec::new()), 1));
    assert_eq!(none.state.run_state(), RunState::Succeeded);
    let mut seconds = of(days(2), 1);
    seconds.dates = Dates::Range {
        from: day(1),
        to: day(2),
        cron: "* * * * * ? *".to_owned(),
        calendar: None,
    };
    let too_many = begun(seconds);
    insta::assert_snapshot!(too_many.story(say), @"00:00:00 10001 dates from 01, halted: it has more than 10000 dates, over: failed");
    let mut nowhere = of(days(2), 1);
    nowhere.like.timezone = "Europe/Nowhere".to_owned();
    assert_eq!(begun(nowhere).state.run_state(), RunState::Failed);
}

#[test]
fn it_begins_once() {
    let mut backfill = begun(of(days(2), 1));
    let (facts, _) = backfill.give(&[begin(of(days(9), 3)), BackfillInput::Woken]);
    assert!(facts.is_empty());
    assert_eq!(backfill.state.total, 2);
}
