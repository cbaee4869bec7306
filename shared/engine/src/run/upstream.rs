//! Trigger rules: what the ends of the tasks above mean for a task.

use jiff::Timestamp;
use porpoise_model::workflow::TriggerRule;

use super::state::{State, Time};
use super::tasks::Phase;
use super::transition::{TaskEvent, task_next};
use crate::Plan;
use crate::mutant::{self, Mutant};

/// How a task above has ended, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    Failure,
    Skip,
}

fn end(phase: Phase) -> Option<End> {
    if phase.is_success() {
        Some(End::Success)
    } else if phase.is_failure() {
        Some(End::Failure)
    } else {
        (phase == Phase::Skipped).then_some(End::Skip)
    }
}

/// How a task above has ended, as the one below sees it: what was not picked was skipped, for what follows it.
fn seen(state: &State, plan: &Plan, above: u32, below: u32) -> Option<End> {
    let end = end(state.tasks.phase(above))?;
    let picked = plan.is_branch(above).then(|| state.chosen.get(&above));
    match picked.flatten() {
        Some(branch)
            if end == End::Success
                && !plan.lets(above, *branch, below)
                && !mutant::on(Mutant::NotPickedGoesOn) =>
        {
            Some(End::Skip)
        }
        Some(_) | None => Some(end),
    }
}

/// Applies the rules of the tasks below `ended`, and of those below them that end by it.
pub(super) fn propagate(state: &mut State, plan: &Plan, ended: u32, at: Timestamp) {
    let mut open = vec![ended];
    while let Some(above) = open.pop() {
        for task in plan.downstream(above) {
            let Some(how) = seen(state, plan, above, *task) else {
                continue;
            };
            let left = state.tasks.one_less(*task);
            if state.tasks.phase(*task) != Phase::Pending {
                continue;
            }
            if let Some(event) = after_one(state, plan, *task, how, left) {
                take(state, plan, *task, event, at, &mut open);
            }
        }
    }
}

/// What follows for a pending task from one more end above it: cheap for the common cases.
fn after_one(state: &State, plan: &Plan, task: u32, how: End, left: u32) -> Option<TaskEvent> {
    let decided_early = match (plan.rule(task), how) {
        (
            TriggerRule::AllSucceeded
            | TriggerRule::NoneFailed
            | TriggerRule::NoneFailedMinOneSucceeded,
            End::Failure,
        ) => Some(TaskEvent::UpstreamFailed),
        (TriggerRule::OneSucceeded, End::Success) | (TriggerRule::OneFailed, End::Failure) => {
            Some(TaskEvent::Ready)
        }
        _ => None,
    };
    decided_early.or_else(|| {
        if left == 0 {
            evaluate(state, plan, task)
        } else {
            None
        }
    })
}

/// What the rule of a pending task says, from nothing but the phases above it.
fn evaluate(state: &State, plan: &Plan, task: u32) -> Option<TaskEvent> {
    let there = |above: &&u32| {
        state.tasks.phase(**above) != Phase::LeftOut || mutant::on(Mutant::LeftOutAwaited)
    };
    let above = || plan.upstream(task).iter().filter(there);
    let rule = plan.rule(task);
    if above().next().is_none() || rule == TriggerRule::Always {
        return Some(TaskEvent::Ready);
    }
    let ends = || above().map(|above| seen(state, plan, *above, task));
    let any = |wanted: End| ends().any(|end| end == Some(wanted));
    let done = ends().all(|end| end.is_some());
    match rule {
        TriggerRule::AllSucceeded if any(End::Failure) => Some(TaskEvent::UpstreamFailed),
        TriggerRule::AllSucceeded if !done => None,
        TriggerRule::AllSucceeded if any(End::Skip) => Some(TaskEvent::RuledOut),
        TriggerRule::NoneFailed if any(End::Failure) => Some(TaskEvent::UpstreamFailed),
        TriggerRule::OneSucceeded if any(End::Success) => Some(TaskEvent::Ready),
        TriggerRule::OneSucceeded if done && any(End::Failure) => Some(TaskEvent::UpstreamFailed),
        TriggerRule::OneSucceeded if done => Some(TaskEvent::RuledOut),
        TriggerRule::OneFailed if any(End::Failure) => Some(TaskEvent::Ready),
        TriggerRule::OneFailed if done => Some(TaskEvent::RuledOut),
        TriggerRule::NoneFailedMinOneSucceeded if any(End::Failure) => {
            Some(TaskEvent::UpstreamFailed)
        }
        TriggerRule::NoneFailedMinOneSucceeded if done && !any(End::Success) => {
            Some(TaskEvent::RuledOut)
        }
        TriggerRule::AllDoneMinOneRan
            if done && !above().any(|above| ran(state, plan, *above, task)) =>
        {
            Some(if any(End::Failure) {
                TaskEvent::UpstreamFailed
            } else {
                TaskEvent::RuledOut
            })
        }
        TriggerRule::AllSucceeded
        | TriggerRule::AllDone
        | TriggerRule::NoneFailed
        | TriggerRule::NoneFailedMinOneSucceeded
        | TriggerRule::AllDoneMinOneRan
            if done =>
        {
            Some(TaskEvent::Ready)
        }
        TriggerRule::AllSucceeded
        | TriggerRule::AllDone
        | TriggerRule::OneSucceeded
        | TriggerRule::OneFailed
        | TriggerRule::NoneFailed
        | TriggerRule::NoneFailedMinOneSucceeded
        | TriggerRule::AllDoneMinOneRan
        | TriggerRule::Always => None,
    }
}

