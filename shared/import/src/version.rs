//! Which DolphinScheduler wrote a file. Files do not say: their keys do.

use std::fmt;
use std::str::FromStr;

use crate::fault::{Problem, Problems, Spot, short};
use crate::json::{At, NodeId, Tree};

/// Versions whose files differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.0 to 1.3.
    V1,
    /// 2.0.
    V2_0,
    /// 3.0.
    V3_0,
    /// 3.1.
    V3_1,
    /// 3.2.
    V3_2,
    /// 3.3 and later.
    V3_3,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 6] = [
        Self::V1,
        Self::V2_0,
        Self::V3_0,
        Self::V3_1,
        Self::V3_2,
        Self::V3_3,
    ];

    /// `3.1`, and so on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "1.x",
            Self::V2_0 => "2.0",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
            Self::V3_2 => "3.2",
            Self::V3_3 => "3.3",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of DolphinScheduler; known are 1.x, 2.0, 3.0, 3.1, 3.2 and 3.3")]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let found = Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text);
        found.ok_or_else(|| UnknownVersion(short(text)))
    }
}

/// What the keys of a workflow tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Detected {
    Version(Version),
    /// 2.0, or an answer of the REST API of a later one up to 3.1, which leaves the tell-tale keys out.
    Unmarked,
    /// The body of a call that creates a workflow.
    CreateRequest,
    /// Nothing of DolphinScheduler; its keys.
    Foreign(Vec<String>),
}

/// Reads the marks of a version, in the order in which they became certain.
pub(crate) fn detect(element: At<'_>) -> Detected {
    let has = |key| element.get(key).is_some();
    if has("processDefinitionJson") {
        return Detected::Version(Version::V1);
    }
    if has("workflowDefinition") {
        return Detected::Version(Version::V3_3);
    }
    let Some(definition) = element
        .some("processDefinition")
        .filter(|at| at.is_object())
    else {
        if has("taskDefinitionJson") {
            return Detected::CreateRequest;
        }
        return Detected::Foreign(
            element
                .entries()
                .map(|(key, _)| short(key))
                .take(12)
                .collect(),
        );
    };
    let tasks = || {
        element
            .get("taskDefinitionList")
            .into_iter()
            .flat_map(At::items)
    };
    let of_tasks = |key| tasks().any(|task| task.get(key).is_some());
    let of_schedule = |key| element.get("schedule").and_then(|at| at.get(key)).is_some();
    if of_tasks("isCache") || definition.get("tenantId").is_none() || of_schedule("tenantCode") {
        Detected::Version(Version::V3_2)
    } else if of_tasks("taskExecuteType") {
        Detected::Version(Version::V3_1)
    } else if tasks().next().is_none() || definition.get("executionType").is_none() {
        Detected::Unmarked
    } else {
        Detected::Version(Version::V3_0)
    }
}

/// Refuses what is not 3.1. `said` is what the user says about the file: it wins over its keys.
pub(crate) fn check(
    tree: &Tree,
    elements: &[NodeId],
    said: Option<Version>,
) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if let Some(version) = said
        && version != Version::V3_1
    {
        return Err(Problems::one(
            Some(ONLY),
            format!("the file is said to be of DolphinScheduler {version}"),
        ));
    }
    for element in elements {
        let at = tree.at(*element);
        let (message, hint) = match detect(at) {
            Detected::Version(Version::V3_1) | Detected::Unmarked => continue,
            Detected::Version(Version::V3_0 | Version::V3_2) if said.is_some() => continue,
            Detected::Version(version @ (Version::V3_0 | Version::V3_2)) => (
                format!("the workflow was written by DolphinScheduler {version}"),
                format!("{ONLY}; if this is a file of 3.1, say so with --from-version 3.1"),
            ),
            Detected::Version(version @ (Version::V1 | Version::V2_0 | Version::V3_3)) => (
                format!("the workflow was written by DolphinScheduler {version}"),
                ONLY.to_owned(),
            ),
            Detected::CreateRequest => (
                "this is the body of a call that creates a workflow, not an export".to_owned(),
                ONLY.to_owned(),
            ),
            Detected::Foreign(keys) => (foreign(&keys), FOREIGN.to_owned()),
        };
        let spot = Spot::Node {
            path: at.path(),
            of_file: *element,
        };
        problems.push(Problem {
            spot,
            message,
            hint: Some(hint),
        });
    }
    problems.into_result()
}

const ONLY: &str = "exports of 3.1 are read today";
const FOREIGN: &str = "an export is a list of objects with `processDefinition`, `processTaskRelationList`, `taskDefinitionList`";

fn foreign(keys: &[String]) -> String {
    if keys.is_empty() {
        return "this is no workflow of DolphinScheduler".to_owned();
    }
    format!(
        "this is no export of DolphinScheduler: its keys are {}",
        keys.join(", ")
    )
}
