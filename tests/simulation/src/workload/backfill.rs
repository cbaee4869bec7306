//! Backfills that clients ask for.

use std::time::Duration;

use porpoise_engine::backfill::{AfterFailure, Dates, Dependents, Levels, NewBackfill};
use porpoise_engine::effect::Trigger;
use porpoise_engine::input::BackfillCommand;
use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::workflow::{Kind, Task, Workflow};
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
        let waited_for = chance.happens(0.5);
        if waited_for {
            self.add_dependents(workflow, chance);
        }
        for _ in 0..chance.between(1, 2) {
            let begin = crate::world::BEGIN;
            let at = begin + chance.below(span as u64) as i64;
            let mut new = backfill(id, workflow, at, chance);
            if waited_for && chance.happens(0.8) {
                new.dependents = Some(Dependents {
                    levels: *chance.pick(&[Levels::Direct, Levels::All, Levels::All]),
                    found: Vec::new(),
                });
            }
            let backfill = new.backfill;
            self.actions
                .push((at, Action::Backfill(Box::new(new), applied)));
            for _ in 0..chance.below(if waited_for { 2 } else { 4 }) {
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

    /// One to four workflows that wait for this one, or for each other.
    fn add_dependents(&mut self, of: &Workflow, chance: &mut Chance) {
        let mut waited_for = vec![of.name.clone()];
        for number in 0..chance.between(1, 4) {
            let title = format!("{} dependent {number}", of.name);
            let count = chance.between(1, 4);
            let mut workflow = self.workflow(&title, count, chance);
            let needs = (0..chance.between(1, 2)).map(|_| {
                let last = chance.happens(0.4).then(|| waited_for.last()).flatten();
                let upstream = last.unwrap_or_else(|| chance.pick(&waited_for)).clone();
                Need::Runs(Box::new(Runs {
                    project: None,
                    workflow: upstream,
                    part: Part::Whole,
                    period: Period::Today,
                    only_scheduled: false,
                }))
            });
            let kind = Kind::Dependent {
                needs: Need::All(needs.collect()),
                timezone: None,
                failure_wait: Duration::ZERO,
            };
            let at = chance.index(workflow.tasks.len());
            let after = std::mem::take(&mut workflow.tasks[at].after);
            workflow.tasks[at] = Task::new(workflow.tasks[at].name.clone(), kind);
            workflow.tasks[at].after = after;
            let at = crate::world::BEGIN + chance.below(10 * SECOND as u64) as i64;
            self.apply(at, &workflow);
            waited_for.push(workflow.name);
        }
    }
}

fn backfill(id: WorkflowId, workflow: &Workflow, at: i64, chance: &mut Chance) -> NewBackfill {
    let backfill = BackfillId::of_command(command_id(chance));
    let mut like = new_run(id, workflow, at, chance);
    like.run = RunId::from_bytes(*backfill.as_bytes());
    like.trigger = Trigger::Backfill {
        backfill,
        dependent: None,
    };
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
        dependents: None,
    }
}
