//! Runs that were made for one attempt and go on for a later one: `rerun --from-failed` runs only what did not succeed, also
//! in runs below.

use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::{Attempt, Effect, EffectKey, Trigger};
use porpoise_engine::family::{ChildStage, ChildState, ChildWord, Turn};
use porpoise_engine::input::{Input, RunCommand, RunInput};
use porpoise_engine::run::{Run, RunFact};
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::workflow::{Kind, TriggerRule};
use porpoise_model::{Address, Cause, Outputs, RunId, RunState, TaskState, Value, WorkflowId};

use crate::support::{Scenario, me, scenario, start_of_day};

/// `load` is another workflow.
fn above() -> Scenario {
    scenario("extract -> load -> report").with("load", |task| {
        task.kind = Kind::Workflow {
            workflow: "load orders".parse().unwrap(),
            each: None,
        };
    })
}

/// A run that the second attempt of a task of another run has made.
fn below() -> Scenario {
    let mut run = scenario("a -> b -> c");
    run.new.trigger = Trigger::Parent {
        run: RunId::from_bytes([9; 16]),
        attempt: Attempt::of(3, 2),
        above: vec![WorkflowId::from_bytes([8; 16])],
    };
    run
}

fn effect(run: &Scenario, key: EffectKey) -> Effect {
    Run::effect(&run.state, run.plan.as_ref().unwrap(), key).expect("an effect")
}

fn running() -> ChildState {
    ChildState::Open {
        stage: ChildStage::Running,
        started: Some(start_of_day()),
    }
}

fn ended(state: RunState) -> ChildState {
    ChildState::Ended {
        state,
        started: Some(start_of_day()),
        ended: start_of_day(),
        why: String::new(),
        outputs: Outputs::new(),
    }
}

/// Said by the run that the first attempt of `load` has made, for its current attempt.
fn says(run: Scenario, said: u64, what: ChildState) -> Scenario {
    let (attempt, first) = (run.attempt("load"), first(&run));
    run.input(&RunInput::Child(ChildWord {
        attempt,
        said,
        what,
        run: (attempt.number > 1).then_some(first),
    }))
}

fn first(run: &Scenario) -> RunId {
    Attempt::of(1, 1).child(run.new.run)
}

/// The run of `load` began and failed.
fn failed() -> Scenario {
    let run = above().start().succeeds("extract");
    let run = says(run, 1, running());
    let run = says(run, 2, ended(RunState::Failed));
    assert_eq!(run.state.run_state(), RunState::Failed);
    run
}

#[test]
fn what_failed_is_run_again_with_the_run_that_it_had() {
    let run = failed().command(RunCommand::RerunFailed);
    assert_eq!(run.attempt("load"), Attempt::of(1, 2));
    let key = EffectKey::Dispatch(Attempt::of(1, 2));
    assert!(run.pending().contains(&key));
    let Effect::GoOn { new, attempt, stop } = effect(&run, key) else {
        panic!("another run is made");
    };
    assert_eq!(
        (new.run, attempt, stop),
        (first(&run), Attempt::of(1, 2), None)
    );
    // Whoever would have to create it still finds the attempt that has made it.
    let Trigger::Parent { attempt, .. } = new.trigger else {
        panic!("{:?}", new.trigger);
    };
    assert_eq!(attempt, Attempt::of(1, 1));

    let run = says(run, 3, running());
    assert!(!run.pending().contains(&key));
    let heard = Effect::Tell {
        to: Address::run(run.new.project, first(&run)),
        input: Input::Run(RunInput::Done(EffectKey::TellParent(3))),
    };
    assert_eq!(run.replies.last(), Some(&heard));
    let run = run.command(RunCommand::Pause);
    let turn = Turn {
        attempt: Attempt::of(1, 2),
        number: 1,
        pause: true,
    };
    let Effect::Tell { to, .. } = effect(&run, EffectKey::Turn(turn)) else {
        panic!("nobody is told");
    };
    assert_eq!(to, Address::run(run.new.project, first(&run)));
    let run = run.command(RunCommand::Resume);
    let run = says(run, 4, ended(RunState::Succeeded));
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
}

