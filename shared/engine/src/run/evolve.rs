//! The fold: what each fact makes of the state. Total: a fact that does not fit changes nothing.

use jiff::Timestamp;
use porpoise_model::workflow::{Concurrency, Timeout};
use porpoise_model::{Cause, Outputs, RunState};

use super::child;
use super::dependent;
use super::edit;
use super::fact::{After, RunFact};
use super::mapped;
use super::parent;
use super::ranges::Ranges;
use super::rerun::{rerun, reset};
use super::selection;
use super::slot::{answer_slot, ask_slot, free_slot};
use super::state::{Gate, Hold, SlotStage, State, Time};
use super::tasks::{Phase, Tasks};
use super::transition::{RunEvent, TaskEvent, run_next, task_next};
use super::upstream;
use crate::Plan;
use crate::effect::{Attempt, EffectKey, News};
use crate::mutant::{self, Mutant};

/// Folds one fact that stands in a record of the time `at`.
pub fn evolve(state: &mut State, plan: &Plan, fact: &RunFact, at: Timestamp) {
    match fact {
        RunFact::Created(new) => {
            state.new = Some(new.clone());
            state.state = Some(RunState::Queued);
            list(state, at);
        }
        RunFact::Begun { parameters } => begin(state, plan, parameters, at),
        RunFact::GateWaiting => gate_waiting(state, at),
        RunFact::Admitted => admit(state, plan, at),
        RunFact::Discarded => {
            leave_gate_unseen(state);
            end(state, RunEvent::Canceled, Some(Cause::Discarded), at);
        }
        RunFact::LeftGate { entry } => {
            state.outbox.remove(&EffectKey::LeaveGate(*entry));
        }
        RunFact::SlotsAsked { tasks } => tasks.iter().for_each(|task| ask_slot(state, task, at)),
        RunFact::SlotsQueued { tasks } => tasks
            .iter()
            .for_each(|task| answer_slot(state, task, SlotStage::Queued)),
        RunFact::SlotsGranted { tasks } => tasks
            .iter()
            .for_each(|task| answer_slot(state, task, SlotStage::Held)),
        RunFact::SlotFreed { attempt } => {
            state.outbox.remove(&EffectKey::FreeSlot(*attempt));
        }
        RunFact::Dispatched { tasks } => tasks.iter().for_each(|task| dispatch(state, task, at)),
        RunFact::Accepted { tasks } => tasks.iter().for_each(|task| acknowledge(state, task)),
        RunFact::Waiting { task, why } => {
            acknowledge(state, *task);
            if state.tasks.phase(*task) == Phase::Dispatched {
                state.waiting.insert(*task, why.clone());
            }
        }
        RunFact::Started {
            task, at: started, ..
        } => start(state, plan, *task, *started),
        RunFact::Succeeded { task, outputs, .. } => {
            succeed(state, plan, *task, outputs.as_ref(), at);
        }
        RunFact::Failed {
            task,
            retry,
            started,
            ..
        } => {
            child::ended(state, plan, *task, *started);
            fail(state, plan, *task, *retry, at);
        }
        RunFact::Canceled { task, .. } => stopped(state, plan, *task, at),
        RunFact::TimedOut { task, stopped } => time_out(state, plan, *task, *stopped, at),
        RunFact::PassedDry { tasks } => {
            tasks
                .iter()
                .for_each(|task| finish(state, plan, task, TaskEvent::Succeeded, at));
        }
        RunFact::Commanded { id, outcome, .. } => state.commands.record(*id, outcome.clone(), at),
        RunFact::Pausing => {
            turn(state, RunEvent::PauseAsked, at);
            child::turn_all(state, true, at);
        }
        RunFact::Paused => turn(state, RunEvent::Paused, at),
        RunFact::Resumed => {
            turn(state, RunEvent::Resumed, at);
            child::turn_all(state, false, at);
        }
        RunFact::Stopping { cause } => stop_all(state, cause, at),
        RunFact::CancelAsked { tasks, then } => tasks
            .iter()
            .for_each(|task| ask_cancel(state, task, then, at)),
        RunFact::Decided { tasks, then } => {
            tasks
                .iter()
                .for_each(|task| decide(state, plan, task, then, at));
            if state.run_state().is_terminal() {
                dependent::stir(state, at);
            }
        }
        RunFact::Held {
            tasks,
            actor,
            why,
            until,
        } => {
            let hold = Hold {
                actor: actor.clone(),
                why: why.clone(),
                until: until.map(Time),
                since: Time(at),
            };
            held(state, tasks, &hold);
        }
        RunFact::Released { tasks } => release(state, tasks),
        RunFact::Rerun { tasks } => rerun(state, plan, tasks, at),
        RunFact::Recovered { tasks, goes_on } => {
            let past = mapped::put_aside(state, goes_on.as_ref());
            rerun(state, plan, tasks, at);
            mapped::put_back(state, past);
            child::recover(state, goes_on.as_ref());
        }
        RunFact::WentOn { attempt } => parent::went_on(state, *attempt, at),
        RunFact::Edited(edited) => {
            if edit::evolve(state, plan, edited, at) {
                reopen(state, plan, at);
                dependent::stir(state, at);
            }
        }
        RunFact::Ended {
            state: ended,
            cause,
        } => {
            let event = match ended {
                RunState::Succeeded => RunEvent::Succeeded,
                RunState::Canceled => RunEvent::Canceled,
                RunState::Failed
                | RunState::Queued
                | RunState::Running
                | RunState::Pausing
                | RunState::Paused
                | RunState::Canceling => RunEvent::Failed,
            };
            end(state, event, cause.clone(), at);
        }
        RunFact::Done { key } => {
            state.outbox.remove(key);
        }
        RunFact::Answered {
            tasks, approved, ..
        } => tasks
            .iter()
            .for_each(|task| answered(state, plan, task, *approved, at)),
        RunFact::Chose { task, branch } => chose(state, plan, *task, *branch, at),
        RunFact::Child {
            task,
            said,
            stage,
            started,
        } => {
            let attempt = state.current(*task);
            child::said(state, plan, attempt, (*said, *stage), *started, at);
        }
        RunFact::Mapped { .. }
        | RunFact::ElementsStarted { .. }
        | RunFact::Element { .. }
        | RunFact::ElementEnded { .. } => mapped::evolve(state, plan, fact, at),
        RunFact::Turned { turn } => parent::heard(state, *turn),
        RunFact::Awaits { tasks } => dependent::begin(state, plan, tasks, at),
        RunFact::LooksAgain { task } => dependent::look_again(state, *task, at),
        RunFact::Watched { tasks } => state.watched.extend(tasks.iter()),
        RunFact::Found { look, found } => dependent::take_in(state, plan, *look, found, at),
        RunFact::Met { task } if dependent::hand_on(state, *task) => {
            finish(state, plan, *task, TaskEvent::Succeeded, at);
        }
        RunFact::Met { .. } => {}
    }
}

