//! Mapped tasks as a naive reader of the logs understands them: what is expanded, what starts, and what has ended.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_engine::Plan;
use porpoise_engine::effect::{Attempt, NewRun};
use porpoise_engine::elements::Elements;
use porpoise_engine::run::RunFact;
use porpoise_engine::run::ranges::Ranges;
use porpoise_model::workflow::{Items, Kind};
use porpoise_model::{Cause, RunId, RunState};

use crate::naive::{Naive, Wrong};

const WINDOW: &str = "one-run-per-element";

type Values = Vec<(String, String)>;

/// An attempt of a mapped task.
#[derive(Debug)]
struct Mapping {
    elements: Vec<Values>,
    parallel: usize,
    started: usize,
    open: BTreeSet<usize>,
    /// Succeeded, in this attempt or before.
    done: BTreeSet<usize>,
    /// Of those, the ones that had when it began.
    kept: BTreeSet<usize>,
    bad: usize,
    /// Runs that were made and have not ended, whether the run above knows it or not.
    living: BTreeSet<RunId>,
}

/// All of them, by run, task and attempt.
#[derive(Debug, Default)]
pub(crate) struct Mappings {
    all: BTreeMap<(RunId, u32, u32), Mapping>,
    /// Whose runs they are.
    of: BTreeMap<RunId, (RunId, u32, u32)>,
    /// What attempts that are over have come to, where another one has to go on with it.
    past: BTreeMap<(RunId, u32), (Vec<Values>, BTreeSet<usize>)>,
    /// Whose latest command recovers what failed.
    recovers: BTreeSet<RunId>,
}

fn wrong(what: String) -> Result<(), Wrong> {
    Err((WINDOW, what))
}

/// Every combination, the last list first in line, without those that are not wanted.
fn combinations(plan: &Plan, task: u32) -> (Vec<Values>, usize) {
    let Some(Kind::Workflow {
        each: Some(each), ..
    }) = plan.task(task).map(|task| &task.kind)
    else {
        return (Vec::new(), 0);
    };
    let mut all: Vec<Values> = vec![Vec::new()];
    for (name, items) in &each.lists {
        let Items::Values(values) = items else {
            return (Vec::new(), 0);
        };
        let mut longer = Vec::new();
        for before in &all {
            for value in values {
                let mut one = before.clone();
                one.push((name.clone(), value.clone()));
                longer.push(one);
            }
        }
        all = longer;
    }
    all.retain(|one| one.iter().all(|(_, value)| !each.without.contains(value)));
    all.truncate(each.at_most as usize);
    (all, each.parallel as usize)
}

impl Mappings {
    /// The run of an element is created.
    pub(crate) fn created(&mut self, above: RunId, at: Attempt, new: &NewRun) -> Result<(), Wrong> {
        let key = (above, at.task, at.number);
        let Some(mapping) = self.all.get_mut(&key) else {
            return wrong(format!(
                "{at:?} of {above} is not mapped, and has {}",
                new.run
            ));
        };
        let element = at.map as usize - 1;
        let Some(values) = mapping.elements.get(element) else {
            return wrong(format!("{at:?} of {above} is beyond all elements"));
        };
        if mapping.kept.contains(&element) {
            return wrong(format!("{at:?} of {above} had succeeded, and runs again"));
        }
        let given = |(name, value): &(String, String)| new.parameters.get(name) == Some(value);
        if !values.iter().all(given) {
            let what = format!("{at:?} of {above} is {values:?}, not {:?}", new.parameters);
            return wrong(what);
        }
        mapping.living.insert(new.run);
        self.of.insert(new.run, key);
        if mapping.living.len() > mapping.parallel {
            let what = format!(
                "{at:?} of {above} has {} runs at once",
                mapping.living.len()
            );
            return wrong(what);
        }
        Ok(())
    }

    /// A run has ended.
    pub(crate) fn ended(&mut self, run: RunId) {
        let key = self.of.get(&run);
        if let Some(mapping) = key.and_then(|key| self.all.get_mut(key)) {
            mapping.living.remove(&run);
        }
    }