#[test]
fn it_goes_on_as_often_as_it_fails_and_the_cause_names_it() {
    let mut run = failed();
    for number in 2..5 {
        run = run.command(RunCommand::RerunFailed);
        let attempt = Attempt::of(1, number);
        assert_eq!(run.attempt("load"), attempt);
        let Effect::GoOn { new, .. } = effect(&run, EffectKey::Dispatch(attempt)) else {
            panic!("another run is made");
        };
        assert_eq!(new.run, first(&run));
        run = says(run, u64::from(number) * 2, ended(RunState::Failed));
        let named = run.facts.iter().rev().find_map(|(_, fact)| match fact {
            RunFact::Failed {
                cause: Cause::Child { run, .. },
                ..
            } => Some(*run),
            _other => None,
        });
        assert_eq!(named, Some(first(&run)));
    }
}

#[test]
fn what_is_named_or_retried_begins_anew() {
    let tasks = failed().indices(&["load"]);
    let named = RunCommand::Rerun {
        tasks,
        downstream: false,
        upstream: false,
    };
    for command in [named, RunCommand::RerunAll] {
        // Also where the attempt before had gone on.
        let run = failed().command(RunCommand::RerunFailed);
        let run = says(run, 3, ended(RunState::Failed)).command(command.clone());
        let run = if command == RunCommand::RerunAll {
            run.succeeds("extract")
        } else {
            run
        };
        let Effect::CreateRun(new) = effect(&run, EffectKey::Dispatch(Attempt::of(1, 3))) else {
            panic!("{command:?} goes on");
        };
        assert_eq!(new.run, Attempt::of(1, 3).child(run.new.run));
    }
    let run = above().retries("load", 1).start().succeeds("extract");
    let run = says(run, 1, running());
    let run = says(run, 2, ended(RunState::Failed)).at("01:00");
    let key = EffectKey::Dispatch(Attempt::of(1, 2));
    assert!(matches!(effect(&run, key), Effect::CreateRun(_)));
}

/// What is above may hand down something else than before.
#[test]
fn what_comes_after_something_else_that_failed_begins_anew() {
    let run = above().with("load", |task| task.trigger = TriggerRule::AllDone);
    let run = run.start().fails("extract");
    let run = says(run, 1, running());
    let run = says(run, 2, ended(RunState::Failed));
    let run = run.command(RunCommand::RerunFailed).succeeds("extract");
    let key = EffectKey::Dispatch(Attempt::of(1, 2));
    assert!(matches!(effect(&run, key), Effect::CreateRun(_)));
}

#[test]
fn a_run_that_never_began_is_not_gone_on_with() {
    let run = above().start().succeeds("extract");
    let attempt = run.attempt("load");
    let why = "no such workflow".to_owned();
    let key = EffectKey::Dispatch(attempt);
    let run = run.input(&RunInput::Refused { key, why });
    let run = run.command(RunCommand::RerunFailed);
    let key = EffectKey::Dispatch(Attempt::of(1, 2));
    assert!(matches!(effect(&run, key), Effect::CreateRun(_)));
}

#[test]
fn who_kills_it_has_the_run_stopped_that_goes_on() {
    let run = failed().command(RunCommand::RerunFailed);
    let run = run.command(RunCommand::Kill);
    let key = EffectKey::Cancel(Attempt::of(1, 2));
    assert_eq!(run.pending().iter().filter(|open| **open == key).count(), 1);
    let Effect::GoOn { new, attempt, stop } = effect(&run, key) else {
        panic!("no stop");
    };
    assert_eq!((new.run, attempt), (first(&run), Attempt::of(1, 2)));
    assert_eq!(stop, Some(me()));
    // It was over, and says so.
    let run = says(run, 3, ended(RunState::Failed));
    assert_eq!(run.state.run_state(), RunState::Canceled);
    assert!(!run.pending().contains(&key));
}

