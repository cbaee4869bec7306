//! Runs of some of a workflow's tasks.

use std::sync::Arc;

use insta::assert_snapshot;
use porpoise_engine::Plan;
use porpoise_engine::input::RunCommand;
use porpoise_engine::run::selection::select;
use porpoise_engine::run::{Phase, Ranges, Reach};
use porpoise_model::workflow::{FailureStrategy, TriggerRule};

use crate::support::{Scenario, scenario};

/// `extract` and `other` lead to `load`, which leads to `report`; `aside` stands alone.
fn retail() -> Scenario {
    scenario("extract, other -> load -> report; aside")
}

fn only(mut run: Scenario, names: &[&str]) -> Scenario {
    run.new.only = Some(Ranges::of(run.indices(names)));
    run
}

fn reached(reach: Reach) -> Vec<String> {
    let run = retail();
    let plan = Plan::compile(Arc::new(run.workflow.clone())).unwrap();
    let found = select(&plan, &run.indices(&["load"]), reach);
    let name = |task: u32| plan.task(task).unwrap().name.to_string();
    found.iter().map(name).collect()
}

#[test]
fn a_selection_reaches_up_or_down_or_nowhere() {
    assert_eq!(reached(Reach::Only), ["load"]);
    assert_eq!(reached(Reach::Downstream), ["load", "report"]);
    assert_eq!(reached(Reach::Upstream), ["extract", "other", "load"]);
}

#[test]
fn a_run_of_some_tasks_starts_them_whatever_leads_there_and_no_others() {
    let run = only(retail(), &["load", "report"]).start();
    let mut run = run.succeeds("load").succeeds("report");
    assert_snapshot!(run.log(), @"
    00:00 extract skipped
    00:00 other skipped
    00:00 load#1 dispatched
    00:00 aside skipped
    00:00 run running
    00:00 load#1 succeeded
    00:00 report#1 dispatched
    00:00 report#1 succeeded
    00:00 run succeeded
    ");
    assert_eq!(run.cause_of("extract"), "left_out");
}

#[test]
fn an_edge_from_a_task_that_is_there_counts_beside_one_that_is_left_out() {
    let run = only(retail(), &["other", "load"]).start();
    assert_eq!(run.state.tasks.phase(run.index("load")), Phase::Pending);
    let run = run.fails("other");
    assert_eq!(
        run.state.tasks.phase(run.index("load")),
        Phase::UpstreamFailed
    );
}

/// A rule that asks for one success does not take a task that was left out for one.
#[test]
fn a_task_that_is_left_out_has_not_succeeded() {
    let run = retail().with("load", |task| task.trigger = TriggerRule::OneSucceeded);
    let run = only(run, &["other", "load"]).start();
    assert_eq!(run.state.tasks.phase(run.index("load")), Phase::Pending);
    let run = run.succeeds("other");
    assert_eq!(run.state.tasks.phase(run.index("load")), Phase::Dispatched);
}

#[test]
fn what_was_left_out_can_be_run_afterwards() {
    let run = only(retail(), &["extract"]).start().succeeds("extract");
    let tasks = run.indices(&["load"]);
    let mut run = run.command(RunCommand::Rerun {
        tasks,
        downstream: true,
        upstream: false,
    });
    run = run.succeeds("load").succeeds("report");
    assert_snapshot!(run.log(), @"
    00:00 extract#1 dispatched
    00:00 other skipped
    00:00 load skipped
    00:00 report skipped
    00:00 aside skipped
    00:00 run running
    00:00 extract#1 succeeded
    00:00 run succeeded
    00:00 load#1 dispatched
    00:00 report pending
    00:00 run running
    00:00 load#1 succeeded
    00:00 report#1 dispatched
    00:00 report#1 succeeded
    00:00 run succeeded
    ");
    let tasks = run.indices(&["load"]);
    let run = run.command(RunCommand::Rerun {
        tasks,
        downstream: false,
        upstream: true,
    });
    for again in ["extract", "other"] {
        assert_eq!(run.state.tasks.phase(run.index(again)), Phase::Dispatched);
    }
    assert_eq!(run.state.tasks.phase(run.index("report")), Phase::Succeeded);
}

#[test]
fn nobody_skips_what_is_left_out() {
    let run = only(retail(), &["extract"]).start();
    let tasks = run.indices(&["aside"]);
    let run = run.command(RunCommand::Skip { tasks });
    let why = "none of these tasks is in a state that this would change";
    assert_eq!(run.refusal().as_deref(), Some(why));
}

#[test]
fn a_run_of_some_tasks_ends_at_its_first_failure_if_it_is_to() {
    let mut run = only(retail(), &["extract", "aside"]);
    run.new.on_failure = Some(FailureStrategy::End);
    let run = run.start().fails("extract");
    assert_eq!(run.state.tasks.phase(run.index("aside")), Phase::Canceling);
}
