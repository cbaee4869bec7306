//! What gates promise, in stories.

use jiff::SignedDuration;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::Effect;
use porpoise_engine::gate::{Gate, GateFact};
use porpoise_engine::input::{GateAnswerKind, GateInput, Input, RunInput};
use porpoise_model::workflow::{Concurrency, Priority};

use super::driver::{Driver, midnight, project, run};

/// A run that was created as many seconds after midnight as its number says.
pub(crate) fn enter(number: u8, concurrency: Concurrency, entry: u32) -> GateInput {
    enter_as(number, concurrency, entry, Priority::Medium)
}

pub(crate) fn enter_as(
    number: u8,
    concurrency: Concurrency,
    entry: u32,
    priority: Priority,
) -> GateInput {
    GateInput::Entered {
        run: run(number),
        concurrency,
        created: midnight() + SignedDuration::from_secs(i64::from(number)),
        priority,
        entry,
    }
}

fn wait(number: u8) -> GateInput {
    enter(number, Concurrency::SerialWait, 1)
}

fn or_never(number: u8) -> GateInput {
    enter(number, Concurrency::SerialDiscard, 1)
}

pub(crate) fn leave(number: u8, entry: u32) -> GateInput {
    GateInput::Left {
        run: run(number),
        entry,
    }
}

pub(crate) fn noted(number: u8, entry: u32) -> GateInput {
    GateInput::Noted {
        run: run(number),
        entry,
    }
}

/// Run, entry and word of what is said.
pub(crate) fn words(effects: &[Effect]) -> Vec<(u8, u32, GateAnswerKind)> {
    let line = |effect: &Effect| match effect {
        Effect::Tell {
            to,
            input: Input::Run(RunInput::Gate(answer)),
        } => {
            assert_eq!(to.project, project());
            (to.id[0], answer.entry, answer.what)
        }
        other => panic!("{other:?}"),
    };
    effects.iter().map(line).collect()
}

fn said(effects: &[Effect]) -> Vec<String> {
    let line = |(number, entry, what): (u8, u32, GateAnswerKind)| {
        let word = match what {
            GateAnswerKind::Waiting => "waits",
            GateAnswerKind::Admitted => "admitted",
            GateAnswerKind::Discarded => "discarded",
            GateAnswerKind::Left => "left",
            GateAnswerKind::Superseded => "superseded",
        };
        format!("{number}.{entry} {word}")
    };
    words(effects).into_iter().map(line).collect()
}

fn say(fact: &GateFact) -> String {
    let number = |run: &porpoise_model::RunId| run.as_bytes()[0];
    match fact {
        GateFact::Entered { run, entry, .. } => format!("{}.{entry} enters", number(run)),
        GateFact::Admitted { run } => format!("{} admitted", number(run)),
        GateFact::Discarded { run } => format!("{} discarded", number(run)),
        GateFact::Superseded { run } => format!("{} superseded", number(run)),
        GateFact::Noted { run } => format!("{} knows", number(run)),
        GateFact::Left { run, entry } => format!("{}.{entry} leaves", number(run)),
    }
}

