//! Commands of the last day, by id: a repeat is known and has no further effect.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::CommandId;
use porpoise_model::limits::COMMANDS_REMEMBERED_HOURS;

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
    /// It was carried out.
    #[n(0)]
    Accepted,
    /// It was not, and changed nothing.
    #[n(1)]
    Refused {
        /// Why.
        #[n(0)]
        reason: String,
    },
}

/// The commands that an aggregate remembers, with what came of each.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Commands {
    #[n(0)]
    taken: BTreeMap<CommandId, Taken>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
struct Taken {
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    at: Timestamp,
    #[n(1)]
    outcome: Outcome,
}

impl Commands {
    /// What came of a command; `None` if it is new, or older than what is remembered.
    pub fn seen(&self, id: CommandId) -> Option<&Outcome> {
        self.taken.get(&id).map(|taken| &taken.outcome)
    }

    /// Remembers a command that was decided at `at`, and forgets those that are a day older.
    pub fn record(&mut self, id: CommandId, outcome: Outcome, at: Timestamp) {
        let day = SignedDuration::from_hours(COMMANDS_REMEMBERED_HOURS);
        self.taken
            .retain(|_, taken| at.duration_since(taken.at) < day);
        self.taken.insert(id, Taken { at, outcome });
    }
}
