//! Finished runs that go on with another version of their workflow.

use std::collections::BTreeSet;
use std::sync::Arc;

use insta::assert_snapshot;
use porpoise_engine::aggregate::{Aggregate, decide_batch, fold};
use porpoise_engine::commands::Outcome;
use porpoise_engine::effect::{Attempt, Effect};
use porpoise_engine::input::{
    Command, PoolInput, Report, ReportKind, RunCommand, RunInput, SlotAnswer, SlotAnswerKind,
};
use porpoise_engine::placement::Placement;
use porpoise_engine::run::{Edit, Run, RunFact, View};
use porpoise_engine::{EffectKey, Input, Plan};
use porpoise_model::workflow::{Kind, PoolUse, Workflow};
use porpoise_model::{Actor, CommandId, PoolId, TaskState, Value, VersionHash};
use proptest::prelude::*;

use crate::support::{Scenario, me, scenario, start_of_day, workflow};

fn hash(workflow: &Workflow) -> VersionHash {
    workflow.to_stored().unwrap().1
}

fn started(mut run: Scenario) -> Scenario {
    run.new.version = Some(hash(&run.workflow));
    run.start()
}

fn script(workflow: &mut Workflow, task: &str, text: &str) {
    let found = workflow
        .tasks
        .iter_mut()
        .find(|it| it.name.as_str() == task);
    found.unwrap().kind = Kind::Shell {
        script: text.to_owned(),
    };
}

/// Compares, commands, and folds what follows: with the version before up to the fact, then with the one after.
fn edit(
    mut run: Scenario,
    after: Workflow,
    again: Option<&[&str]>,
    id: u8,
) -> Result<Scenario, String> {
    let before = run.plan.take().unwrap();
    let version = run.state.new.as_ref().unwrap().version.unwrap();
    let plan = Plan::compile(Arc::new(after.clone())).unwrap();
    let find = |name: &&str| plan.find(name).unwrap();
    let again = again.map(|again| again.iter().map(find).collect());
    let to = (hash(&after), &plan);
    let edit = Edit::prepare(
        &run.state,
        (version, &before),
        to,
        again,
        Placement::default(),
        None,
    )?;
    let command = Command {
        id: CommandId::from_bytes([100 + id; 16]),
        actor: me(),
        what: RunCommand::Edit(Box::new(edit)),
    };
    let bytes = minicbor::to_vec(&command).unwrap();
    assert_eq!(
        minicbor::decode::<Command<RunCommand>>(&bytes).unwrap(),
        command
    );
    let input = RunInput::Commanded(command);
    let decided = Run::decide(&run.state, &before, &input, run.now);
    let refused = decided.facts.iter().find_map(|fact| match fact {
        RunFact::Commanded {
            outcome: Outcome::Refused { reason },
            ..
        } => Some(reason.clone()),
        _ => None,
    });
    let mut facts = decided.facts;
    fold::<Run>(&mut run.state, &plan, &facts, run.now);
    if let Some(reason) = refused {
        return Err(reason);
    }
    facts.extend(decide_batch::<Run>(&mut run.state, &plan, [], run.now).facts);
    run.facts
        .extend(facts.into_iter().map(|fact| (run.now, fact)));
    (run.workflow, run.plan) = (after, Some(plan));
    Ok(run)
}

fn states(run: &Scenario) -> String {
    let tasks = run.workflow.tasks.iter().map(|task| {
        let at = run.attempt(task.name.as_str());
        let state = run.state_of(task.name.as_str());
        format!("{} {state} at {}#{}", task.name, at.task, at.number)
    });
    let tasks: Vec<String> = tasks.collect();
    format!("{}: {}", run.state.run_state(), tasks.join(", "))
}