#[test]
fn serial_runs_go_one_at_a_time_by_priority_then_by_creation() {
    let mut gate = Driver::<Gate>::new();
    gate.give(&[wait(5)]);
    assert_eq!(said(&gate.pending()), ["5.1 admitted"]);
    gate.give(&[noted(5, 1)]);
    let (_, replies) = gate.give(&[wait(4), wait(3)]);
    assert_eq!(said(&replies), ["4.1 waits", "3.1 waits"]);
    gate.give(&[enter_as(9, Concurrency::SerialWait, 1, Priority::Highest)]);
    assert_eq!(gate.state.line(), [9, 3, 4].map(run));
    let (_, replies) = gate.give(&[leave(5, 1)]);
    assert_eq!(said(&replies), ["5.1 left"]);
    gate.give(&[leave(9, 1)]);
    gate.give(&[leave(3, 1)]);
    gate.give(&[noted(4, 1)]);
    gate.give(&[leave(4, 1)]);
    assert!(!Gate::is_open(&gate.state));
    insta::assert_snapshot!(gate.story(say), @"
    00:00:00 5.1 enters, 5 admitted
    00:00:00 5 knows
    00:00:00 4.1 enters, 3.1 enters
    00:00:00 9.1 enters
    00:00:00 5.1 leaves, 9 admitted
    00:00:00 9.1 leaves, 3 admitted
    00:00:00 3.1 leaves, 4 admitted
    00:00:00 4 knows
    00:00:00 4.1 leaves
    ");
}

#[test]
fn a_run_that_may_be_discarded_is_when_somebody_is_in_or_waits() {
    let mut gate = Driver::<Gate>::new();
    gate.give(&[or_never(1), noted(1, 1)]);
    gate.give(&[or_never(2)]);
    assert_eq!(said(&gate.pending()), ["2.1 discarded"]);
    let (facts, replies) = gate.give(&[or_never(2)]);
    assert_eq!(facts, []);
    assert_eq!(said(&replies), ["2.1 discarded"], "a repeat hears the same");
    gate.give(&[noted(2, 1)]);
    gate.give(&[wait(3)]);
    gate.give(&[leave(1, 1), or_never(4)]);
    insta::assert_snapshot!(gate.story(say), @"
    00:00:00 1.1 enters, 1 admitted, 1 knows
    00:00:00 2.1 enters, 2 discarded
    00:00:00 2 knows
    00:00:00 3.1 enters
    00:00:00 1.1 leaves, 4.1 enters, 4 discarded, 3 admitted
    ");
}

/// Source: the reference on DolphinScheduler, C5: the new run stops the one that runs and those that wait.
#[test]
fn a_run_that_goes_first_stops_who_is_in_and_discards_who_waits() {
    let first = |number| enter(number, Concurrency::SerialPriority, 1);
    let mut gate = Driver::<Gate>::new();
    gate.give(&[wait(1), noted(1, 1), wait(2)]);
    let (_, replies) = gate.give(&[first(3)]);
    assert_eq!(said(&replies), ["3.1 waits"]);
    assert_eq!(said(&gate.pending()), ["2.1 discarded", "1.1 superseded"]);
    gate.give(&[noted(1, 1), noted(2, 1)]);
    assert_eq!(said(&gate.pending()), [""; 0]);
    // The one that is in takes its time, and another one comes first.
    gate.give(&[first(4)]);
    assert_eq!(said(&gate.pending()), ["3.1 discarded", "1.1 superseded"]);
    gate.give(&[leave(1, 1)]);
    insta::assert_snapshot!(gate.story(say), @"
    00:00:00 1.1 enters, 1 admitted, 1 knows, 2.1 enters
    00:00:00 3.1 enters, 2 discarded, 1 superseded
    00:00:00 1 knows, 2 knows
    00:00:00 4.1 enters, 3 discarded, 1 superseded
    00:00:00 1.1 leaves, 4 admitted
    ");
}

#[test]
fn parallel_runs_go_in_at_once_and_serial_ones_wait_for_them() {
    let mut gate = Driver::<Gate>::new();
    gate.give(&[enter(1, Concurrency::Parallel, 1)]);
    gate.give(&[enter(2, Concurrency::Parallel, 1)]);
    gate.give(&[wait(3)]);
    assert_eq!(gate.state.inside.len(), 2);
    gate.give(&[leave(1, 1)]);
    assert_eq!(gate.state.line(), [run(3)]);
    gate.give(&[leave(2, 1)]);
    assert!(gate.state.inside.contains_key(&run(3)));
}

#[test]
fn an_entry_that_arrives_after_its_end_lets_no_ghost_in() {
    let mut gate = Driver::<Gate>::new();
    let (_, replies) = gate.give(&[leave(1, 1)]);
    assert_eq!(
        said(&replies),
        ["1.1 left"],
        "before the gate ever heard of it"
    );
    let (facts, replies) = gate.give(&[wait(1)]);
    assert_eq!(facts, []);
    assert_eq!(said(&replies), ["1.1 left"]);
    gate.give(&[or_never(2)]);
    assert!(gate.state.inside.contains_key(&run(2)));
}

#[test]
fn a_rerun_comes_again_and_words_of_its_earlier_entry_change_nothing() {
    let mut gate = Driver::<Gate>::new();
    gate.give(&[wait(1), wait(2)]);
    gate.give(&[leave(1, 1)]);
    gate.give(&[enter(1, Concurrency::SerialWait, 2)]);
    let (facts, replies) = gate.give(&[wait(1), leave(1, 1), noted(1, 1)]);
    assert_eq!(facts, []);
    assert_eq!(said(&replies), ["1.1 left"]);
    gate.give(&[leave(2, 1)]);
    assert_eq!(said(&gate.pending()), ["1.2 admitted"]);
}

#[test]
fn an_entry_that_overtakes_the_end_of_the_one_before_ends_it() {
    let mut gate = Driver::<Gate>::new();
    gate.give(&[wait(1), noted(1, 1), wait(2)]);
    gate.give(&[enter(1, Concurrency::SerialWait, 2)]);
    let (facts, _) = gate.give(&[leave(1, 1)]);
    assert_eq!(facts, []);
    insta::assert_snapshot!(gate.story(say), @"
    00:00:00 1.1 enters, 1 admitted, 1 knows, 2.1 enters
    00:00:00 1.2 enters, 1 admitted
    ");
}

#[test]
fn who_has_left_is_forgotten_after_a_day_and_beyond_a_number() {
    let mut gate = Driver::<Gate>::new();
    for number in 0..5_000_u32 {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let run = porpoise_model::RunId::from_bytes(id);
        gate.pass(1);
        gate.give(&[GateInput::Left { run, entry: 1 }]);
    }
    assert_eq!(gate.state.gone.len(), 4_096);
    gate.pass(24 * 3600);
    gate.give(&[leave(1, 1)]);
    assert_eq!(gate.state.gone.len(), 1);
}
