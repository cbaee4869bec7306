//! What must be done in the world because of what was decided.

pub(crate) mod keys;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::dependence::Runs;
use porpoise_model::job::Job;
use porpoise_model::workflow::{Concurrency, FailureStrategy, Kind, Occasion, Priority};
use porpoise_model::{
    Actor, Address, AttemptKey, BackfillId, Name, ProjectId, RunId, RunState, ScheduleId, Value,
    VersionHash, WorkflowId,
};

use crate::family::Turn;
use crate::input::{Command, Input, RunCommand};
use crate::mutant::{self, Mutant};
use crate::period::Interval;
use crate::placement::Placement;
use crate::run::Ranges;

/// The key of an effect within its aggregate: the same key is the same effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum EffectKey {
    /// Hand an attempt to the dispatcher of its place.
    #[n(0)]
    Dispatch(#[n(0)] Attempt),
    /// Have an attempt's job stopped, or never started.
    #[n(1)]
    Cancel(#[n(0)] Attempt),
    /// Ask the pool for an attempt's slots.
    #[n(2)]
    AskSlot(#[n(0)] Attempt),
    /// Give an attempt's slots back, or take its request out of the line.
    #[n(3)]
    FreeSlot(#[n(0)] Attempt),
    /// Ask the gate to let the run in: the entry of that number.
    #[n(4)]
    EnterGate(#[n(0)] u32),
    /// Tell the gate that the run has left: of this entry.
    #[n(5)]
    LeaveGate(#[n(0)] u32),
    /// Write what lists show of the run, in this revision.
    #[n(6)]
    Listing(#[n(0)] u64),
    /// Tell a holder that it has its slots.
    #[n(7)]
    GrantSlot(#[n(0)] Holder),
    /// Ask a holder that has long been silent whether it still holds its slots.
    #[n(8)]
    CheckHolder(#[n(0)] Holder),
    /// Tell a run that it is let in.
    #[n(9)]
    Admit(#[n(0)] RunId),
    /// Tell a run that it is not let in, ever.
    #[n(10)]
    Discard(#[n(0)] RunId),
    /// Create the run of an instant, or of a date of a backfill: milliseconds since 1970.
    #[n(11)]
    Fire(#[n(0)] i64),
    /// Tell a run that a later one takes its place.
    #[n(13)]
    Supersede(#[n(0)] RunId),
    /// Tell people of this.
    #[n(12)]
    Announce(#[n(0)] News),
    /// Tell the run above how this one stands: the word of that number.
    #[n(14)]
    TellParent(#[n(0)] u64),
    /// Have the run of an attempt pause, or go on.
    #[n(15)]
    Turn(#[n(0)] Turn),
    /// Have somebody look at the runs that a task waits for: the look of that number.
    #[n(16)]
    Look(#[n(0)] Look),
    /// A wait is over: nobody has to tell of runs that it waited for.
    #[n(17)]
    Unsubscribe(#[n(0)] Wait),
    /// Tell who waits that what had ended is something else now: numbered as looks are.
    #[n(18)]
    Stir(#[n(0)] u32),
    /// Stop the run of a date of a backfill: milliseconds since 1970.
    #[n(19)]
    StopDated(#[n(0)] i64),
    /// Create the run of a dependent for a date of a backfill.
    #[n(20)]
    FireDependent(#[n(0)] Dated),
    /// Stop the run of a dependent for a date of a backfill.
    #[n(21)]
    StopDependent(#[n(0)] Dated),
}

/// A date of a workflow that goes along with a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Dated {
    /// Milliseconds since 1970.
    #[n(0)]
    pub date: i64,
    /// The number of the dependent, from 0.
    #[n(1)]
    pub dependent: u32,
}

/// A wait of a task for runs of other workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Wait {
    /// Index of the task.
    #[n(0)]
    pub task: u32,
    /// The number of its first look: no other wait of the run has it.
    #[n(1)]
    pub number: u32,
}

/// A look of such a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Look {
    /// Whose.
    #[n(0)]
    pub wait: Wait,
    /// Grows from look to look, over all tasks of the run.
    #[n(1)]
    pub number: u32,
}

/// What happened to a run while it went on, for people who asked to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum News {
    /// This attempt of a task failed, and there is no further one.
    #[n(0)]
    TaskFailed(#[n(0)] Attempt),
    /// This attempt of a task takes longer than it may.
    #[n(1)]
    TaskLate(#[n(0)] Attempt),
    /// The run takes longer than it may, as of this revision of what lists show of it.
    #[n(2)]
    RunLate(#[n(0)] u64),
}

impl News {
    /// What of it a workflow has to ask for.
    pub const fn occasion(self) -> Occasion {
        match self {
            Self::TaskFailed(_) => Occasion::TaskFailed,
            Self::TaskLate(_) | Self::RunLate(_) => Occasion::Late,
        }
    }
}

impl EffectKey {
    /// Whether it is carried out by whoever sends it: nobody else acknowledges it.
    pub const fn is_own(&self) -> bool {
        match self {
            Self::Listing(_)
            | Self::Fire(_)
            | Self::FireDependent(_)
            | Self::Announce(_)
            | Self::Unsubscribe(_)
            | Self::Stir(_) => true,
            Self::Dispatch(_)
            | Self::Cancel(_)
            | Self::AskSlot(_)
            | Self::FreeSlot(_)
            | Self::EnterGate(_)
            | Self::LeaveGate(_)
            | Self::GrantSlot(_)
            | Self::CheckHolder(_)
            | Self::Admit(_)
            | Self::Discard(_)
            | Self::Supersede(_)
            | Self::TellParent(_)
            | Self::Turn(_)
            | Self::Look(_)
            | Self::StopDated(_)
            | Self::StopDependent(_) => false,
        }
    }
}

/// An attempt within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Attempt {
    /// Index of the task in its version.
    #[n(0)]
    pub task: u32,
    /// Map index: one more than the element of a mapped task; 0 for the task as a whole, and when it is not mapped.
    #[n(1)]
    pub map: u32,
    /// From 1.
    #[n(2)]
    pub number: u32,
}

impl Attempt {
    /// Attempt `number` of a task that is not mapped.
    pub const fn of(task: u32, number: u32) -> Self {
        Self {
            task,
            map: 0,
            number,
        }
    }

    /// That of an element of a mapped task, counted from 0, in the same attempt.
    #[must_use]
    pub const fn with_element(self, element: u32) -> Self {
        Self {
            map: element.saturating_add(1),
            ..self
        }
    }

    /// The element of a mapped task that it is about, from 0.
    pub const fn element(self) -> Option<u32> {
        self.map.checked_sub(1)
    }

    /// The run that it makes, where its task is another workflow.
    pub fn child(self, run: RunId) -> RunId {
        let told_apart = Self {
            number: if mutant::on(Mutant::ChildOfTask) {
                1
            } else {
                self.number
            },
            ..self
        };
        RunId::of_attempt(told_apart.key(run))
    }

    /// Its idempotency key.
    pub fn key(self, run: RunId) -> AttemptKey {
        AttemptKey::of(run, self.task, self.map, self.number)
    }
}

/// Who holds slots of a pool: an attempt of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Holder {
    /// The run; in the pool's own project.
    #[n(0)]
    pub run: RunId,
    /// The attempt in it.
    #[n(1)]
    pub attempt: Attempt,
}

/// What must be done. Every effect may be carried out more than once: its receiver knows its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send an input to another aggregate.
    Tell {
        /// Which.
        to: Address,
        /// What.
        input: Input,
    },
    /// Hand an attempt to the dispatcher of its place. Acknowledged by a report of the attempt.
    Dispatch(Intent),
    /// Stop an attempt's job. Acknowledged by the report of its end.
    Cancel(CancelIntent),
    /// Create a run: open index, first record if absent, `Start`. Acknowledged by the shell, or, where it is the run of an
    /// attempt, by what that run says; the shell says so where it can never be created.
    CreateRun(NewRun),
    /// Create a run that waits for others, once lists show how those ended. Acknowledged by the shell.
    CreateBehind {
        /// Which.
        new: Box<NewRun>,
        /// The runs that it waits for; they are over.
        behind: Vec<Address>,
    },
    /// Stop a run, which is created first where that was not done: what would create it later finds it stopped.
    /// Acknowledged by what that run says.
    StopRun {
        /// Which.
        new: Box<NewRun>,
        /// By what.
        command: Command<RunCommand>,
    },
    /// Have a run go on for a later attempt than the one that has made it; it is created first where that was not done.
    /// Acknowledged by what that run says.
    GoOn {
        /// Which.
        new: Box<NewRun>,
        /// For which attempt.
        attempt: Attempt,
        /// Only to be stopped, on behalf of this one.
        stop: Option<Actor>,
    },
    /// Write the run's line in the lists, unless a newer one stands there. Acknowledged by the shell.
    List(Listing),
    /// Look at runs of other workflows. Acknowledged by what was found.
    Look(Box<LookOut>),
    /// Tell who waits for the run. Acknowledged by the shell.
    Stir(Listing),
    /// Take the wait's subscriptions away. Acknowledged by the shell.
    Unsubscribe(Unsubscription),
    /// Write a backfill's line in the list of backfills. Acknowledged by the shell.
    ListBackfill {
        /// Whose.
        project: ProjectId,
        /// Which.
        backfill: BackfillId,
        /// Of which workflow.
        workflow: WorkflowId,
        /// When it was asked for.
        created: Timestamp,
    },
    /// Tell people, if there is anybody to tell. Acknowledged by the shell.
    Announce {
        /// What.
        news: News,
        /// When it happened.
        at: Timestamp,
    },
}

/// An attempt on its way to its place.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Intent {
    /// Where.
    #[n(0)]
    pub place: String,
    /// What.
    #[n(1)]
    pub job: Job,
    /// Who goes first: rank of the run's priority, then of the task's; smaller is earlier.
    #[n(2)]
    pub rank: (u8, u8),
    /// When it was decided: first come, first served within a rank.
    #[n(3)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub since: Timestamp,
}

/// The end of an attempt, on its way to its place.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct CancelIntent {
    /// Where.
    #[n(0)]
    pub place: String,
    /// Whose.
    #[n(1)]
    pub project: ProjectId,
    /// Of which run.
    #[n(2)]
    pub run: RunId,
    /// Which attempt.
    #[n(3)]
    pub attempt: Attempt,
}

/// All that a run is created from: the content of its first fact.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NewRun {
    /// Whose.
    #[n(0)]
    pub project: ProjectId,
    /// Its id, hashed from what asked for it.
    #[n(1)]
    pub run: RunId,
    /// Of which workflow.
    #[n(2)]
    pub workflow: WorkflowId,
    /// What people call that workflow at this time.
    #[n(3)]
    pub workflow_name: String,
    /// Pinned to this version. A schedule leaves it open: whoever creates the run fills in the current one.
    #[n(4)]
    pub version: Option<VersionHash>,
    /// Why it exists.
    #[n(5)]
    pub trigger: Trigger,
    /// The instant that it stands for.
    #[n(6)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub logical_date: Timestamp,
    /// IANA name of the zone in which that instant is read.
    #[n(7)]
    pub timezone: String,
    /// Parameters given at its start, by name; they replace the workflow's of the same name.
    #[n(8)]
    pub parameters: std::collections::BTreeMap<String, String>,
    /// Who asked for it.
    #[n(9)]
    pub actor: Actor,
    /// Instead of the workflow's.
    #[n(10)]
    pub priority: Option<Priority>,
    /// Instead of the workflow's.
    #[n(11)]
    pub on_failure: Option<FailureStrategy>,
    /// Instead of the workflow's.
    #[n(12)]
    pub concurrency: Option<Concurrency>,
    /// Every task succeeds without a job.
    #[n(13)]
    pub dry_run: bool,
    /// Kinds that no target here runs are replaced by `noop`.
    #[n(14)]
    pub simulate: bool,
    /// When it was created.
    #[n(15)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub created: Timestamp,
    /// Where its tasks execute. Who asks for the run leaves it at its default; whoever creates it settles it.
    #[n(16)]
    #[cbor(default)]
    pub placement: Placement,
    /// Only these of its tasks, by index in its version; `None`: all. The others are left out, and edges from them count
    /// for nothing.
    #[n(17)]
    pub only: Option<Ranges>,
    /// Parameters of the project as they were when it was created, those that it can name: later changes do not reach it.
    /// Who asks for the run leaves them out; whoever creates it fills them in.
    #[n(18)]
    pub project_parameters: Option<std::collections::BTreeMap<String, Value>>,
}

impl NewRun {
    /// Whether a task of this kind is replaced by `noop` in this run.
    pub const fn simulates(&self, kind: &Kind) -> bool {
        self.simulate && (kind.needs_target() || matches!(kind, Kind::External { .. }))
    }
}

/// Why a run exists.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Trigger {
    /// An instant of a schedule.
    #[n(0)]
    Schedule {
        /// Which.
        #[n(0)]
        schedule: ScheduleId,
    },
    /// A person, through the command line or the console.
    #[n(1)]
    Manual,
    /// A program.
    #[n(2)]
    Api,
    /// An attempt of a task of another run of the project.
    #[n(3)]
    Parent {
        /// That run.
        #[n(0)]
        run: RunId,
        /// The attempt.
        #[n(1)]
        attempt: Attempt,
        /// The workflows of the runs above, the topmost first: none of them may run again below itself.
        #[n(2)]
        above: Vec<WorkflowId>,
    },
    /// A date of a backfill.
    #[n(4)]
    Backfill {
        /// Which.
        #[n(0)]
        backfill: BackfillId,
        /// The run is that of a dependent, which goes along.
        #[n(1)]
        dependent: Option<GoesAlong>,
    },
    /// Somebody who asks whether a data source answers.
    #[n(5)]
    Test,
}

/// As what a run goes along with a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GoesAlong {
    /// The project of the backfill.
    #[n(0)]
    pub project: ProjectId,
    /// The number of the dependent.
    #[n(1)]
    pub number: u32,
}

impl Trigger {
    /// The word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::Manual => "manual",
            Self::Api => "api",
            Self::Parent { .. } => "parent",
            Self::Backfill { .. } => "backfill",
            Self::Test => "test",
        }
    }
}

/// What is to be looked at, and for whom.
#[derive(Debug, Clone, PartialEq)]
pub struct LookOut {
    /// Whose run it is that waits.
    pub project: ProjectId,
    /// Which.
    pub run: RunId,
    /// Of which workflow: it may wait for earlier runs of its own.
    pub workflow: WorkflowId,
    /// The instant that it stands for.
    pub logical_date: Timestamp,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it replaces what it cannot run: it looks at such runs, and others at the others.
    pub simulate: bool,
    /// Which look of which wait.
    pub look: Look,
    /// The dialect of the workflow that waits.
    pub dialect: String,
    /// The outputs that it wants of what is found.
    pub outputs: Vec<String>,
    /// What is not met yet.
    pub at: Vec<LookAt>,
}

/// Runs that are to be looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct LookAt {
    /// Their position in the need of the task.
    pub position: u32,
    /// Which.
    pub runs: Runs,
    /// One in each of these.
    pub intervals: Vec<Interval>,
}

/// A wait that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsubscription {
    /// Whose run it was.
    pub project: ProjectId,
    /// Which.
    pub run: RunId,
    /// Which wait.
    pub wait: Wait,
    /// The workflows that it waited for: project, if it is another one, and name.
    pub of: Vec<(Option<Name>, Name)>,
}

/// What lists show of a run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Listing {
    /// Whose.
    #[n(0)]
    pub project: ProjectId,
    /// Which.
    #[n(1)]
    pub run: RunId,
    /// Of which workflow.
    #[n(2)]
    pub workflow: WorkflowId,
    /// What people called that workflow when the run was created.
    #[n(3)]
    pub workflow_name: String,
    /// Grows with every change of what is listed: a line with a smaller one never replaces one with a larger.
    #[n(4)]
    pub revision: u64,
    /// As of that revision.
    #[n(5)]
    pub state: RunState,
    /// Why it exists.
    #[n(6)]
    pub trigger: Trigger,
    /// The instant that it stands for.
    #[n(7)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub logical_date: Timestamp,
    /// When it was created.
    #[n(8)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub created: Timestamp,
    /// When its first task could start.
    #[n(9)]
    #[cbor(with = "porpoise_model::codec::timestamp_option")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[n(10)]
    #[cbor(with = "porpoise_model::codec::timestamp_option")]
    pub ended: Option<Timestamp>,
    /// How many tasks it has.
    #[n(11)]
    pub tasks: u32,
    /// Whether its tasks succeed without a job.
    #[n(12)]
    #[cbor(default)]
    pub dry_run: bool,
    /// Whether kinds that no target here runs are replaced.
    #[n(13)]
    #[cbor(default)]
    pub simulate: bool,
}
