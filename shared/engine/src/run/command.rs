//! What people may do with a run, and what follows. A command that changes nothing is refused with its reason.

use jiff::Timestamp;
use porpoise_model::workflow::Kind;
use porpoise_model::{Actor, Cause, RunState};

use super::child;
use super::edit;
use super::fact::{After, RunFact};
use super::mapped;
use super::ranges::Ranges;
use super::selection::{Reach, firsts, select};
use super::state::State;
use super::tasks::Phase;
use crate::Plan;
use crate::commands::Outcome;
use crate::input::{Command, RunCommand};
use crate::mutant::{self, Mutant};

/// Tasks that one command may name: it becomes one fact, which has to fit a record.
pub const COMMAND_TASKS_MAX: usize = 10_000;

/// Why a rerun is refused that would run nothing.
pub(super) const NOTHING_AGAIN: &str =
    "there is nothing to run again: no task failed, was canceled or could not run";

/// What people say of a command is kept up to here.
const WHY_CHARS_MAX: usize = 500;

/// What follows from a command: the facts of what it does, behind the fact that it was given. A repeat does nothing.
pub fn decide(
    state: &State,
    plan: &Plan,
    command: &Command<RunCommand>,
    now: Timestamp,
) -> Vec<RunFact> {
    if state.commands.seen(command.id).is_some() && !mutant::on(Mutant::CommandTwice) {
        return Vec::new();
    }
    let decided = obey(state, plan, command, now);
    let (outcome, facts) = match decided {
        Ok(facts) => (Outcome::Accepted, facts),
        Err(reason) => (Outcome::Refused { reason }, Vec::new()),
    };
    let what = word(&command.what).to_owned();
    let given = RunFact::Commanded {
        id: command.id,
        actor: command.actor.clone(),
        what,
        outcome,
    };
    std::iter::once(given).chain(facts).collect()
}

/// The word for a command.
pub const fn word(command: &RunCommand) -> &'static str {
    match command {
        RunCommand::Pause => "pause",
        RunCommand::Resume => "resume",
        RunCommand::Kill => "kill",
        RunCommand::KillTasks { .. } => "kill_tasks",
        RunCommand::Hold { .. } => "hold",
        RunCommand::Release { .. } => "release",
        RunCommand::MarkSucceeded { .. } => "mark_succeeded",
        RunCommand::Skip { .. } => "skip",
        RunCommand::RerunFailed => "rerun_failed",
        RunCommand::RerunAll => "rerun_all",
        RunCommand::Rerun { .. } => "rerun",
        RunCommand::Answer { approved: true, .. } => "approve",
        RunCommand::Answer { .. } => "decline",
        RunCommand::Edit(_) => "edit",
    }
}

fn obey(
    state: &State,
    plan: &Plan,
    command: &Command<RunCommand>,
    now: Timestamp,
) -> Result<Vec<RunFact>, String> {
    let actor = &command.actor;
    match &command.what {
        RunCommand::Pause => pause(state),
        RunCommand::Resume => resume(state),
        RunCommand::Kill => kill(state, actor),
        RunCommand::KillTasks { tasks } => {
            let then = After::Cancel {
                cause: Cause::KilledBy {
                    actor: actor.clone(),
                },
            };
            settle_tasks(state, plan, tasks, &then, |phase| !phase.is_terminal())
        }
        RunCommand::Hold { tasks, why, until } => hold(state, plan, tasks, actor, why, *until, now),
        RunCommand::Release { tasks } => release(state, plan, tasks),
        RunCommand::MarkSucceeded { tasks } => {
            let then = After::Succeed {
                actor: actor.clone(),
            };
            settle_tasks(state, plan, tasks, &then, |phase| !phase.is_success())
        }
        RunCommand::Skip { tasks } => {
            let then = After::Skip {
                actor: actor.clone(),
            };
            settle_tasks(state, plan, tasks, &then, |phase| {
                !phase.is_success() && !matches!(phase, Phase::Skipped | Phase::LeftOut)
            })
        }
        RunCommand::RerunFailed => {
            let tasks = may_rerun(state, failed(state, plan))?;
            Ok(vec![recovered(state, plan, tasks)])
        }
        RunCommand::RerunAll => rerun(state, all(state)),
        RunCommand::Rerun {
            tasks,
            downstream,
            upstream,
        } => {
            known(plan, tasks)?;
            rerun(state, selected(plan, tasks, *downstream, *upstream))
        }
        RunCommand::Answer {
            tasks,
            approved,
            why,
        } => answer(state, plan, (tasks, *approved, why), actor),
        RunCommand::Edit(edit) => edit::decide(state, plan, edit, actor),
    }
}

