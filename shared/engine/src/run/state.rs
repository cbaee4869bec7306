//! The state of a run: what the facts have made of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::workflow::Concurrency;
use porpoise_model::{Actor, Cause, Outputs, RunState};

use super::edit::Edits;
use super::fact::After;
use super::ranges::Ranges;
use super::tasks::Tasks;
use super::timed::Timed;
use crate::Plan;
use crate::commands::Commands;
use crate::effect::{Attempt, Look, NewRun};
use crate::elements::Elements;
use crate::family::{ChildStage, Turn};
use crate::input::Finding;
use crate::outbox::Outbox;

/// A run. Three bytes a task, and more only for what is in flight, held, or has set outputs.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// What it was created from; `None` before its first fact.
    #[n(0)]
    pub new: Option<Box<NewRun>>,
    /// Where it is in its life. `None` before its first fact.
    #[n(1)]
    pub state: Option<RunState>,
    /// Its parameters, resolved when it began. `None`: it has not begun.
    #[n(2)]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Its task instances; empty before it is let in.
    #[n(3)]
    pub tasks: Tasks,
    /// Queued tasks that nothing keeps from being dispatched but a hold or a pause of the run.
    #[n(4)]
    pub ready: BTreeSet<u32>,
    /// Tasks that wait for a time: a delay, or a retry.
    #[n(5)]
    pub parked: Timed<Time>,
    /// Slots asked for or held, by task.
    #[n(6)]
    pub slots: BTreeMap<u32, Slot>,
    /// What the dispatcher said about attempts that it can't submit yet, by task.
    #[n(7)]
    pub waiting: BTreeMap<u32, String>,
    /// Time-outs of running attempts, by task.
    #[n(8)]
    pub timeouts: Timed<Time>,
    /// The run's own time-out.
    #[n(9)]
    pub timeout: Option<Time>,
    /// What comes after the cancel that was asked, by task.
    #[n(10)]
    pub canceling: BTreeMap<u32, After>,
    /// Holds of tasks.
    #[n(11)]
    pub holds: Timed<Hold>,
    /// Hold of the run.
    #[n(12)]
    pub hold: Option<Hold>,
    /// Attempts made before the last rerun, by task: retries are counted from there.
    #[n(13)]
    pub base: BTreeMap<u32, u32>,
    /// What tasks have set.
    #[n(14)]
    pub outputs: BTreeMap<u32, Outputs>,
    /// Why everything is being stopped.
    #[n(15)]
    pub stopping: Option<Cause>,
    /// Where it stands with its gate.
    #[n(16)]
    pub gate: Gate,
    /// Commands of the last day.
    #[n(17)]
    pub commands: Commands,
    /// Counts the changes of what lists show.
    #[n(18)]
    pub listed: u64,
    /// When it was let in, the last time.
    #[n(19)]
    pub started: Option<Time>,
    /// When it ended.
    #[n(20)]
    pub ended: Option<Time>,
    /// Why it ended so.
    #[n(21)]
    pub cause: Option<Cause>,
    /// What must be done in the world.
    #[n(22)]
    pub outbox: Outbox,
    /// How often it has come to its gate.
    #[n(23)]
    pub entry: u32,
    /// What tasks have picked, as the position of the branch, by task.
    #[n(24)]
    #[cbor(default)]
    pub chosen: BTreeMap<u32, u32>,
    /// Tasks that did not end by themselves as they did: forced to succeed, or stopped by their time-out.
    #[n(25)]
    #[cbor(default)]
    pub not_by_itself: BTreeSet<u32>,
    /// What it has with runs that it made, and with the one that made it; none with neither.
    #[n(26)]
    pub family: Option<Box<Family>>,
    /// Tasks that wait for runs of other workflows.
    #[n(27)]
    #[cbor(default)]
    pub awaiting: BTreeMap<u32, Awaiting>,
    /// Counts the looks at those.
    #[n(28)]
    #[cbor(default)]
    pub looks: u32,
    /// What it keeps of the versions that it had; none if it was never edited.
    #[n(29)]
    pub edits: Option<Box<Edits>>,
    /// Tasks that others wait for by name, and that go on.
    #[n(30)]
    #[cbor(default)]
    pub watched: BTreeSet<u32>,
}

