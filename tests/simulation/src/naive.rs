//! A run as a naive reader of its facts understands it: a second opinion on the engine's fold, written apart from it.

mod again;
mod compare;
mod rule;

use std::collections::BTreeSet;
use std::sync::Arc;

use porpoise_engine::Plan;
use porpoise_engine::effect::{Attempt, NewRun};
use porpoise_engine::run::RunFact;
use porpoise_engine::run::fact::After;
use porpoise_model::workflow::Concurrency;
use porpoise_model::{Cause, RunId};
use porpoise_ports::executor::JobState;

use crate::target::{self, Target};
use rule::Says;

/// An invariant, and what is wrong.
pub(crate) type Wrong = (&'static str, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Success,
    Failure,
    Skip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Cancel,
    TimeOut,
    Succeed,
    Skip,
    Rerun,
}

#[derive(Debug, Clone, Default)]
struct Task {
    attempts: u32,
    active: bool,
    ready: bool,
    held: bool,
    end: Option<End>,
    then: Option<Then>,
    /// Whether its next or current attempt has its slots; `None`: it asked for none.
    slot: Option<bool>,
    /// The number of the attempt that the slots were asked for.
    asked_for: u32,
    /// Its end came from what happened above it, and not from itself.
    could_not_run: bool,
    /// The branch that it picked.
    picked: Option<usize>,
    /// The run was started without it, and it was not run since.
    left_out: bool,
    /// It waits for runs of other workflows.
    awaits: bool,
}

impl Task {
    /// The slots go back. A number that asked for slots and was not dispatched is never used again.
    fn free(&mut self) {
        if self.slot.take().is_some() {
            self.attempts = self.attempts.max(self.asked_for);
        }
    }
}

/// A run, naively.
#[derive(Debug, Clone)]
pub(crate) struct Naive {
    run: RunId,
    plan: Arc<Plan>,
    pub(crate) serial: bool,
    dry: bool,
    only: Option<Vec<u32>>,
    begun: bool,
    /// Let in at least once: its tasks exist.
    entered: bool,
    /// Let in, and not over.
    pub(crate) live: bool,
    pub(crate) ended: bool,
    stopping: bool,
    paused: bool,
    held: bool,
    tasks: Vec<Task>,
    /// The largest number of an attempt when the run was last edited.
    highest: u32,
    /// Positions and numbers of all attempts that were ever made: their keys are made of these.
    made: BTreeSet<(u32, u32)>,
    /// Attempts of this record that ended and had slots.
    returning: Vec<Attempt>,
}

impl Naive {
    pub(crate) fn new(new: &NewRun, plan: &Arc<Plan>) -> Self {
        let concurrency = new.concurrency.unwrap_or(plan.workflow().concurrency);
        Self {
            run: new.run,
            plan: Arc::clone(plan),
            serial: concurrency != Concurrency::Parallel,
            dry: new.dry_run,
            only: new.only.as_ref().map(|only| only.iter().collect()),
            begun: false,
            entered: false,
            live: false,
            ended: false,
            stopping: false,
            paused: false,
            held: false,
            tasks: Vec::new(),
            highest: 0,
            made: BTreeSet::new(),
            returning: Vec::new(),
        }
    }

    /// The attempt that a task is at, and whether it fails for good if that fails and no other is to follow.
    pub(crate) fn stake(&self, task: u32) -> (u32, bool) {
        let task = self.tasks.get(task as usize);
        task.map_or((0, false), |task| {
            let failing = matches!(task.then, None | Some(Then::TimeOut));
            (task.attempts, failing)
        })
    }

    /// Whether a task is under way, and whether it runs again after that.
    pub(crate) fn again(&self, task: u32) -> (bool, bool) {
        let task = self.tasks.get(task as usize);
        task.map_or((false, false), |task| {
            (task.active, matches!(task.then, Some(Then::Rerun)))
        })
    }

