//! Mapped tasks: one run for each element of lists, so many at the same time.

mod again;
mod values;

use std::time::Duration;

use insta::assert_snapshot;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::{Attempt, Effect, EffectKey, NewRun};
use porpoise_engine::family::{ChildStage, ChildState, ChildWord};
use porpoise_engine::input::{Input, RunCommand, RunInput};
use porpoise_engine::run::state::Mapped;
use porpoise_engine::run::{Run, RunFact, View, reason};
use porpoise_model::workflow::{Each, Items, Kind, Timeout, TimeoutAction};
use porpoise_model::{Outputs, RunState, TaskState, Value};

use crate::support::{Scenario, scenario, start_of_day};

fn values(values: &[&str]) -> Items {
    Items::Values(values.iter().map(ToString::to_string).collect())
}

/// `load` has a run made for each combination of these, two at a time.
fn mapped(lists: &[(&str, Items)], change: impl FnOnce(&mut Each)) -> Scenario {
    let named = |(name, items): &(&str, Items)| ((*name).to_owned(), items.clone());
    let mut each = Each::of(lists.iter().map(named).collect());
    each.parallel = 2;
    change(&mut each);
    scenario("extract -> load -> report").with("load", |task| {
        task.kind = Kind::Workflow {
            workflow: "load orders".parse().unwrap(),
            each: Some(Box::new(each)),
        };
    })
}

fn over(regions: &[&str]) -> Scenario {
    mapped(&[("region", values(regions))], |_| {})
}

fn begun(run: Scenario) -> Scenario {
    run.start().succeeds("extract")
}

fn effect(run: &Scenario, key: EffectKey) -> Effect {
    Run::effect(&run.state, run.plan.as_ref().unwrap(), key).expect("an effect")
}

/// The attempt of an element, counted from 1.
fn element(run: &Scenario, number: u32) -> Attempt {
    run.attempt("load").with_element(number - 1)
}

/// The elements whose runs are about to be made, or to be stopped.
fn pending(run: &Scenario) -> (Vec<u32>, Vec<u32>) {
    let keys = run.pending();
    let of = |wanted: fn(&EffectKey) -> Option<Attempt>| {
        let attempts = keys.iter().filter_map(wanted);
        attempts
            .filter(|it| it.task == 1)
            .map(|it| it.map)
            .collect()
    };
    let made = of(|key| match key {
        EffectKey::Dispatch(attempt) => Some(*attempt),
        _ => None,
    });
    let stopped = of(|key| match key {
        EffectKey::Cancel(attempt) => Some(*attempt),
        _ => None,
    });
    (made, stopped)
}

fn made(run: &Scenario, number: u32) -> NewRun {
    match effect(run, EffectKey::Dispatch(element(run, number))) {
        Effect::CreateRun(new) => new,
        other => panic!("{other:?}"),
    }
}

fn says(run: Scenario, number: u32, said: u64, what: ChildState) -> Scenario {
    let attempt = element(&run, number);
    run.input(&RunInput::Child(ChildWord {
        attempt,
        said,
        what,
        run: None,
    }))
}

fn open(stage: ChildStage) -> ChildState {
    let started = (stage != ChildStage::Waiting).then(start_of_day);
    ChildState::Open { stage, started }
}

fn ended(state: RunState) -> ChildState {
    let why = match state {
        RunState::Succeeded => "",
        RunState::Failed => "1 task did not succeed",
        _ => "killed_by(bob via cli)",
    };
    ChildState::Ended {
        state,
        started: Some(start_of_day()),
        ended: start_of_day(),
        why: why.to_owned(),
        outputs: Outputs::new(),
    }
}

fn done(run: Scenario, number: u32) -> Scenario {
    says(run, number, 9, ended(RunState::Succeeded))
}

fn kept(run: &Scenario) -> &Mapped {
    run.state.mapped(1).expect("an attempt")
}

fn view(run: &Scenario) -> View {
    let plan = run.plan.as_ref().unwrap();
    let mut view = View::default();
    let created = RunFact::Created(Box::new(run.new.clone()));
    view.apply(plan, &created, start_of_day());
    for (at, fact) in &run.facts {
        view.apply(plan, fact, *at);
    }
    assert_eq!(view.state, run.state);
    view
}