/// What a run has with the runs of its attempts, and with the run above.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Family {
    /// What runs of current attempts have said last, by task.
    #[n(0)]
    pub children: BTreeMap<u32, Child>,
    /// Counts what this run has wanted of them.
    #[n(1)]
    pub turns: u32,
    /// Counts what it has said to the run above.
    #[n(2)]
    pub told: u64,
    /// The latest that it has heard the run above want.
    #[n(3)]
    pub heard: u32,
    /// What current attempts of mapped tasks are about, by task.
    #[n(4)]
    #[cbor(default)]
    pub mapped: BTreeMap<u32, Mapped>,
    /// By task that is another workflow, the attempt whose run was the last to begin.
    #[n(5)]
    #[cbor(default)]
    pub ran: BTreeMap<u32, u32>,
    /// By task, the attempt with whose run its next or current attempt goes on, instead of having one made.
    #[n(6)]
    #[cbor(default)]
    pub goes_on: BTreeMap<u32, u32>,
    /// The attempt above for which this run goes on: not the one that has made it.
    #[n(7)]
    pub attempt: Option<Attempt>,
    /// What attempts of mapped tasks have come to that did not succeed, by task: another one may go on with it.
    #[n(8)]
    #[cbor(default)]
    pub past: BTreeMap<u32, Past>,
}

impl Family {
    /// Keeps what the run of an attempt has said, or of an element that is open.
    pub(super) fn put(&mut self, attempt: Attempt, child: Child) {
        let Some(element) = attempt.element() else {
            self.children.insert(attempt.task, child);
            return;
        };
        let mapped = self.mapped.get_mut(&attempt.task);
        if let Some(open) = mapped.and_then(|mapped| mapped.open.get_mut(&element)) {
            *open = child;
        }
    }
}

/// What is left of the attempts of a mapped task that are over: the elements that have succeeded.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Past {
    /// What they had runs made for.
    #[n(0)]
    pub elements: Elements,
    /// Those that have succeeded.
    #[n(1)]
    pub done: Ranges,
    /// What their runs have handed up, by element.
    #[n(2)]
    pub outputs: BTreeMap<u32, Outputs>,
}

/// A current attempt of a mapped task. Elements are counted from 0, and start in their order: those from `started` on
/// have not, of the others those that are not open are over. Those that were done when it began do not start.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Mapped {
    /// What it has runs made for.
    #[n(0)]
    pub elements: Elements,
    /// How many of them have started.
    #[n(1)]
    pub started: u32,
    /// Those whose run is not over, with what that has said last; its number is 0 if it has said nothing.
    #[n(2)]
    pub open: BTreeMap<u32, Child>,
    /// How many failed.
    #[n(3)]
    pub failed: u32,
    /// How many were stopped.
    #[n(4)]
    pub canceled: u32,
    /// Why the first one did not succeed; a failure comes before a stop.
    #[n(5)]
    pub why: Option<Cause>,
    /// What runs have handed up, by element.
    #[n(6)]
    pub outputs: BTreeMap<u32, Outputs>,
    /// When the first of its runs began.
    #[n(7)]
    pub began: Option<Time>,
    /// Those that have succeeded, in this attempt or in one before.
    #[n(8)]
    #[cbor(default)]
    pub done: Ranges,
}

impl Mapped {
    /// How many elements are over.
    pub fn over(&self) -> u32 {
        let bad = self.failed.saturating_add(self.canceled);
        self.done.len().saturating_add(bad)
    }
}

/// A run of the current attempt of a task, or of an element of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Child {
    /// The number of its last word.
    #[n(0)]
    pub said: u64,
    /// How far it is.
    #[n(1)]
    pub stage: ChildStage,
    /// What is wanted of it and not acknowledged, or was before.
    #[n(2)]
    pub turn: Option<Turn>,
}

/// A wait for runs of other workflows.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Awaiting {
    /// The latest look.
    #[n(0)]
    pub look: Look,
    /// What is known, by position in the need.
    #[n(1)]
    pub found: BTreeMap<u32, Finding>,
    /// The need has failed; if nothing changes, so does the task then.
    #[n(2)]
    pub fails: Option<Time>,
}

/// A time, stored as whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(transparent)]
pub struct Time(
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub Timestamp,
);