    pub(crate) fn read(&mut self, fact: &RunFact, target: &Target) -> Result<(), Wrong> {
        if self.ended {
            Self::may_follow_the_end(fact)?;
        }
        match fact {
            RunFact::Created(_) => {
                return Err(("log-is-truth", "the run is created twice".to_owned()));
            }
            RunFact::Begun { .. } => {
                if std::mem::replace(&mut self.begun, true) {
                    return Err(("log-is-truth", "the run begins twice".to_owned()));
                }
                if !self.serial {
                    self.admit();
                }
            }
            RunFact::Admitted => self.admit(),
            RunFact::Discarded => self.end(),
            RunFact::SlotsAsked { tasks } => tasks.iter().for_each(|t| {
                let task = &mut self.tasks[t as usize];
                (task.slot, task.asked_for) = (Some(false), task.attempts + 1);
            }),
            RunFact::SlotsGranted { tasks } => tasks.iter().for_each(|t| {
                let task = &mut self.tasks[t as usize];
                task.slot = task.slot.map(|_| true);
            }),
            RunFact::Dispatched { tasks } => {
                for task in tasks.iter() {
                    self.dispatched(task)?;
                }
            }
            RunFact::Mapped { task, .. } => self.dispatched(*task)?,
            RunFact::PassedDry { tasks } => {
                for task in tasks.iter() {
                    self.may_start(task)?;
                    if !self.dry {
                        return Err(("dependencies-first", "passed dry in earnest".to_owned()));
                    }
                    self.finish(task, End::Success);
                }
            }
            RunFact::Chose { task, branch } => self.chose(*task, *branch as usize)?,
            RunFact::Awaits { tasks } => tasks.iter().try_for_each(|task| self.awaits(task))?,
            RunFact::Met { task } => self.awaited(*task, End::Success)?,
            RunFact::Failed {
                task,
                cause: Cause::Unmet { .. },
                ..
            } => self.awaited(*task, End::Failure)?,
            RunFact::Started {
                task, external_id, ..
            } => self.started(*task, external_id, target)?,
            RunFact::Succeeded {
                task,
                started,
                ended,
                ..
            } => {
                let said = |state: &target::State| {
                    matches!(state, target::State::Ended(JobState::Succeeded { started: s, ended: e, .. })
                        if s == started && e == ended)
                };
                if !self.plan.is_workflow(*task) {
                    self.over(*task, target, said, "succeeded")?;
                }
                match self.close(*task) {
                    Some(Then::Rerun) => self.reset(&[*task]),
                    Some(Then::Skip) => self.finish(*task, End::Skip),
                    _ => self.finish(*task, End::Success),
                }
            }
            RunFact::Failed {
                task,
                cause,
                retry,
                ended,
                ..
            } => self.failed(*task, cause, retry.is_some(), *ended, target)?,
            RunFact::Canceled { task, .. } => {
                // A target that forgot it, or never heard of it, may say nothing more.
                let said = |state: &target::State| {
                    matches!(
                        state,
                        target::State::Ended(JobState::Canceled { .. }) | target::State::Forgotten
                    )
                };
                self.over(*task, target, said, "canceled")?;
                match self.close(*task) {
                    Some(Then::Rerun) => self.reset(&[*task]),
                    Some(Then::Skip) => self.finish(*task, End::Skip),
                    Some(Then::Succeed) => self.finish(*task, End::Success),
                    _ => self.finish(*task, End::Failure),
                }
            }
            RunFact::Answered {
                tasks, approved, ..
            } => {
                for task in tasks.iter() {
                    self.answered(task, *approved)?;
                }
            }
            RunFact::TimedOut {
                task: Some(task),
                stopped: true,
            } if self.asks(*task) || self.depends(*task) => self.finish(*task, End::Failure),
            RunFact::TimedOut {
                task: Some(task),
                stopped: true,
            } => self.tasks[*task as usize].then = Some(Then::TimeOut),
            RunFact::TimedOut {
                task: None,
                stopped: true,
            }
            | RunFact::Stopping { .. } => self.stop(),
            RunFact::Pausing => self.paused = true,
            RunFact::Resumed => self.paused = false,
            RunFact::CancelAsked { tasks, then } => {
                for task in tasks.iter() {
                    let task = &mut self.tasks[task as usize];
                    if task.active {
                        task.then = Some(of(then));
                    }
                }
            }
            RunFact::Decided { tasks, then } => {
                for task in tasks.iter() {
                    self.decided(task, of(then));
                }
            }
            RunFact::Held { tasks, .. } => {
                self.held |= tasks.is_empty();
                tasks.iter().for_each(|t| self.hold(t, true));
            }
            RunFact::Released { tasks } => {
                self.held &= !tasks.is_empty();
                tasks.iter().for_each(|t| self.hold(t, false));
            }
            RunFact::Rerun { tasks } => self.rerun(tasks.iter()),
            RunFact::Recovered { tasks, .. } => {
                self.may_recover(tasks)?;
                self.rerun(tasks.iter());
            }
            RunFact::Ended { state, cause } => {
                self.may_end(*state, cause.as_ref())?;
                let open = self.tasks.iter().position(|t| t.end.is_none() || t.active);
                if let Some(open) = open.filter(|_| self.entered) {
                    let task = &self.tasks[open];
                    return Err((
                        "log-is-truth",
                        format!("the run ends while task {open} does not: {task:?}"),
                    ));
                }
                self.end();
            }
            RunFact::GateWaiting
            | RunFact::LeftGate { .. }
            | RunFact::SlotsQueued { .. }
            | RunFact::SlotFreed { .. }
            | RunFact::Accepted { .. }
            | RunFact::Waiting { .. }
            | RunFact::TimedOut { stopped: false, .. }
            | RunFact::Commanded { .. }
            | RunFact::Paused
            | RunFact::Child { .. }
            | RunFact::ElementsStarted { .. }
            | RunFact::Element { .. }
            | RunFact::ElementEnded { .. }
            | RunFact::Turned { .. }
            | RunFact::WentOn { .. }
            | RunFact::LooksAgain { .. }
            | RunFact::Watched { .. }
            | RunFact::Found { .. }
            // Read with the version that it brings.
            | RunFact::Edited(_)
            | RunFact::Done { .. } => {}
        }
        Ok(())
    }

