//! What happened to a pool or was decided about it, kept for ever.
//!
//! Numbers of variants and fields never change their meaning (docs/adr). Arrival in the line is no number of a fact:
//! it is the order of the facts.

use minicbor::{Decode, Encode};
use porpoise_model::{Actor, CommandId};

use super::line::Request;
use crate::commands::Outcome;
use crate::effect::Holder;

/// A fact of a pool's log.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PoolFact {
    /// An attempt stands in line.
    #[n(0)]
    Asked {
        /// Who.
        #[n(0)]
        holder: Holder,
        /// For what.
        #[n(1)]
        request: Request,
    },
    /// It holds its slots.
    #[n(1)]
    Granted {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// It knows that.
    #[n(2)]
    Taken {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// It holds nothing and stands in no line any more.
    #[n(3)]
    Freed {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// It was silent for long, and is asked.
    #[n(4)]
    Checked {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// It says that it still holds its slots.
    #[n(5)]
    Heard {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// Somebody gave a command.
    #[n(6)]
    Commanded {
        /// Its id: a repeat is known by it.
        #[n(0)]
        id: CommandId,
        /// Who.
        #[n(1)]
        actor: Actor,
        /// What, in words: `resize`, `grant`.
        #[n(2)]
        what: String,
        /// What came of it.
        #[n(3)]
        outcome: Outcome,
    },
    /// It has another size, or another name.
    #[n(7)]
    Resized {
        /// What it has now; 0: it grants nothing.
        #[n(0)]
        slots: u32,
        /// Its name, for lists.
        #[n(1)]
        name: String,
    },
}