fn reason(run: &Scenario) -> String {
    let reason = reason::of(&run.state, run.plan.as_ref().unwrap(), 1);
    reason.map_or_else(String::new, |reason| reason.to_string())
}

#[test]
fn each_element_has_a_run_of_its_own_with_its_values() {
    let lists = [
        ("region", values(&["eu", "us"])),
        ("day", values(&["${day}"])),
    ];
    let mut run = mapped(&lists, |_| {}).with("load", |task| {
        let text = Value::text("on ${day}");
        task.parameters = [("note".to_owned(), text)].into();
    });
    run.workflow.parameters = [("day".to_owned(), Value::text("$[yyyyMMdd]"))].into();
    let run = begun(run);
    assert_eq!(pending(&run), (vec![1, 2], vec![]));
    let (first, second) = (made(&run, 1), made(&run, 2));
    assert_eq!(first.run, element(&run, 1).child(run.new.run));
    assert_ne!(first.run, second.run);
    assert_ne!(first.run, run.attempt("load").child(run.new.run));
    let given = |region: &str| {
        let given = [
            ("day", "20260302"),
            ("note", "on 20260302"),
            ("region", region),
        ];
        given
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into()
    };
    assert_eq!(first.parameters, given("eu"));
    assert_eq!(second.parameters, given("us"));
}