    fn hold(&mut self, task: u32, held: bool) {
        // Before the run begins its tasks are not there yet: what is held then is known by the plan's size.
        // (nothing else of them counts before.)
        if self.tasks.is_empty() {
            self.tasks = vec![Task::default(); self.plan.len() as usize];
        }
        self.tasks[task as usize].held = held;
    }

    fn admit(&mut self) {
        if self.tasks.is_empty() {
            self.tasks = vec![Task::default(); self.plan.len() as usize];
        }
        self.live = true;
        if !std::mem::replace(&mut self.entered, true) {
            self.leave_out();
        }
        self.look(0..self.plan.len());
    }

    fn leave_out(&mut self) {
        let Some(only) = &self.only else {
            return;
        };
        for (at, task) in (0_u32..).zip(&mut self.tasks) {
            if !only.contains(&at) {
                (task.end, task.left_out) = (Some(End::Skip), true);
            }
        }
    }

    fn end(&mut self) {
        (self.ended, self.live) = (true, false);
        (self.stopping, self.paused, self.held) = (false, false, false);
        self.tasks.iter_mut().for_each(|task| task.held = false);
    }

    fn may_start(&self, at: u32) -> Result<(), Wrong> {
        let task = &self.tasks[at as usize];
        let wrong = |why: &str| {
            Err((
                "dependencies-first",
                format!("task {at} is dispatched although {why}: {task:?}"),
            ))
        };
        if !self.live {
            return wrong("its run is not let in");
        }
        if self.stopping || self.paused || self.held || task.held {
            return wrong("it is stopped, paused or held");
        }
        if task.active {
            return wrong("it has an attempt under way");
        }
        if task.end.is_some() {
            return wrong("it is over");
        }
        if !task.ready {
            return wrong("its trigger rule does not hold");
        }
        Ok(())
    }

    fn dispatched(&mut self, at: u32) -> Result<(), Wrong> {
        self.may_start(at)?;
        if self.asks(at) || self.depends(at) {
            let what = format!("task {at} is dispatched, and has no job");
            return Err(("dependencies-first", what));
        }
        let pool = self.plan.has_pool(at);
        let task = &mut self.tasks[at as usize];
        if pool && task.slot != Some(true) {
            let what = format!("task {at} is dispatched without slots: {task:?}");
            return Err(("slots-balance", what));
        }
        task.attempts += 1;
        task.active = true;
        let number = task.attempts;
        if !self.made.insert((at, number)) {
            let what = format!("task {at} has attempt {number} twice, with one key");
            return Err(("one-job-per-attempt", what));
        }
        Ok(())
    }

    /// Whether an attempt is under way: only then its job may start.
    pub(crate) fn under_way(&self, task: u32, attempt: u32) -> bool {
        let task = self.tasks.get(task as usize);
        task.is_some_and(|task| task.active && task.attempts == attempt)
    }

    fn started(&self, task: u32, external_id: &str, target: &Target) -> Result<(), Wrong> {
        let attempt = self.tasks[task as usize].attempts;
        let known = target.behind(external_id);
        let its = known.is_some_and(|k| k.task == task && k.attempt == attempt);
        if its {
            return Ok(());
        }
        let what = format!("task {task} attempt {attempt} is said to run as {external_id}");
        Err(("terminal-is-final", what))
    }