/// All of them wait for an answer, or none is given.
fn answer(
    state: &State,
    plan: &Plan,
    (tasks, approved, why): (&[u32], bool, &str),
    actor: &Actor,
) -> Result<Vec<RunFact>, String> {
    known(plan, tasks)?;
    begun(state)?;
    let asks = |task: &u32| plan.is_approval(*task) && state.tasks.phase(*task) == Phase::Queued;
    if let Some(task) = tasks.iter().find(|task| !asks(task)) {
        let name = plan.task(*task).map_or("", |task| task.name.as_str());
        let why = if plan.is_approval(*task) {
            format!("it is {}", state.tasks.phase(*task).state())
        } else {
            "it asks nothing".to_owned()
        };
        return Err(format!("task `{name}` does not wait for an answer: {why}"));
    }
    Ok(vec![RunFact::Answered {
        tasks: Ranges::of(tasks.iter().copied()),
        approved,
        actor: actor.clone(),
        why: why.chars().take(WHY_CHARS_MAX).collect(),
    }])
}

pub(super) fn pause(state: &State) -> Result<Vec<RunFact>, String> {
    match state.run_state() {
        RunState::Running if state.stopping.is_none() => Ok(vec![RunFact::Pausing]),
        other @ (RunState::Queued
        | RunState::Running
        | RunState::Pausing
        | RunState::Paused
        | RunState::Canceling
        | RunState::Succeeded
        | RunState::Failed
        | RunState::Canceled) => Err(format!(
            "only a running run can be paused, this one is {}",
            in_words(state, other)
        )),
    }
}

fn in_words(state: &State, run: RunState) -> String {
    if run == RunState::Running && state.stopping.is_some() {
        "being stopped".to_owned()
    } else {
        run.to_string()
    }
}

pub(super) fn resume(state: &State) -> Result<Vec<RunFact>, String> {
    match state.run_state() {
        RunState::Pausing | RunState::Paused => Ok(vec![RunFact::Resumed]),
        other @ (RunState::Queued
        | RunState::Running
        | RunState::Canceling
        | RunState::Succeeded
        | RunState::Failed
        | RunState::Canceled) => Err(format!(
            "only a paused run can be resumed, this one is {other}"
        )),
    }
}

pub(super) fn kill(state: &State, actor: &Actor) -> Result<Vec<RunFact>, String> {
    let cause = Cause::KilledBy {
        actor: actor.clone(),
    };
    match state.run_state() {
        RunState::Queued if state.tasks.unfinished() == 0 => Ok(vec![RunFact::Ended {
            state: RunState::Canceled,
            cause: Some(cause),
        }]),
        RunState::Queued | RunState::Running | RunState::Pausing | RunState::Paused => {
            Ok(vec![RunFact::Stopping { cause }])
        }
        RunState::Canceling => Err("the run is being canceled already".to_owned()),
        over @ (RunState::Succeeded | RunState::Failed | RunState::Canceled) => {
            Err(format!("the run is over: it {}", ended(over)))
        }
    }
}

/// A later run takes the place of this one: it is stopped, if it is not over or being stopped.
pub(super) fn superseded(state: &State) -> Vec<RunFact> {
    let open = !state.run_state().is_terminal() && state.run_state() != RunState::Canceling;
    let stopping = open.then_some(RunFact::Stopping {
        cause: Cause::Superseded,
    });
    stopping.into_iter().collect()
}

fn ended(state: RunState) -> &'static str {
    match state {
        RunState::Canceled => "was canceled",
        RunState::Failed => "failed",
        RunState::Succeeded
        | RunState::Queued
        | RunState::Running
        | RunState::Pausing
        | RunState::Paused
        | RunState::Canceling => "succeeded",
    }
}

