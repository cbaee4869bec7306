//! Tasks that wait until a person approves.

use std::time::Duration;

use insta::assert_snapshot;
use porpoise_engine::effect::{EffectKey, News};
use porpoise_engine::input::RunCommand;
use porpoise_engine::run::{Phase, reason};
use porpoise_model::RunState;
use porpoise_model::workflow::{Kind, Occasion, Timeout, TimeoutAction};

use crate::support::{Scenario, scenario};

fn asking() -> Scenario {
    let question = "Release the figures?".to_owned();
    scenario("count -> release -> publish").with("release", |task| {
        task.kind = Kind::Approval { question };
    })
}

fn answer(run: Scenario, approved: bool) -> Scenario {
    let tasks = run.indices(&["release"]);
    run.command(RunCommand::Answer {
        tasks,
        approved,
        why: "checked with finance".to_owned(),
    })
}

fn phase(run: &Scenario, name: &str) -> Phase {
    run.state.tasks.phase(run.index(name))
}

#[test]
fn a_run_waits_for_an_approval_and_says_so() {
    let run = asking().start().succeeds("count");
    let waits = reason::of(&run.state, run.plan.as_ref().unwrap(), run.index("release"));
    assert_eq!(
        waits.unwrap().to_string(),
        "waits for an approval: Release the figures?"
    );
    assert_eq!(run.state.deadline(), None);
    let mut run = answer(run.at("05:00"), true);
    assert_eq!(
        run.cause_of("release"),
        "approved_by(ada via test): checked with finance"
    );
    run = run.succeeds("publish");
    assert_snapshot!(run.log(), @"
    00:00 count#1 dispatched
    00:00 run running
    00:00 count#1 succeeded
    00:00 release queued
    05:00 release succeeded
    05:00 publish#1 dispatched
    05:00 publish#1 succeeded
    05:00 run succeeded
    ");
}

#[test]
fn what_is_declined_fails() {
    let mut run = asking();
    run.workflow.notify.insert(Occasion::TaskFailed);
    let run = answer(run.start().succeeds("count"), false);
    assert_eq!(
        run.cause_of("release"),
        "declined_by(ada via test): checked with finance"
    );
    assert_eq!(phase(&run, "publish"), Phase::UpstreamFailed);
    assert_eq!(run.state.run_state(), RunState::Failed);
    let told = |key: &EffectKey| matches!(key, EffectKey::Announce(News::TaskFailed(_)));
    assert!(run.pending().iter().any(told));
    // It asks again.
    let run = run.command(RunCommand::RerunFailed);
    let run = answer(run, true);
    assert_eq!(phase(&run, "publish"), Phase::Dispatched);
}

#[test]
fn only_what_asks_and_has_its_turn_is_answered() {
    let run = answer(asking().start(), true);
    assert_eq!(
        run.refusal().unwrap(),
        "task `release` does not wait for an answer: it is pending"
    );
    let tasks = run.indices(&["count"]);
    let run = run.command(RunCommand::Answer {
        tasks,
        approved: true,
        why: String::new(),
    });
    assert_eq!(
        run.refusal().unwrap(),
        "task `count` does not wait for an answer: it asks nothing"
    );
}

#[test]
fn an_approval_that_nobody_gives_in_time_fails_or_warns() {
    let timed = |action| {
        let run = asking().with("release", |task| {
            task.timeout = Some(Timeout {
                after: Duration::from_hours(2),
                action,
            });
        });
        run.start().succeeds("count").at("02:00")
    };
    let run = timed(TimeoutAction::Fail);
    assert_eq!(run.cause_of("release"), "timeout");
    assert_eq!(run.state.run_state(), RunState::Failed);
    let run = timed(TimeoutAction::Warn);
    assert_eq!(phase(&run, "release"), Phase::Queued);
    assert_eq!(run.state.deadline(), None);
    assert_eq!(answer(run, true).state.run_state(), RunState::Running);
}

#[test]
fn a_run_that_waits_can_be_paused_killed_and_tried_dry() {
    let run = asking().start().succeeds("count");
    let run = run.command(RunCommand::Pause);
    assert_eq!(run.state.run_state(), RunState::Paused);
    let run = answer(run, true);
    assert_eq!(phase(&run, "publish"), Phase::Queued);
    let run = run.command(RunCommand::Resume);
    assert_eq!(phase(&run, "publish"), Phase::Dispatched);
    let run = asking().start().succeeds("count").command(RunCommand::Kill);
    assert_eq!(run.state.run_state(), RunState::Canceled);
    let mut dry = asking();
    dry.new.dry_run = true;
    assert_eq!(dry.start().state.run_state(), RunState::Succeeded);
}
