//! What happened to a run or was decided about it, kept for ever.
//!
//! Numbers of variants and fields never change their meaning; a new one takes a new number (docs/adr). What the fold
//! can derive is no fact: that a task became ready, could not run because of its upstream, or was stopped with all
//! others.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Actor, Cause, CommandId, Outputs, RunState};

use super::edit::Edited;
use super::ranges::Ranges;
use crate::commands::Outcome;
use crate::effect::{Attempt, EffectKey, Look, NewRun};
use crate::elements::Elements;
use crate::family::{ChildStage, Turn};
use crate::input::Finding;

/// A fact of a run's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum RunFact {
    /// The run exists.
    #[n(0)]
    Created(#[n(0)] Box<NewRun>),
    /// It has begun: parameters are resolved for good.
    #[n(1)]
    Begun {
        /// By name, in the order of the definition.
        #[n(0)]
        parameters: Vec<(String, String)>,
    },
    /// The gate has it in line.
    #[n(2)]
    GateWaiting,
    /// The gate let it in.
    #[n(3)]
    Admitted,
    /// The gate will never let it in.
    #[n(4)]
    Discarded,
    /// The gate knows that it has left.
    #[n(5)]
    LeftGate {
        /// Of this entry.
        #[n(0)]
        entry: u32,
    },
    /// Slots were asked for: the next attempt of each task waits for its pool.
    #[n(6)]
    SlotsAsked {
        /// For these tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// The pool has these in line.
    #[n(7)]
    SlotsQueued {
        /// Of these tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// These have their slots.
    #[n(8)]
    SlotsGranted {
        /// Of these tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// The pool has the slots of this attempt back.
    #[n(9)]
    SlotFreed {
        /// Which.
        #[n(0)]
        attempt: Attempt,
    },
    /// The next attempt of each was handed to the dispatcher of its place.
    #[n(10)]
    Dispatched {
        /// Of these tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// The dispatcher has recorded the current attempts.
    #[n(11)]
    Accepted {
        /// Of these tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// The dispatcher can't submit the current attempt yet.
    #[n(12)]
    Waiting {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// The kind and subject of the wait.
        #[n(1)]
        why: String,
    },
    /// The job of the current attempt runs.
    #[n(13)]
    Started {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// Since when.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        at: Timestamp,
        /// What the target calls the job.
        #[n(2)]
        external_id: String,
    },
    /// The current attempt ended well.
    #[n(14)]
    Succeeded {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// When its job began.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        started: Timestamp,
        /// When its job ended.
        #[n(2)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// What it set.
        #[n(3)]
        outputs: Option<Outputs>,
    },
    /// The current attempt failed.
    #[n(15)]
    Failed {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// When its job began, if it did.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
        /// When it ended.
        #[n(2)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// Why.
        #[n(3)]
        cause: Cause,
        /// When the next attempt starts; none: there is no next.
        #[n(4)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        retry: Option<Timestamp>,
    },
    /// The current attempt was stopped, as asked.
    #[n(16)]
    Canceled {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// When.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
    },
    /// These ran longer than they may.
    #[n(17)]
    TimedOut {
        /// This task; none: the run.
        #[n(0)]
        task: Option<u32>,
        /// It is stopped for it; else only this fact says so.
        #[n(1)]
        stopped: bool,
    },
    /// In a dry run: these count as succeeded.
    #[n(18)]
    PassedDry {
        /// These tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// Somebody gave a command.
    #[n(19)]
    Commanded {
        /// Its id: a repeat is known by it.
        #[n(0)]
        id: CommandId,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// What, in words: `pause`, `rerun` …
        #[n(2)]
        what: String,
        /// What came of it.
        #[n(3)]
        outcome: Outcome,
    },
    /// Nothing new starts.
    #[n(20)]
    Pausing,
    /// Nothing runs any more.
    #[n(21)]
    Paused,
    /// It goes on.
    #[n(22)]
    Resumed,
    /// All that has not ended is stopped.
    #[n(23)]
    Stopping {
        /// Why.
        #[n(0)]
        cause: Cause,
    },
    /// Jobs are to be stopped; what comes after that.
    #[n(24)]
    CancelAsked {
        /// Of these tasks.
        #[n(0)]
        tasks: Ranges,
        /// Then.
        #[n(1)]
        then: After,
    },
    /// Somebody decided the outcome of tasks that have no job.
    #[n(25)]
    Decided {
        /// These tasks.
        #[n(0)]
        tasks: Ranges,
        /// What.
        #[n(1)]
        then: After,
    },
    /// Not to be started for now.
    #[n(26)]
    Held {
        /// These tasks; none: the run.
        #[n(0)]
        tasks: Ranges,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// For people.
        #[n(2)]
        why: String,
        /// It ends by itself then.
        #[n(3)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        until: Option<Timestamp>,
    },
    /// A hold has ended.
    #[n(27)]
    Released {
        /// Of these tasks; none: of the run.
        #[n(0)]
        tasks: Ranges,
    },
    /// These run again, from the start; jobs that they still have are stopped first.
    #[n(28)]
    Rerun {
        /// These tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// The run is over.
    #[n(29)]
    Ended {
        /// How: 5 succeeded, 6 failed, 7 canceled.
        #[n(0)]
        state: porpoise_model::RunState,
        /// Why, if it did not succeed.
        #[n(1)]
        cause: Option<Cause>,
    },
    /// The shell has carried out an effect.
    #[n(30)]
    Done {
        /// Which.
        #[n(0)]
        key: EffectKey,
    },
    /// A task has picked among those below it, and has so succeeded.
    #[n(31)]
    Chose {
        /// This task.
        #[n(0)]
        task: u32,
        /// Position of the branch, as the task's kind counts them.
        #[n(1)]
        branch: u32,
    },
    /// A person has answered what these tasks ask.
    #[n(32)]
    Answered {
        /// These tasks.
        #[n(0)]
        tasks: Ranges,
        /// Whether the run goes on.
        #[n(1)]
        approved: bool,
        /// Who.
        #[n(2)]
        actor: Actor,
        /// For people.
        #[n(3)]
        why: String,
    },
    /// The run that the current attempt has made says how it stands.
    #[n(33)]
    Child {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// The number of the word.
        #[n(1)]
        said: u64,
        /// How far that run is.
        #[n(2)]
        stage: ChildStage,
        /// When it was let in, if it was.
        #[n(3)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
    },
    /// What the run above wants was heard; nothing older changes anything any more.
    #[n(34)]
    Turned {
        /// What.
        #[n(0)]
        turn: Turn,
    },
    /// These begin to wait for runs of other workflows: somebody is to look.
    #[n(35)]
    Awaits {
        /// These tasks.
        #[n(0)]
        tasks: Ranges,
    },
    /// Somebody is to look again.
    #[n(36)]
    LooksAgain {
        /// For this task.
        #[n(0)]
        task: u32,
    },
    /// A look has found this; what it does not name is as before.
    #[n(37)]
    Found {
        /// Which look.
        #[n(0)]
        look: Look,
        /// What is other than before.
        #[n(1)]
        found: Vec<Finding>,
    },
    /// What this task waited for is there.
    #[n(38)]
    Met {
        /// This task.
        #[n(0)]
        task: u32,
    },
    /// The next attempt of a mapped task has begun: it will have a run made for each of these.
    #[n(39)]
    Mapped {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// As they were found when it began; nothing is evaluated again.
        #[n(1)]
        elements: Elements,
        /// These have succeeded in attempts before, over the same elements: they are not run again.
        #[n(2)]
        kept: Option<Ranges>,
    },
    /// Runs are to be made for more elements of its current attempt.
    #[n(40)]
    ElementsStarted {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// So many have started now: those from the one before to this one are new.
        #[n(1)]
        to: u32,
    },
    /// The run of an element of the current attempt says how it stands.
    #[n(41)]
    Element {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// Which, from 0.
        #[n(1)]
        element: u32,
        /// The number of the word.
        #[n(2)]
        said: u64,
        /// How far that run is.
        #[n(3)]
        stage: ChildStage,
        /// When it was let in, if it was.
        #[n(4)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
    },
    /// The run of an element of the current attempt is over, or can never be made.
    #[n(42)]
    ElementEnded {
        /// Of this task.
        #[n(0)]
        task: u32,
        /// Which, from 0.
        #[n(1)]
        element: u32,
        /// How: succeeded, failed or canceled.
        #[n(2)]
        state: RunState,
        /// When it was let in, if it was.
        #[n(3)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
        /// When it ended.
        #[n(4)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// Why, if it did not succeed.
        #[n(5)]
        cause: Option<Cause>,
        /// What it hands up.
        #[n(6)]
        outputs: Option<Outputs>,
    },
    /// Somebody has made another version of the one that the finished run had: it goes on with that.
    #[n(43)]
    Edited(#[n(0)] Box<Edited>),
    /// Others wait for tasks of this run by name, which had not ended when they looked.
    #[n(44)]
    Watched {
        /// Those that nobody had named before.
        #[n(0)]
        tasks: Ranges,
    },
    /// What did not succeed runs again, from where it was.
    #[n(45)]
    Recovered {
        /// These tasks: none of them is under way.
        #[n(0)]
        tasks: Ranges,
        /// Of these, those that go on with the run that they had, or with the elements that have succeeded.
        #[n(1)]
        goes_on: Option<Ranges>,
    },
    /// The run goes on for another attempt of the run above than the one that has made it.
    #[n(46)]
    WentOn {
        /// For which.
        #[n(0)]
        attempt: Attempt,
    },
}

/// What becomes of a task once its job is stopped, or at once when it has none.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum After {
    /// It is canceled.
    #[n(0)]
    Cancel {
        /// Why.
        #[n(0)]
        cause: Cause,
    },
    /// Its attempt failed by its time-out: retried or failed.
    #[n(1)]
    TimeOut,
    /// It counts as succeeded.
    #[n(2)]
    Succeed {
        /// Says who.
        #[n(0)]
        actor: Actor,
    },
    /// It is skipped.
    #[n(3)]
    Skip {
        /// Says who.
        #[n(0)]
        actor: Actor,
    },
    /// It runs again.
    #[n(4)]
    Rerun,
}
