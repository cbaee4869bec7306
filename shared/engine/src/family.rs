//! What a run and the runs of its attempts say to each other.
//!
//! A task that is another workflow has a run of it made by each of its attempts. That run says how it stands, by words
//! that are numbered: it repeats the latest one until it is heard, and an older one changes nothing. The run above says
//! whether the one below is to pause or to go on, in the same way.

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Outputs, RunId, RunState};

use crate::effect::Attempt;

/// What a run says to the one above.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ChildWord {
    /// The attempt that has made it.
    #[n(0)]
    pub attempt: Attempt,
    /// Counts what it has said: a smaller number is older.
    #[n(1)]
    pub said: u64,
    /// What.
    #[n(2)]
    pub what: ChildState,
    /// Who says it, if another attempt than that has made it.
    #[n(3)]
    pub run: Option<RunId>,
}

impl ChildWord {
    /// The run that says it to a run.
    pub fn speaker(&self, above: RunId) -> RunId {
        self.run.unwrap_or_else(|| self.attempt.child(above))
    }
}

/// What a run says to the backfill that has made it.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct DateWord {
    /// Its logical date.
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub date: Timestamp,
    /// Counts what it has said.
    #[n(1)]
    pub said: u64,
    /// What.
    #[n(2)]
    pub what: ChildState,
    /// The number of the dependent whose run it is; `None`: it is that of the workflow itself.
    #[n(3)]
    pub dependent: Option<u32>,
}

/// How a run stands, as far as it matters to the one above.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ChildState {
    /// Not over.
    #[n(0)]
    Open {
        /// How far it is.
        #[n(0)]
        stage: ChildStage,
        /// When it was let in, if it was.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
    },
    /// Over.
    #[n(1)]
    Ended {
        /// How.
        #[n(0)]
        state: RunState,
        /// When it was let in, if it was.
        #[n(1)]
        #[cbor(with = "porpoise_model::codec::timestamp_option")]
        started: Option<Timestamp>,
        /// When it ended.
        #[n(2)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        ended: Timestamp,
        /// Why, in words, if it did not succeed.
        #[n(3)]
        why: String,
        /// What it hands on.
        #[n(4)]
        outputs: Outputs,
    },
}

/// How far a run is that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ChildStage {
    /// Its gate lets others go first.
    #[n(0)]
    Waiting,
    /// It runs.
    #[n(1)]
    Running,
    /// It is paused.
    #[n(2)]
    Paused,
}

/// What a run wants of one that it has made: both as of the latest number that it hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Turn {
    /// The attempt that has made it.
    #[n(0)]
    pub attempt: Attempt,
    /// Counts what the run above has wanted so far.
    #[n(1)]
    pub number: u32,
    /// To pause; else to go on.
    #[n(2)]
    pub pause: bool,
}