    /// A run says something of a mapped task. `naive` has not read it yet. What it gives back is an element whose run
    /// has to have ended like that.
    pub(crate) fn read(
        &mut self,
        run: RunId,
        plan: &Plan,
        fact: &RunFact,
        naive: &Naive,
    ) -> Result<Option<(Attempt, RunState)>, Wrong> {
        match fact {
            RunFact::Mapped {
                task,
                elements,
                kept,
            } => {
                let number = naive.stake(*task).0 + 1;
                let kept = kept.iter().flat_map(Ranges::iter);
                let kept = kept.map(|element| element as usize).collect();
                self.mapped((run, *task, number), plan, elements, kept)?;
            }
            RunFact::Commanded { what, .. } => {
                self.recovers.remove(&run);
                if what == "edit" {
                    self.recovers.insert(run);
                }
            }
            RunFact::Rerun { tasks } => {
                let idle = tasks.iter().filter(|task| !naive.again(*task).0);
                self.rerun(run, plan, &idle.collect::<Vec<_>>(), &Ranges::default());
            }
            RunFact::Recovered { tasks, goes_on } => {
                let goes_on = goes_on.clone().unwrap_or_default();
                self.rerun(run, plan, &tasks.iter().collect::<Vec<_>>(), &goes_on);
            }
            RunFact::Edited(edited) => {
                let goes_on = edited.goes_on.clone().unwrap_or_default();
                self.recovered(run, &goes_on)?;
                let mut moved = BTreeMap::new();
                for (from, to) in edited.moves.pairs() {
                    let past = self.past.remove(&(run, from));
                    moved.extend(past.filter(|_| goes_on.contains(to)).map(|it| (to, it)));
                }
                self.past.retain(|(of, _), _| *of != run);
                let moved = moved.into_iter();
                self.past
                    .extend(moved.map(|(task, past)| ((run, task), past)));
            }
            RunFact::ElementsStarted { task, to } => self.started(run, *task, *to, naive)?,
            RunFact::Element { task, element, .. } => {
                self.open(run, *task, *element, naive)?;
            }
            RunFact::ElementEnded {
                task,
                element,
                state,
                cause,
                ..
            } => {
                let mapping = self.open(run, *task, *element, naive)?;
                mapping.open.remove(&(*element as usize));
                if *state == RunState::Succeeded {
                    mapping.done.insert(*element as usize);
                } else {
                    mapping.bad += 1;
                }
                let attempt = Attempt::of(*task, naive.stake(*task).0).with_element(*element);
                let made = !matches!(cause, Some(Cause::Rejected { .. }));
                return Ok(made.then_some((attempt, *state)));
            }
            RunFact::Succeeded { task, .. } => self.over(run, *task, naive, true)?,
            RunFact::Failed { task, cause, .. } => match cause {
                Cause::Unresolved { .. } | Cause::Unmet { .. } => {}
                _ => self.over(run, *task, naive, false)?,
            },
            RunFact::Canceled { task, .. } => self.over(run, *task, naive, false)?,
            _ => {}
        }
        // What is to run again once it is over does so now.
        if let RunFact::Succeeded { task, .. }
        | RunFact::Failed { task, .. }
        | RunFact::Canceled { task, .. } = fact
            && naive.again(*task) == (true, true)
        {
            self.rerun(run, plan, &[*task], &Ranges::default());
        }
        Ok(None)
    }

    /// Nobody but who edits a run lets its tasks go on in another version.
    fn recovered(&self, run: RunId, goes_on: &Ranges) -> Result<(), Wrong> {
        if goes_on.is_empty() || self.recovers.contains(&run) {
            return Ok(());
        }
        wrong(format!("{run} goes on with {goes_on:?} unasked"))
    }

