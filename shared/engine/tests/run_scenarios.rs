//! Runs, told as scenarios.

use std::time::Duration;

use insta::assert_snapshot;
use porpoise_engine::EffectKey;
use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{RunCommand, RunInput, SlotAnswer, SlotAnswerKind};
use porpoise_model::TaskState;
use porpoise_model::workflow::{
    Concurrency, FailureStrategy, PoolUse, Timeout, TimeoutAction, TriggerRule,
};

use crate::support;
use crate::support::scenario;

#[test]
fn run_fails_when_a_task_has_no_retry_left() {
    let log = scenario("extract -> load -> report")
        .retries("load", 1)
        .start()
        .succeeds("extract");
    let log = log
        .at("00:05")
        .fails("load")
        .at("00:06")
        .fails("load")
        .log();
    assert_snapshot!(log, @"
    00:00 extract#1 dispatched
    00:00 run running
    00:00 extract#1 succeeded
    00:00 load#1 dispatched
    00:05 load#1 up_for_retry until 00:06
    00:06 load#2 dispatched
    00:06 load#2 failed
    00:06 report upstream_failed
    00:06 run failed (2 tasks did not succeed)
    ");
}

#[test]
fn other_branches_go_on_after_a_failure() {
    let log = scenario("a -> b -> c; a -> d -> e")
        .start()
        .succeeds("a")
        .fails("b")
        .succeeds("d")
        .succeeds("e")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 succeeded
    00:00 b#1 dispatched
    00:00 d#1 dispatched
    00:00 b#1 failed
    00:00 c upstream_failed
    00:00 d#1 succeeded
    00:00 e#1 dispatched
    00:00 e#1 succeeded
    00:00 run failed (2 tasks did not succeed)
    ");
}

#[test]
fn failure_strategy_end_stops_what_runs() {
    let mut run = scenario("a; b -> c");
    run.workflow.on_failure = FailureStrategy::End;
    let mut run = run.start().starts("a").starts("b").fails("a");
    assert_eq!(run.pending(), [EffectKey::Cancel(Attempt::of(1, 1))]);
    run = run.stops("b");
    assert_snapshot!(run.log(), @"
    00:00 a#1 dispatched
    00:00 b#1 dispatched
    00:00 run running
    00:00 a#1 running
    00:00 b#1 running
    00:00 a#1 failed
    00:00 b#1 canceling
    00:00 c canceled
    00:00 b#1 canceled
    00:00 run failed (3 tasks did not succeed)
    ");
}

#[test]
fn trigger_rules_decide_by_how_the_tasks_above_ended() {
    let rules = [
        ("all", TriggerRule::AllSucceeded),
        ("done", TriggerRule::AllDone),
        ("one", TriggerRule::OneSucceeded),
        ("bad", TriggerRule::OneFailed),
        ("none", TriggerRule::NoneFailed),
        ("always", TriggerRule::Always),
    ];
    let mut run = scenario("x, y -> all, done, one, bad, none, always");
    for (name, rule) in rules {
        run = run.with(name, |task| task.trigger = rule);
    }
    let mut run = run.start().succeeds("x").fails("y");
    assert_snapshot!(run.log(), @"
    00:00 x#1 dispatched
    00:00 y#1 dispatched
    00:00 always#1 dispatched
    00:00 run running
    00:00 x#1 succeeded
    00:00 one#1 dispatched
    00:00 y#1 failed
    00:00 all upstream_failed
    00:00 done#1 dispatched
    00:00 bad#1 dispatched
    00:00 none upstream_failed
    ");
}

#[test]
fn a_disabled_task_is_passed_over_in_its_turn() {
    let log = scenario("a -> b -> c")
        .with("b", |task| task.disabled = true)
        .start()
        .succeeds("a")
        .succeeds("c")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 succeeded
    00:00 b skipped
    00:00 c#1 dispatched
    00:00 c#1 succeeded
    00:00 run succeeded
    ");
}

#[test]
fn skipping_a_task_rules_out_what_needs_its_success() {
    let run = scenario("a -> b -> c").start();
    let skipped = run.indices(&["a"]);
    let log = run
        .command(RunCommand::Skip { tasks: skipped })
        .stops("a")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 canceling
    00:00 a#1 skipped
    00:00 b skipped
    00:00 c skipped
    00:00 run succeeded
    ");
}

#[test]
fn killing_a_run_cancels_what_runs_and_what_waits() {
    let mut run = scenario("a -> b")
        .start()
        .starts("a")
        .command(RunCommand::Kill);
    assert_eq!(run.pending(), [EffectKey::Cancel(Attempt::of(0, 1))]);
    run = run.stops("a");
    assert_snapshot!(run.log(), @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 running
    00:00 a#1 canceling
    00:00 b canceled
    00:00 run canceling
    00:00 a#1 canceled
    00:00 run canceled (killed_by(ada via test))
    ");
    assert_eq!(
        run.command(RunCommand::Kill).refusal().as_deref(),
        Some("the run is over: it was canceled")
    );
}

#[test]
fn a_paused_run_lets_running_tasks_end_and_resumes() {
    let log = scenario("a -> b")
        .start()
        .starts("a")
        .command(RunCommand::Pause)
        .at("00:10")
        .succeeds("a")
        .at("00:20")
        .command(RunCommand::Resume)
        .succeeds("b")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 running
    00:00 run pausing
    00:10 a#1 succeeded
    00:10 b queued
    00:10 run paused
    00:20 b#1 dispatched
    00:20 run running
    00:20 b#1 succeeded
    00:20 run succeeded
    ");
}

#[test]
fn a_held_task_waits_until_it_is_released_or_its_time_comes() {
    let run = scenario("a -> b; a -> c").start();
    let until = support::start_of_day()
        .checked_add(jiff::SignedDuration::from_mins(30))
        .unwrap();
    let (b, c) = (run.indices(&["b"]), run.indices(&["c"]));
    let run = run.command(RunCommand::Hold {
        tasks: b.clone(),
        why: "audit".into(),
        until: None,
    });
    let run = run
        .command(RunCommand::Hold {
            tasks: c,
            why: String::new(),
            until: Some(until),
        })
        .succeeds("a");
    assert_eq!(
        (run.state_of("b"), run.state_of("c")),
        (TaskState::Queued, TaskState::Queued)
    );
    let run = run.at("00:30");
    assert_eq!(
        (run.state_of("b"), run.state_of("c")),
        (TaskState::Queued, TaskState::Dispatched)
    );
    assert_eq!(
        run.command(RunCommand::Release { tasks: b }).state_of("b"),
        TaskState::Dispatched
    );
}

#[test]
fn a_time_out_stops_the_attempt_and_counts_as_a_failure() {
    let after = Duration::from_mins(10);
    let log = scenario("a")
        .retries("a", 1)
        .with("a", |task| {
            task.timeout = Some(Timeout {
                after,
                action: TimeoutAction::Fail,
            });
        })
        .start()
        .at("00:02")
        .starts("a")
        .at("00:12")
        .stops("a")
        .at("00:13")
        .starts("a")
        .succeeds("a")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:02 a#1 running
    00:12 a#1 canceling
    00:12 a#1 up_for_retry until 00:13
    00:13 a#2 dispatched
    00:13 a#2 running
    00:13 a#2 succeeded
    00:13 run succeeded
    ");
}

#[test]
fn a_warning_time_out_stops_nothing() {
    let after = Duration::from_mins(10);
    let run = scenario("a").with("a", |task| {
        task.timeout = Some(Timeout {
            after,
            action: TimeoutAction::Warn,
        });
    });
    let run = run.start().starts("a").at("00:12");
    assert_eq!(run.state_of("a"), TaskState::Running);
    assert_eq!(
        run.facts
            .iter()
            .filter(|(_, f)| format!("{f:?}").starts_with("TimedOut"))
            .count(),
        1
    );
}

#[test]
fn rerun_from_failed_keeps_what_succeeded_and_counts_attempts_on() {
    let log = scenario("a -> b -> c")
        .start()
        .succeeds("a")
        .fails("b")
        .at("01:00")
        .command(RunCommand::RerunFailed)
        .succeeds("b")
        .succeeds("c")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 succeeded
    00:00 b#1 dispatched
    00:00 b#1 failed
    00:00 c upstream_failed
    00:00 run failed (2 tasks did not succeed)
    01:00 b#2 dispatched
    01:00 c pending
    01:00 run running
    01:00 b#2 succeeded
    01:00 c#1 dispatched
    01:00 c#1 succeeded
    01:00 run succeeded
    ");
}

#[test]
fn rerun_of_a_running_task_stops_it_first_and_takes_what_is_below_along() {
    let run = scenario("a -> b -> c").start().succeeds("a").starts("b");
    let a = run.indices(&["a"]);
    let run = run.at("00:30").command(RunCommand::Rerun {
        tasks: a,
        downstream: true,
        upstream: false,
    });
    let log = run
        .stops("b")
        .succeeds("a")
        .succeeds("b")
        .succeeds("c")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 succeeded
    00:00 b#1 dispatched
    00:00 b#1 running
    00:30 a#2 dispatched
    00:30 b#1 canceling
    00:30 b#1 pending
    00:30 a#2 succeeded
    00:30 b#2 dispatched
    00:30 b#2 succeeded
    00:30 c#1 dispatched
    00:30 c#1 succeeded
    00:30 run succeeded
    ");
}

#[test]
fn rerun_without_what_is_below_leaves_it_as_it_was() {
    let run = scenario("a -> b").start().succeeds("a").succeeds("b");
    let a = run.indices(&["a"]);
    let mut run = run
        .command(RunCommand::Rerun {
            tasks: a,
            downstream: false,
            upstream: false,
        })
        .succeeds("a");
    assert_snapshot!(run.log(), @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 succeeded
    00:00 b#1 dispatched
    00:00 b#1 succeeded
    00:00 run succeeded
    00:00 a#2 dispatched
    00:00 run running
    00:00 a#2 succeeded
    00:00 run succeeded
    ");
}

#[test]
fn a_repeated_command_does_nothing() {
    let run = scenario("a -> b")
        .start()
        .starts("a")
        .command(RunCommand::Pause);
    let repeated = RunInput::Commanded(porpoise_engine::input::Command {
        id: porpoise_model::CommandId::from_bytes([1; 16]),
        actor: support::me(),
        what: RunCommand::Pause,
    });
    let facts = run.facts.len();
    assert_eq!(run.input(&repeated).facts.len(), facts);
}

#[test]
fn a_report_of_a_replaced_attempt_changes_nothing() {
    let run = scenario("a").retries("a", 1).start().fails("a").at("00:01");
    let late = porpoise_engine::input::Report {
        attempt: Attempt::of(0, 1),
        what: porpoise_engine::input::ReportKind::Canceled { ended: run.now },
    };
    let facts = run.facts.len();
    let run = run.input(&RunInput::Reported(vec![late]));
    assert_eq!(
        (run.facts.len(), run.state_of("a")),
        (facts, TaskState::Dispatched)
    );
}

#[test]
fn a_task_with_a_pool_waits_for_its_slot_and_gives_it_back() {
    let pool = || PoolUse {
        name: "warehouse".parse().unwrap(),
        slots: 1,
        weight: 0,
    };
    let answer = |what| {
        RunInput::Slot(SlotAnswer {
            attempt: Attempt::of(0, 1),
            what,
        })
    };
    let run = scenario("a")
        .with("a", |task| task.pool = Some(pool()))
        .start();
    assert_eq!(run.pending(), [EffectKey::AskSlot(Attempt::of(0, 1))]);
    let run = run.input(&answer(SlotAnswerKind::Queued));
    assert_eq!(
        (run.pending(), run.state_of("a")),
        (vec![], TaskState::Queued)
    );
    let run = run.input(&answer(SlotAnswerKind::Granted));
    assert_eq!(run.state_of("a"), TaskState::Dispatched);
    assert_eq!(
        run.replies.len(),
        1,
        "the pool is told that its grant has arrived"
    );
    let run = run.command(RunCommand::Kill).stops("a");
    assert_eq!(run.pending(), [EffectKey::FreeSlot(Attempt::of(0, 1))]);
    assert!(run.state.is_open());
    let run = run
        .input(&answer(SlotAnswerKind::Freed))
        .input(&answer(SlotAnswerKind::Granted));
    assert_eq!(
        (run.pending(), run.replies.len()),
        (vec![], 2),
        "a grant that nobody wants goes back"
    );
}

#[test]
fn a_serial_run_waits_for_its_gate() {
    let mut run = scenario("a");
    run.workflow.concurrency = Concurrency::SerialWait;
    let run = run.start();
    assert_eq!(run.pending(), [EffectKey::EnterGate(1)]);
    let run = run
        .input(&RunInput::Gate(porpoise_engine::input::GateAnswer {
            entry: 1,
            what: porpoise_engine::input::GateAnswerKind::Admitted,
        }))
        .succeeds("a");
    assert_eq!(run.pending(), [EffectKey::LeaveGate(1)]);
}

#[test]
fn a_dry_run_starts_no_job_and_waits_for_no_delay() {
    let mut run = scenario("a -> b").with("b", |task| task.delay = Duration::from_mins(15));
    run.new.dry_run = true;
    let mut run = run.start();
    assert_eq!(run.pending(), []);
    assert_snapshot!(run.log(), @"
    00:00 a succeeded
    00:00 b succeeded
    00:00 run succeeded
    ");
}

#[test]
fn a_delay_counts_from_when_the_task_became_ready() {
    let run = scenario("a -> b").with("b", |task| task.delay = Duration::from_mins(15));
    let log = run
        .start()
        .at("00:10")
        .succeeds("a")
        .at("00:20")
        .at("00:25")
        .log();
    assert_snapshot!(log, @"
    00:00 a#1 dispatched
    00:00 run running
    00:10 a#1 succeeded
    00:10 b queued until 00:25
    00:25 b#1 dispatched
    ");
}

#[test]
fn a_run_whose_parameters_go_in_a_circle_fails_before_it_starts_anything() {
    let mut run = scenario("a");
    run.workflow
        .parameters
        .insert("x".into(), porpoise_model::Value::text("${x}"));
    assert_snapshot!(run.start().log(), @"00:00 run failed (unresolved: cannot resolve parameter `x`: parameters refer to each other in a circle: `x -> x`)");
}

#[test]
fn a_number_that_asked_for_slots_and_was_killed_is_not_used_again() {
    let pool = || PoolUse {
        name: "warehouse".parse().unwrap(),
        slots: 1,
        weight: 0,
    };
    let run = scenario("a; b")
        .with("a", |task| task.pool = Some(pool()))
        .start();
    let a = run.indices(&["a"]);
    let run = run.command(RunCommand::KillTasks { tasks: a.clone() });
    assert_eq!(run.pending()[1..], [EffectKey::FreeSlot(Attempt::of(0, 1))]);
    let run = run.command(RunCommand::Rerun {
        tasks: a,
        downstream: false,
        upstream: false,
    });
    assert!(
        run.pending()
            .contains(&EffectKey::AskSlot(Attempt::of(0, 2)))
    );
}

#[test]
fn a_run_that_is_let_in_after_it_was_killed_leaves_at_once() {
    use porpoise_engine::Effect;
    use porpoise_engine::input::{GateAnswer, GateAnswerKind, GateInput, Input};
    let mut run = scenario("a");
    run.workflow.concurrency = Concurrency::SerialWait;
    let run = run.start().command(RunCommand::Kill);
    let late = GateAnswer {
        entry: 1,
        what: GateAnswerKind::Admitted,
    };
    let run = run.input(&RunInput::Gate(late));
    let [
        Effect::Tell {
            input: Input::Gate(GateInput::Left { entry: 1, .. }),
            ..
        },
    ] = run.replies.as_slice()
    else {
        panic!("{:?}", run.replies);
    };
}

#[test]
fn a_rerun_that_waits_for_its_gate_can_be_killed() {
    use porpoise_engine::input::{GateAnswer, GateAnswerKind};
    let mut run = scenario("a");
    run.workflow.concurrency = Concurrency::SerialWait;
    let admitted = GateAnswer {
        entry: 1,
        what: GateAnswerKind::Admitted,
    };
    let run = run.start().input(&RunInput::Gate(admitted)).fails("a");
    let mut run = run
        .command(RunCommand::RerunFailed)
        .command(RunCommand::Kill);
    assert_snapshot!(run.log(), @"
    00:00 a#1 dispatched
    00:00 run running
    00:00 a#1 failed
    00:00 run failed (1 task did not succeed)
    00:00 a#1 queued
    00:00 run queued
    00:00 a#1 canceled
    00:00 run canceled (killed_by(ada via test))
    ");
    assert!(run.pending().contains(&EffectKey::LeaveGate(2)));
}