/// Whether a task above ran, as the one below sees it.
fn ran(state: &State, plan: &Plan, above: u32, below: u32) -> bool {
    let seen = seen(state, plan, above, below);
    seen.is_some_and(|end| end != End::Skip) && state.tasks.phase(above) != Phase::UpstreamFailed
}

/// Moves a pending task as its rule says; one that ends by it is put on `open`.
fn take(
    state: &mut State,
    plan: &Plan,
    task: u32,
    event: TaskEvent,
    at: Timestamp,
    open: &mut Vec<u32>,
) {
    let event = if event == TaskEvent::Ready && plan.is_disabled(task) {
        TaskEvent::PassedOver
    } else {
        event
    };
    let Some(next) = task_next(state.tasks.phase(task), event) else {
        return;
    };
    state.tasks.set_phase(task, next);
    if next.is_terminal() {
        open.push(task);
    } else {
        become_ready(state, plan, task, at);
    }
}

/// A task is queued: at once, or after its delay, which nobody waits for in a dry run.
fn become_ready(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    if plan.is_approval(task) {
        return ask(state, plan, task, at);
    }
    let delay = plan
        .task(task)
        .map(|task| task.delay)
        .filter(|_| plan.has_delay(task) && !is_dry(state));
    match delay.and_then(|delay| at.checked_add(delay).ok()) {
        Some(until) => {
            state.parked.insert(task, Time(until));
        }
        None => {
            state.ready.insert(task);
        }
    }
}

/// A task that waits for a person: its time-out begins, and nothing is dispatched.
fn ask(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    let timeout = plan.task(task).and_then(|task| task.timeout);
    if let Some(until) = timeout.and_then(|timeout| at.checked_add(timeout.after).ok()) {
        state.timeouts.insert(task, Time(until));
    }
    if is_dry(state) {
        state.ready.insert(task);
    }
}

fn is_dry(state: &State) -> bool {
    state.new.as_ref().is_some_and(|new| new.dry_run)
}

/// Looks at tasks afresh: counts what they wait for, and applies their rules to those that are pending.
pub(super) fn refresh(
    state: &mut State,
    plan: &Plan,
    tasks: impl IntoIterator<Item = u32>,
    at: Timestamp,
) {
    let tasks: Vec<u32> = tasks.into_iter().collect();
    for task in &tasks {
        let waits = plan
            .upstream(*task)
            .iter()
            .filter(|above| !state.tasks.phase(**above).is_terminal())
            .count();
        state
            .tasks
            .set_waits(*task, u32::try_from(waits).unwrap_or(u32::MAX));
    }
    let mut open = Vec::new();
    for task in tasks {
        if state.tasks.phase(task) != Phase::Pending {
            continue;
        }
        if let Some(event) = evaluate(state, plan, task) {
            take(state, plan, task, event, at, &mut open);
        }
        while let Some(ended) = open.pop() {
            propagate(state, plan, ended, at);
        }
    }
}

/// Whether the rule of a task holds, by the phases above it.
pub(super) fn holds(state: &State, plan: &Plan, task: u32) -> bool {
    evaluate(state, plan, task) == Some(TaskEvent::Ready)
}