fn list(state: &mut State, at: Timestamp) {
    state.outbox.remove(&EffectKey::Listing(state.listed));
    state.listed += 1;
    state.outbox.add(EffectKey::Listing(state.listed), at);
    parent::tell(state, at);
}

/// Moves the run, if the table has an arrow for it.
fn turn(state: &mut State, event: RunEvent, at: Timestamp) {
    if let Some(next) = run_next(state.run_state(), event) {
        state.state = Some(next);
        list(state, at);
    }
}

fn begin(state: &mut State, plan: &Plan, parameters: &[(String, String)], at: Timestamp) {
    state.parameters = Some(parameters.iter().cloned().collect());
    knock(state, plan, at);
}

/// Through the gate: at once where there is none.
fn knock(state: &mut State, plan: &Plan, at: Timestamp) {
    if state.concurrency(plan) == Concurrency::Parallel {
        let_in(state, plan, at);
    } else {
        state.gate = Gate::Asked;
        state.entry += 1;
        state.outbox.add(EffectKey::EnterGate(state.entry), at);
    }
}

fn gate_waiting(state: &mut State, at: Timestamp) {
    if state.gate == Gate::Asked {
        state.gate = Gate::Waiting;
        state.outbox.remove(&EffectKey::EnterGate(state.entry));
        parent::tell(state, at);
    }
}

