//! Where attempts execute.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::{Name, Place};

/// A target as a run was placed on it: pinned when the run is created, so that a change of the target never moves an
/// attempt that is on its way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Target {
    /// What people call it, unique in its project.
    #[n(0)]
    pub name: Name,
    /// Which revision of the target's settings this is.
    #[n(1)]
    pub revision: u64,
    /// The sort of target: `emr-serverless`, `athena`, `lambda`, `step-functions` …: by this word its executor is
    /// found.
    #[n(2)]
    pub kind: String,
    /// Where it lies.
    #[n(3)]
    pub place: Place,
    /// The role in the target's account that is assumed to speak to it; none: the dispatcher's own rights.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<AssumedRole>,
    /// What its executor has to know, JSON in a form of its own.
    #[n(5)]
    pub settings: String,
}

/// A role in another account.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct AssumedRole {
    /// Its ARN.
    #[n(0)]
    pub arn: String,
    /// What its trust policy asks for, so that nobody else has us assume it.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
}
