//! A workflow as it is stored: complete, valid, in canonical form. `porpoise-definition` makes it from files.
//!
//! The stored bytes are its JSON with fields in declaration order and defaults left out; [`Workflow::to_stored`] makes
//! them once, at save. A task's index is its position in [`Workflow::tasks`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

pub use crate::branch::{Case, Ending, Test};
pub use crate::calendar::ExcludedDay;
pub use crate::each::{Each, Items};
pub use crate::kind::Kind;
pub use crate::rule::TriggerRule;
use crate::{Name, RunState, Value, VersionHash};

/// The version of the stored form. Readers accept every version up to their own.
pub const STORED_FORM: u32 = 1;

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// [`STORED_FORM`] of the writer.
    pub form: u32,
    /// Owner.
    pub project: Name,
    /// What people call it.
    pub name: Name,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The dialect of its expressions: `porpoise/1`, `dolphinscheduler/3.1` …
    pub dialect: String,
    /// When it runs by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Its parameters, resolved once when a run starts, in this order.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub parameters: IndexMap<String, Value>,
    /// What a run of it hands to the run that had it made: expressions over outputs of its tasks and its parameters.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, Value>,
    /// How long a run may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// What a failed task means for the rest.
    #[serde(default)]
    pub on_failure: FailureStrategy,
    /// How runs of this workflow go together.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// Of its runs, among all.
    #[serde(default)]
    pub priority: Priority,
    /// What people are to be told of its runs; nothing if it is empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notify: BTreeSet<Occasion>,
    /// Free marks: cost centre, codes of where it was imported from …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its tasks, by index.
    pub tasks: Vec<Task>,
}

impl Workflow {
    /// The bytes to store, and their hash: the address of this version.
    ///
    /// # Errors
    /// Only if a kind's parameters cannot be written as JSON.
    pub fn to_stored(&self) -> Result<(Vec<u8>, VersionHash), serde_json::Error> {
        let bytes = serde_json::to_vec(self)?;
        let hash = VersionHash::of(&bytes);
        Ok((bytes, hash))
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// The bytes are not of this form, or of a later one.
    pub fn from_stored(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let workflow: Self = serde_json::from_slice(bytes)?;
        if workflow.form > STORED_FORM {
            return Err(serde::de::Error::custom(format!(
                "the version is stored in form {}, this reader knows {STORED_FORM}",
                workflow.form
            )));
        }
        Ok(workflow)
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Unique in its workflow.
    pub name: Name,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: Kind,
    /// Indices of the tasks that it follows, ascending, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u32>,
    /// What must hold of those for it to start.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: TriggerRule,
    /// Its own parameters: they win over the workflow's of the same name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub parameters: IndexMap<String, Value>,
    /// Environment variables of its process; values may hold expressions.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub env: IndexMap<String, String>,
    /// Files that a script finds in its folder: names there, and where each comes from, which may hold expressions.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// The outputs that it may set, with their types.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, Value>,
    /// What happens when an attempt fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry: Retry,
    /// How long an attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Waits this long after it became ready.
    #[serde(default, skip_serializing_if = "Duration::is_zero", with = "millis")]
    pub delay: Duration,
    /// Among the tasks of its run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub priority: Priority,
    /// The pool whose slot it holds while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolUse>,
    /// The target that runs it; none: the default of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Not to be run: what follows goes on as if it had succeeded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Free marks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Task {
    /// A task with everything at its default.
    pub fn new(name: Name, kind: Kind) -> Self {
        Self {
            name,
            description: String::new(),
            kind,
            after: Vec::new(),
            trigger: TriggerRule::default(),
            parameters: IndexMap::new(),
            env: IndexMap::new(),
            files: IndexMap::new(),
            outputs: IndexMap::new(),
            retry: Retry::default(),
            timeout: None,
            delay: Duration::ZERO,
            priority: Priority::default(),
            pool: None,
            target: None,
            disabled: false,
            labels: BTreeMap::new(),
        }
    }
}

/// What happens when an attempt fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Further attempts after the first, counted since the last rerun.
    #[serde(default)]
    pub limit: u32,
    /// Before the first retry.
    #[serde(default, with = "millis")]
    pub delay: Duration,
    /// How the delay grows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: Backoff,
    /// The delay grows no further than this.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "millis_option"
    )]
    pub delay_max: Option<Duration>,
    /// Up to this share of the delay is taken off at random, in percent: 0 to 100.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jitter_percent: u8,
}

/// How the delay between attempts grows.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// It does not.
    #[default]
    Fixed,
    /// It doubles each time.
    Exponential,
}

/// How long something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// Counted from the start (of the attempt, or of the run).
    #[serde(with = "millis")]
    pub after: Duration,
    /// What happens then.
    #[serde(default)]
    pub action: TimeoutAction,
}

/// What happens when something takes too long.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TimeoutAction {
    /// The attempt is stopped and counts as failed (of a run: it is canceled and fails).
    #[default]
    Fail,
    /// It goes on; a fact records it.
    Warn,
}