fn admit(state: &mut State, plan: &Plan, at: Timestamp) {
    if matches!(state.gate, Gate::Asked | Gate::Waiting) {
        state.gate = Gate::Inside;
        state.outbox.remove(&EffectKey::EnterGate(state.entry));
        let_in(state, plan, at);
    }
}

fn let_in(state: &mut State, plan: &Plan, at: Timestamp) {
    if run_next(state.run_state(), RunEvent::Admitted).is_none() {
        return;
    }
    turn(state, RunEvent::Admitted, at);
    state.started = Some(Time(at));
    state.timeout = due(plan.workflow().timeout, at);
    if state.tasks.is_empty() {
        let waits = |task| u32::try_from(plan.upstream(task).len()).unwrap_or(u32::MAX);
        state.tasks = Tasks::new(plan.len(), waits);
        selection::leave_out(state);
    }
    upstream::refresh(state, plan, state.tasks.indices(), at);
}

fn due(timeout: Option<Timeout>, from: Timestamp) -> Option<Time> {
    timeout
        .and_then(|timeout| from.checked_add(timeout.after).ok())
        .map(Time)
}

/// The gate never let it in, so there is nothing to leave.
fn leave_gate_unseen(state: &mut State) {
    state.gate = Gate::Outside;
    state.outbox.remove(&EffectKey::EnterGate(state.entry));
}

fn end(state: &mut State, event: RunEvent, cause: Option<Cause>, at: Timestamp) {
    if run_next(state.run_state(), event).is_none() {
        return;
    }
    turn(state, event, at);
    (state.ended, state.cause) = (Some(Time(at)), cause);
    (state.stopping, state.timeout, state.hold) = (None, None, None);
    state.holds.clear();
    if state.gate != Gate::Outside {
        state.gate = Gate::Outside;
        state.outbox.remove(&EffectKey::EnterGate(state.entry));
        state.outbox.add(EffectKey::LeaveGate(state.entry), at);
    }
}

fn dispatch(state: &mut State, task: u32, at: Timestamp) {
    if let Some(attempt) = take_off(state, task) {
        state.outbox.add(EffectKey::Dispatch(attempt), at);
    }
}

/// The next attempt of a task begins.
pub(super) fn take_off(state: &mut State, task: u32) -> Option<Attempt> {
    let next = task_next(state.tasks.phase(task), TaskEvent::Dispatched)?;
    state.tasks.set_phase(task, next);
    state.ready.remove(&task);
    state.parked.remove(task);
    Some(Attempt::of(task, state.tasks.next_attempt(task)))
}

/// The dispatcher knows of the current attempt.
fn acknowledge(state: &mut State, task: u32) {
    let current = state.current(task);
    state.outbox.remove(&EffectKey::Dispatch(current));
}

pub(super) fn start(state: &mut State, plan: &Plan, task: u32, started: Timestamp) {
    acknowledge(state, task);
    let Some(next) = task_next(state.tasks.phase(task), TaskEvent::Started) else {
        return;
    };
    state.tasks.set_phase(task, next);
    state.waiting.remove(&task);
    if let Some(until) = due(plan.task(task).and_then(|task| task.timeout), started) {
        state.timeouts.insert(task, until);
    }
}

/// The current attempt is over: nothing in the world belongs to it any more but slots on their way back.
fn close_attempt(state: &mut State, task: u32, at: Timestamp) -> Option<After> {
    let current = state.current(task);
    state.outbox.remove(&EffectKey::Dispatch(current));
    state.outbox.remove(&EffectKey::Cancel(current));
    state.waiting.remove(&task);
    state.timeouts.remove(task);
    child::forget(state, task);
    let then = state.canceling.remove(&task);
    let killed = matches!(then, Some(After::Cancel { .. }));
    if killed && mutant::on(Mutant::SlotKeptOnKill) {
        state.slots.remove(&task);
    }
    free_slot(state, task, at);
    then
}

