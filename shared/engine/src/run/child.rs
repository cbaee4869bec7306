//! Tasks that are other workflows: each of their attempts has a run of its own, and ends as that ends.
//!
//! The effect that dispatches such an attempt creates that run, under an id that is hashed from the attempt; the effect
//! that cancels it creates it as well, if that was not done, and kills it: so there is always somebody to say how it
//! ended. What it says arrives as words that are numbered (`crate::family`).

use jiff::Timestamp;
use porpoise_model::workflow::Kind;
use porpoise_model::{Actor, Address, Cause, CommandId, ProjectId, RunId, RunState, WorkflowId};

use super::decide::{canceled, failed, is_current};
use super::evolve::start;
use super::fact::{After, RunFact};
use super::mapped;
use super::parameters;
use super::ranges::Ranges;
use super::state::{Child, State};
use super::tasks::Phase;
use crate::Plan;
use crate::aggregate::Decision;
use crate::effect::{Attempt, Effect, EffectKey, NewRun, Trigger};
use crate::family::{ChildStage, ChildState, ChildWord, Turn};
use crate::input::{Command, Input, RunCommand, RunInput};
use crate::mutant::{self, Mutant};
use crate::placement::Placement;

/// The run that an attempt makes.
fn new_run(
    state: &State,
    plan: &Plan,
    new: &NewRun,
    attempt: Attempt,
    key: EffectKey,
) -> Option<NewRun> {
    let Kind::Workflow { workflow, each: _ } = &plan.task(attempt.task)?.kind else {
        return None;
    };
    let mut above = match &new.trigger {
        Trigger::Parent { above, .. } => above.clone(),
        Trigger::Schedule { .. }
        | Trigger::Manual
        | Trigger::Api
        | Trigger::Backfill { .. }
        | Trigger::Test => Vec::new(),
    };
    above.push(new.workflow);
    Some(NewRun {
        project: new.project,
        run: attempt.child(new.run),
        workflow: WorkflowId::first_named(new.project, workflow.as_str()),
        workflow_name: workflow.to_string(),
        version: None,
        trigger: Trigger::Parent {
            run: new.run,
            attempt,
            above,
        },
        logical_date: new.logical_date,
        timezone: new.timezone.clone(),
        // What can't be resolved was refused before it was dispatched.
        parameters: parameters::handed_down(state, plan, attempt).unwrap_or_default(),
        actor: new.actor.clone(),
        priority: Some(new.priority.unwrap_or(plan.workflow().priority)),
        on_failure: Some(new.on_failure.unwrap_or(plan.workflow().on_failure)),
        concurrency: None,
        dry_run: false,
        simulate: new.simulate,
        created: state.outbox.since(&key)?,
        placement: Placement::default(),
        only: None,
        project_parameters: None,
    })
}

/// Has the run of an attempt made, or one that is there go on.
pub(super) fn begin(
    state: &State,
    plan: &Plan,
    new: &NewRun,
    attempt: Attempt,
    key: EffectKey,
) -> Option<Effect> {
    let maker = state.maker(attempt);
    let below = new_run(state, plan, new, maker, key)?;
    Some(if maker == attempt {
        Effect::CreateRun(below)
    } else {
        Effect::GoOn {
            new: Box::new(below),
            attempt,
            stop: None,
        }
    })
}

/// Has the run of an attempt stopped by whoever wanted the attempt stopped. The same command each time.
pub(super) fn stop(
    state: &State,
    plan: &Plan,
    new: &NewRun,
    attempt: Attempt,
    key: EffectKey,
) -> Option<Effect> {
    let maker = state.maker(attempt);
    let new = new_run(state, plan, new, maker, key)?;
    let actor = stopped_by(state, attempt.task);
    if maker != attempt {
        return Some(Effect::GoOn {
            new: Box::new(new),
            attempt,
            stop: Some(actor),
        });
    }
    let command = Command {
        id: CommandId::of_key("parent", &format!("kill/{}", new.run)),
        actor,
        what: RunCommand::Kill,
    };
    Some(Effect::StopRun {
        new: Box::new(new),
        command,
    })
}

fn stopped_by(state: &State, task: u32) -> Actor {
    match state.canceling.get(&task) {
        Some(
            After::Cancel {
                cause: Cause::KilledBy { actor },
            }
            | After::Succeed { actor }
            | After::Skip { actor },
        ) => actor.clone(),
        Some(After::Cancel { .. } | After::TimeOut | After::Rerun) | None => Actor::engine(),
    }
}

/// To the run of an attempt.
pub(super) fn tell(project: ProjectId, run: RunId, input: RunInput) -> Effect {
    Effect::Tell {
        to: Address::run(project, run),
        input: Input::Run(input),
    }
}