#[test]
fn what_failed_runs_again_as_it_is_written_now_and_what_succeeded_keeps_its_outputs() {
    let run = scenario("extract -> load -> report; other").with("extract", |task| {
        task.outputs.insert("rows".into(), Value::text(""));
    });
    let run = run.with("load", |task| {
        task.env.insert("rows".into(), "${extract.rows}".into());
    });
    let outputs = [("rows".to_owned(), Value::text("42"))];
    let run = started(run)
        .succeeds_with("extract", outputs.into())
        .succeeds("other")
        .fails("load");
    let mut after = run.workflow.clone();
    script(&mut after, "load", "mended");
    let run = edit(run, after, None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: extract succeeded at 0#1, load dispatched at 1#2, report pending at 2#0, other succeeded at 3#1");
    let job = run.job("load");
    assert_eq!(job.env.get("rows").map(String::as_str), Some("42"));
    assert_snapshot!(format!("{:?}", job.work), @r#"Shell { script: "mended" }"#);
    let run = run.succeeds("load").succeeds("report");
    assert_snapshot!(states(&run), @"succeeded: extract succeeded at 0#1, load succeeded at 1#2, report succeeded at 2#1, other succeeded at 3#1");
}

#[test]
fn what_comes_after_a_change_runs_again_although_it_had_succeeded() {
    let run = started(scenario("a -> b -> c; d"))
        .succeeds("a")
        .succeeds("b");
    let run = run.succeeds("d").succeeds("c");
    let mut after = run.workflow.clone();
    script(&mut after, "b", "other");
    let run = edit(run, after, None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: a succeeded at 0#1, b dispatched at 1#2, c pending at 2#1, d succeeded at 3#1");
}

#[test]
fn what_changes_no_result_lets_results_stand() {
    let run = started(scenario("a -> b")).succeeds("a").fails("b");
    let mut after = run.workflow.clone();
    after.tasks[0].retry.limit = 3;
    after.tasks[0].description = "for people".to_owned();
    after.tasks[0].timeout = after.timeout;
    after.tasks[0].labels.insert("cost".into(), "7".into());
    let run = edit(run, after, None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: a succeeded at 0#1, b dispatched at 1#2");
}

#[test]
fn a_position_that_means_another_task_counts_on_above_all_numbers_of_the_run() {
    let run = started(scenario("a; b").retries("a", 2))
        .fails("a")
        .succeeds("b");
    let run = run.at("00:01").fails("a").at("00:03").fails("a");
    assert_snapshot!(states(&run), @"failed: a failed at 0#3, b succeeded at 1#1");
    let late = Report {
        attempt: Attempt::of(0, 3),
        what: ReportKind::Canceled { ended: run.now },
    };
    let late = RunInput::Reported(vec![late]);
    // `b` is where `a` was, `new` is between, and `a` comes last.
    let mut run = edit(run, workflow("b; new; a"), None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: b succeeded at 0#3, new dispatched at 1#4, a dispatched at 2#4");
    assert!(Run::is_past(&run.state, &late));
    let facts = run.facts.len();
    run = run.input(&late);
    assert_eq!(run.facts.len(), facts);
    // What has moved and stays as it ended has the numbers of its own attempts.
    let mut view = View::default();
    let before = Plan::compile(Arc::new(workflow("a; b"))).unwrap();
    let created = RunFact::Created(Box::new(run.new.clone()));
    view.apply(&before, &created, start_of_day());
    let mut plan = &before;
    for (at, fact) in &run.facts {
        if let RunFact::Edited(_) = fact {
            plan = run.plan.as_ref().unwrap();
        }
        view.apply(plan, fact, *at);
    }
    assert_eq!(view.state, run.state);
    let numbers = |task: &str| {
        let task = run.index(task);
        let made = view.attempts.get(&task).into_iter().flatten();
        let made: Vec<_> = made.map(|it| (it.task, it.number, it.edits)).collect();
        (view.task(plan, task).attempt, made)
    };
    assert_eq!(numbers("b"), (1, vec![(1, 1, 0)]));
    assert_eq!(numbers("new"), (4, vec![(1, 4, 1)]));
    let of_a = vec![(0, 1, 0), (0, 2, 0), (0, 3, 0), (2, 4, 1)];
    assert_eq!(numbers("a"), (4, of_a));
    assert_eq!(view.edits.len(), 1);
    assert_eq!(view.edits[0].actor, me());
}

#[test]
fn a_run_without_the_task_that_failed_has_succeeded() {
    let run = started(scenario("a -> b")).succeeds("a").fails("b");
    let run = edit(run, workflow("a"), None, 1).unwrap();
    assert_snapshot!(states(&run), @"succeeded: a succeeded at 0#1");
}

#[test]
fn everything_runs_again_where_that_is_asked_for() {
    let run = started(scenario("a -> b")).succeeds("a").succeeds("b");
    let same = run.workflow.clone();
    let run = edit(run, same, Some(&["a", "b"]), 1).unwrap();
    assert_snapshot!(states(&run), @"running: a dispatched at 0#2, b pending at 1#1");
}

#[test]
fn tasks_that_a_run_was_started_without_stay_out_unless_they_are_asked_for() {
    let mut run = scenario("a -> b; c -> d");
    run.new.only = Some(porpoise_engine::run::Ranges::of([0, 1]));
    let run = started(run).succeeds("a").fails("b");
    let mut after = run.workflow.clone();
    script(&mut after, "c", "other");
    let run = edit(run, after.clone(), None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: a succeeded at 0#1, b dispatched at 1#2, c skipped at 2#0, d skipped at 3#0");
    let run = run.succeeds("b");
    let run = edit(run, after, Some(&["c"]), 2).unwrap();
    assert_snapshot!(states(&run), @"running: a succeeded at 0#1, b succeeded at 1#2, c dispatched at 2#1, d skipped at 3#0");
}

#[test]
fn what_was_picked_stays_picked_wherever_it_is_now() {
    let choose = |mut it: Workflow, then: u32, otherwise: u32| {
        let at = it
            .tasks
            .iter()
            .position(|task| task.name.as_str() == "pick");
        it.tasks[at.unwrap()].kind = Kind::Switch {
            cases: vec![porpoise_model::workflow::Case {
                when: "true".to_owned(),
                then: vec![then],
            }],
            otherwise: Some(vec![otherwise]),
        };
        it
    };
    let mut run = scenario("");
    run.workflow = choose(workflow("pick -> yes, no"), 1, 2);
    let run = started(run).fails("yes");
    assert_snapshot!(states(&run), @"failed: pick succeeded at 0#0, yes failed at 1#1, no skipped at 2#0");
    let mut after = workflow("first; no; yes; pick");
    for at in [1, 2] {
        after.tasks[at].after = vec![3];
    }
    let run = edit(run, choose(after, 2, 1), None, 1).unwrap();
    assert_snapshot!(states(&run), @"running: first dispatched at 0#2, no skipped at 1#1, yes dispatched at 2#2, pick succeeded at 3#1");
}

#[test]
fn new_parameters_take_their_defaults_and_known_ones_stay() {
    let mut run = scenario("a");
    run.workflow
        .parameters
        .insert("day".into(), Value::text("monday"));
    let run = started(run).fails("a");
    let mut after = run.workflow.clone();
    after
        .parameters
        .insert("day".into(), Value::text("tuesday"));
    after
        .parameters
        .insert("of".into(), Value::text("the ${day}"));
    let run = edit(run, after, None, 1).unwrap();
    let known = run.state.parameters.as_ref().unwrap();
    assert_eq!(known["day"], "monday");
    assert_eq!(known["of"], "the monday");
}

#[test]
fn a_pool_of_an_earlier_version_that_asks_late_is_answered() {
    let pool = |name: &str| {
        Some(PoolUse {
            name: name.parse().unwrap(),
            slots: 1,
            weight: 0,
        })
    };
    let slot = |what| {
        let attempt = Attempt::of(0, 1);
        RunInput::Slot(SlotAnswer { attempt, what })
    };
    let run = started(scenario("a").with("a", |task| task.pool = pool("old")));
    let run = run.input(&slot(SlotAnswerKind::Granted)).fails("a");
    let mut after = workflow("new; a");
    after.tasks[0].pool = pool("other");
    let refused = edit(run, after.clone(), None, 1).unwrap_err();
    assert_snapshot!(refused, @"the run has only just ended, and slots are on their way back to their pool: try again in a moment");
    let run = started(scenario("a").with("a", |task| task.pool = pool("old")));
    let run = run.input(&slot(SlotAnswerKind::Granted)).fails("a");
    let run = run.input(&slot(SlotAnswerKind::Freed));
    let mut run = edit(run, after, None, 1).unwrap();
    run.replies.clear();
    let run = run.input(&slot(SlotAnswerKind::Granted));
    let told = run.replies.iter().map(|reply| match reply {
        Effect::Tell {
            to,
            input: Input::Pool(PoolInput::Freed { holder }),
        } => (to.id, holder.attempt),
        other => panic!("{other:?}"),
    });
    let told = told.collect::<BTreeSet<_>>();
    let id = |name| *PoolId::of_name(run.new.project, name).as_bytes();
    let wanted = ["old", "other"].map(|name| (id(name), Attempt::of(0, 1)));
    assert_eq!(told, BTreeSet::from(wanted));
}

#[test]
fn what_cannot_be_edited_says_why() {
    let run = started(scenario("a -> b"));
    let mut after = run.workflow.clone();
    script(&mut after, "b", "other");
    assert_snapshot!(edit(run, after.clone(), None, 1).unwrap_err(), @"only a finished run can be edited, this one is running: kill it first, or wait for its end");
    let run = started(scenario("a -> b")).succeeds("a").succeeds("b");
    let same = run.workflow.clone();
    assert_snapshot!(edit(run, same, None, 1).unwrap_err(), @"there is nothing to run again: no task failed, was canceled or could not run");
    let run = started(scenario("a -> b")).fails("a");
    let plan = Plan::compile(Arc::new(after.clone())).unwrap();
    let edit = Edit::prepare(
        &run.state,
        (VersionHash::of(b"another"), run.plan.as_ref().unwrap()),
        (hash(&after), &plan),
        None,
        Placement::default(),
        None,
    );
    let run = run.command(RunCommand::Edit(Box::new(edit.unwrap())));
    assert!(
        run.refusal()
            .unwrap()
            .starts_with("somebody has edited the run meanwhile")
    );
}

#[test]
fn an_edit_of_a_run_that_goes_on_folds_to_nothing() {
    let run = started(scenario("a -> b")).fails("a");
    let run = edit(run, workflow("b; a"), None, 1).unwrap();
    let edited = run
        .facts
        .iter()
        .find(|(_, fact)| matches!(fact, RunFact::Edited(_)));
    let edited = edited.unwrap().1.clone();
    let mut state = run.state.clone();
    Run::evolve(&mut state, run.plan.as_ref().unwrap(), &edited, run.now);
    assert_eq!(state, run.state);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_key_is_ever_used_for_two_attempts(
        edits in prop::collection::vec((prop::collection::vec(0_usize..6, 1..6), any::<bool>()), 1..8),
    ) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut run = started(scenario("a; b; c"));
        let mut keys = BTreeSet::new();
        for (id, (order, well)) in (0..).zip(edits) {
            let mut wanted: Vec<&str> = Vec::new();
            for at in order {
                if !wanted.contains(&names[at]) {
                    wanted.push(names[at]);
                }
            }
            run = finish(run, well, &mut keys);
            let all = run.state.tasks.indices().map(|task| run.state.tasks.attempts(task)).max();
            let after = workflow(&wanted.join("; "));
            run = edit(run, after, Some(&wanted), id).unwrap();
            let floor = run.state.edits.as_ref().unwrap().floor;
            prop_assert!(Some(floor) >= all);
            let bytes = minicbor::to_vec(&run.state).unwrap();
            prop_assert_eq!(&minicbor::decode::<porpoise_engine::run::State>(&bytes).unwrap(), &run.state);
        }
        finish(run, true, &mut keys);
    }
}

/// Ends every attempt that is dispatched; none of them was made before.
fn finish(mut run: Scenario, well: bool, keys: &mut BTreeSet<String>) -> Scenario {
    let names: Vec<String> = run
        .workflow
        .tasks
        .iter()
        .map(|task| task.name.to_string())
        .collect();
    for name in names {
        if run.state_of(&name) != TaskState::Dispatched {
            continue;
        }
        let attempt = run.attempt(&name);
        assert!(run.pending().contains(&EffectKey::Dispatch(attempt)));
        assert!(
            keys.insert(attempt.key(run.new.run).to_string()),
            "{attempt:?} twice"
        );
        run = if well {
            run.succeeds(&name)
        } else {
            run.fails(&name)
        };
    }
    run
}

#[test]
fn who_edited_is_in_the_fact() {
    let run = started(scenario("a")).fails("a");
    let mut after = run.workflow.clone();
    script(&mut after, "a", "mended");
    let run = edit(run, after, None, 1).unwrap();
    let actors = run.facts.iter().filter_map(|(_, fact)| match fact {
        RunFact::Edited(edited) => Some(edited.actor.clone()),
        _ => None,
    });
    let actors: Vec<Actor> = actors.collect();
    assert_eq!(actors, [me()]);
}

/// What has changed of a task that the run was without does not run: but it is without it no more.
#[test]
fn an_edit_is_refused_once_a_task_has_run_that_the_run_was_without_when_it_was_made() {
    let mut run = scenario("a; b");
    run.new.only = Some(porpoise_engine::run::Ranges::of([0]));
    let run = started(run).fails("a");
    let mut after = run.workflow.clone();
    script(&mut after, "b", "other");
    let plan = Plan::compile(Arc::new(after.clone())).unwrap();
    let edit = Edit::prepare(
        &run.state,
        (hash(&run.workflow), run.plan.as_ref().unwrap()),
        (hash(&after), &plan),
        None,
        Placement::default(),
        None,
    );
    let b = vec![run.index("b")];
    let run = run
        .command(RunCommand::Rerun {
            tasks: b,
            downstream: false,
            upstream: false,
        })
        .succeeds("b")
        .command(RunCommand::Edit(Box::new(edit.unwrap())));
    let refusal = run.refusal().unwrap();
    assert!(
        refusal.starts_with("somebody has run tasks of it meanwhile"),
        "{refusal}"
    );
}
