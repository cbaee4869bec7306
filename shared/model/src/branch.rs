//! Tasks that pick which of the tasks below them go on: without a job, from what the run knows already.

use serde::{Deserialize, Serialize};

/// A case of a switch: what must hold, and what then goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// A condition over values, such as `${rows} > 100`. Empty: it always holds.
    pub when: String,
    /// Indices of tasks directly below the switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<u32>,
}

/// What must hold of the tasks above.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// A task directly above ended like this.
    Task {
        /// Its index.
        task: u32,
        /// How.
        is: Ending,
    },
    /// All of these hold; of none, this holds.
    All(Vec<Self>),
    /// At least one of these holds; of none, this does not hold.
    Any(Vec<Self>),
}

/// How a task ended, as tests ask for it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Well, or somebody decided so, or it is disabled.
    Succeeded,
    /// It failed, was canceled, or could not run.
    Failed,
    /// It was not run, on purpose.
    Skipped,
}

impl Test {
    /// The tasks that it looks at.
    pub fn tasks(&self) -> Vec<u32> {
        match self {
            Self::Task { task, .. } => vec![*task],
            Self::All(tests) | Self::Any(tests) => tests.iter().flat_map(Self::tasks).collect(),
        }
    }

    /// Whether it holds. `ended` says whether a task ended like that.
    pub fn holds(&self, ended: &impl Fn(u32, Ending) -> bool) -> bool {
        match self {
            Self::Task { task, is } => ended(*task, *is),
            Self::All(tests) => tests.iter().all(|test| test.holds(ended)),
            Self::Any(tests) => tests.iter().any(|test| test.holds(ended)),
        }
    }
}
