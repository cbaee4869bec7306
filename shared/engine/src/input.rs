//! What arrives: reports of the world, commands of people, answers of other aggregates.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::dependence::Verdict;
use porpoise_model::workflow::{Concurrency, Priority, Schedule};
use porpoise_model::{Actor, AggregateKind, Cause, CommandId, Name, Outputs, RunId};

pub use crate::backfill::input::{BackfillCommand, BackfillInput};
use crate::effect::{Attempt, EffectKey, Look, Wait};
use crate::family::{ChildWord, Turn};
pub use crate::pool::input::{PoolCommand, PoolInput};
use crate::run::edit::Edit;
use crate::schedule::calendar::{CalendarChange, Observed};

/// An input for an aggregate of any sort: what a message of the queue holds.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Input {
    /// For a run.
    #[n(0)]
    Run(#[n(0)] RunInput),
    /// For a pool.
    #[n(1)]
    Pool(#[n(0)] PoolInput),
    /// For a gate.
    #[n(2)]
    Gate(#[n(0)] GateInput),
    /// For a schedule.
    #[n(3)]
    Schedule(#[n(0)] ScheduleInput),
    /// For a backfill.
    #[n(4)]
    Backfill(#[n(0)] BackfillInput),
}

impl Input {
    /// The sort of aggregate that it is for.
    pub const fn kind(&self) -> AggregateKind {
        match self {
            Self::Run(_) => AggregateKind::Run,
            Self::Pool(_) => AggregateKind::Pool,
            Self::Gate(_) => AggregateKind::Gate,
            Self::Schedule(_) => AggregateKind::Schedule,
            Self::Backfill(_) => AggregateKind::Backfill,
        }
    }
}

/// A command: what somebody wants, and who. Its id makes repeats harmless.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Command<C> {
    /// The same id is the same command.
    #[n(0)]
    pub id: CommandId,
    /// Who.
    #[n(1)]
    pub actor: Actor,
    /// What.
    #[n(2)]
    pub what: C,
}

/// An input of a run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum RunInput {
    /// It was created: begin.
    #[n(0)]
    Start,
    /// A deadline may have passed.
    #[n(1)]
    Woken,
    /// What became of attempts.
    #[n(2)]
    Reported(#[n(0)] Vec<Report>),
    /// Somebody wants something.
    #[n(3)]
    Commanded(#[n(0)] Command<RunCommand>),
    /// A pool answers.
    #[n(4)]
    Slot(#[n(0)] SlotAnswer),
    /// The gate answers.
    #[n(5)]
    Gate(#[n(0)] GateAnswer),
    /// The shell has carried out an effect.
    #[n(6)]
    Done(#[n(0)] EffectKey),
    /// Something is to be kept beside the log. Nothing is decided by it.
    #[n(7)]
    Annotated(#[n(0)] Annotation),
    /// A run that an attempt of this one has made says how it stands.
    #[n(8)]
    Child(#[n(0)] ChildWord),
    /// The run above wants this one to pause, or to go on.
    #[n(9)]
    Turned(#[n(0)] Turn),
    /// The shell cannot carry out an effect, ever.
    #[n(10)]
    Refused {
        /// Which.
        #[n(0)]
        key: EffectKey,
        /// In words.
        #[n(1)]
        why: String,
    },
    /// What a look at runs of other workflows has found.
    #[n(11)]
    Found(#[n(0)] Findings),
    /// A run that a task waits for has ended, or may have: look again.
    #[n(12)]
    Stirred(#[n(0)] Wait),
    /// Somebody waits for these tasks of this run, which had not ended when it was looked at.
    #[n(13)]
    Watched(#[n(0)] Vec<Name>),
    /// The run above wants this one, which an earlier attempt of it has made, to go on for a later one.
    #[n(14)]
    GoOn {
        /// For which.
        #[n(0)]
        attempt: Attempt,
        /// Only to be stopped, if it runs, on behalf of this one.
        #[n(1)]
        stop: Option<Actor>,
    },
}

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Findings {
    /// Which look.
    #[n(0)]
    pub look: Look,
    /// Of each of the runs that it looked at.
    #[n(1)]
    pub found: Vec<Finding>,
}

/// What is known of runs that a task waits for.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Finding {
    /// Their position in the need of the task.
    #[n(0)]
    pub position: u32,
    /// Whether they are there.
    #[n(1)]
    pub verdict: Verdict,
    /// Those that say so: of what is met the latest ones, else the one that is not.
    #[n(2)]
    pub runs: Vec<RunId>,
    /// For people: `run … failed`, `no run yet for …`.
    #[n(3)]
    pub why: String,
    /// What they hand on, of what the task wants.
    #[n(4)]
    pub outputs: Option<Outputs>,
}

/// What is kept beside a log, once: another one of the same name changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Annotation {
    /// What it is called: `usage/…`.
    #[n(0)]
    pub name: String,
    /// In the form of whoever reads such annotations.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// What a dispatcher or poller says of an attempt.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Report {
    /// Which.
    #[n(0)]
    pub attempt: Attempt,
    /// What.
    #[n(1)]
    pub what: ReportKind,
}

/// What can be said of an attempt.
///
/// ```text
/// Accepted ─▶ Waiting ─▶ Started ─▶ Succeeded | Failed | Canceled       (any may be missing, repeated or late)
/// ```
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ReportKind {
    /// Recorded in the jobs table of its place: it will be submitted.
    #[n(0)]
    Accepted,
    /// Can't be submitted yet.
    #[n(1)]
    Waiting {
        /// `budget`, `target` …: the kind and subject of the wait, without counts.
        #[n(0)]
        why: String,
    },
    /// Its job runs.
    #[n(2)]
    Started {
        /// Since when.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        at: Timestamp,
        /// What the target calls the job.
        #[n(1)]
        external_id: String,
    },
    /// Its job ended well.
    #[n(3)]
    Succeeded {
        /// When it began.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        started: Timestamp,
        /// When it ended.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// What it set.
        #[n(2)]
        outputs: Outputs,
    },
    /// Its job did not end well, or could not be started.
    #[n(4)]
    Failed {
        /// When it began, if it did.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
        /// When it ended.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// Why.
        #[n(2)]
        cause: Cause,
    },
    /// It was stopped because we asked, or will never start because we asked.
    #[n(5)]
    Canceled {
        /// When.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
    },
}

impl ReportKind {
    /// Whether the attempt is over.
    pub const fn is_end(&self) -> bool {
        match self {
            Self::Accepted | Self::Waiting { .. } | Self::Started { .. } => false,
            Self::Succeeded { .. } | Self::Failed { .. } | Self::Canceled { .. } => true,
        }
    }
}

/// What somebody can want of a run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum RunCommand {
    /// Nothing new starts; what runs ends by itself.
    #[n(0)]
    Pause,
    /// Go on.
    #[n(1)]
    Resume,
    /// Stop everything.
    #[n(2)]
    Kill,
    /// Stop these tasks.
    #[n(3)]
    KillTasks {
        /// Their indices.
        #[n(0)]
        tasks: Vec<u32>,
    },
    /// Do not start these tasks (none named: the whole run) for now.
    #[n(4)]
    Hold {
        /// Their indices; empty: the run.
        #[n(0)]
        tasks: Vec<u32>,
        /// For people.
        #[n(1)]
        why: String,
        /// It ends by itself then; `None`: when released.
        #[n(2)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        until: Option<Timestamp>,
    },
    /// End a hold of these tasks (none named: of the run).
    #[n(5)]
    Release {
        /// Their indices; empty: the run.
        #[n(0)]
        tasks: Vec<u32>,
    },
    /// Let these tasks count as succeeded.
    #[n(6)]
    MarkSucceeded {
        /// Their indices.
        #[n(0)]
        tasks: Vec<u32>,
    },
    /// Do not run these tasks.
    #[n(7)]
    Skip {
        /// Their indices.
        #[n(0)]
        tasks: Vec<u32>,
    },
    /// Run what did not succeed again, and what never ran because of it.
    #[n(8)]
    RerunFailed,
    /// Run all again that was not left out.
    #[n(12)]
    RerunAll,
    /// Run these tasks again, whatever their state.
    #[n(9)]
    Rerun {
        /// Their indices.
        #[n(0)]
        tasks: Vec<u32>,
        /// And everything downstream of them.
        #[n(1)]
        downstream: bool,
        /// And everything upstream of them.
        #[n(2)]
        #[cbor(default)]
        upstream: bool,
    },
    /// Answer what these tasks ask.
    #[n(10)]
    Answer {
        /// Their indices.
        #[n(0)]
        tasks: Vec<u32>,
        /// Whether the run goes on.
        #[n(1)]
        approved: bool,
        /// For people.
        #[n(2)]
        why: String,
    },
    /// Go on with another version; only a finished run can.
    #[n(11)]
    Edit(#[n(0)] Box<Edit>),
}

/// What a pool says to a run.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct SlotAnswer {
    /// Of which attempt.
    #[n(0)]
    pub attempt: Attempt,
    /// What.
    #[n(1)]
    pub what: SlotAnswerKind,
}

/// What a pool can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SlotAnswerKind {
    /// In line: the grant will come by itself.
    #[n(0)]
    Queued,
    /// The slots are its.
    #[n(1)]
    Granted,
    /// The slots are free again (or never were its).
    #[n(2)]
    Freed,
    /// Do you still hold them?
    #[n(3)]
    StillHolding,
}

/// What a gate says to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct GateAnswer {
    /// Of which entry: a word about an earlier one changes nothing.
    #[n(0)]
    pub entry: u32,
    /// What.
    #[n(1)]
    pub what: GateAnswerKind,
}

/// What a gate can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum GateAnswerKind {
    /// In line: it will be let in later.
    #[n(0)]
    Waiting,
    /// Go on.
    #[n(1)]
    Admitted,
    /// Never.
    #[n(2)]
    Discarded,
    /// The gate knows that it has left.
    #[n(3)]
    Left,
    /// Stop: a later run takes its place.
    #[n(4)]
    Superseded,
}

/// An input of a gate.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum GateInput {
    /// A deadline may have passed.
    #[n(0)]
    Woken,
    /// A run wants in. Answered by `Waiting`, `Admitted` or `Discarded`; a repeat gets the same answer again.
    #[n(1)]
    Entered {
        /// Which.
        #[n(0)]
        run: RunId,
        /// By which rule.
        #[n(1)]
        concurrency: Concurrency,
        /// When it was created: the order of the line, then by id.
        #[n(2)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        created: Timestamp,
        /// Before that, the more urgent one.
        #[n(3)]
        priority: Priority,
        /// Counts the times that this run has come to the gate: a finished run that is rerun comes again. A larger
        /// one ends what the gate knows of smaller ones.
        #[n(4)]
        entry: u32,
    },
    /// A run has taken note of being let in or discarded.
    #[n(2)]
    Noted {
        /// Which.
        #[n(0)]
        run: RunId,
        /// Of which entry.
        #[n(1)]
        entry: u32,
    },
    /// A run has ended, or no longer wants in. Answered by `Left`, also when it is of an earlier entry and so changes
    /// nothing.
    #[n(3)]
    Left {
        /// Which.
        #[n(0)]
        run: RunId,
        /// Of which entry.
        #[n(1)]
        entry: u32,
    },
}

/// An input of a schedule.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ScheduleInput {
    /// An instant may have come: what a timer or a link of the chain says.
    #[n(0)]
    Woken,
    /// A link of the chain: fires only if it is of the current generation.
    #[n(1)]
    Fired {
        /// Counts the changes of the schedule.
        #[n(0)]
        generation: u32,
        /// Which.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        instant: Timestamp,
    },
    /// Somebody wants something.
    #[n(2)]
    Commanded(#[n(0)] Command<ScheduleCommand>),
    /// The shell has carried out an effect.
    #[n(3)]
    Done(#[n(0)] EffectKey),
    /// A calendar was put. What a schedule that does not follow it is told changes nothing.
    #[n(4)]
    CalendarChanged(#[n(0)] Box<CalendarChange>),
}

/// What somebody can want of a schedule.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ScheduleCommand {
    /// Make it this, from now on.
    #[n(0)]
    Set {
        /// Of which workflow.
        #[n(0)]
        workflow: porpoise_model::WorkflowId,
        /// What people call that workflow.
        #[n(1)]
        workflow_name: String,
        /// When.
        #[n(2)]
        spec: Box<Spec>,
    },
    /// Fire from now on.
    #[n(1)]
    Online,
    /// Fire no more, until somebody says `Online`.
    #[n(2)]
    Offline,
    /// The workflow has no schedule any more: the next `Set` is like a first one.
    #[n(3)]
    Unset,
}

/// When a schedule fires: the model's [`Schedule`], as it goes into facts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Spec {
    /// As written; valid.
    #[n(0)]
    pub cron: String,
    /// IANA name; known.
    #[n(1)]
    pub timezone: String,
    /// Fires before this are left out.
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp_option")]
    pub start: Option<Timestamp>,
    /// Fires at or after this are left out.
    #[n(3)]
    #[cbor(with = "porpoise_model::codec::timestamp_option")]
    pub end: Option<Timestamp>,
    /// What happens to instants that nobody was there to fire.
    #[n(4)]
    pub missed: porpoise_model::workflow::MissedFires,
    /// Made but not switched on.
    #[n(5)]
    pub offline: bool,
    /// The calendar that it follows, as it stood.
    #[n(6)]
    pub calendar: Option<Observed>,
}

impl Spec {
    /// A schedule with the calendar that it names; without, where it names none.
    pub fn of(schedule: &Schedule, calendar: Option<Observed>) -> Self {
        Self {
            cron: schedule.cron.clone(),
            timezone: schedule.timezone.clone(),
            start: schedule.start,
            end: schedule.end,
            missed: schedule.missed,
            offline: schedule.offline,
            calendar,
        }
    }
}
