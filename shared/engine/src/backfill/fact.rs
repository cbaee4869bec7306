//! What happened to a backfill or was decided about it, kept for ever.
//!
//! Numbers of variants and fields never change their meaning (docs/adr).

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Actor, BackfillId, CommandId, RunState};

use super::dates::Dates;
use super::dependent::{Dependent, Dependents};
use crate::commands::Outcome;
use crate::effect::NewRun;
use crate::run::state::Time;

/// A fact of a backfill's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum BackfillFact {
    /// It is there.
    #[n(0)]
    Begun {
        /// What it is.
        #[n(0)]
        new: Box<NewBackfill>,
        /// How many dates it has, as of now.
        #[n(1)]
        total: u32,
        /// The first of them.
        #[n(2)]
        next: Option<Time>,
    },
    /// Somebody gave a command.
    #[n(1)]
    Commanded {
        /// Its id: a repeat is known by it.
        #[n(0)]
        id: CommandId,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// What, in a word: `pause`, `resume`, `kill`.
        #[n(2)]
        what: String,
        /// What came of it.
        #[n(3)]
        outcome: Outcome,
    },
    /// Dates start: their runs are to be created.
    #[n(2)]
    Started {
        /// In their order.
        #[n(0)]
        dates: Vec<Time>,
        /// The one behind them.
        #[n(1)]
        next: Option<Time>,
    },
    /// The run of a date exists.
    #[n(3)]
    Created {
        /// Which.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
    },
    /// The run of a date is over. Where workflows go along and it succeeded, they are next.
    #[n(4)]
    Ended {
        /// Which.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// How.
        #[n(1)]
        state: RunState,
    },
    /// The run of a date cannot be created, ever.
    #[n(5)]
    Refused {
        /// Which.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// In words.
        #[n(1)]
        why: String,
    },
    /// Nothing new starts.
    #[n(6)]
    Paused,
    /// It goes on.
    #[n(7)]
    Resumed,
    /// Nothing new starts, and runs that are there are to be stopped.
    #[n(8)]
    Killed {
        /// By whom.
        #[n(0)]
        by: Actor,
    },
    /// This release cannot tell its dates. Nothing new starts.
    #[n(9)]
    Halted {
        /// Why.
        #[n(0)]
        reason: String,
    },
    /// It is over.
    #[n(10)]
    Over {
        /// How.
        #[n(0)]
        state: RunState,
    },
    /// Lists know of it.
    #[n(11)]
    Listed,
    /// The run of a date has succeeded, and dependents start for it: their runs are to be created.
    #[n(12)]
    DependentsStarted {
        /// Which date.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// Their numbers.
        #[n(1)]
        dependents: Vec<u32>,
    },
    /// The run of a dependent for a date exists.
    #[n(13)]
    DependentCreated {
        /// Which date.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// Its number.
        #[n(1)]
        dependent: u32,
    },
    /// The run of a dependent for a date is over.
    #[n(14)]
    DependentEnded {
        /// Which date.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// Its number.
        #[n(1)]
        dependent: u32,
        /// How.
        #[n(2)]
        state: RunState,
    },
    /// The run of a dependent for a date cannot be created, ever.
    #[n(15)]
    DependentRefused {
        /// Which date.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// Its number.
        #[n(1)]
        dependent: u32,
        /// In words.
        #[n(2)]
        why: String,
    },
    /// A date is over whose own run had succeeded: none of its dependents is there, and none starts any more.
    #[n(16)]
    DateEnded {
        /// Which.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        date: Timestamp,
        /// How: well if every dependent ran and succeeded.
        #[n(1)]
        state: RunState,
    },
}

/// All that a backfill begins with.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct NewBackfill {
    /// Its id, hashed from what asked for it.
    #[n(0)]
    pub backfill: BackfillId,
    /// Its runs are like this one, but for id, trigger, logical date and the time of their creation, which is here that of
    /// the backfill. Pinned to a version.
    #[n(1)]
    pub like: NewRun,
    /// For which dates.
    #[n(2)]
    pub dates: Dates,
    /// The latest first.
    #[n(3)]
    pub descending: bool,
    /// So many dates at the same time: as many runs, where no workflow goes along.
    #[n(4)]
    pub parallel: u32,
    /// What follows where one does not succeed.
    #[n(5)]
    pub after_failure: AfterFailure,
    /// The workflows that go along, if that was asked for.
    #[n(6)]
    pub dependents: Option<Dependents>,
}

impl NewBackfill {
    /// The workflows that go along, each behind those that it waits for.
    pub fn dependents(&self) -> &[Dependent] {
        self.dependents.as_ref().map_or(&[], |asked| &asked.found)
    }
}

/// What a backfill does when one of its runs has failed, or was stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AfterFailure {
    /// No further date starts, as in `DolphinScheduler`.
    #[default]
    #[n(0)]
    Stop,
    /// The others start all the same.
    #[n(1)]
    Continue,
}

impl AfterFailure {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Continue => "continue",
        }
    }
}
