//! Trigger rules.

use serde::{Deserialize, Serialize};

/// What must hold of the tasks above for a task to start.
///
/// A task above that is disabled counts as succeeded for every rule. The words are Airflow's.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TriggerRule {
    /// All of them succeeded. One failed: `upstream_failed`. One skipped: `skipped`.
    #[default]
    AllSucceeded,
    /// All of them ended, in whatever way.
    AllDone,
    /// As soon as one succeeded. All ended and none did: `upstream_failed` if one failed, else `skipped`.
    OneSucceeded,
    /// As soon as one failed, was canceled or could not run. All ended and none did: `skipped`.
    OneFailed,
    /// All ended, none failed, was canceled or could not run; skipped ones are fine.
    NoneFailed,
    /// All ended, none failed, was canceled or could not run, and at least one succeeded. All skipped: `skipped`.
    NoneFailedMinOneSucceeded,
    /// All ended, and at least one ran, in whatever way that ended. None ran: `upstream_failed` if one could not, else
    /// `skipped`.
    AllDoneMinOneRan,
    /// At once, whatever they do.
    Always,
}