#[test]
fn so_many_runs_are_there_at_the_same_time_and_they_start_in_order() {
    let run = begun(over(&["a", "b", "c", "d", "e"]));
    assert_eq!(run.state_of("load"), TaskState::Dispatched);
    assert!(reason(&run).ends_with("2 runs of workflow `load orders`: 0 of 5 are over"));
    let run = says(run, 2, 1, open(ChildStage::Running));
    assert_eq!(run.state_of("load"), TaskState::Running);
    assert_eq!(pending(&run), (vec![1], vec![]));
    // The second one is over before the first has said anything.
    let run = done(run, 2);
    assert_eq!(pending(&run), (vec![1, 3], vec![]));
    let run = done(done(run, 1), 3);
    assert_eq!(pending(&run), (vec![4, 5], vec![]));
    let run = done(run, 5);
    assert_eq!((kept(&run).started, kept(&run).open.len()), (5, 1));
    let mut run = done(run, 4);
    assert_eq!(run.state.family, Some(Box::default()));
    assert_snapshot!(run.log(), @"
    00:00 extract#1 dispatched
    00:00 run running
    00:00 extract#1 succeeded
    00:00 load#1 dispatched
    00:00 load#1 running
    00:00 load#1 succeeded
    00:00 report#1 dispatched
    ");
    let attempt = &view(&run).attempts[&1][0];
    let elements = attempt.mapped.as_ref().unwrap();
    assert_eq!(elements.count(TaskState::Succeeded), 5);
    assert_eq!(attempt.state, TaskState::Succeeded);
}

#[test]
fn what_is_said_twice_or_late_changes_nothing_and_is_heard_all_the_same() {
    let run = begun(over(&["a", "b", "c"]));
    let run = says(run, 1, 2, open(ChildStage::Running));
    let (facts, replies) = (run.facts.len(), run.replies.len());
    let run = says(run, 1, 2, open(ChildStage::Running));
    let run = says(run, 1, 1, open(ChildStage::Waiting));
    let run = done(done(run, 1), 1);
    assert_eq!(run.facts.len(), facts + 2, "the end, and the next element");
    assert_eq!(run.replies.len(), replies + 4);
    let heard = Effect::Tell {
        to: porpoise_model::Address::run(run.new.project, element(&run, 1).child(run.new.run)),
        input: Input::Run(RunInput::Done(EffectKey::TellParent(9))),
    };
    assert_eq!(run.replies.last(), Some(&heard));
    // Of an element that has not started, of none, and of the task as a whole.
    let facts = run.facts.len();
    let mut run = run;
    for attempt in [
        Attempt::of(1, 1),
        Attempt::of(1, 1).with_element(7),
        Attempt::of(1, 2).with_element(1),
    ] {
        let (said, what) = (3, ended(RunState::Failed));
        run = run.input(&RunInput::Child(ChildWord {
            attempt,
            said,
            what,
            run: None,
        }));
    }
    assert_eq!(run.facts.len(), facts);
}

#[test]
fn after_the_first_that_fails_no_more_start_and_the_attempt_fails_with_the_last_that_is_there() {
    let run = begun(over(&["a", "b", "c", "d"]).retries("load", 1));
    let first = made(&run, 1).run;
    let run = says(run, 1, 1, ended(RunState::Failed));
    assert_eq!(pending(&run), (vec![2], vec![]));
    assert_eq!(run.state_of("load"), TaskState::Running);
    let run = done(run.at("00:10"), 2);
    assert_eq!(run.state_of("load"), TaskState::UpForRetry);
    let task = view(&run).task(run.plan.as_ref().unwrap(), 1);
    assert_eq!(
        task.cause.unwrap().to_string(),
        format!("run {first} failed: element 1 (region=a): 1 task did not succeed")
    );
    // Those that did not succeed run again, as other runs.
    let run = run.at("00:11");
    assert_eq!(pending(&run), (vec![1, 3], vec![]));
    assert_ne!(made(&run, 1).run, first);
    let late = ChildWord {
        attempt: Attempt::of(1, 1).with_element(0),
        said: 5,
        what: ended(RunState::Failed),
        run: None,
    };
    let run = run.input(&RunInput::Child(late));
    let run = done(done(done(run, 1), 3), 4);
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
}

#[test]
fn a_run_that_somebody_stops_alone_cancels_the_task_unless_another_has_failed() {
    let run = begun(over(&["a", "b", "c"]).retries("load", 3));
    let run = says(run, 1, 1, ended(RunState::Canceled));
    assert_eq!(run.state_of("load"), TaskState::Running);
    let canceled = done(run, 2);
    assert_eq!(canceled.state_of("load"), TaskState::Canceled);
    let cause = canceled.cause_of("load");
    assert!(
        cause.ends_with("was canceled: element 1 (region=a): killed_by(bob via cli)"),
        "{cause}"
    );
    let run = begun(over(&["a", "b", "c"]));
    let run = says(run, 1, 1, ended(RunState::Canceled));
    let run = says(run, 2, 1, ended(RunState::Failed));
    assert_eq!(run.state_of("load"), TaskState::Failed);
    assert!(run.cause_of("load").contains("element 2"));
}

#[test]
fn who_kills_the_task_kills_all_runs_that_are_there_and_nothing_more_starts() {
    let run = begun(over(&["a", "b", "c", "d"]));
    let run = done(says(run, 2, 1, open(ChildStage::Running)), 1);
    let tasks = run.indices(&["load"]);
    let run = run.command(RunCommand::KillTasks { tasks });
    assert_eq!(pending(&run), (vec![], vec![2, 3]));
    let key = EffectKey::Cancel(element(&run, 3));
    let Effect::StopRun { new, command } = effect(&run, key) else {
        panic!("no stop");
    };
    assert_eq!(new.run, element(&run, 3).child(run.new.run));
    assert_eq!(new.parameters["region"], "c");
    assert_eq!(command.what, RunCommand::Kill);
    let run = says(run, 2, 2, ended(RunState::Canceled));
    assert_eq!(run.state_of("load"), TaskState::Canceling);
    // The other one was never made, and cannot be.
    let why = "it does not exist".to_owned();
    let run = run.input(&RunInput::Refused { key, why });
    assert_eq!(run.state_of("load"), TaskState::Canceled);
    assert_eq!(
        (pending(&run), run.state.run_state()),
        ((vec![], vec![]), RunState::Failed)
    );
    // Of the whole run; one that succeeds all the same changes nothing.
    let run = begun(over(&["a", "b", "c"])).command(RunCommand::Kill);
    let run = done(says(run, 2, 2, ended(RunState::Canceled)), 1);
    assert_eq!(run.state.run_state(), RunState::Canceled);
}

#[test]
fn what_people_decide_of_the_task_holds_once_its_runs_are_stopped() {
    for (what, wanted) in [
        (
            RunCommand::MarkSucceeded { tasks: vec![1] },
            TaskState::Succeeded,
        ),
        (RunCommand::Skip { tasks: vec![1] }, TaskState::Skipped),
    ] {
        let run = begun(over(&["a", "b", "c"])).command(what);
        assert_eq!(pending(&run), (vec![], vec![1, 2]));
        let run = says(run, 1, 1, ended(RunState::Canceled));
        let run = says(run, 2, 1, ended(RunState::Canceled));
        assert_eq!(run.state_of("load"), wanted);
    }
    let rerun = RunCommand::Rerun {
        tasks: vec![1],
        downstream: false,
        upstream: false,
    };
    let run = begun(over(&["a", "b", "c"])).command(rerun);
    let run = says(run, 1, 1, ended(RunState::Canceled));
    let run = says(run, 2, 1, ended(RunState::Canceled));
    assert_eq!(run.attempt("load"), Attempt::of(1, 2));
    assert_eq!(pending(&run), (vec![1, 2], vec![]));
}

#[test]
fn a_task_that_takes_too_long_has_its_runs_stopped_and_is_tried_again() {
    let run = over(&["a", "b", "c"])
        .retries("load", 1)
        .with("load", |task| {
            task.timeout = Some(Timeout {
                after: Duration::from_hours(1),
                action: TimeoutAction::Fail,
            });
        });
    let run = says(begun(run), 1, 1, open(ChildStage::Running));
    let run = run.at("01:00");
    assert_eq!(pending(&run), (vec![], vec![1, 2]));
    let run = says(run, 1, 2, ended(RunState::Canceled));
    let run = says(run, 2, 2, ended(RunState::Canceled));
    assert_eq!(run.cause_of("load"), "timeout");
    assert_eq!(run.state_of("load"), TaskState::UpForRetry);
}

#[test]
fn a_pause_goes_down_to_all_that_run_and_nothing_more_starts_until_the_resume() {
    let turns = |run: &Scenario| {
        let keys = run.pending().into_iter();
        let turns = keys.filter_map(|key| match key {
            EffectKey::Turn(turn) => Some((turn.attempt.map, turn.pause)),
            _ => None,
        });
        turns.collect::<Vec<_>>()
    };
    let run = begun(over(&["a", "b", "c", "d"]));
    let run = says(run, 1, 1, open(ChildStage::Running)).command(RunCommand::Pause);
    assert_eq!(turns(&run), [(1, true)]);
    let run = says(run, 1, 2, open(ChildStage::Paused));
    assert_eq!(run.state.run_state(), RunState::Pausing);
    // It begins while this one is to pause.
    let run = says(run, 2, 1, open(ChildStage::Running));
    assert_eq!(turns(&run), [(1, true), (2, true)]);
    let run = done(run, 2);
    assert_eq!(run.state.run_state(), RunState::Paused);
    assert_eq!((kept(&run).started, turns(&run)), (2, vec![(1, true)]));
    assert!(reason(&run).contains("1 runs of workflow `load orders`, which are paused: 1 of 4"));
    let run = run.command(RunCommand::Resume);
    assert_eq!(pending(&run), (vec![3], vec![]));
    assert_eq!(turns(&run), [(1, false)]);
    let run = says(run, 1, 3, open(ChildStage::Running)).command(RunCommand::Pause);
    let run = done(done(run, 1), 3);
    assert_eq!(run.state.run_state(), RunState::Paused);
    assert_eq!(reason(&run), "the run is paused: resume it");
    let run = run.command(RunCommand::Resume);
    assert_eq!(pending(&run), (vec![4], vec![]));
}

#[test]
fn the_same_runs_are_made_as_often_as_it_takes_also_from_what_was_stored() {
    let run = begun(over(&["a", "b", "c"]));
    let first: Vec<NewRun> = [1, 2].map(|number| made(&run, number)).into();
    let bytes = minicbor::to_vec(&run.state).unwrap();
    let mut run = run.at("00:30");
    run.state = minicbor::decode(&bytes).unwrap();
    let again: Vec<NewRun> = [1, 2].map(|number| made(&run, number)).into();
    assert_eq!(first, again);
    let tasks = run.indices(&["load"]);
    let run = run.command(RunCommand::KillTasks { tasks });
    let stop = |run: &Scenario| effect(run, EffectKey::Cancel(element(run, 2)));
    let first = stop(&run);
    assert_eq!(stop(&run.at("01:00")), first);
}