    /// An attempt ends: it was under way, and its target says the same.
    fn over(
        &self,
        at: u32,
        target: &Target,
        said: impl Fn(&target::State) -> bool,
        how: &str,
    ) -> Result<(), Wrong> {
        let task = &self.tasks[at as usize];
        if !task.active {
            let what = format!("task {at} {how} although it has no attempt: {task:?}");
            return Err(("terminal-is-final", what));
        }
        let known = target.of((self.run, at, task.attempts));
        match known.map(|known| &known.state) {
            None if how == "succeeded" => Err((
                "terminal-is-final",
                format!("task {at} {how} without a job: {task:?}"),
            )),
            Some(state) if !said(state) => Err((
                "terminal-is-final",
                format!("task {at} {how}, its job says {state:?}: {task:?}"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    fn failed(
        &mut self,
        at: u32,
        cause: &Cause,
        retried: bool,
        when: jiff::Timestamp,
        target: &Target,
    ) -> Result<(), Wrong> {
        if let Cause::Unresolved { .. } = cause {
            self.finish(at, End::Failure);
            return Ok(());
        }
        let said = |state: &target::State| match (cause, state) {
            (Cause::Lost, target::State::Forgotten) => true,
            (
                Cause::Exit { .. } | Cause::Timeout,
                target::State::Ended(JobState::Failed { ended, .. }),
            ) => *ended == when,
            (Cause::Timeout, target::State::Ended(JobState::Canceled { .. })) => true,
            (Cause::Timeout, target::State::Forgotten) => true,
            _ => false,
        };
        self.over(at, target, said, "failed")?;
        let then = self.close(at);
        match then {
            Some(Then::Rerun) => self.reset(&[at]),
            Some(Then::Skip) => self.finish(at, End::Skip),
            Some(Then::Succeed) => self.finish(at, End::Success),
            Some(Then::Cancel) => self.finish(at, End::Failure),
            Some(Then::TimeOut) | None if retried => {}
            Some(Then::TimeOut) | None => self.finish(at, End::Failure),
        }
        Ok(())
    }

    fn close(&mut self, at: u32) -> Option<Then> {
        let task = &mut self.tasks[at as usize];
        task.active = false;
        if task.slot.is_some() {
            self.returning.push(Attempt::of(at, task.attempts));
        }
        task.free();
        task.then.take()
    }

    fn decided(&mut self, at: u32, then: Then) {
        let task = &mut self.tasks[at as usize];
        if task.active {
            return;
        }
        match (then, task.end) {
            (Then::Rerun, _) => self.reset(&[at]),
            (Then::Cancel | Then::TimeOut, None) => self.finish(at, End::Failure),
            (Then::Cancel | Then::TimeOut, Some(_)) => {}
            (Then::Succeed | Then::Skip, Some(End::Success)) => {}
            (Then::Skip, _) if self.tasks[at as usize].left_out => {}
            (Then::Succeed, _) => self.finish(at, End::Success),
            (Then::Skip, _) => self.finish(at, End::Skip),
        }
    }

    fn stop(&mut self) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        for task in &mut self.tasks {
            if task.active {
                task.then = Some(Then::Cancel);
            } else if task.end.is_none() {
                (task.end, task.held, task.awaits) = (Some(End::Failure), false, false);
                task.free();
            }
        }
    }

    fn finish(&mut self, at: u32, end: End) {
        let task = &mut self.tasks[at as usize];
        let news = task.end.is_none();
        (task.end, task.held, task.could_not_run) = (Some(end), false, false);
        (task.left_out, task.awaits) = (false, false);
        task.free();
        if news {
            self.spread(at);
        }
    }

    fn spread(&mut self, at: u32) {
        let plan = Arc::clone(&self.plan);
        let mut open = vec![at];
        while let Some(above) = open.pop() {
            for below in plan.downstream(above) {
                if self.apply(*below) {
                    open.push(*below);
                }
            }
        }
    }

    fn look(&mut self, tasks: impl IntoIterator<Item = u32>) {
        for task in tasks {
            if self.apply(task) {
                self.spread(task);
            }
        }
    }

    /// Applies the rule of a task that waits for it; says whether it ended by that.
    fn apply(&mut self, at: u32) -> bool {
        let task = &self.tasks[at as usize];
        if task.end.is_some() || task.ready || task.active {
            return false;
        }
        let end = match self.evaluate(at) {
            Says::Wait => return false,
            Says::Go if self.plan.is_disabled(at) => End::Success,
            Says::Go => {
                self.tasks[at as usize].ready = true;
                return false;
            }
            Says::Ends(end) => end,
        };
        let task = &mut self.tasks[at as usize];
        (task.end, task.held) = (Some(end), false);
        task.could_not_run = end == End::Failure;
        true
    }

    /// Attempts that are under way.
    pub(crate) fn attempts_under_way(&self) -> impl Iterator<Item = Attempt> + '_ {
        let active = (0_u32..).zip(&self.tasks).filter(|(_, task)| task.active);
        active.map(|(at, task)| Attempt::of(at, task.attempts))
    }
}

fn of(then: &After) -> Then {
    match then {
        After::Cancel { .. } => Then::Cancel,
        After::TimeOut => Then::TimeOut,
        After::Succeed { .. } => Then::Succeed,
        After::Skip { .. } => Then::Skip,
        After::Rerun => Then::Rerun,
    }
}
