//! Tasks that pick among those below them: switches and conditions.

use insta::assert_snapshot;
use porpoise_engine::input::RunCommand;
use porpoise_engine::run::Phase;
use porpoise_model::workflow::{Case, Ending, FailureStrategy, Kind, Test, TriggerRule};
use porpoise_model::{RunState, Value, ValueType};

use crate::support::{Scenario, scenario};

/// `choose` picks `big` or `small` by the rows that `count` found; `join` follows both.
fn counted(cases: &[(&str, &[&str])], otherwise: Option<&[&str]>) -> Scenario {
    let run = scenario("count -> choose -> big, small -> join");
    let cases = cases.iter().map(|(when, then)| Case {
        when: (*when).to_owned(),
        then: run.indices(then),
    });
    let kind = Kind::Switch {
        cases: cases.collect(),
        otherwise: otherwise.map(|names| run.indices(names)),
    };
    run.with("choose", |task| task.kind = kind)
        .with("join", |task| {
            task.trigger = TriggerRule::NoneFailedMinOneSucceeded;
        })
}

fn rows(run: Scenario, rows: &str, kind: ValueType) -> Scenario {
    let value = Value {
        kind,
        text: rows.to_owned(),
    };
    run.with("count", |task| {
        task.kind = Kind::Shell {
            script: "true".to_owned(),
        };
        task.outputs.insert("rows".to_owned(), Value::text(""));
    })
    .start()
    .succeeds_with("count", [("rows".to_owned(), value)].into())
}

fn by_size() -> Scenario {
    counted(&[("${count.rows} > 100", &["big"])], Some(&["small"]))
}

fn phase(run: &Scenario, name: &str) -> Phase {
    run.state.tasks.phase(run.index(name))
}

