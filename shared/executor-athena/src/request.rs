//! `StartQueryExecution` as users may write it: every member that is not this executor's own, and nothing else.

use porpoise_ports::target::{self, Fault};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a request may hold beside statement, arguments, token and workgroup.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct StartRequest {
    pub(crate) query_execution_context: Option<Context>,
    pub(crate) result_configuration: Option<Results>,
    pub(crate) result_reuse_configuration: Option<Reuse>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Context {
    pub(crate) database: Option<String>,
    pub(crate) catalog: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Results {
    pub(crate) output_location: Option<String>,
    pub(crate) encryption_configuration: Option<Encryption>,
    pub(crate) expected_bucket_owner: Option<String>,
    pub(crate) acl_configuration: Option<Acl>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Encryption {
    pub(crate) encryption_option: String,
    pub(crate) kms_key: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acl {
    #[serde(rename = "S3AclOption")]
    pub(crate) option: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reuse {
    #[serde(rename = "ResultReuseByAgeConfiguration")]
    pub(crate) by_age: Option<ByAge>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct ByAge {
    pub(crate) enabled: bool,
    pub(crate) max_age_in_minutes: Option<i32>,
}

impl StartRequest {
    /// These requests laid over each other, the later over the earlier: structures member by member, all else whole.
    ///
    /// # Errors
    /// All that they may not hold.
    pub(crate) fn of<'a>(
        layers: impl IntoIterator<Item = &'a Map<String, Value>>,
    ) -> Result<Self, Vec<Fault>> {
        match target::read(target::layered(layers.into_iter().cloned())) {
            (Some(request), faults) if faults.is_empty() => Ok(request),
            (_, faults) => Err(faults),
        }
    }
}
