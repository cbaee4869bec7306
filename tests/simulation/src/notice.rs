//! What people are to be told of runs, by a naive reader of the logs, and what they were told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use porpoise_engine::Plan;
use porpoise_engine::run::RunFact;
use porpoise_model::workflow::Occasion;
use porpoise_model::{RunId, RunState};
use porpoise_ports::notices::{Notice, What};

use crate::naive::{Naive, Wrong};

/// Something of a run: what, and the task and attempt that it is about.
type Matter = (RunId, &'static str, Option<(String, u32)>);

/// What happened, and what of it people know.
#[derive(Debug, Default)]
pub(crate) struct Bulletin {
    /// What was asked for and happened, and when: a run that is run again ends several times.
    happened: BTreeMap<Matter, BTreeSet<Timestamp>>,
    /// Of each run that is over now: its end.
    ends: BTreeMap<RunId, (Matter, Timestamp)>,
    told: BTreeMap<Matter, BTreeSet<Timestamp>>,
}

impl Bulletin {
    /// A fact was recorded; `naive` has not read it yet.
    pub(crate) fn read(
        &mut self,
        run: RunId,
        fact: &RunFact,
        naive: &Naive,
        plan: &Plan,
        at: Timestamp,
    ) {
        let asks = |occasion| plan.workflow().notify.contains(&occasion);
        let named = |task: u32| {
            let name = plan.task(task).map(|task| task.name.to_string());
            name.map(|name| (name, naive.stake(task).0))
        };
        let mut matters = Vec::new();
        // What asks a person fails without an attempt: declined, or not answered in time.
        let failed: Vec<u32> = match fact {
            RunFact::Answered {
                tasks,
                approved: false,
                ..
            } => tasks.iter().collect(),
            RunFact::TimedOut {
                task: Some(task),
                stopped: true,
            } if naive.asks(*task) || naive.depends(*task) => vec![*task],
            _ => Vec::new(),
        };
        if asks(Occasion::TaskFailed) {
            matters.extend(failed.iter().map(|task| (run, "task_failed", named(*task))));
        }
        match fact {
            RunFact::Failed {
                task, retry: None, ..
            } if naive.stake(*task).1 && asks(Occasion::TaskFailed) => {
                matters.push((run, "task_failed", named(*task)));
            }
            RunFact::TimedOut { task, .. } if asks(Occasion::Late) => {
                matters.push((run, "late", task.and_then(named)));
            }
            RunFact::Ended { state, .. } => return self.ended(run, plan, *state, at),
            RunFact::Discarded => return self.ended(run, plan, RunState::Canceled, at),
            RunFact::Rerun { .. } | RunFact::Recovered { .. } | RunFact::Edited(_) => {
                self.ends.remove(&run);
                return;
            }
            _ => {}
        }
        for matter in matters {
            self.happened.entry(matter).or_default().insert(at);
        }
    }

    fn ended(&mut self, run: RunId, plan: &Plan, state: RunState, at: Timestamp) {
        let occasion = Occasion::of_end(state).expect("an end");
        if plan.workflow().notify.contains(&occasion) {
            let matter = (run, occasion.as_str(), None);
            self.happened.entry(matter.clone()).or_default().insert(at);
            self.ends.insert(run, (matter, at));
        }
    }

    /// People hear of it: it happened, just so, and they had asked for it.
    pub(crate) fn told(&mut self, notice: &Notice) -> Result<(), Wrong> {
        let about = match &notice.what {
            What::TaskFailed { task, attempt } | What::TaskLate { task, attempt, .. } => {
                Some((task.clone(), *attempt))
            }
            What::Ended { .. } | What::Late { .. } => None,
        };
        let matter = (notice.run, notice.what.word(), about);
        let happened = self.happened.get(&matter);
        if !happened.is_some_and(|times| times.contains(&notice.at)) {
            return Err(("told-as-it-is", format!("told, and not so: {notice:?}")));
        }
        self.told.entry(matter).or_default().insert(notice.at);
        Ok(())
    }

    /// Everything is at rest: nothing is left to tell. Of ends, that is the last one of each run; of what may happen to a
    /// run again before it could be told, one of the times.
    pub(crate) fn last(&self) -> Result<(), Wrong> {
        let untold = |what: String| Err(("told-as-it-is", format!("nobody was told: {what}")));
        for (matter, at) in self.ends.values() {
            let told = self.told.get(matter);
            if !told.is_some_and(|times| times.contains(at)) {
                return untold(format!("{matter:?} at {at}"));
            }
        }
        let on_the_way = |(_, word, about): &&Matter| about.is_some() || *word == "late";
        let mut untold_matters = self.happened.keys().filter(on_the_way);
        match untold_matters.find(|matter| !self.told.contains_key(*matter)) {
            Some(matter) => untold(format!("{matter:?}")),
            None => Ok(()),
        }
    }
}