fn succeed(state: &mut State, plan: &Plan, task: u32, outputs: Option<&Outputs>, at: Timestamp) {
    if !state.tasks.phase(task).is_active() {
        return;
    }
    let then = close_attempt(state, task, at);
    child::succeeded(state, task);
    if let Some(outputs) = outputs.filter(|outputs| !outputs.is_empty()) {
        state.outputs.insert(task, outputs.clone());
    }
    match then {
        Some(After::Rerun) => reset(state, plan, &Ranges::one(task), at),
        Some(After::Skip { .. }) => finish(state, plan, task, TaskEvent::Skipped, at),
        Some(After::Cancel { .. } | After::TimeOut | After::Succeed { .. }) | None => {
            finish(state, plan, task, TaskEvent::Succeeded, at);
        }
    }
}

fn fail(state: &mut State, plan: &Plan, task: u32, retry: Option<Timestamp>, at: Timestamp) {
    let phase = state.tasks.phase(task);
    if !phase.is_active() && phase != Phase::Queued && phase != Phase::UpForRetry {
        return;
    }
    let attempt = state.current(task);
    let then = close_attempt(state, task, at);
    state.ready.remove(&task);
    state.parked.remove(task);
    match (then, retry) {
        (Some(After::Rerun), _) => reset(state, plan, &Ranges::one(task), at),
        (Some(After::Skip { .. }), _) => finish(state, plan, task, TaskEvent::Skipped, at),
        (Some(After::Succeed { .. }), _) => force(state, plan, task, at),
        (Some(After::Cancel { .. }), _) => finish(state, plan, task, TaskEvent::Canceled, at),
        (Some(After::TimeOut) | None, Some(retry)) => {
            if let Some(next) = task_next(phase, TaskEvent::Retrying) {
                state.tasks.set_phase(task, next);
                state.parked.insert(task, Time(retry));
                child::anew(state, task);
            }
        }
        (timed_out @ (Some(After::TimeOut) | None), None) => {
            if timed_out.is_some() {
                state.not_by_itself.insert(task);
            }
            finish(state, plan, task, TaskEvent::Failed, at);
            announce(state, plan, News::TaskFailed(attempt), at);
        }
    }
}

fn stopped(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    if !state.tasks.phase(task).is_active() {
        return;
    }
    match close_attempt(state, task, at) {
        Some(After::Rerun) => reset(state, plan, &Ranges::one(task), at),
        Some(After::Skip { .. }) => finish(state, plan, task, TaskEvent::Skipped, at),
        Some(After::Succeed { .. }) => force(state, plan, task, at),
        Some(After::Cancel { .. } | After::TimeOut) | None => {
            finish(state, plan, task, TaskEvent::Canceled, at);
        }
    }
}

/// A task has ended: what follows it learns of that.
fn finish(state: &mut State, plan: &Plan, task: u32, event: TaskEvent, at: Timestamp) {
    let was = state.tasks.phase(task);
    let Some(next) = task_next(was, event) else {
        return;
    };
    forget_waits(state, task, at);
    free_slot(state, task, at);
    state.tasks.set_phase(task, next);
    if matches!(event, TaskEvent::Succeeded | TaskEvent::Skipped) {
        mapped::begin_anew(state, task);
    }
    if !was.is_terminal() {
        upstream::propagate(state, plan, task, at);
    }
}

/// A task has picked among those below: what it did not pick sees it as skipped.
fn chose(state: &mut State, plan: &Plan, task: u32, branch: u32, at: Timestamp) {
    if state.tasks.phase(task) == Phase::Queued {
        state.chosen.insert(task, branch);
        finish(state, plan, task, TaskEvent::Succeeded, at);
    }
}

/// A person has let the run go on at this task, or not.
fn answered(state: &mut State, plan: &Plan, task: u32, approved: bool, at: Timestamp) {
    if state.tasks.phase(task) != Phase::Queued {
        return;
    }
    if approved {
        finish(state, plan, task, TaskEvent::Succeeded, at);
    } else {
        fail_without_job(state, plan, task, at);
    }
}

fn fail_without_job(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    finish(state, plan, task, TaskEvent::Failed, at);
    announce(state, plan, News::TaskFailed(state.current(task)), at);
}

/// Somebody has decided that it succeeded.
fn force(state: &mut State, plan: &Plan, task: u32, at: Timestamp) {
    state.not_by_itself.insert(task);
    finish(state, plan, task, TaskEvent::Succeeded, at);
}