fn go_on(run: Scenario, number: u32, stop: bool) -> Scenario {
    run.input(&RunInput::GoOn {
        attempt: Attempt::of(3, number),
        stop: stop.then(me),
    })
}

/// What the run would tell now: for which attempt, and what.
fn told(run: &Scenario) -> Option<(u32, ChildState)> {
    let is_word = |key: &EffectKey| matches!(key, EffectKey::TellParent(_));
    let key = run.pending().into_iter().find(is_word)?;
    let Effect::Tell { input, .. } = effect(run, key) else {
        return None;
    };
    let Input::Run(RunInput::Child(word)) = input else {
        return None;
    };
    assert_eq!(word.run.is_some(), word.attempt.number > 2);
    Some((word.attempt.number, word.what))
}

#[test]
fn a_run_goes_on_with_what_did_not_succeed() {
    let run = below().start().succeeds("a").fails("b");
    assert_eq!(told(&run).unwrap().0, 2);
    let run = go_on(run, 3, false);
    assert_eq!(run.state.run_state(), RunState::Running);
    assert_eq!(
        [run.state_of("a"), run.state_of("c")],
        [TaskState::Succeeded, TaskState::Pending]
    );
    let (attempt, what) = told(&run).unwrap();
    assert!(matches!(what, ChildState::Open { .. }) && attempt == 3);
    // Twice is once, and late is never.
    let facts = run.facts.len();
    let run = go_on(go_on(run, 3, false), 2, true);
    assert_eq!(run.facts.len(), facts);
    let run = run.succeeds("b").succeeds("c");
    assert!(matches!(
        told(&run),
        Some((
            3,
            ChildState::Ended {
                state: RunState::Succeeded,
                ..
            }
        ))
    ));
}

#[test]
fn a_run_that_handed_up_too_much_runs_all_of_it_again() {
    let mut run = below().with("a", |task| {
        task.outputs = [("rows".to_owned(), Value::default())].into();
        task.kind = Kind::Shell {
            script: "true".to_owned(),
        };
    });
    let twice = Value::text("${a.rows}${a.rows}");
    run.workflow.outputs = [("all".to_owned(), twice)].into();
    let long = Value::text("x".repeat(VALUE_BYTES_MAX));
    let rows = Outputs::from([("rows".to_owned(), long)]);
    let run = run.start().succeeds_with("a", rows);
    let run = run.succeeds("b").succeeds("c");
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    let failed = RunState::Failed;
    assert!(matches!(told(&run), Some((2, ChildState::Ended { state, .. })) if state == failed));
    let run = go_on(run, 3, false);
    assert_eq!(run.state.run_state(), RunState::Running);
    assert_eq!(run.state_of("a"), TaskState::Dispatched);
}

#[test]
fn a_run_that_is_only_to_be_stopped_says_how_it_ended() {
    let run = below().start().succeeds("a").fails("b");
    let run = go_on(run, 3, true);
    let (attempt, what) = told(&run).unwrap();
    assert!(matches!(what, ChildState::Ended { .. }) && attempt == 3);
    // The wish that it goes on comes late.
    let facts = run.facts.len();
    let run = go_on(run, 3, false);
    assert_eq!(run.facts.len(), facts);

    let run = go_on(below().start().succeeds("a").fails("b"), 3, false);
    let run = go_on(run, 3, true);
    assert_eq!(run.state.run_state(), RunState::Canceling);
    let run = run.stops("b");
    let (attempt, what) = told(&run).unwrap();
    assert!(matches!(what, ChildState::Ended { .. }) && attempt == 3);
}

#[test]
fn a_run_that_somebody_has_run_again_says_how_it_stands() {
    let run = below().start().succeeds("a").fails("b");
    let run = run.command(RunCommand::RerunFailed).succeeds("b");
    let run = go_on(run.succeeds("c"), 3, false);
    assert_eq!(run.state.run_state(), RunState::Succeeded);
    assert_eq!(told(&run).unwrap().0, 3);
}
