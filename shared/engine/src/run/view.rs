//! What people see of a run: the fold, with the attempts of each task, their times and their causes.
//!
//! Made from the same facts as the state, and only when somebody looks: the decider does not need it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_model::{Actor, Cause, CommandId, RunState, TaskState, VersionHash};

use super::dependent;
use super::edit::Edited;
use super::evolve;
use super::fact::{After, RunFact};
use super::ranges::Ranges;
use super::reason::{self, Reason};
use super::state::State;
use super::tasks::Phase;
use crate::Plan;
use crate::commands::Outcome;
use crate::effect::Attempt;
use crate::elements::Elements;
use crate::family::ChildStage;

/// A run as people see it.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The fold itself.
    pub state: State,
    /// Attempts by task, oldest first.
    pub attempts: BTreeMap<u32, Vec<AttemptView>>,
    /// Commands in the order in which they were taken.
    pub commands: Vec<CommandView>,
    /// The versions that it was given, in their order.
    pub edits: Vec<EditView>,
    /// Attempts of tasks that the version it has now does not have.
    pub gone: Vec<AttemptView>,
    decided: BTreeMap<u32, (Timestamp, Cause)>,
    stopped: Option<(Timestamp, Cause)>,
}

/// An attempt as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptView {
    /// From 1.
    pub number: u32,
    /// Index of its task when it was made. Its job, its log and its run are known by that.
    pub task: u32,
    /// How often the run had been edited then.
    pub edits: usize,
    /// Its own state: of an attempt that is over this never changes.
    pub state: TaskState,
    /// When it was handed to the dispatcher.
    pub dispatched: Timestamp,
    /// When its job began.
    pub started: Option<Timestamp>,
    /// When its job ended.
    pub ended: Option<Timestamp>,
    /// Why it ended so.
    pub cause: Option<Cause>,
    /// What the target calls the job.
    pub external_id: Option<String>,
    /// It ran longer than it should.
    pub overdue: bool,
    /// What it has runs made for, if its task is mapped.
    pub mapped: Option<Box<MappedView>>,
    /// The attempt that had the run made with which this one goes on, if its task is another workflow.
    pub goes_on: Option<u32>,
}

/// An attempt of a mapped task as people see it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MappedView {
    /// What runs are made for.
    pub elements: Elements,
    /// Those that have started, and those that had succeeded before.
    pub started: BTreeMap<u32, ElementView>,
    reached: u32,
}

impl MappedView {
    /// How many elements are in a state.
    pub fn count(&self, state: TaskState) -> usize {
        let same = |element: &&ElementView| element.state == state;
        self.started.values().filter(same).count()
    }
}

/// An element of a mapped task as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ElementView {
    /// The attempt that its run was made in, as the run was made: its task may be somewhere else since.
    pub attempt: Attempt,
    /// Of its run: dispatched before that began.
    pub state: TaskState,
    /// When its run began.
    pub started: Option<Timestamp>,
    /// When its run ended.
    pub ended: Option<Timestamp>,
    /// Why it ended so.
    pub cause: Option<Cause>,
}

/// An edit of the run as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct EditView {
    /// The command that it was.
    pub command: Option<CommandId>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What ran again because of it, as the new version counts tasks.
    pub tasks: Ranges,
    /// The version that it had.
    pub before: VersionHash,
    /// The version that it has had since.
    pub version: VersionHash,
    /// That was made the workflow's current version, too.
    pub written_back: bool,
}

/// A command as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandView {
    /// Its id.
    pub id: CommandId,
    /// When it was decided.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What, in a word.
    pub what: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// A task instance as people see it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// Index in the version.
    pub task: u32,
    /// Now.
    pub state: TaskState,
    /// Number of its latest attempt; 0 before the first.
    pub attempt: u32,
    /// When the latest attempt's job began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it ended so.
    pub cause: Option<Cause>,
    /// Why it is not running.
    pub reason: Option<Reason>,
}