/// Decides the outcome of tasks: of those without a job at once, of the others when their job has stopped.
fn settle_tasks(
    state: &State,
    plan: &Plan,
    tasks: &[u32],
    then: &After,
    concerned: impl Fn(Phase) -> bool,
) -> Result<Vec<RunFact>, String> {
    known(plan, tasks)?;
    begun(state)?;
    let concerned: Vec<u32> = tasks
        .iter()
        .copied()
        .filter(|task| concerned(state.tasks.phase(*task)))
        .collect();
    if concerned.is_empty() {
        return Err("none of these tasks is in a state that this would change".to_owned());
    }
    let (active, idle): (Vec<u32>, Vec<u32>) = concerned
        .into_iter()
        .partition(|task| state.tasks.phase(*task).is_active());
    let mut facts = Vec::new();
    if !active.is_empty() {
        facts.push(RunFact::CancelAsked {
            tasks: Ranges::of(active),
            then: then.clone(),
        });
    }
    if !idle.is_empty() {
        facts.push(RunFact::Decided {
            tasks: Ranges::of(idle),
            then: then.clone(),
        });
    }
    Ok(facts)
}

fn known(plan: &Plan, tasks: &[u32]) -> Result<(), String> {
    if tasks.is_empty() {
        return Err("no task is named".to_owned());
    }
    if tasks.len() > COMMAND_TASKS_MAX {
        return Err(format!(
            "a command names at most {COMMAND_TASKS_MAX} tasks, this one names {}",
            tasks.len()
        ));
    }
    match tasks.iter().find(|task| **task >= plan.len()) {
        Some(task) => Err(format!(
            "there is no task at index {task}: the workflow has {}",
            plan.len()
        )),
        None => Ok(()),
    }
}

pub(super) fn begun(state: &State) -> Result<(), String> {
    let open = match state.run_state() {
        RunState::Queued if state.tasks.is_empty() => {
            return Err("the run has not begun".to_owned());
        }
        RunState::Canceling => return Err("the run is being canceled".to_owned()),
        RunState::Queued | RunState::Running | RunState::Pausing | RunState::Paused => {
            state.stopping.is_none()
        }
        RunState::Succeeded | RunState::Failed | RunState::Canceled => !state.tasks.is_empty(),
    };
    if open {
        Ok(())
    } else {
        Err("the run is being stopped, or never began".to_owned())
    }
}

fn hold(
    state: &State,
    plan: &Plan,
    tasks: &[u32],
    actor: &Actor,
    why: &str,
    until: Option<Timestamp>,
    now: Timestamp,
) -> Result<Vec<RunFact>, String> {
    if state.run_state().is_terminal() {
        return Err("the run is over: there is nothing to hold".to_owned());
    }
    if until.is_some_and(|until| until <= now) {
        return Err("the hold would end in the past".to_owned());
    }
    if !tasks.is_empty() {
        known(plan, tasks)?;
    }
    let holdable = |task: &u32| state.tasks.is_empty() || state.tasks.phase(*task).is_waiting();
    let held = Ranges::of(tasks.iter().copied().filter(holdable));
    if !tasks.is_empty() && held.is_empty() {
        return Err("none of these tasks waits: what runs or has ended can't be held".to_owned());
    }
    Ok(vec![RunFact::Held {
        tasks: held,
        actor: actor.clone(),
        why: why.chars().take(WHY_CHARS_MAX).collect(),
        until,
    }])
}

fn release(state: &State, plan: &Plan, tasks: &[u32]) -> Result<Vec<RunFact>, String> {
    if tasks.is_empty() {
        return match state.hold {
            Some(_) => Ok(vec![RunFact::Released {
                tasks: Ranges::default(),
            }]),
            None => Err("the run is not on hold".to_owned()),
        };
    }
    known(plan, tasks)?;
    let held = Ranges::of(
        tasks
            .iter()
            .copied()
            .filter(|task| state.holds.contains_key(task)),
    );
    if held.is_empty() {
        return Err("none of these tasks is on hold".to_owned());
    }
    Ok(vec![RunFact::Released { tasks: held }])
}