/// The run of an attempt says how it stands. It is told each time that it was heard: it repeats itself until then.
pub(super) fn heard(
    state: &State,
    plan: &Plan,
    word: &ChildWord,
    now: Timestamp,
) -> Decision<RunFact> {
    let Some(new) = &state.new else {
        return Decision::nothing();
    };
    let done = RunInput::Done(EffectKey::TellParent(word.said));
    let reply = tell(new.project, word.speaker(new.run), done);
    let facts = if word.attempt.element().is_some() {
        mapped::follows(state, new, word)
    } else {
        follows(state, plan, new, word, now)
    };
    Decision::facts(facts).reply(reply)
}

fn follows(
    state: &State,
    plan: &Plan,
    new: &NewRun,
    word: &ChildWord,
    now: Timestamp,
) -> Vec<RunFact> {
    let task = word.attempt.task;
    let known = state.child(word.attempt).map_or(0, |child| child.said);
    if !plan.is_workflow(task)
        || state.mapped(task).is_some()
        || !is_current(state, word.attempt)
        || word.said <= known
    {
        return Vec::new();
    }
    match &word.what {
        ChildState::Open { stage, started } => {
            let wanted = state.tasks.phase(task) != Phase::Canceling;
            let fact = wanted.then_some(RunFact::Child {
                task,
                said: word.said,
                stage: *stage,
                started: *started,
            });
            fact.into_iter().collect()
        }
        ChildState::Ended {
            state: RunState::Succeeded,
            started,
            ended,
            outputs,
            ..
        } => vec![RunFact::Succeeded {
            task,
            started: started.unwrap_or(*ended),
            ended: *ended,
            outputs: Some(outputs.clone()).filter(|outputs| !outputs.is_empty()),
        }],
        ChildState::Ended {
            state: how,
            started,
            ended,
            why,
            ..
        } => {
            let cause = Cause::Child {
                run: word.speaker(new.run),
                ended: *how,
                why: why.clone(),
            };
            if *how == RunState::Canceled {
                return stopped(state, plan, (task, *ended), cause, now);
            }
            vec![failed(state, plan, task, (*started, *ended), &cause, now)]
        }
    }
}

/// It was stopped: because this run wanted it, or by somebody who stopped that run alone.
fn stopped(
    state: &State,
    plan: &Plan,
    (task, ended): (u32, Timestamp),
    cause: Cause,
    now: Timestamp,
) -> Vec<RunFact> {
    if state.canceling.contains_key(&task) {
        return vec![canceled(state, plan, task, ended, now)];
    }
    let tasks = Ranges::one(task);
    let then = After::Cancel { cause };
    vec![
        RunFact::CancelAsked { tasks, then },
        RunFact::Canceled { task, ended },
    ]
}

/// The run of an attempt can never be created: the attempt fails, or there is nothing to stop.
pub(super) fn refused(
    state: &State,
    plan: &Plan,
    key: EffectKey,
    why: &str,
    now: Timestamp,
) -> Vec<RunFact> {
    let (EffectKey::Dispatch(attempt) | EffectKey::Cancel(attempt)) = key else {
        return Vec::new();
    };
    let task = attempt.task;
    let definition = plan.task(task);
    let Some(Kind::Workflow { workflow, each }) = definition.map(|task| &task.kind) else {
        return Vec::new();
    };
    let project = &plan.workflow().project;
    let message =
        format!("workflow `{workflow}` of project `{project}` cannot be run from here: {why}");
    let cause = Cause::Rejected { message };
    if each.is_some() {
        return mapped::refused(state, (key, attempt), cause, now);
    }
    if !state.outbox.contains(&key) || !is_current(state, attempt) {
        return Vec::new();
    }
    if matches!(key, EffectKey::Cancel(_)) {
        return vec![canceled(state, plan, task, now, now)];
    }
    vec![failed(state, plan, task, (None, now), &cause, now)]
}

/// The fold of a word of a run that is not over.
pub(super) fn said(
    state: &mut State,
    plan: &Plan,
    attempt: Attempt,
    (said, stage): (u64, ChildStage),
    started: Option<Timestamp>,
    at: Timestamp,
) {
    let task = attempt.task;
    if !state.tasks.phase(task).is_active() {
        return;
    }
    state.outbox.remove(&EffectKey::Dispatch(attempt));
    let before = state.child(attempt).copied();
    let wanted = before.and_then(|child| child.turn);
    let family = state.family.get_or_insert_default();
    let child = Child {
        said,
        stage,
        turn: wanted,
    };
    family.put(attempt, child);
    if stage == ChildStage::Waiting {
        return;
    }
    if attempt.element().is_none() {
        ran(state, task);
    }
    start(state, plan, task, started.unwrap_or(at));
    let begins = before.is_none_or(|child| child.stage == ChildStage::Waiting);
    let pauses = matches!(state.run_state(), RunState::Pausing | RunState::Paused);
    // It began while this run was to pause: it was not there to be told.
    if begins && pauses && stage == ChildStage::Running {
        turn(state, attempt, true, at);
    }
}