impl View {
    /// Folds one fact that stands in a record of the time `at`.
    pub fn apply(&mut self, plan: &Plan, fact: &RunFact, at: Timestamp) {
        if let RunFact::Met { task } = fact {
            let by = dependent::met_by(&self.state, plan, *task);
            self.decided.insert(*task, (at, Cause::Met { by }));
        }
        if let RunFact::Edited(edited) = fact
            && self.state.run_state().is_terminal()
        {
            self.edited(edited, at);
        }
        evolve::evolve(&mut self.state, plan, fact, at);
        match fact {
            RunFact::Dispatched { tasks } => {
                tasks.iter().for_each(|task| self.dispatched(task, at));
            }
            RunFact::Mapped { .. }
            | RunFact::ElementsStarted { .. }
            | RunFact::Element { .. }
            | RunFact::ElementEnded { .. } => self.mapped(fact, at),
            RunFact::Started {
                task,
                at,
                external_id,
            } => self.update(*task, |attempt| {
                (attempt.state, attempt.started) = (TaskState::Running, Some(*at));
                attempt.external_id = Some(external_id.clone());
            }),
            RunFact::Child {
                task,
                stage: ChildStage::Running | ChildStage::Paused,
                started,
                ..
            } => self.update(*task, |attempt| {
                attempt.state = TaskState::Running;
                attempt.started = attempt.started.or(*started).or(Some(at));
            }),
            RunFact::Succeeded {
                task,
                started,
                ended,
                ..
            } => {
                self.ended(*task, TaskState::Succeeded, (Some(*started), *ended), None);
            }
            // A task whose texts can't be resolved fails without an attempt, and so does one whose need is not met.
            RunFact::Failed {
                task,
                started: None,
                ended,
                cause: cause @ (Cause::Unresolved { .. } | Cause::Unmet { .. }),
                ..
            } => {
                self.decided.insert(*task, (*ended, cause.clone()));
            }
            RunFact::Failed {
                task,
                started,
                ended,
                cause,
                ..
            } => {
                self.ended(
                    *task,
                    TaskState::Failed,
                    (*started, *ended),
                    Some(cause.clone()),
                );
            }
            RunFact::Canceled { task, ended } => {
                let cause = self
                    .decided
                    .get(task)
                    .or(self.stopped.as_ref())
                    .map(|(_, cause)| cause.clone());
                self.ended(*task, TaskState::Canceled, (None, *ended), cause);
            }
            RunFact::TimedOut {
                task: Some(task),
                stopped: true,
            } if plan.is_approval(*task) || plan.is_dependent(*task) => {
                self.decided.insert(*task, (at, Cause::Timeout));
            }
            RunFact::TimedOut {
                task: Some(task), ..
            } => self.update(*task, |attempt| attempt.overdue = true),
            RunFact::CancelAsked { tasks, then } | RunFact::Decided { tasks, then } => {
                tasks.iter().for_each(|task| self.decide(task, then, at));
            }
            RunFact::PassedDry { tasks } => tasks.iter().for_each(|task| {
                self.decided.insert(task, (at, Cause::DryRun));
            }),
            RunFact::Answered {
                tasks,
                approved,
                actor,
                why,
            } => {
                let cause = Cause::Answered {
                    approved: *approved,
                    actor: actor.clone(),
                    why: why.clone(),
                };
                let cause = |task| (task, (at, cause.clone()));
                self.decided.extend(tasks.iter().map(cause));
            }
            RunFact::Chose { task, branch } => {
                let branch = plan.branch_in_words(*task, *branch);
                self.decided.insert(*task, (at, Cause::Chose { branch }));
            }
            RunFact::Stopping { cause } => self.stopped = Some((at, cause.clone())),
            RunFact::Rerun { tasks } | RunFact::Recovered { tasks, .. } => {
                tasks.iter().for_each(|task| {
                    self.decided.remove(&task);
                });
            }
            RunFact::Commanded {
                id,
                actor,
                what,
                outcome,
            } => self.commands.push(CommandView {
                id: *id,
                at,
                actor: actor.clone(),
                what: what.clone(),
                outcome: outcome.clone(),
            }),
            RunFact::Created(_)
            | RunFact::Begun { .. }
            | RunFact::GateWaiting
            | RunFact::Admitted
            | RunFact::Discarded
            | RunFact::LeftGate { .. }
            | RunFact::SlotsAsked { .. }
            | RunFact::SlotsQueued { .. }
            | RunFact::SlotsGranted { .. }
            | RunFact::SlotFreed { .. }
            | RunFact::Accepted { .. }
            | RunFact::Child { .. }
            | RunFact::Turned { .. }
            | RunFact::WentOn { .. }
            | RunFact::Waiting { .. }
            | RunFact::TimedOut { task: None, .. }
            | RunFact::Pausing
            | RunFact::Paused
            | RunFact::Resumed
            | RunFact::Held { .. }
            | RunFact::Released { .. }
            | RunFact::Ended { .. }
            | RunFact::Awaits { .. }
            | RunFact::LooksAgain { .. }
            | RunFact::Watched { .. }
            | RunFact::Found { .. }
            | RunFact::Met { .. }
            | RunFact::Edited(_)
            | RunFact::Done { .. } => {}
        }
    }

