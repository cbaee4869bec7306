//! Backfills that clients ask for.

use porpoise_engine::backfill::{AfterFailure, Dates, NewBackfill};
use porpoise_engine::effect::Trigger;
use porpoise_engine::input::BackfillCommand;
use porpoise_model::workflow::Workflow;
use porpoise_model::{BackfillId, RunId, WorkflowId};

use super::{Action, Workload, command_id, new_run};
use crate::random::Chance;
use crate::world::{SECOND, micros};

/// Dates of one, at the most.
const DATES: u64 = 9;

impl Workload {
    /// One or two of a workflow, and what people want of them.
    pub(super) fn add_backfills(
        &mut self,
        id: WorkflowId,
        workflow: &Workflow,
        applied: usize,
        span: i64,
        chance: &mut Chance,
    ) {
        for _ in 0..chance.between(1, 2) {
            let begin = crate::world::BEGIN;
            let at = begin + chance.below(span as u64) as i64;
            let new = backfill(id, workflow, at, chance);
            let backfill = new.backfill;
            self.actions
                .push((at, Action::Backfill(Box::new(new), applied)));
            for _ in 0..chance.below(4) {
                let what = chance.weighted(&[
                    (3, BackfillCommand::Pause),
                    (3, BackfillCommand::Resume),
                    (2, BackfillCommand::Kill),
                ]);
                let at = at + chance.log_between(1, span as u64) as i64;
                self.actions
                    .push((at, Action::Steer(command_id(chance), backfill, what)));
            }
        }
    }
}

fn backfill(id: WorkflowId, workflow: &Workflow, at: i64, chance: &mut Chance) -> NewBackfill {
    let backfill = BackfillId::of_command(command_id(chance));
    let mut like = new_run(id, workflow, at, chance);
    like.run = RunId::from_bytes(*backfill.as_bytes());
    like.trigger = Trigger::Backfill { backfill };
    let zone = chance.pick(&["UTC", "Europe/Berlin"]);
    (*zone).clone_into(&mut like.timezone);
    let count = chance.below(DATES + 1) as i64;
    let day = 24 * 3_600 * SECOND;
    let first = crate::world::BEGIN - 40 * day;
    let dates = if count > 0 && chance.happens(0.6) {
        Dates::Range {
            from: micros(first - first % SECOND),
            to: micros(first - first % SECOND + (count - 1) * day),
            cron: (*chance.pick(&["0 0 * * *", "30 2 * * *"])).to_owned(),
            calendar: None,
        }
    } else {
        let day_of = |chance: &mut Chance| micros(first + chance.below(60) as i64 * day);
        Dates::list((0..count).map(|_| day_of(chance)).collect())
    };
    NewBackfill {
        backfill,
        like,
        dates,
        descending: chance.happens(0.4),
        parallel: chance.between(1, 4) as u32,
        after_failure: *chance.pick(&[
            AfterFailure::Stop,
            AfterFailure::Continue,
            AfterFailure::Continue,
        ]),
    }
}