/// The run of the current attempt is over: it had begun, if it says since when it ran.
pub(super) fn ended(state: &mut State, plan: &Plan, task: u32, started: Option<Timestamp>) {
    let alone = plan.is_workflow(task) && state.mapped(task).is_none();
    if alone && started.is_some() && state.tasks.phase(task).is_active() {
        ran(state, task);
    }
}

/// The run of the current attempt succeeded: there is nothing in it to go on with.
pub(super) fn succeeded(state: &mut State, task: u32) {
    if let Some(family) = state.family.as_deref_mut() {
        family.ran.remove(&task);
        family.goes_on.remove(&task);
    }
}

/// The run of the current attempt has begun: a later attempt can go on with it.
fn ran(state: &mut State, task: u32) {
    let maker = state.maker(state.current(task));
    let family = state.family.get_or_insert_default();
    family.ran.insert(task, maker.number);
}

/// Whether the next attempt of a task can go on with the run that was the last to begin.
pub(super) fn can_go_on(state: &State, task: u32) -> bool {
    let family = state.family.as_deref();
    let ran = family.is_some_and(|family| family.ran.contains_key(&task));
    ran && !mutant::on(Mutant::RecoveredAnew)
}

/// The next attempts of tasks go on with the runs that were the last to begin.
pub(super) fn recover(state: &mut State, tasks: Option<&Ranges>) {
    let tasks = tasks.into_iter().flat_map(Ranges::iter);
    if let Some(family) = state.family.as_deref_mut() {
        let ran = |task: u32| Some((task, *family.ran.get(&task)?));
        family.goes_on.extend(tasks.filter_map(ran));
    }
}

/// The next attempt of a task has a run of its own made.
pub(super) fn anew(state: &mut State, task: u32) {
    if let Some(family) = state.family.as_deref_mut() {
        family.goes_on.remove(&task);
    }
}

/// All runs that have begun are to pause, or to go on.
pub(super) fn turn_all(state: &mut State, pause: bool, at: Timestamp) {
    let Some(family) = &state.family else { return };
    let unless = if pause {
        ChildStage::Paused
    } else {
        ChildStage::Waiting
    };
    let children = family.children.iter();
    let children = children.map(|(task, child)| (state.current(*task), child));
    let elements = family.mapped.iter().flat_map(|(task, mapped)| {
        let current = state.current(*task);
        let open = mapped.open.iter();
        open.map(move |(element, child)| (current.with_element(*element), child))
    });
    let begun = |(attempt, child): &(Attempt, &Child)| {
        let runs = child.stage != ChildStage::Waiting && child.stage != unless;
        runs && state.tasks.phase(attempt.task) == Phase::Running
    };
    let begun = children.chain(elements).filter(begun);
    let begun: Vec<Attempt> = begun.map(|(attempt, _)| attempt).collect();
    for attempt in begun {
        turn(state, attempt, pause, at);
    }
}

fn turn(state: &mut State, attempt: Attempt, pause: bool, at: Timestamp) {
    let Some(mut child) = state.child(attempt).copied() else {
        return;
    };
    let family = state.family.get_or_insert_default();
    family.turns += 1;
    let number = family.turns;
    let turn = Turn {
        attempt,
        number,
        pause,
    };
    let before = child.turn.replace(turn);
    family.put(attempt, child);
    if let Some(before) = before {
        state.outbox.remove(&EffectKey::Turn(before));
    }
    state.outbox.add(EffectKey::Turn(turn), at);
}

/// The attempt is over.
pub(super) fn forget(state: &mut State, task: u32) {
    let family = state.family.as_mut();
    let child = family.and_then(|family| family.children.remove(&task));
    if let Some(turn) = child.and_then(|child| child.turn) {
        state.outbox.remove(&EffectKey::Turn(turn));
    }
    mapped::forget(state, task);
}

/// Whether a task has nothing that runs: its runs are paused.
pub(super) fn rests(state: &State, task: u32) -> bool {
    let paused = |child: &Child| child.stage == ChildStage::Paused;
    let alone = || {
        state.tasks.phase(task) == Phase::Running
            && state.child(state.current(task)).is_some_and(paused)
    };
    mapped::rests(state, task).unwrap_or_else(alone)
}