    /// What happened to tasks goes with them to where they are now.
    fn edited(&mut self, edited: &Edited, at: Timestamp) {
        let (mut attempts, mut decided) = (BTreeMap::new(), BTreeMap::new());
        for (from, to) in edited.moves.pairs() {
            attempts.extend(self.attempts.remove(&from).map(|made| (to, made)));
            let kept = self.decided.remove(&from);
            let kept = kept.filter(|_| !edited.tasks.contains(to));
            decided.extend(kept.map(|kept| (to, kept)));
        }
        let gone = std::mem::replace(&mut self.attempts, attempts);
        self.gone.extend(gone.into_values().flatten());
        self.decided = decided;
        self.edits.push(EditView {
            command: self.commands.last().map(|given| given.id),
            tasks: edited.tasks.clone(),
            at,
            actor: edited.actor.clone(),
            before: edited.before,
            version: edited.version,
            written_back: edited.written_back,
        });
    }

    /// The attempt of this number of the task that was at this position then, and where that task is now.
    pub fn attempt_at(&self, task: u32, number: u32) -> Option<(Option<u32>, &AttemptView)> {
        let same = |attempt: &&AttemptView| attempt.task == task && attempt.number == number;
        let there = self.attempts.iter().find_map(|(now, made)| {
            let found = made.iter().find(same)?;
            Some((Some(*now), found))
        });
        there.or_else(|| Some((None, self.gone.iter().find(same)?)))
    }

    fn dispatched(&mut self, task: u32, at: Timestamp) {
        let number = self.state.tasks.attempts(task);
        let edits = self.edits.len();
        let family = self.state.family.as_ref();
        let goes_on = family.and_then(|family| family.goes_on.get(&task).copied());
        self.attempts.entry(task).or_default().push(AttemptView {
            number,
            task,
            edits,
            state: TaskState::Dispatched,
            dispatched: at,
            started: None,
            ended: None,
            cause: None,
            external_id: None,
            overdue: false,
            mapped: None,
            goes_on,
        });
    }

    fn mapped(&mut self, fact: &RunFact, at: Timestamp) {
        if let RunFact::Mapped {
            task,
            elements,
            kept,
        } = fact
        {
            let started = kept.as_ref().map(|kept| self.done(*task, kept));
            self.dispatched(*task, at);
            let mapped = MappedView {
                elements: elements.clone(),
                started: started.unwrap_or_default(),
                reached: 0,
            };
            self.update(*task, |attempt| attempt.mapped = Some(Box::new(mapped)));
        } else if let RunFact::ElementsStarted { task, to } = fact {
            let attempt = self.state.current(*task);
            let new = |element| ElementView {
                attempt: attempt.with_element(element),
                state: TaskState::Dispatched,
                started: None,
                ended: None,
                cause: None,
            };
            self.update(*task, |attempt| {
                if let Some(mapped) = &mut attempt.mapped {
                    let to = (*to).min(mapped.elements.count());
                    for element in mapped.reached..to {
                        let before = mapped.started.entry(element);
                        before.or_insert_with(|| new(element));
                    }
                    mapped.reached = to;
                }
            });
        } else if let RunFact::Element {
            task,
            element,
            stage: ChildStage::Running | ChildStage::Paused,
            started,
            ..
        } = fact
        {
            let began = started.unwrap_or(at);
            self.update(*task, |attempt| {
                attempt.state = TaskState::Running;
                attempt.started = attempt.started.or(Some(began));
            });
            self.update_element((*task, *element), |view| {
                view.state = TaskState::Running;
                view.started = view.started.or(Some(began));
            });
        } else if let RunFact::ElementEnded {
            task,
            element,
            state,
            started,
            ended,
            cause,
            ..
        } = fact
        {
            let state = match state {
                RunState::Succeeded => TaskState::Succeeded,
                RunState::Canceled => TaskState::Canceled,
                RunState::Failed
                | RunState::Queued
                | RunState::Running
                | RunState::Pausing
                | RunState::Paused
                | RunState::Canceling => TaskState::Failed,
            };
            self.update_element((*task, *element), |view| {
                view.state = state;
                view.started = started.or(view.started);
                (view.ended, view.cause) = (Some(*ended), cause.clone());
            });
        }
    }