fn forget_waits(state: &mut State, task: u32, at: Timestamp) {
    dependent::end(state, task, at);
    state.timeouts.remove(task);
    state.ready.remove(&task);
    state.parked.remove(task);
    state.holds.remove(task);
}

/// Only where the workflow asks for it: nobody else's outbox holds any of it.
fn announce(state: &mut State, plan: &Plan, news: News, at: Timestamp) {
    if plan.workflow().notify.contains(&news.occasion()) {
        state.outbox.add(EffectKey::Announce(news), at);
    }
}

fn time_out(state: &mut State, plan: &Plan, task: Option<u32>, stopped: bool, at: Timestamp) {
    let of_run = News::RunLate(state.listed);
    let late = task.map_or(of_run, |task| News::TaskLate(state.current(task)));
    announce(state, plan, late, at);
    if let Some(task) = task {
        state.timeouts.remove(task);
        if stopped && (plan.is_approval(task) || plan.is_dependent(task)) {
            state.not_by_itself.insert(task);
            fail_without_job(state, plan, task, at);
        } else if stopped {
            ask_cancel(state, task, &After::TimeOut, at);
        }
        return;
    }
    state.timeout = None;
    if stopped {
        stop_all(state, &Cause::Timeout, at);
    }
}

/// Everything that has not ended is stopped: what has a job is canceled, the rest ends at once.
fn stop_all(state: &mut State, cause: &Cause, at: Timestamp) {
    if state.stopping.is_some() {
        return;
    }
    state.stopping = Some(cause.clone());
    if *cause != Cause::FailureStrategy {
        turn(state, RunEvent::CancelAsked, at);
    }
    for task in state.tasks.indices() {
        let phase = state.tasks.phase(task);
        if phase.is_active() {
            ask_cancel(
                state,
                task,
                &After::Cancel {
                    cause: cause.clone(),
                },
                at,
            );
        } else if !phase.is_terminal() {
            forget_waits(state, task, at);
            free_slot(state, task, at);
            state.tasks.set_phase(task, Phase::Canceled);
        }
    }
}

pub(super) fn ask_cancel(state: &mut State, task: u32, then: &After, at: Timestamp) {
    let phase = state.tasks.phase(task);
    if let Some(next) = task_next(phase, TaskEvent::CancelAsked) {
        state.tasks.set_phase(task, next);
        if !mapped::stop(state, task, at) {
            let current = state.current(task);
            state.outbox.remove(&EffectKey::Dispatch(current));
            state.outbox.add(EffectKey::Cancel(current), at);
        }
    } else if phase != Phase::Canceling {
        return;
    }
    state.timeouts.remove(task);
    state.canceling.insert(task, then.clone());
}

/// Somebody decided of a task that has no job.
fn decide(state: &mut State, plan: &Plan, task: u32, then: &After, at: Timestamp) {
    if state.tasks.phase(task).is_active() {
        return;
    }
    match then {
        After::Cancel { .. } | After::TimeOut => finish(state, plan, task, TaskEvent::Canceled, at),
        After::Succeed { .. } => force(state, plan, task, at),
        After::Skip { .. } => finish(state, plan, task, TaskEvent::Skipped, at),
        After::Rerun => reset(state, plan, &Ranges::one(task), at),
    }
}

fn held(state: &mut State, tasks: &Ranges, hold: &Hold) {
    if tasks.is_empty() {
        state.hold = Some(hold.clone());
    }
    for task in tasks.iter() {
        state.holds.insert(task, hold.clone());
    }
}

fn release(state: &mut State, tasks: &Ranges) {
    if tasks.is_empty() {
        state.hold = None;
    }
    for task in tasks.iter() {
        state.holds.remove(task);
    }
}

pub(super) fn reopen(state: &mut State, plan: &Plan, at: Timestamp) {
    (state.ended, state.cause) = (None, None);
    if state.concurrency(plan) == Concurrency::Parallel {
        turn(state, RunEvent::Reopened, at);
        state.started = Some(Time(at));
        state.timeout = due(plan.workflow().timeout, at);
    } else {
        turn(state, RunEvent::Requeued, at);
        knock(state, plan, at);
    }
}