#[test]
fn a_switch_lets_go_on_what_it_picks() {
    let mut run = rows(by_size(), "120", ValueType::Integer);
    assert_eq!(run.cause_of("choose"), "chose case 1: big");
    run = run.succeeds("big").succeeds("join");
    assert_snapshot!(run.log(), @"
    00:00 count#1 dispatched
    00:00 run running
    00:00 count#1 succeeded
    00:00 choose succeeded
    00:00 big#1 dispatched
    00:00 small skipped
    00:00 big#1 succeeded
    00:00 join#1 dispatched
    00:00 join#1 succeeded
    00:00 run succeeded
    ");
    let run = rows(by_size(), "42", ValueType::Integer);
    assert_eq!(run.cause_of("choose"), "chose otherwise: small");
    assert_eq!(phase(&run, "big"), Phase::Skipped);
}

/// A text is compared with a number as a number, and with a text letter by letter.
#[test]
fn a_value_is_what_it_is_declared_as() {
    let texts = || counted(&[("${count.rows} > '9'", &["big"])], Some(&["small"]));
    let run = rows(texts(), "12", ValueType::Varchar);
    assert_eq!(phase(&run, "big"), Phase::Skipped);
    let run = rows(texts(), "12", ValueType::Long);
    assert_eq!(phase(&run, "small"), Phase::Skipped);
}

#[test]
fn without_an_otherwise_nothing_is_picked() {
    let none = counted(&[("false", &["big", "small"])], None);
    let run = rows(none, "1", ValueType::Integer);
    assert_eq!(run.cause_of("choose"), "chose otherwise: nothing");
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    assert_eq!(phase(&run, "join"), Phase::Skipped);
}

#[test]
fn a_case_that_cannot_be_decided_fails_the_switch() {
    let cases = || {
        counted(
            &[("${count.lines} > 1", &["big"]), ("true", &["big"])],
            Some(&["small"]),
        )
    };
    let run = rows(cases(), "1", ValueType::Integer);
    assert_eq!(
        run.cause_of("choose"),
        "unresolved: case 1: `count.lines` has no value"
    );
    assert_eq!(run.state.run_state(), RunState::Failed);
    // Since 3.3, DolphinScheduler passes over it.
    let mut later = cases();
    later.workflow.dialect = "dolphinscheduler/3.3".to_owned();
    let run = rows(later, "1", ValueType::Integer);
    assert_eq!(run.cause_of("choose"), "chose case 2: big");
}

#[test]
fn an_imported_switch_without_a_default_fails_if_no_case_holds() {
    let mut run = counted(&[("false", &["big"])], None);
    run.workflow.dialect = "dolphinscheduler/3.1".to_owned();
    let run = rows(run, "1", ValueType::Integer);
    assert_eq!(
        run.cause_of("choose"),
        "unresolved: no case holds, and there is no `otherwise`"
    );
    // An empty condition is taken by 3.1 when it comes to it.
    let mut run = counted(&[("", &["big"])], None);
    run.workflow.dialect = "dolphinscheduler/3.1".to_owned();
    let run = rows(run, "1", ValueType::Integer);
    assert_eq!(run.cause_of("choose"), "chose case 1: big");
}

/// What can be reached from what was picked stays, also if another branch names it.
#[test]
fn a_task_of_another_branch_runs_if_something_else_leads_to_it() {
    let run = scenario("choose -> one -> both; choose -> both; choose -> beside");
    let kind = Kind::Switch {
        cases: vec![Case {
            when: "true".to_owned(),
            then: run.indices(&["one"]),
        }],
        otherwise: Some(run.indices(&["both"])),
    };
    let run = run
        .with("choose", |task| task.kind = kind)
        .with("both", |task| {
            task.trigger = TriggerRule::NoneFailedMinOneSucceeded;
        })
        .start()
        .succeeds("one")
        .succeeds("both")
        .succeeds("beside");
    assert_eq!(run.state.run_state(), RunState::Succeeded);
}

#[test]
fn a_switch_that_nobody_let_pick_lets_all_go_on() {
    let disabled = by_size().with("choose", |task| task.disabled = true);
    let run = rows(disabled, "1", ValueType::Integer);
    let both = |run: &Scenario| (phase(run, "big"), phase(run, "small"));
    assert_eq!(both(&run), (Phase::Dispatched, Phase::Dispatched));
    let held = by_size().start();
    let tasks = held.indices(&["choose"]);
    let run = held.command(RunCommand::MarkSucceeded { tasks });
    assert_eq!(both(&run), (Phase::Dispatched, Phase::Dispatched));
    let mut dry = by_size();
    dry.new.dry_run = true;
    let run = dry.start();
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    assert_eq!(both(&run), (Phase::Succeeded, Phase::Succeeded));
}

/// `check` looks at `load`: `report` if it succeeded, `alert` if not.
fn checked(is: Ending) -> Scenario {
    let run = scenario("load -> check -> report, alert");
    let kind = Kind::Conditions {
        when: Test::All(vec![Test::Any(vec![Test::Task {
            task: run.index("load"),
            is,
        }])]),
        then: run.indices(&["report"]),
        otherwise: run.indices(&["alert"]),
    };
    run.with("check", |task| {
        task.kind = kind;
        task.trigger = TriggerRule::AllDoneMinOneRan;
    })
}

#[test]
fn a_failure_that_conditions_expect_fails_nothing() {
    let mut run = checked(Ending::Succeeded);
    run.workflow.on_failure = FailureStrategy::End;
    let mut run = run.start().fails("load").succeeds("alert");
    assert_eq!(run.cause_of("check"), "chose otherwise: alert");
    assert_snapshot!(run.log(), @"
    00:00 load#1 dispatched
    00:00 run running
    00:00 load#1 failed
    00:00 check succeeded
    00:00 report skipped
    00:00 alert#1 dispatched
    00:00 alert#1 succeeded
    00:00 run succeeded
    ");
    let run = checked(Ending::Succeeded).start().succeeds("load");
    assert_eq!(run.cause_of("check"), "chose then: report");
    assert_eq!(phase(&run, "alert"), Phase::Skipped);
}

#[test]
fn a_failure_that_something_else_follows_as_well_fails_the_run() {
    let run = checked(Ending::Failed);
    let load = run.index("load");
    let run = run.with("alert", |task| task.after.insert(0, load));
    let run = run.start().fails("load").succeeds("report");
    assert_eq!(phase(&run, "alert"), Phase::UpstreamFailed);
    assert_eq!(run.state.run_state(), RunState::Failed);
}

/// What could not run tells conditions nothing; what was not to run does not either.
#[test]
fn conditions_below_what_never_ran_do_not_run() {
    let run = scenario("first -> load -> check -> report, alert");
    let kind = Kind::Conditions {
        when: Test::Task {
            task: run.index("load"),
            is: Ending::Succeeded,
        },
        then: run.indices(&["report"]),
        otherwise: run.indices(&["alert"]),
    };
    let run = run.with("check", |task| {
        task.kind = kind;
        task.trigger = TriggerRule::AllDoneMinOneRan;
    });
    let run = run.start();
    let first = run.indices(&["first"]);
    let failed = run.fails("first");
    assert_eq!(phase(&failed, "check"), Phase::UpstreamFailed);
    assert_eq!(failed.state.run_state(), RunState::Failed);
    let skipped = failed
        .command(RunCommand::Rerun {
            tasks: first.clone(),
            downstream: true,
            upstream: false,
        })
        .command(RunCommand::Skip { tasks: first })
        .stops("first");
    assert_eq!(phase(&skipped, "check"), Phase::Skipped);
    assert_eq!(skipped.state.run_state(), RunState::Succeeded);
}

/// Source: the reference on DolphinScheduler, B4: states are compared exactly.
#[test]
fn imported_conditions_tell_a_forced_success_from_a_real_one() {
    let forced = |dialect: &str, is| {
        let mut run = checked(is);
        run.workflow.dialect = dialect.to_owned();
        let run = run.start();
        let tasks = run.indices(&["load"]);
        let run = run
            .command(RunCommand::MarkSucceeded { tasks })
            .stops("load");
        run.cause_of("check")
    };
    assert_eq!(
        forced("porpoise/1", Ending::Succeeded),
        "chose then: report"
    );
    let imported = "dolphinscheduler/3.2";
    assert_eq!(
        forced(imported, Ending::Succeeded),
        "chose otherwise: alert"
    );
    assert_eq!(forced(imported, Ending::Failed), "chose otherwise: alert");
}

#[test]
fn what_failed_is_looked_at_again_once_it_ran_again() {
    let run = checked(Ending::Succeeded).start().fails("load");
    let run = run.fails("alert");
    assert_eq!(run.state.run_state(), RunState::Failed);
    let run = run.command(RunCommand::RerunFailed).succeeds("load");
    assert_eq!(run.cause_of("check"), "chose then: report");
    let run = run.succeeds("report");
    assert_eq!(phase(&run, "alert"), Phase::Skipped);
    assert_eq!(run.state.run_state(), RunState::Succeeded);
}