/// What did not succeed, and what never ran because of it; and where conditions looked at it, those, and what they
/// ruled out.
pub fn failed(state: &State, plan: &Plan) -> Ranges {
    let failed = |task: &u32| state.tasks.phase(*task).is_failure();
    let failed: Vec<u32> = state.tasks.indices().filter(failed).collect();
    if !plan.has_conditions() {
        return Ranges::of(failed);
    }
    let looks = |task: &u32| {
        let kind = plan.task(*task).map(|task| &task.kind);
        matches!(kind, Some(Kind::Conditions { .. }))
    };
    let below = failed.iter().flat_map(|task| plan.downstream(*task));
    let conditions: Vec<u32> = below.copied().filter(looks).collect();
    let skipped = |task: &u32| state.tasks.phase(*task) == Phase::Skipped;
    let ruled_out = plan.with_downstream(&conditions);
    let ruled_out = ruled_out.into_iter().filter(skipped);
    Ranges::of(failed.iter().chain(&conditions).copied().chain(ruled_out))
}

/// These run again, and go on with what they had made below where that is what they would make again: nothing above them is
/// rerun that might hand them something else.
pub(super) fn recovered(state: &State, plan: &Plan, tasks: Ranges) -> RunFact {
    let can = |task: &u32| child::can_go_on(state, *task) || mapped::can_go_on(state, *task);
    let going = Ranges::of(firsts(plan, &tasks).iter().filter(can));
    RunFact::Recovered {
        tasks,
        goes_on: Some(going).filter(|going| !going.is_empty()),
    }
}

/// Tasks, with or without all that follow them, and all that they follow.
pub fn selected(plan: &Plan, tasks: &[u32], downstream: bool, upstream: bool) -> Ranges {
    let reach = |asked: bool, reach| if asked { reach } else { Reach::Only };
    let below = select(plan, tasks, reach(downstream, Reach::Downstream));
    let above = select(plan, tasks, reach(upstream, Reach::Upstream));
    Ranges::of(below.iter().chain(above.iter()))
}

/// All that the run has not been without from its start.
pub fn all(state: &State) -> Ranges {
    let tasks = state.tasks.indices();
    Ranges::of(tasks.filter(|task| state.tasks.phase(*task) != Phase::LeftOut))
}

fn rerun(state: &State, tasks: Ranges) -> Result<Vec<RunFact>, String> {
    let tasks = may_rerun(state, tasks)?;
    Ok(vec![RunFact::Rerun { tasks }])
}

fn may_rerun(state: &State, tasks: Ranges) -> Result<Ranges, String> {
    begun(state)?;
    if state.run_state() == RunState::Queued {
        return Err("the run waits to be let in: rerun tasks once it runs".to_owned());
    }
    if tasks.is_empty() {
        return Err(NOTHING_AGAIN.to_owned());
    }
    Ok(tasks)
}

/// What a rerun would do, exactly: for a preview.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RerunPreview {
    /// These run again, each as a new attempt.
    pub runs: Vec<u32>,
    /// Of those, these still have a job, which is stopped first.
    pub stops: Vec<u32>,
}

/// Says which tasks would run again, without changing anything.
///
/// # Errors
/// The reason for which the command would be refused.
pub fn preview(state: &State, plan: &Plan, command: &RunCommand) -> Result<RerunPreview, String> {
    let tasks = match command {
        RunCommand::RerunFailed => failed(state, plan),
        RunCommand::RerunAll => all(state),
        RunCommand::Rerun {
            tasks,
            downstream,
            upstream,
        } => {
            known(plan, tasks)?;
            selected(plan, tasks, *downstream, *upstream)
        }
        RunCommand::Pause
        | RunCommand::Resume
        | RunCommand::Kill
        | RunCommand::KillTasks { .. }
        | RunCommand::Hold { .. }
        | RunCommand::Release { .. }
        | RunCommand::MarkSucceeded { .. }
        | RunCommand::Skip { .. }
        | RunCommand::Answer { .. }
        | RunCommand::Edit(_) => return Err(format!("`{}` has no preview", word(command))),
    };
    let tasks = may_rerun(state, tasks)?;
    let runs: Vec<u32> = tasks
        .iter()
        .filter(|task| !plan.is_disabled(*task))
        .collect();
    let stops = runs
        .iter()
        .copied()
        .filter(|task| state.tasks.phase(*task).is_active())
        .collect();
    Ok(RerunPreview { runs, stops })
}
