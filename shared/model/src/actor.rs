//! Who did something.

use std::fmt;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// Who acted, through what, and in which request: stands on every command and record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
pub struct Actor {
    /// The principal: a user's or service account's name, or `porpoise` for the engine itself.
    #[n(0)]
    pub principal: String,
    /// Through what: `cli`, `api`, `console`, `schedule`, `engine`.
    #[n(1)]
    pub via: String,
    /// The request that carried it, if any.
    #[n(2)]
    pub request: Option<String>,
}

impl Actor {
    /// Porpoise itself.
    pub fn engine() -> Self {
        Self {
            principal: "porpoise".to_owned(),
            via: "engine".to_owned(),
            request: None,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} via {}", self.principal, self.via)
    }
}
