//! What happened at a gate or was decided there, kept for ever.
//!
//! Numbers of variants and fields never change their meaning (docs/adr).

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::RunId;
use porpoise_model::workflow::{Concurrency, Priority};

/// A fact of a gate's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum GateFact {
    /// A run has come, and stands in line until another fact says more.
    #[n(0)]
    Entered {
        /// Which.
        #[n(0)]
        run: RunId,
        /// Counts the times that it has come.
        #[n(1)]
        entry: u32,
        /// By which rule it goes in.
        #[n(2)]
        concurrency: Concurrency,
        /// The more urgent one goes first,
        #[n(3)]
        priority: Priority,
        /// then the one that was created earlier, then the one with the smaller id.
        #[n(4)]
        #[cbor(with = "porpoise_model::codec::timestamp")]
        created: Timestamp,
    },
    /// It is let in.
    #[n(1)]
    Admitted {
        /// Which.
        #[n(0)]
        run: RunId,
    },
    /// It is not let in, ever.
    #[n(2)]
    Discarded {
        /// Which.
        #[n(0)]
        run: RunId,
    },
    /// It knows that.
    #[n(3)]
    Noted {
        /// Which.
        #[n(0)]
        run: RunId,
    },
    /// It has ended, or no longer wants in.
    #[n(4)]
    Left {
        /// Which.
        #[n(0)]
        run: RunId,
        /// Of this entry and all before it.
        #[n(1)]
        entry: u32,
    },
    /// It is in, and is to leave for a later one.
    #[n(5)]
    Superseded {
        /// Which.
        #[n(0)]
        run: RunId,
    },
}