/// What of a run may be worth telling people.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The run ended, and succeeded.
    Succeeded,
    /// The run ended, and failed.
    Failed,
    /// The run ended, and was canceled.
    Canceled,
    /// A task failed, and there is no further attempt.
    TaskFailed,
    /// The run, or an attempt of a task, takes longer than its time-out says, whatever happens then.
    Late,
}

impl Occasion {
    /// That a run ends like this; `None`: this is no end.
    pub const fn of_end(state: RunState) -> Option<Self> {
        match state {
            RunState::Succeeded => Some(Self::Succeeded),
            RunState::Failed => Some(Self::Failed),
            RunState::Canceled => Some(Self::Canceled),
            RunState::Queued
            | RunState::Running
            | RunState::Pausing
            | RunState::Paused
            | RunState::Canceling => None,
        }
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::TaskFailed => "task_failed",
            Self::Late => "late",
        }
    }
}

/// What a failed task means for the rest of its run.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum FailureStrategy {
    /// What does not depend on it goes on.
    #[default]
    #[n(0)]
    Continue,
    /// What runs is stopped, nothing new starts.
    #[n(1)]
    End,
}

/// How runs of one workflow go together.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Concurrency {
    /// All at once.
    #[default]
    #[n(0)]
    Parallel,
    /// One at a time, in the order of their creation.
    #[n(1)]
    SerialWait,
    /// One at a time; a run that comes while another is active is canceled.
    #[n(2)]
    SerialDiscard,
    /// One at a time; a run that comes stops the one that is active, and discards those that wait.
    #[n(3)]
    SerialPriority,
}

/// Who goes first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Priority {
    /// First of all.
    #[n(0)]
    Highest,
    /// Before the rest.
    #[n(1)]
    High,
    /// The usual.
    #[default]
    #[n(2)]
    Medium,
    /// After the usual.
    #[n(3)]
    Low,
    /// Last of all.
    #[n(4)]
    Lowest,
}

impl Priority {
    /// 0 for the first to 4 for the last.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Highest => 0,
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
            Self::Lowest => 4,
        }
    }
}

/// A pool, and how many of its slots a task takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolUse {
    /// The pool's name within the project.
    pub name: Name,
    /// At least one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub slots: u32,
    /// Larger goes first among those that wait for this pool (DolphinScheduler's priority in the group).
    #[serde(default, skip_serializing_if = "is_default")]
    pub weight: i32,
}

fn one() -> u32 {
    1
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(slots: &u32) -> bool {
    *slots == 1
}

/// When a workflow runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields, or six or seven as Quartz reads them.
    pub cron: String,
    /// IANA name; fires are local times there.
    pub timezone: String,
    /// Fires before this are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<jiff::Timestamp>,
    /// Fires at or after this are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<jiff::Timestamp>,
    /// What happens to instants that nobody was there to fire.
    #[serde(default)]
    pub missed: MissedFires,
    /// Made but not switched on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offline: bool,
    /// The calendar of its project that excludes days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Name>,
    /// What becomes of an instant on a day that the calendar excludes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub excluded: ExcludedDay,
}

/// What happens to instants that passed while nothing could fire.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum MissedFires {
    /// The latest of them fires, the others do not.
    #[default]
    #[n(0)]
    Latest,
    /// None of them fires.
    #[n(1)]
    Skip,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Durations as whole milliseconds.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// Optional durations as whole milliseconds.
pub(crate) mod millis_option {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes it so")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::millis::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workflow() -> Workflow {
        let mut load = Task::new(
            "load".parse().unwrap(),
            Kind::External {
                system: "dolphinscheduler".into(),
                name: "SQL".into(),
                parameters: serde_json::json!({"sql": "select 1", "limit": 3}),
            },
        );
        load.after = vec![0];
        load.retry = Retry {
            limit: 2,
            delay: Duration::from_mins(1),
            ..Retry::default()
        };
        let extract = Task::new(
            "extract".parse().unwrap(),
            Kind::Shell {
                script: "echo hi".into(),
            },
        );
        let noop = Task::new("noop".parse().unwrap(), Kind::Noop);
        Workflow {
            form: STORED_FORM,
            project: "retail".parse().unwrap(),
            name: "daily-sales".parse().unwrap(),
            description: String::new(),
            dialect: "porpoise/1".into(),
            schedule: None,
            parameters: IndexMap::new(),
            outputs: IndexMap::new(),
            timeout: None,
            on_failure: FailureStrategy::Continue,
            concurrency: Concurrency::Parallel,
            priority: Priority::Medium,
            notify: BTreeSet::new(),
            labels: BTreeMap::new(),
            tasks: vec![extract, load, noop],
        }
    }

    #[test]
    fn stored_bytes_read_back_as_the_same_workflow_and_hash() {
        let (bytes, hash) = workflow().to_stored().unwrap();
        let read = Workflow::from_stored(&bytes).unwrap();
        assert_eq!(read, workflow());
        assert_eq!(read.to_stored().unwrap(), (bytes, hash));
    }

    #[test]
    fn a_later_form_is_refused() {
        let mut later = workflow();
        later.form = STORED_FORM + 1;
        let (bytes, _) = later.to_stored().unwrap();
        assert!(
            Workflow::from_stored(&bytes)
                .unwrap_err()
                .to_string()
                .contains("form 2")
        );
    }
}
