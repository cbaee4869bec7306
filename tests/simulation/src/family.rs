//! Runs that attempts of other runs have made: who made which, how they ended, and that those above say the same.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_engine::Plan;
use porpoise_engine::effect::{Attempt, NewRun, Trigger};
use porpoise_engine::run::RunFact;
use porpoise_model::{Cause, RunId, RunState};

use crate::mapped::Mappings;
use crate::naive::{Naive, Wrong};

const CHILDREN: &str = "one-run-per-attempt";

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Families {
    made: BTreeMap<(RunId, Attempt), RunId>,
    /// In which states each run has ended: several, where it was rerun.
    ended: BTreeMap<RunId, BTreeSet<RunState>>,
    /// Attempts that ended as the runs did that they had made.
    told: u64,
    mapped: Mappings,
}

impl Families {
    /// A run is created.
    pub(crate) fn created(&mut self, new: &NewRun) -> Result<(), Wrong> {
        let Trigger::Parent {
            run,
            attempt,
            above,
        } = &new.trigger
        else {
            return Ok(());
        };
        if attempt.element().is_some() {
            self.mapped.created(*run, *attempt, new)?;
        }
        if let Some(other) = self.made.insert((*run, *attempt), new.run) {
            let what = format!("{attempt:?} of {run} has runs {other} and {}", new.run);
            return Err((CHILDREN, what));
        }
        if above.contains(&new.workflow) {
            let what = format!("{} runs below itself", new.workflow_name);
            return Err((CHILDREN, what));
        }
        Ok(())
    }

    /// A run says something of itself or of its attempts. `naive` has not read it yet.
    pub(crate) fn read(
        &mut self,
        run: RunId,
        plan: &Plan,
        fact: &RunFact,
        naive: &Naive,
    ) -> Result<(), Wrong> {
        if let Some((element, how)) = self.mapped.read(run, plan, fact, naive)? {
            return self.over(run, element, &[how]);
        }
        let alone = |task: u32| plan.is_workflow(task) && plan.each(task).is_none();
        let attempt = |task: u32| Attempt::of(task, naive.stake(task).0);
        match fact {
            RunFact::Ended { state, .. } => {
                self.mapped.ended(run);
                self.ended.entry(run).or_default().insert(*state);
            }
            RunFact::Discarded => {
                self.mapped.ended(run);
                let ended = self.ended.entry(run).or_default();
                ended.insert(RunState::Canceled);
            }
            RunFact::Succeeded { task, .. } if alone(*task) => {
                return self.over(run, attempt(*task), &[RunState::Succeeded]);
            }
            RunFact::Failed {
                task,
                cause: Cause::Child { .. } | Cause::Timeout,
                ..
            } if alone(*task) => {
                let bad = [RunState::Failed, RunState::Canceled];
                return self.over(run, attempt(*task), &bad);
            }
            RunFact::Canceled { task, .. } if alone(*task) => {
                return self.over(run, attempt(*task), &[RunState::Canceled]);
            }
            _ => {}
        }
        Ok(())
    }

    /// An attempt ends, so the run that it has made has ended like that. It may have none: what cannot be created cannot
    /// be stopped.
    fn over(&mut self, run: RunId, attempt: Attempt, how: &[RunState]) -> Result<(), Wrong> {
        let Some(child) = self.made.get(&(run, attempt)) else {
            if how.contains(&RunState::Succeeded) {
                let what = format!("{attempt:?} of {run} succeeded without a run");
                return Err((CHILDREN, what));
            }
            return Ok(());
        };
        let ended = self.ended.get(child);
        if ended.is_some_and(|ended| how.iter().any(|state| ended.contains(state))) {
            self.told += 1;
            return Ok(());
        }
        let what = format!("{attempt:?} of {run} ended, its run {child} is {ended:?}");
        Err((CHILDREN, what))
    }
}
