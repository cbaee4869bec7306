//! What happened to a schedule or was decided about it, kept for ever.
//!
//! Numbers of variants and fields never change their meaning (docs/adr).

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Actor, CommandId};

use super::calendar::CalendarChange;
use super::state::Setting;
use crate::commands::Outcome;
use crate::run::state::Time;

/// A fact of a schedule's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum ScheduleFact {
    /// Somebody gave a command.
    #[n(0)]
    Commanded {
        /// Its id: a repeat is known by it.
        #[n(0)]
        id: CommandId,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// What, in words: `set`, `online` …
        #[n(2)]
        what: String,
        /// What came of it.
        #[n(3)]
        outcome: Outcome,
    },
    /// It is this from now on: a new generation.
    #[n(1)]
    Set {
        /// What.
        #[n(0)]
        setting: Box<Setting>,
        /// Whether it fires.
        #[n(1)]
        online: bool,
        /// Its next instant, if there is one.
        #[n(2)]
        next: Option<Time>,
    },
    /// It fires from now on: a new generation.
    #[n(2)]
    WentOnline {
        /// Its next instant, if there is one.
        #[n(0)]
        next: Option<Time>,
    },
    /// It fires no more: a new generation.
    #[n(3)]
    WentOffline,
    /// There is no schedule any more: a new generation.
    #[n(4)]
    Unset,
    /// Instants were due.
    #[n(5)]
    Came {
        /// These fire, the earliest first.
        #[n(0)]
        fired: Vec<Time>,
        /// These do not.
        #[n(1)]
        missed: Option<Missed>,
        /// Its next instant, if there is one.
        #[n(2)]
        next: Option<Time>,
    },
    /// The run of an instant exists.
    #[n(6)]
    Created {
        /// Which.
        #[n(0)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        instant: Timestamp,
    },
    /// This release cannot read the spec, which an earlier one took. It fires nothing until it is set again.
    #[n(7)]
    Halted {
        /// Why.
        #[n(0)]
        reason: String,
    },
    /// The calendar that it follows was put: it fires by those days from now on, and is of a new generation.
    #[n(8)]
    CalendarChanged {
        /// What it is now, and by whom.
        #[n(0)]
        change: Box<CalendarChange>,
        /// Its next instant, if there is one.
        #[n(1)]
        next: Option<Time>,
    },
}

/// Instants that were passed over; the latest of what was missed is not among them when it fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Missed {
    /// The first of them.
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub from: Timestamp,
    /// The last of them.
    #[n(1)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub to: Timestamp,
}
