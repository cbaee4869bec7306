//! Tasks that are other workflows: the runs that their attempts make, and what the two say to each other.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::{Attempt, Effect, EffectKey, NewRun, Trigger};
use porpoise_engine::family::{ChildStage, ChildState, ChildWord, Turn};
use porpoise_engine::input::{BackfillInput, Command, Input, ReportKind, RunCommand, RunInput};
use porpoise_engine::run::{Run, RunFact, View, reason};
use porpoise_model::workflow::{Concurrency, FailureStrategy, Kind, Priority, Timeout};
use porpoise_model::{
    Actor, Address, BackfillId, Cause, Outputs, RunId, RunState, TaskState, Value, WorkflowId,
};

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

fn effect(run: &Scenario, key: EffectKey) -> Effect {
    Run::effect(&run.state, run.plan.as_ref().unwrap(), key).expect("an effect")
}

/// The run that the current attempt of `load` makes.
fn made(run: &Scenario) -> NewRun {
    match effect(run, EffectKey::Dispatch(run.attempt("load"))) {
        Effect::CreateRun(new) => new,
        other => panic!("{other:?}"),
    }
}

fn says(run: Scenario, said: u64, what: ChildState) -> Scenario {
    let attempt = run.attempt("load");
    says_of(run, attempt, said, what)
}

fn says_of(run: Scenario, attempt: Attempt, said: u64, what: ChildState) -> Scenario {
    let word = ChildWord {
        attempt,
        said,
        what,
        run: None,
    };
    run.input(&RunInput::Child(word))
}

fn open(stage: ChildStage) -> ChildState {
    let started = (stage != ChildStage::Waiting).then(start_of_day);
    ChildState::Open { stage, started }
}

fn ended(state: RunState, why: &str) -> ChildState {
    ChildState::Ended {
        state,
        started: Some(start_of_day()),
        ended: start_of_day(),
        why: why.to_owned(),
        outputs: Outputs::new(),
    }
}

fn view(run: &Scenario) -> View {
    let plan = run.plan.as_ref().unwrap();
    let mut view = View::default();
    let created = RunFact::Created(Box::new(run.new.clone()));
    view.apply(plan, &created, start_of_day());
    for (at, fact) in &run.facts {
        view.apply(plan, fact, *at);
    }
    view
}

fn cause(run: &Scenario) -> String {
    let task = view(run).task(run.plan.as_ref().unwrap(), run.index("load"));
    task.cause
        .map_or_else(String::new, |cause| cause.to_string())
}

fn reason(run: &Scenario) -> String {
    let reason = reason::of(&run.state, run.plan.as_ref().unwrap(), run.index("load"));
    reason.map_or_else(String::new, |reason| reason.to_string())
}

#[test]
fn an_attempt_has_a_run_made_that_is_told_by_it() {
    let mut run = above().with("load", |task| {
        let day = Value::text("${day}");
        task.parameters = [("of".to_owned(), day)].into();
    });
    run.workflow.parameters = [("day".to_owned(), Value::text("$[yyyy-MM-dd]"))].into();
    run.workflow.on_failure = FailureStrategy::End;
    run.new.priority = Some(Priority::High);
    run.new.simulate = true;
    let run = run.start().succeeds("extract");
    let child = made(&run);
    assert_eq!(child.run, run.attempt("load").child(run.new.run));
    assert_eq!(child.run, Attempt::of(1, 1).child(run.new.run));
    assert_ne!(child.run, Attempt::of(1, 2).child(run.new.run));
    assert_eq!(
        child.workflow,
        WorkflowId::first_named(run.new.project, "load orders")
    );
    let parent = Trigger::Parent {
        run: run.new.run,
        attempt: Attempt::of(1, 1),
        above: vec![run.new.workflow],
    };
    assert_eq!(child.trigger, parent);
    assert_eq!((child.version, child.dry_run), (None, false));
    assert_eq!(child.logical_date, run.new.logical_date);
    assert_eq!(child.priority, Some(Priority::High));
    assert_eq!(child.on_failure, Some(FailureStrategy::End));
    assert!(child.simulate);
    let given = BTreeMap::from([("of".to_owned(), "2026-03-02".to_owned())]);
    assert_eq!(child.parameters, given);
}