/// Slots that the next or current attempt of a task needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Slot {
    /// For which attempt.
    #[n(0)]
    pub attempt: Attempt,
    /// How far that has come.
    #[n(1)]
    pub stage: SlotStage,
}

/// How far a request for slots has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SlotStage {
    /// Asked for, no answer yet.
    #[n(0)]
    Asked,
    /// In line.
    #[n(1)]
    Queued,
    /// Held.
    #[n(2)]
    Held,
}

/// A hold: somebody does not want something started.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hold {
    /// Who.
    #[n(0)]
    pub actor: Actor,
    /// Why, for people.
    #[n(1)]
    pub why: String,
    /// It ends by itself then.
    #[n(2)]
    pub until: Option<Time>,
    /// Since when.
    #[n(3)]
    pub since: Time,
}

/// Where a run stands with the gate of its workflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Gate {
    /// Not there, or not there any more.
    #[default]
    #[n(0)]
    Outside,
    /// Asked to be let in.
    #[n(1)]
    Asked,
    /// In line.
    #[n(2)]
    Waiting,
    /// Let in.
    #[n(3)]
    Inside,
}

impl State {
    /// The state of its life; before its first fact it is queued.
    pub fn run_state(&self) -> RunState {
        self.state.unwrap_or(RunState::Queued)
    }

    /// The rule by which it goes together with other runs of its workflow.
    pub fn concurrency(&self, plan: &Plan) -> Concurrency {
        self.new
            .as_ref()
            .and_then(|new| new.concurrency)
            .unwrap_or(plan.workflow().concurrency)
    }

    /// The attempt that a task is at: its latest one.
    pub fn current(&self, task: u32) -> Attempt {
        Attempt::of(task, self.tasks.attempts(task))
    }

    /// The attempt that a task will make next.
    pub fn next(&self, task: u32) -> Attempt {
        Attempt::of(task, self.tasks.attempts(task) + 1)
    }

    /// How many attempts a task has made since it was last rerun.
    pub fn tries(&self, task: u32) -> u32 {
        self.tasks
            .attempts(task)
            .saturating_sub(self.base.get(&task).copied().unwrap_or_default())
    }

    /// What the run of a task's current attempt has said last, if it has said anything; or the run of an element of it.
    pub fn child(&self, attempt: Attempt) -> Option<&Child> {
        let family = self.family.as_ref()?;
        match attempt.element() {
            None => family.children.get(&attempt.task),
            Some(element) => family.mapped.get(&attempt.task)?.open.get(&element),
        }
    }

    /// The attempt that has the run made which this one is about: itself, or an earlier one with whose run it goes on.
    pub fn maker(&self, attempt: Attempt) -> Attempt {
        let goes_on = |family: &Family| family.goes_on.get(&attempt.task).copied();
        let earlier = self.family.as_deref().and_then(goes_on);
        match earlier.filter(|number| attempt.element().is_none() && *number < attempt.number) {
            Some(number) => Attempt::of(attempt.task, number),
            None => attempt,
        }
    }

    /// What the current attempt of a mapped task is about.
    pub fn mapped(&self, task: u32) -> Option<&Mapped> {
        self.family.as_ref()?.mapped.get(&task)
    }

    /// Whether tasks may start now, as far as the run goes.
    pub fn may_start(&self) -> bool {
        self.run_state() == RunState::Running && self.hold.is_none() && self.stopping.is_none()
    }

    /// The earliest time at which something of its own is due.
    pub fn deadline(&self) -> Option<Timestamp> {
        let hold = self.hold.as_ref().and_then(|hold| hold.until);
        let free = |(_, task): &(Time, u32)| !self.holds.contains_key(task);
        let start = self.may_start().then(|| self.parked.times().find(free));
        let firsts = [
            self.holds.times().next(),
            start.flatten(),
            self.timeouts.times().next(),
        ];
        let firsts = firsts.into_iter().flatten().map(|(at, _)| at);
        let failing = self.awaiting.values().filter_map(|waits| waits.fails);
        let first = firsts.chain(hold).chain(self.timeout).chain(failing).min();
        first.map(|time| time.0)
    }

    /// Whether anything may still happen by itself.
    pub fn is_open(&self) -> bool {
        self.state.is_some_and(|state| !state.is_terminal()) || !self.outbox.is_empty()
    }
}
