//! Which DolphinScheduler wrote a file. Files do not say: their keys do.

use std::fmt;
use std::str::FromStr;

use porpoise_expression::Dialect;

use crate::fault::short;
use crate::json::At;

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

    /// Other ways to write it.
    const fn also(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["1", "1.0", "1.1", "1.2", "1.3"],
            Self::V3_3 => &["3.4"],
            Self::V2_0 | Self::V3_0 | Self::V3_1 | Self::V3_2 => &[],
        }
    }

    /// The rules by which workflows of this version are read and run.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::V1 => Dialect::DolphinScheduler13,
            Self::V2_0 => Dialect::DolphinScheduler20,
            Self::V3_0 => Dialect::DolphinScheduler30,
            Self::V3_1 => Dialect::DolphinScheduler31,
            Self::V3_2 => Dialect::DolphinScheduler32,
            Self::V3_3 => Dialect::DolphinScheduler33,
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
#[error(
    "`{0}` is no version of DolphinScheduler; known are 1.x, 2.0, 3.0, 3.1, 3.2 and 3.3 (which stands for those after it)"
)]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let known = |version: &Self| version.as_str() == text || version.also().contains(&text);
        let found = Self::ALL.into_iter().find(known);
        found.ok_or_else(|| UnknownVersion(short(text)))
    }
}

/// The form of a workflow in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// All in `processDefinitionJson`: 1.x.
    Old,
    /// `processDefinition`, relations and tasks beside it: 2.0 to 3.2.
    Process,
    /// The same with `workflow` in its keys: 3.3 and later.
    Workflow,
    /// The body of a call that creates a workflow, of 2.0 and later.
    Create,
    /// A file of the Python SDK.
    Python,
}

impl Form {
    /// By the keys of an element, in the order in which they became certain.
    pub(crate) fn of(element: At<'_>) -> Option<Self> {
        let is_object = |key| element.get(key).is_some_and(At::is_object);
        if element.get("processDefinitionJson").is_some() {
            Some(Self::Old)
        } else if element.get("workflowDefinition").is_some() {
            Some(Self::Workflow)
        } else if is_object("processDefinition") {
            Some(Self::Process)
        } else if element.get("taskDefinitionJson").is_some() {
            Some(Self::Create)
        } else {
            None
        }
    }

    /// The versions that write it.
    pub(crate) const fn writers(self) -> &'static [Version] {
        use Version::{V1, V2_0, V3_0, V3_1, V3_2, V3_3};
        match self {
            Self::Old => &[V1],
            Self::Process => &[V2_0, V3_0, V3_1, V3_2],
            Self::Workflow => &[V3_3],
            Self::Create | Self::Python => &[V2_0, V3_0, V3_1, V3_2, V3_3],
        }
    }

    pub(crate) const fn noun(self) -> &'static str {
        match self {
            Self::Old => "an export of 1.x (`processDefinitionJson`)",
            Self::Process => "an export of 2.0 to 3.2 (`processDefinition`)",
            Self::Workflow => "an export of 3.3 or later (`workflowDefinition`)",
            Self::Create => "the body of a call that creates a workflow",
            Self::Python => "a file of the Python SDK",
        }
    }
}

/// What a workflow looks like, and whether its keys leave no doubt.
pub(crate) fn detect(form: Form, element: At<'_>) -> (Version, bool) {
    match form {
        Form::Old => (Version::V1, true),
        Form::Workflow => (Version::V3_3, true),
        // The newest SDK that is stored speaks to 3.2.
        Form::Python => (Version::V3_2, true),
        Form::Process => {
            let tasks = element.get("taskDefinitionList");
            let Some(definition) = element.get("processDefinition") else {
                return (Version::V2_0, false);
            };
            let tenant = element
                .get("schedule")
                .and_then(|at| at.get("tenantCode"))
                .is_some();
            let newest = definition.get("tenantId").is_none() || tenant;
            by_keys(definition, tasks, newest)
        }
        Form::Create => {
            let tasks = element.get("taskDefinitionJson");
            let mut of_tasks = tasks.into_iter().flat_map(At::items);
            if of_tasks.any(|task| task.get("taskType").and_then(At::text) == Some("SUB_WORKFLOW"))
            {
                return (Version::V3_3, true);
            }
            let newest = element.get("tenantCode").is_none();
            by_keys(element, tasks, newest)
        }
    }
}

fn by_keys(definition: At<'_>, tasks: Option<At<'_>>, newest: bool) -> (Version, bool) {
    let mut of_tasks = tasks.into_iter().flat_map(At::items);
    let any = |key: &str| {
        tasks
            .into_iter()
            .flat_map(At::items)
            .any(|task| task.get(key).is_some())
    };
    if newest || any("isCache") {
        (Version::V3_2, true)
    } else if any("taskExecuteType") {
        (Version::V3_1, true)
    } else if definition.get("executionType").is_some() && of_tasks.next().is_some() {
        (Version::V3_0, true)
    } else {
        (Version::V2_0, false)
    }
}

/// What to say of something that is none of them.
pub(crate) fn foreign(element: At<'_>) -> (String, &'static str) {
    let keys: Vec<_> = element
        .entries()
        .map(|(key, _)| short(key))
        .take(12)
        .collect();
    let message = if keys.is_empty() {
        "this is no workflow of DolphinScheduler".to_owned()
    } else if element.get("taskParams").is_some() {
        "this is a task without its workflow".to_owned()
    } else {
        let keys = keys.join(", ");
        format!("this is no export of DolphinScheduler: its keys are {keys}")
    };
    (message, FOREIGN)
}

const FOREIGN: &str = "an export is a list of objects with `processDefinition`, `processTaskRelationList`, `taskDefinitionList`";
