//! What a target is told to do: an attempt with every expression resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::{AttemptKey, ProjectId, RunId, Value};

/// All that a target needs to know to run an attempt. Secrets are references still.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct Job {
    /// At most one job for it.
    #[n(0)]
    pub key: AttemptKey,
    /// Whose.
    #[n(1)]
    pub project: ProjectId,
    /// Of which run.
    #[n(2)]
    pub run: RunId,
    /// Index of the task in its version.
    #[n(3)]
    pub task: u32,
    /// Map index; 0 when not mapped.
    #[n(4)]
    pub map: u32,
    /// Number of the attempt, from 1.
    #[n(5)]
    pub attempt: u32,
    /// The task's name, for people.
    #[n(6)]
    pub task_name: String,
    /// What to do.
    #[n(7)]
    pub work: Work,
    /// Environment variables: parameters, and what the task declares.
    #[n(8)]
    pub env: BTreeMap<String, String>,
    /// The outputs that it may set, with their types and the values they have when the job sets none.
    #[n(9)]
    pub outputs: BTreeMap<String, Value>,
    /// The version of the rules by which outputs are read: the workflow's dialect.
    #[n(10)]
    pub dialect: String,
    /// The secrets that the definition itself names. Only these are resolved at the target: a reference that came in
    /// with a value, an output of another task or a parameter of the run, stays a text.
    #[n(11)]
    #[cbor(default)]
    pub secrets: BTreeSet<String>,
}

/// What an attempt does, with every expression resolved.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum Work {
    /// Nothing.
    #[n(0)]
    Noop,
    /// Sleeps this many milliseconds.
    #[n(1)]
    Sleep {
        /// Milliseconds.
        #[n(0)]
        millis: u64,
    },
    /// A script for `sh`.
    #[n(2)]
    Shell {
        /// Its text.
        #[n(0)]
        script: String,
    },
    /// A script for `python3`.
    #[n(3)]
    Python {
        /// Its text.
        #[n(0)]
        script: String,
    },
    /// A program and its arguments.
    #[n(4)]
    Command {
        /// Program first.
        #[n(0)]
        argv: Vec<String>,
    },
    /// A kind of another system.
    #[n(5)]
    External {
        /// `dolphinscheduler` …
        #[n(0)]
        system: String,
        /// Its name there.
        #[n(1)]
        name: String,
        /// JSON.
        #[n(2)]
        parameters: String,
    },
}

impl Work {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Noop => "noop",
            Self::Sleep { .. } => "sleep",
            Self::Shell { .. } => "shell",
            Self::Python { .. } => "python",
            Self::Command { .. } => "command",
            Self::External { .. } => "external",
        }
    }

    /// How long it is known to take, for kinds that only pass the time.
    pub const fn known_duration(&self) -> Option<Duration> {
        match self {
            Self::Noop => Some(Duration::ZERO),
            Self::Sleep { millis } => Some(Duration::from_millis(*millis)),
            Self::Shell { .. }
            | Self::Python { .. }
            | Self::Command { .. }
            | Self::External { .. } => None,
        }
    }
}