    /// Tasks are begun anew, and so is all that comes after them, but for those that go on.
    fn rerun(&mut self, run: RunId, plan: &Plan, tasks: &[u32], goes_on: &Ranges) {
        let anew = plan.with_downstream(tasks);
        let anew: BTreeSet<u32> = anew.into_iter().collect();
        let stays = |task: &u32| !anew.contains(task) || goes_on.contains(*task);
        self.past.retain(|(of, task), _| *of != run || stays(task));
    }

    fn mapped(
        &mut self,
        key: (RunId, u32, u32),
        plan: &Plan,
        elements: &Elements,
        kept: BTreeSet<usize>,
    ) -> Result<(), Wrong> {
        let (wanted, parallel) = combinations(plan, key.1);
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let found: Vec<Values> = (0..)
            .map_while(|at| elements.get(at))
            .map(|one| one.into_iter().map(owned).collect())
            .collect();
        if found != wanted {
            return wrong(format!("{key:?} is mapped over {found:?}, not {wanted:?}"));
        }
        let past = self.past.remove(&(key.0, key.1));
        let done = past.filter(|(over, _)| *over == wanted);
        let done = done.map(|(_, done)| done).unwrap_or_default();
        if kept != done {
            return wrong(format!("{key:?} keeps {kept:?}, not {done:?}"));
        }
        let mapping = Mapping {
            elements: wanted,
            parallel,
            started: 0,
            open: BTreeSet::new(),
            done,
            kept,
            bad: 0,
            living: BTreeSet::new(),
        };
        match self.all.insert(key, mapping) {
            None => Ok(()),
            Some(_) => wrong(format!("{key:?} is mapped twice")),
        }
    }

    fn current(&mut self, run: RunId, task: u32, naive: &Naive) -> Result<&mut Mapping, Wrong> {
        let key = (run, task, naive.stake(task).0);
        let found = self.all.get_mut(&key);
        found.ok_or_else(|| (WINDOW, format!("{key:?} is not mapped")))
    }

    fn started(&mut self, run: RunId, task: u32, to: u32, naive: &Naive) -> Result<(), Wrong> {
        let free = naive.may_go_on(task);
        let mapping = self.current(run, task, naive)?;
        let to = to as usize;
        let new = (mapping.started..to).filter(|element| !mapping.kept.contains(element));
        mapping.open.extend(new);
        let forward = to > mapping.started && to <= mapping.elements.len();
        let fits = mapping.open.len() <= mapping.parallel;
        if !free || !forward || !fits || mapping.bad > 0 {
            let what = format!("task {task} of {run} starts to {to}: {free} {mapping:?}");
            return wrong(what);
        }
        mapping.started = to;
        Ok(())
    }

    fn open(
        &mut self,
        run: RunId,
        task: u32,
        element: u32,
        naive: &Naive,
    ) -> Result<&mut Mapping, Wrong> {
        let mapping = self.current(run, task, naive)?;
        if mapping.open.contains(&(element as usize)) {
            return Ok(mapping);
        }
        let what = format!("element {element} of task {task} of {run} is not open: {mapping:?}");
        Err((WINDOW, what))
    }

    /// An attempt ends: none of its elements is open, and it succeeds if all of them have.
    fn over(&mut self, run: RunId, task: u32, naive: &Naive, well: bool) -> Result<(), Wrong> {
        let key = (run, task, naive.stake(task).0);
        let Some(mapping) = self.all.get(&key) else {
            return Ok(());
        };
        let all = mapping.done.len() == mapping.elements.len() && mapping.bad == 0;
        let stopped = !naive.may_go_on(task);
        let right = if well {
            all
        } else {
            mapping.bad > 0 || stopped
        };
        if right && mapping.open.is_empty() {
            self.past.remove(&(run, task));
            if !well && !mapping.done.is_empty() && mapping.done.len() < mapping.elements.len() {
                let past = (mapping.elements.clone(), mapping.done.clone());
                self.past.insert((run, task), past);
            }
            return Ok(());
        }
        wrong(format!("{key:?} is said to end, well {well}: {mapping:?}"))
    }
}
