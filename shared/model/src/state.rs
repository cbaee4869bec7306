//! The states of runs and task instances: one list of words for code, storage, API, command line and docs.

use std::fmt;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a run.
///
/// ```text
/// queued ─▶ running ─▶ pausing ─▶ paused ─▶ running
///    │         ├──▶ canceling ─▶ canceled
///    │         └──▶ succeeded | failed ─(rerun)─▶ running
///    └──▶ canceling | canceled
/// ```
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum RunState {
    /// Created, and not yet let in (by its gate, or by a hold).
    #[n(0)]
    Queued,
    /// Its tasks start as they become ready.
    #[n(1)]
    Running,
    /// Nothing new starts; what runs ends by itself.
    #[n(2)]
    Pausing,
    /// Nothing runs; waits for a person.
    #[n(3)]
    Paused,
    /// Everything that runs is being stopped.
    #[n(4)]
    Canceling,
    /// Every task instance succeeded or was skipped.
    #[n(5)]
    Succeeded,
    /// At least one task instance did not succeed.
    #[n(6)]
    Failed,
    /// Stopped by a person, or discarded by its gate.
    #[n(7)]
    Canceled,
}

impl RunState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// Whether nothing more happens by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The state of a task instance.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum TaskState {
    /// Its trigger rule does not hold yet.
    #[n(0)]
    Pending,
    /// Ready; waits for something that has a name (its reason).
    #[n(1)]
    Queued,
    /// Handed to the dispatcher of its place.
    #[n(2)]
    Dispatched,
    /// Its job runs.
    #[n(3)]
    Running,
    /// An attempt failed; the next one starts after a delay.
    #[n(4)]
    UpForRetry,
    /// Its job is being stopped; lasts until the target confirms.
    #[n(5)]
    Canceling,
    /// Done, or marked so.
    #[n(6)]
    Succeeded,
    /// Its last attempt failed.
    #[n(7)]
    Failed,
    /// Stopped.
    #[n(8)]
    Canceled,
    /// Not run, on purpose.
    #[n(9)]
    Skipped,
    /// Can't run, because of what happened above it.
    #[n(10)]
    UpstreamFailed,
}

impl TaskState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Queued,
        Self::Dispatched,
        Self::Running,
        Self::UpForRetry,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::UpstreamFailed,
    ];

    /// Whether nothing more happens by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed | Self::Canceled | Self::Skipped | Self::UpstreamFailed
        )
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Dispatched => "dispatched",
            Self::Running => "running",
            Self::UpForRetry => "up_for_retry",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::UpstreamFailed => "upstream_failed",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
