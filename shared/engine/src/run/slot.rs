//! Slots of pools: asked for before an attempt, given back after it.

use jiff::Timestamp;

use super::state::{Slot, SlotStage, State};
use super::tasks::Phase;
use super::transition::{TaskEvent, task_next};
use crate::effect::{Attempt, EffectKey};

pub(super) fn ask_slot(state: &mut State, task: u32, at: Timestamp) {
    if matches!(state.tasks.phase(task), Phase::Queued | Phase::UpForRetry)
        && !state.slots.contains_key(&task)
    {
        let attempt = state.next(task);
        state.ready.remove(&task);
        state.parked.remove(task);
        if let Some(next) = task_next(state.tasks.phase(task), TaskEvent::Ready) {
            state.tasks.set_phase(task, next);
        }
        state.slots.insert(
            task,
            Slot {
                attempt,
                stage: SlotStage::Asked,
            },
        );
        state.outbox.add(EffectKey::AskSlot(attempt), at);
    }
}

pub(super) fn answer_slot(state: &mut State, task: u32, stage: SlotStage) {
    let Some(slot) = state
        .slots
        .get_mut(&task)
        .filter(|slot| slot.stage != SlotStage::Held)
    else {
        return;
    };
    slot.stage = stage;
    state.outbox.remove(&EffectKey::AskSlot(slot.attempt));
    if stage == SlotStage::Held {
        state.parked.remove(task);
        state.ready.insert(task);
    }
}

/// The task no longer needs slots: what it asked for or holds goes back.
pub(super) fn free_slot(state: &mut State, task: u32, at: Timestamp) {
    if let Some(slot) = state.slots.remove(&task) {
        burn(state, task, slot.attempt);
        state.outbox.remove(&EffectKey::AskSlot(slot.attempt));
        state.outbox.add(EffectKey::FreeSlot(slot.attempt), at);
    }
}

/// The number of an attempt that asked for slots and was never dispatched is not used again: a pool could take a late
/// word about the one for a word about the other. It does not count as a try.
fn burn(state: &mut State, task: u32, attempt: Attempt) {
    if attempt.number > state.tasks.attempts(task) {
        state.tasks.next_attempt(task);
        *state.base.entry(task).or_default() += 1;
    }
}
