//! The naive reading against the engine's fold.

use porpoise_engine::effect::{Attempt, EffectKey};
use porpoise_engine::run::{Phase, State};

use super::{End, Naive, Wrong};

impl Naive {
    /// The slots of what ended in this record are on their way back.
    pub(crate) fn slots_return(&mut self, state: &State) -> Result<(), Wrong> {
        let on_its_way = |attempt: &Attempt| state.outbox.contains(&EffectKey::FreeSlot(*attempt));
        match self
            .returning
            .drain(..)
            .find(|attempt| !on_its_way(attempt))
        {
            Some(kept) => Err((
                "slots-balance",
                format!("{kept:?} ended and keeps its slots"),
            )),
            None => Ok(()),
        }
    }

    /// Whether more may start for the attempt of a task that is under way.
    pub(crate) fn may_go_on(&self, task: u32) -> bool {
        let task = self.tasks.get(task as usize);
        let free = task.is_some_and(|task| task.active && task.then.is_none());
        free && self.live && !self.stopping && !self.paused && !self.held
    }

    /// Compares every task with the engine's fold.
    pub(crate) fn compare(&self, state: &State) -> Result<(), Wrong> {
        let live = !state.tasks.is_empty();
        for (at, task) in (0_u32..).zip(&self.tasks).filter(|_| live) {
            let phase = state.tasks.phase(at);
            let same = match task.end {
                Some(End::Success) => phase.is_success(),
                Some(End::Failure) => phase.is_failure(),
                Some(End::Skip) if task.left_out => phase == Phase::LeftOut,
                Some(End::Skip) => phase == Phase::Skipped,
                None if task.active => phase.is_active(),
                None if task.ready => matches!(phase, Phase::Queued | Phase::UpForRetry),
                None => phase == Phase::Pending,
            };
            if !same || state.tasks.attempts(at) != task.attempts {
                let what = format!("task {at} is {phase:?} in the fold, by its facts {task:?}");
                return Err(("log-is-truth", what));
            }
        }
        if self.ended != state.run_state().is_terminal() {
            let what = format!("the fold says {}, the facts {self:?}", state.run_state());
            return Err(("log-is-truth", what));
        }
        Ok(())
    }
}