    /// Elements that have succeeded before the attempt that begins.
    fn done(&self, task: u32, kept: &Ranges) -> BTreeMap<u32, ElementView> {
        let before = self.attempts.get(&task).into_iter().flatten().rev();
        let mut before = before.filter_map(|attempt| attempt.mapped.as_deref());
        let started = before.next().map(|mapped| mapped.started.clone());
        let mut done = started.unwrap_or_default();
        done.retain(|element, _| kept.contains(*element));
        done
    }

    fn update_element(
        &mut self,
        (task, element): (u32, u32),
        change: impl FnOnce(&mut ElementView),
    ) {
        self.update(task, |attempt| {
            let mapped = attempt.mapped.as_deref_mut();
            if let Some(view) = mapped.and_then(|mapped| mapped.started.get_mut(&element)) {
                change(view);
            }
        });
    }

    fn update(&mut self, task: u32, change: impl FnOnce(&mut AttemptView)) {
        let latest = self
            .attempts
            .get_mut(&task)
            .and_then(|attempts| attempts.last_mut());
        if let Some(attempt) = latest.filter(|attempt| !attempt.state.is_terminal()) {
            change(attempt);
        }
    }

    fn ended(
        &mut self,
        task: u32,
        state: TaskState,
        (started, ended): (Option<Timestamp>, Timestamp),
        cause: Option<Cause>,
    ) {
        self.update(task, |attempt| {
            attempt.state = state;
            attempt.started = started.or(attempt.started);
            (attempt.ended, attempt.cause) = (Some(ended), cause);
        });
    }

    fn decide(&mut self, task: u32, then: &After, at: Timestamp) {
        let cause = match then {
            After::Cancel { cause } => cause.clone(),
            After::Succeed { actor } | After::Skip { actor } => Cause::ForcedBy {
                actor: actor.clone(),
            },
            After::TimeOut => Cause::Timeout,
            After::Rerun => return,
        };
        self.decided.insert(task, (at, cause));
    }

    /// A task instance as it is now.
    pub fn task(&self, plan: &Plan, task: u32) -> TaskView {
        let phase = self.state.tasks.phase(task);
        let latest = self
            .attempts
            .get(&task)
            .and_then(|attempts| attempts.last());
        let (ended, cause) = self.end(phase, task, latest);
        TaskView {
            task,
            state: phase.state(),
            attempt: latest.map_or(0, |attempt| attempt.number),
            started: latest.and_then(|attempt| attempt.started),
            ended,
            cause,
            reason: reason::of(&self.state, plan, task),
        }
    }

    /// When and why a task ended: by its attempt, by a person, or by what happened around it.
    fn end(
        &self,
        phase: Phase,
        task: u32,
        latest: Option<&AttemptView>,
    ) -> (Option<Timestamp>, Option<Cause>) {
        let by_attempt = latest.map_or((None, None), |attempt| {
            (attempt.ended, attempt.cause.clone())
        });
        let decided = self
            .decided
            .get(&task)
            .map(|(at, cause)| (Some(*at), Some(cause.clone())));
        let same = |state| latest.is_some_and(|attempt| attempt.state == state);
        match phase {
            Phase::Succeeded if same(TaskState::Succeeded) => by_attempt,
            Phase::Failed if same(TaskState::Failed) && decided.is_none() => by_attempt,
            Phase::Succeeded | Phase::Failed => decided.unwrap_or(by_attempt),
            Phase::Canceled if same(TaskState::Canceled) => by_attempt,
            Phase::Canceled => {
                let stopped = || {
                    self.stopped
                        .as_ref()
                        .map(|(at, cause)| (Some(*at), Some(cause.clone())))
                };
                decided.or_else(stopped).unwrap_or(by_attempt)
            }
            Phase::Skipped => decided.unwrap_or((None, Some(Cause::Upstream))),
            Phase::UpstreamFailed => (None, Some(Cause::Upstream)),
            Phase::Disabled => (None, Some(Cause::Disabled)),
            Phase::LeftOut => (None, Some(Cause::LeftOut)),
            Phase::UpForRetry => by_attempt,
            Phase::Pending
            | Phase::Queued
            | Phase::Dispatched
            | Phase::Running
            | Phase::Canceling => (None, None),
        }
    }
}