#[test]
fn a_task_follows_its_run_and_ends_as_that_ends() {
    let run = above().start().succeeds("extract");
    assert!(reason(&run).ends_with("of workflow `load orders`, which is about to begin"));
    let run = says(run, 1, open(ChildStage::Waiting));
    assert!(reason(&run).ends_with("of workflow `load orders`, which waits at its gate"));
    assert_eq!(run.pending(), []);
    let run = says(run.at("00:10"), 2, open(ChildStage::Running));
    assert_eq!(
        (reason(&run).as_str(), run.state_of("load")),
        ("", TaskState::Running)
    );
    let run = says(run, 3, open(ChildStage::Paused));
    assert!(reason(&run).ends_with("of workflow `load orders`, which is paused: resume it"));
    // Older words change nothing, and are heard all the same.
    let facts = run.facts.len();
    let run = says(run, 2, open(ChildStage::Running));
    assert_eq!((run.facts.len(), run.replies.len()), (facts, 4));
    let outputs = Outputs::from([("rows".to_owned(), Value::text("42"))]);
    let done = ChildState::Ended {
        state: RunState::Succeeded,
        started: Some(start_of_day()),
        ended: run.now,
        why: String::new(),
        outputs: outputs.clone(),
    };
    let mut run = says(run.at("01:00"), 4, done);
    assert_eq!(run.state.outputs.get(&1), Some(&outputs));
    assert_eq!(run.state.family, Some(Box::default()));
    let run_id = Attempt::of(1, 1).child(run.new.run);
    let heard = Effect::Tell {
        to: Address::run(run.new.project, run_id),
        input: Input::Run(RunInput::Done(EffectKey::TellParent(4))),
    };
    assert_eq!(run.replies.last(), Some(&heard));
    assert_snapshot!(run.log(), @"
    00:00 extract#1 dispatched
    00:00 run running
    00:00 extract#1 succeeded
    00:00 load#1 dispatched
    00:10 load#1 running
    01:00 load#1 succeeded
    01:00 report#1 dispatched
    ");
}

#[test]
fn a_run_that_fails_is_followed_by_another_as_often_as_the_task_is_retried() {
    let run = above().retries("load", 1).start().succeeds("extract");
    let first = made(&run).run;
    let run = says(run, 1, ended(RunState::Failed, "2 tasks did not succeed"));
    assert_eq!(
        cause(&run),
        format!("run {first} failed: 2 tasks did not succeed")
    );
    assert_eq!(run.state_of("load"), TaskState::UpForRetry);
    let run = run.at("00:01");
    let second = made(&run).run;
    assert_ne!(first, second);
    // The first one is rerun by a person meanwhile, and says so: its attempt is over.
    let run = says_of(run, Attempt::of(1, 1), 2, ended(RunState::Succeeded, ""));
    assert_eq!(run.state_of("load"), TaskState::Dispatched);
    let run = says(run, 1, ended(RunState::Succeeded, ""));
    assert_eq!(run.state_of("load"), TaskState::Succeeded);
}

#[test]
fn a_run_that_somebody_kills_cancels_its_task_and_says_who() {
    let run = above().retries("load", 3).start().succeeds("extract");
    let child = made(&run).run;
    let run = says(run, 1, open(ChildStage::Running));
    let run = says(run, 2, ended(RunState::Canceled, "killed_by(bob via cli)"));
    assert_eq!(run.state_of("load"), TaskState::Canceled);
    assert_eq!(
        cause(&run),
        format!("run {child} was canceled: killed_by(bob via cli)")
    );
    assert_eq!(run.pending(), []);
}

#[test]
fn who_kills_a_task_kills_its_run_whether_that_is_there_or_not() {
    for begun in [false, true] {
        let mut run = above().start().succeeds("extract");
        if begun {
            run = says(run, 1, open(ChildStage::Running));
        }
        let tasks = run.indices(&["load"]);
        let run = run.command(RunCommand::KillTasks { tasks });
        let key = EffectKey::Cancel(run.attempt("load"));
        assert_eq!(run.pending(), [key]);
        let Effect::StopRun { new, command } = effect(&run, key) else {
            panic!("no stop");
        };
        assert_eq!(new.run, run.attempt("load").child(run.new.run));
        let Command { id, actor, what } = command.clone();
        assert_eq!((actor, what), (me(), RunCommand::Kill));
        // The same command each time.
        let Effect::StopRun { command: again, .. } = effect(&run.at("00:30"), key) else {
            panic!("no stop");
        };
        assert_eq!(again.id, id);
    }
    let run = above().start().succeeds("extract");
    let run = says(run, 1, open(ChildStage::Running));
    let run = run.command(RunCommand::Kill);
    let run = says(run, 2, ended(RunState::Canceled, "killed_by(ada via test)"));
    assert_eq!(run.state.run_state(), RunState::Canceled);
}

#[test]
fn a_task_that_takes_too_long_has_its_run_killed_and_fails() {
    let run = above().with("load", |task| {
        task.timeout = Some(Timeout {
            after: std::time::Duration::from_hours(1),
            action: porpoise_model::workflow::TimeoutAction::Fail,
        });
    });
    let run = says(
        run.start().succeeds("extract"),
        1,
        open(ChildStage::Running),
    );
    let run = run.at("01:00");
    let Effect::StopRun { command, .. } = effect(&run, EffectKey::Cancel(Attempt::of(1, 1))) else {
        panic!("no stop");
    };
    assert_eq!(command.actor, Actor::engine());
    let run = says(
        run,
        2,
        ended(RunState::Canceled, "killed_by(porpoise via engine)"),
    );
    assert_eq!(
        (cause(&run).as_str(), run.state_of("load")),
        ("timeout", TaskState::Failed)
    );
}

#[test]
fn a_run_that_can_never_be_made_fails_its_task_and_says_what_to_do() {
    let run = above().retries("load", 3).start().succeeds("extract");
    let key = EffectKey::Dispatch(run.attempt("load"));
    let refused = RunInput::Refused {
        key,
        why: "it does not exist: apply it, or mend the name".to_owned(),
    };
    let run = run.input(&refused);
    assert_eq!(
        cause(&run),
        "rejected: workflow `load orders` of project `test` cannot be run from here: \
         it does not exist: apply it, or mend the name"
    );
    assert_eq!(run.state_of("load"), TaskState::Failed);
    // Said twice is said once.
    let facts = run.facts.len();
    assert_eq!(run.input(&refused).facts.len(), facts);
    // What was to be stopped never was.
    let run = above().start().succeeds("extract");
    let tasks = run.indices(&["load"]);
    let run = run.command(RunCommand::KillTasks { tasks });
    let key = EffectKey::Cancel(run.attempt("load"));
    let run = run.input(&RunInput::Refused {
        key,
        why: "it does not exist".to_owned(),
    });
    assert_eq!(run.state_of("load"), TaskState::Canceled);
}

#[test]
fn nobody_but_its_run_reports_of_such_a_task() {
    let run = above().start().succeeds("extract").succeeds("load");
    assert_eq!(run.state_of("load"), TaskState::Dispatched);
    let run = run.report(
        "load",
        ReportKind::Failed {
            started: None,
            ended: start_of_day(),
            cause: Cause::Lost,
        },
    );
    assert_eq!(run.state_of("load"), TaskState::Dispatched);
}

#[test]
fn a_pause_goes_down_and_so_does_the_resume() {
    let turn = |run: &Scenario| {
        let turns = run.pending().into_iter();
        let mut turns = turns.filter_map(|key| match key {
            EffectKey::Turn(turn) => Some(turn),
            _ => None,
        });
        (turns.next(), turns.next())
    };
    let wanted = |number, pause| {
        let attempt = Attempt::of(1, 1);
        let turn = Turn {
            attempt,
            number,
            pause,
        };
        (Some(turn), None)
    };
    let run = says(
        above().start().succeeds("extract"),
        1,
        open(ChildStage::Running),
    );
    let run = run.command(RunCommand::Pause);
    assert_eq!(run.state.run_state(), RunState::Pausing);
    assert_eq!(turn(&run), wanted(1, true));
    let below = Attempt::of(1, 1).child(run.new.run);
    let Effect::Tell { to, input } = effect(&run, EffectKey::Turn(wanted(1, true).0.unwrap()))
    else {
        panic!("nothing is told");
    };
    assert_eq!(to, Address::run(run.new.project, below));
    assert_eq!(
        input,
        Input::Run(RunInput::Turned(wanted(1, true).0.unwrap()))
    );
    let run = run.input(&RunInput::Done(EffectKey::Turn(wanted(1, true).0.unwrap())));
    assert_eq!(turn(&run), (None, None));
    // The run below rests, so this one does.
    let run = says(run, 2, open(ChildStage::Paused));
    assert_eq!(run.state.run_state(), RunState::Paused);
    let run = run.command(RunCommand::Resume);
    assert_eq!(turn(&run), wanted(2, false));
    let run = says(run, 3, ended(RunState::Succeeded, ""));
    assert_eq!(turn(&run), (None, None));
    // One that begins while the run above is to pause is told then.
    let run = above()
        .start()
        .succeeds("extract")
        .command(RunCommand::Pause);
    assert_eq!(turn(&run), (None, None));
    let run = says(run, 1, open(ChildStage::Running));
    assert_eq!(turn(&run), wanted(1, true));
}

/// The run of an attempt of another one.
fn below() -> Scenario {
    let mut run = scenario("a -> b");
    run.new.trigger = Trigger::Parent {
        run: RunId::from_bytes([9; 16]),
        attempt: Attempt::of(3, 2),
        above: vec![WorkflowId::first_named(run.new.project, "above")],
    };
    run
}

/// What it says now, and the number of that.
fn word(run: &Scenario) -> Option<(u64, ChildState)> {
    let key = run.pending().into_iter();
    let mut key = key.filter(|key| matches!(key, EffectKey::TellParent(_)));
    let Effect::Tell { to, input } = effect(run, key.next()?) else {
        panic!("nothing is told");
    };
    assert_eq!(key.next(), None);
    assert_eq!(
        to,
        Address::run(run.new.project, RunId::from_bytes([9; 16]))
    );
    let Input::Run(RunInput::Child(word)) = input else {
        panic!("{input:?}");
    };
    assert_eq!(word.attempt, Attempt::of(3, 2));
    Some((word.said, word.what))
}

#[test]
fn a_run_says_how_it_stands_until_it_is_heard() {
    let mut run = below();
    run.workflow.concurrency = Concurrency::SerialWait;
    let run = run.start();
    assert_eq!(word(&run), None);
    let gate = |run: Scenario, what| {
        run.input(&RunInput::Gate(porpoise_engine::input::GateAnswer {
            entry: 1,
            what,
        }))
    };
    let run = gate(run, porpoise_engine::input::GateAnswerKind::Waiting);
    assert_eq!(word(&run), Some((1, open(ChildStage::Waiting))));
    let run = gate(run, porpoise_engine::input::GateAnswerKind::Admitted);
    assert_eq!(word(&run), Some((2, open(ChildStage::Running))));
    let run = run.input(&RunInput::Done(EffectKey::TellParent(1)));
    assert_eq!(word(&run).map(|word| word.0), Some(2));
    let run = run.input(&RunInput::Done(EffectKey::TellParent(2)));
    assert_eq!(word(&run), None);
    let run = run.succeeds("a").fails("b");
    let failed = ended(RunState::Failed, "1 task did not succeed");
    assert_eq!(word(&run), Some((3, failed)));
    assert!(Run::is_open(&run.state));
    // Rerun before that was heard: it is not over.
    let run = run.command(RunCommand::RerunFailed);
    let run = run.input(&RunInput::Done(EffectKey::TellParent(3)));
    assert_eq!(word(&run).map(|word| word.0), None);
}

#[test]
fn a_run_hands_up_what_its_tasks_have_set() {
    let mut run = below().with("a", |task| {
        task.outputs = [("rows".to_owned(), Value::default())].into();
        task.kind = Kind::Shell {
            script: "true".to_owned(),
        };
    });
    run.workflow.parameters = [("day".to_owned(), Value::text("monday"))].into();
    run.workflow.outputs = [
        ("all".to_owned(), Value::text("${a.rows} of ${day}")),
        ("nothing".to_owned(), Value::text("${b.rows}")),
    ]
    .into();
    let run = run.start();
    let rows = Outputs::from([("rows".to_owned(), Value::text("${day}"))]);
    let run = run.succeeds_with("a", rows).succeeds("b");
    let Some((_, ChildState::Ended { state, outputs, .. })) = word(&run) else {
        panic!("{:?}", word(&run));
    };
    assert_eq!(state, RunState::Succeeded);
    // What a task has set is only text.
    assert_eq!(
        outputs,
        Outputs::from([("all".to_owned(), Value::text("${day} of monday"))])
    );
}

#[test]
fn a_run_heeds_the_latest_that_the_one_above_wants() {
    let turn = |number, pause| Turn {
        attempt: Attempt::of(3, 2),
        number,
        pause,
    };
    let run = below().start();
    let run = run.input(&RunInput::Turned(turn(2, false)));
    assert_eq!(run.state.run_state(), RunState::Running);
    // An older wish comes late.
    let run = run.input(&RunInput::Turned(turn(1, true)));
    assert_eq!(run.state.run_state(), RunState::Running);
    let run = run.input(&RunInput::Turned(turn(3, true)));
    let run = run.succeeds("a");
    assert_eq!(run.state.run_state(), RunState::Paused);
    assert_eq!(word(&run), Some((2, open(ChildStage::Paused))));
    let run = run.input(&RunInput::Turned(turn(4, false)));
    assert_eq!(word(&run), Some((3, open(ChildStage::Running))));
    assert_eq!(run.replies.len(), 4);
}

#[test]
fn what_is_handed_down_is_only_text() {
    let mut run = below();
    run.workflow.parameters = [
        ("day".to_owned(), Value::text("monday")),
        ("of".to_owned(), Value::text("[${day}]")),
    ]
    .into();
    run.new.parameters = [("day".to_owned(), "${of} $[yyyy]".to_owned())].into();
    let run = run.start();
    let resolved = run.state.parameters.as_ref().unwrap();
    assert_eq!(resolved["day"], "${of} $[yyyy]");
    assert_eq!(resolved["of"], "[${of} $[yyyy]]");
}

#[test]
fn in_dolphinscheduler_all_that_is_known_goes_down_and_the_nearest_wins() {
    let outputs = |run: Scenario, name: &str, rows: &str| {
        let rows = Outputs::from([("rows".to_owned(), Value::text(rows))]);
        run.succeeds_with(name, rows)
    };
    let sets = |task: &mut porpoise_model::workflow::Task| {
        task.kind = Kind::Shell {
            script: "true".to_owned(),
        };
        task.outputs = [("rows".to_owned(), Value::default())].into();
    };
    let mut run = scenario("first -> second -> load")
        .with("first", sets)
        .with("second", sets)
        .with("load", |task| {
            task.kind = Kind::Workflow {
                workflow: "x".parse().unwrap(),
                each: None,
            };
            task.parameters = [("day".to_owned(), Value::text("own"))].into();
        });
    run.workflow.dialect = "dolphinscheduler/3.1".to_owned();
    run.workflow.parameters = [
        ("day".to_owned(), Value::text("global")),
        ("rows".to_owned(), Value::text("0")),
        ("zone".to_owned(), Value::text("eu")),
    ]
    .into();
    run.new.parameters = [("from above".to_owned(), "1".to_owned())].into();
    let run = outputs(run.start(), "first", "1");
    let run = outputs(run, "second", "2");
    let given: Vec<String> = made(&run)
        .parameters
        .iter()
        .map(|(name, text)| format!("{name}={text}"))
        .collect();
    assert_eq!(given, ["day=own", "from above=1", "rows=2", "zone=eu"]);
}

#[test]
fn a_run_of_a_backfill_says_only_how_it_ended() {
    let mut run = scenario("a -> b");
    let backfill = BackfillId::from_bytes([9; 16]);
    run.new.trigger = Trigger::Backfill {
        backfill,
        dependent: None,
    };
    let run = run.start().succeeds("a");
    assert!(!run.pending().contains(&EffectKey::TellParent(1)));
    let run = run.succeeds("b");
    let Effect::Tell { to, input } = effect(&run, EffectKey::TellParent(1)) else {
        panic!("nothing is told");
    };
    assert_eq!(to, Address::backfill(run.new.project, backfill));
    let Input::Backfill(BackfillInput::Said(word)) = input else {
        panic!("{input:?}");
    };
    assert_eq!((word.date, word.said), (run.new.logical_date, 1));
    assert_eq!(word.what, ended(RunState::Succeeded, ""));
    let run = run.input(&RunInput::Done(EffectKey::TellParent(1)));
    assert!(!run.pending().contains(&EffectKey::TellParent(1)));
}
