//! Runs that attempts of other runs have made: who made which, how they ended, and that those above say the same.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_engine::Plan;
use porpoise_engine::effect::{Attempt, NewRun, Trigger};
use porpoise_engine::family::ChildStage;
use porpoise_engine::run::RunFact;
use porpoise_model::{Cause, RunId, RunState};

use crate::mapped::Mappings;
use crate::naive::{Naive, Wrong};

const CHILDREN: &str = "one-run-per-attempt";

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Families {
    made: BTreeMap<(RunId, Attempt), RunId>,
    /// By the run below.
    above: BTreeMap<RunId, RunId>,
    /// In which states each run has ended: several, where it was rerun.
    ended: BTreeMap<RunId, BTreeSet<RunState>>,
    /// How each run ended last.
    last: BTreeMap<RunId, RunState>,
    /// The run that has only just been told to go on for another attempt.
    goes_on: Option<RunId>,
    /// Whose run was heard to have begun, by run above and task.
    began: BTreeSet<(RunId, u32)>,
    /// Of those, what may not have another run made: it is recovered.
    recovered: BTreeSet<(RunId, u32)>,
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
        if self.recovered.contains(&(*run, attempt.task)) {
            let what = format!("{attempt:?} of {run} has another run made, and is recovered");
            return Err((CHILDREN, what));
        }
        self.above.insert(new.run, *run);
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
        self.recoveries(run, plan, fact)?;
        let attempt = |task: u32| Attempt::of(task, naive.stake(task).0);
        match fact {
            RunFact::Ended { state, .. } => {
                self.mapped.ended(run);
                self.ended.entry(run).or_default().insert(*state);
                self.last.insert(run, *state);
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

    /// What failed and is run again goes on with the run that it had.
    fn recoveries(&mut self, run: RunId, plan: &Plan, fact: &RunFact) -> Result<(), Wrong> {
        let alone = |task: u32| plan.is_workflow(task) && plan.each(task).is_none();
        let just = self.goes_on.take();
        match fact {
            RunFact::WentOn { attempt } => {
                let Some(above) = self.above.get(&run) else {
                    return Err((CHILDREN, format!("{run} goes on for {attempt:?} of nobody")));
                };
                if let Some(other) = self.made.insert((*above, *attempt), run) {
                    let what = format!("{attempt:?} of {above} has runs {other} and {run}");
                    return Err((CHILDREN, what));
                }
                // What it says to that attempt is how it stands now, or later.
                let last = self.last.get(&run).copied();
                self.ended.insert(run, last.into_iter().collect());
                self.goes_on = Some(run);
            }
            RunFact::Recovered { tasks, .. } => {
                if just == Some(run) {
                    self.ended.remove(&run);
                }
                let next = tasks.iter().flat_map(|task| plan.downstream(task)).copied();
                let below = plan.with_downstream(&next.collect::<Vec<_>>());
                self.recovered
                    .retain(|(of, task)| *of != run || !tasks.contains(*task));
                let again = tasks.iter().filter(|task| !below.contains(task));
                let again = again.map(|task| (run, task));
                let again = again.filter(|task| self.began.contains(task));
                self.recovered.extend(again.collect::<Vec<_>>());
            }
            RunFact::Rerun { tasks } => tasks.iter().for_each(|task| {
                self.recovered.remove(&(run, task));
            }),
            RunFact::Child {
                task,
                stage: ChildStage::Running | ChildStage::Paused,
                ..
            } if alone(*task) => {
                self.began.insert((run, *task));
            }
            RunFact::Failed {
                task,
                started,
                retry,
                ..
            } if alone(*task) => {
                if started.is_some() {
                    self.began.insert((run, *task));
                }
                if retry.is_some() {
                    self.recovered.remove(&(run, *task));
                }
            }
            RunFact::Succeeded { task, .. } => {
                self.began.remove(&(run, *task));
                self.recovered.remove(&(run, *task));
            }
            RunFact::Edited(_) => {
                self.began.retain(|(of, _)| *of != run);
                self.recovered.retain(|(of, _)| *of != run);
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
