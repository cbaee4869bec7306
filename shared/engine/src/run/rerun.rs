//! The fold of a rerun: tasks go back to the beginning.

use jiff::Timestamp;
use porpoise_model::limits::RETRIES_MAX;

use super::child;
use super::dependent;
use super::evolve::{ask_cancel, reopen};
use super::fact::After;
use super::mapped;
use super::ranges::Ranges;
use super::slot::free_slot;
use super::state::State;
use super::tasks::Phase;
use super::transition::{TaskEvent, task_next};
use super::upstream;
use crate::Plan;

/// Tasks run again. Those that still have a job are stopped first; the rest is reset together.
pub(super) fn rerun(state: &mut State, plan: &Plan, tasks: &Ranges, at: Timestamp) {
    let (active, idle): (Vec<u32>, Vec<u32>) = tasks
        .iter()
        .partition(|task| state.tasks.phase(*task).is_active());
    for task in active {
        ask_cancel(state, task, &After::Rerun, at);
    }
    let over = state.run_state().is_terminal();
    reset(state, plan, &idle.into_iter().collect(), at);
    if over {
        reopen(state, plan, at);
        dependent::stir(state, at);
    }
}

/// Tasks without a job go back to the beginning, and what waits below them waits again.
pub(super) fn reset(state: &mut State, plan: &Plan, tasks: &Ranges, at: Timestamp) {
    let mut again: Vec<u32> = Vec::new();
    mapped::reset(state, plan, tasks);
    for task in tasks.iter() {
        state
            .base
            .insert(task, state.tasks.attempts(task).min(u32::MAX - RETRIES_MAX));
        state.outputs.remove(&task);
        child::anew(state, task);
        back_to_pending(state, task, at);
        again.push(task);
    }
    let below: Vec<u32> = again
        .iter()
        .flat_map(|task| plan.downstream(*task))
        .copied()
        .collect();
    for task in &below {
        let waits = matches!(state.tasks.phase(*task), Phase::Queued | Phase::UpForRetry);
        if waits && !upstream::holds(state, plan, *task) {
            back_to_pending(state, *task, at);
        }
    }
    upstream::refresh(state, plan, again.into_iter().chain(below), at);
}

fn back_to_pending(state: &mut State, task: u32, at: Timestamp) {
    free_slot(state, task, at);
    dependent::end(state, task, at);
    state.ready.remove(&task);
    state.parked.remove(task);
    state.timeouts.remove(task);
    state.chosen.remove(&task);
    state.not_by_itself.remove(&task);
    if let Some(next) = task_next(state.tasks.phase(task), TaskEvent::Reset) {
        state.tasks.set_phase(task, next);
    }
}
