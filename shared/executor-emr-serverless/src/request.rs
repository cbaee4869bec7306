//! `StartJobRun` as users may write it: every member, and nothing else.
//!
//! Members are called as in the service's own API; a capital first letter, which other tools write, is taken as well.

#![expect(clippy::struct_field_names, reason = "the service calls them so")]

use std::collections::BTreeMap;

use porpoise_ports::target::{self, Fault};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a request may hold beside what this executor sets itself: the application, the token and the name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct StartRequest {
    pub(crate) execution_role_arn: Option<String>,
    pub(crate) execution_iam_policy: Option<Policy>,
    pub(crate) job_driver: Option<JobDriver>,
    pub(crate) configuration_overrides: Option<Overrides>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
    pub(crate) execution_timeout_minutes: Option<i64>,
    pub(crate) mode: Option<Mode>,
    pub(crate) retry_policy: Option<RetryPolicy>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Policy {
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct JobDriver {
    pub(crate) spark_submit: Option<SparkSubmit>,
    pub(crate) hive: Option<Hive>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct SparkSubmit {
    pub(crate) entry_point: String,
    pub(crate) entry_point_arguments: Option<Vec<String>>,
    pub(crate) spark_submit_parameters: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Hive {
    pub(crate) query: String,
    pub(crate) init_query_file: Option<String>,
    pub(crate) parameters: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Overrides {
    pub(crate) application_configuration: Option<Vec<Classification>>,
    pub(crate) monitoring_configuration: Option<Monitoring>,
    pub(crate) disk_encryption_configuration: Option<DiskEncryption>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Classification {
    pub(crate) classification: String,
    pub(crate) properties: Option<BTreeMap<String, String>>,
    pub(crate) configurations: Option<Vec<Classification>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Monitoring {
    pub(crate) s3_monitoring_configuration: Option<S3Monitoring>,
    pub(crate) managed_persistence_monitoring_configuration: Option<ManagedPersistence>,
    pub(crate) cloud_watch_logging_configuration: Option<CloudWatchLogging>,
    pub(crate) prometheus_monitoring_configuration: Option<Prometheus>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct S3Monitoring {
    pub(crate) log_uri: Option<String>,
    pub(crate) encryption_key_arn: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ManagedPersistence {
    pub(crate) enabled: Option<bool>,
    pub(crate) encryption_key_arn: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct CloudWatchLogging {
    pub(crate) enabled: bool,
    pub(crate) log_group_name: Option<String>,
    pub(crate) log_stream_name_prefix: Option<String>,
    pub(crate) encryption_key_arn: Option<String>,
    pub(crate) log_types: Option<BTreeMap<String, Vec<String>>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Prometheus {
    pub(crate) remote_write_url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct DiskEncryption {
    pub(crate) encryption_context: Option<BTreeMap<String, String>>,
    pub(crate) encryption_key_arn: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Mode {
    Batch,
    Streaming,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RetryPolicy {
    pub(crate) max_attempts: Option<i32>,
    pub(crate) max_failed_attempts_per_hour: Option<i32>,
}

impl StartRequest {
    /// These requests laid over each other, the later over the earlier: structures member by member, all else whole.
    ///
    /// # Errors
    /// All that they may not hold.
    pub(crate) fn of<'a>(
        layers: impl IntoIterator<Item = &'a Map<String, Value>>,
    ) -> Result<Self, Vec<Fault>> {
        let layers = layers.into_iter().map(in_service_case);
        match target::read(target::layered(layers)) {
            (Some(request), faults) if faults.is_empty() => Ok(request),
            (_, faults) => Err(faults),
        }
    }
}

/// Maps whose keys are the user's, under their names in the service's case.
const MAPS: &[&str] = &["tags", "properties", "logTypes", "encryptionContext"];

/// Names of members with a small first letter.
fn in_service_case(members: &Map<String, Value>) -> Map<String, Value> {
    let members = members.iter().map(|(name, value)| {
        let mut chars = name.chars();
        let first = chars.next().map(|first| first.to_ascii_lowercase());
        let name: String = first.into_iter().chain(chars).collect();
        let value = if MAPS.contains(&name.as_str()) {
            value.clone()
        } else {
            inner(value)
        };
        (name, value)
    });
    members.collect()
}

fn inner(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(in_service_case(members)),
        Value::Array(items) => Value::Array(items.iter().map(inner).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Fault, StartRequest};

    fn read(layers: &[serde_json::Value]) -> Result<StartRequest, Vec<Fault>> {
        StartRequest::of(layers.iter().map(|layer| layer.as_object().unwrap()))
    }

    #[test]
    fn later_layers_win_member_by_member_and_both_cases_are_taken() {
        let under = json!({
            "executionRoleArn": "a", "tags": {"Team": "x", "Cost": "y"},
            "configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://a"}}},
        });
        let over = json!({
            "ExecutionRoleArn": "b", "Tags": {"Team": "z"},
            "ConfigurationOverrides": {"ApplicationConfiguration": [
                {"Classification": "spark-defaults", "Properties": {"Spark.X": "1"}},
            ]},
            "Mode": null,
        });
        let request = read(&[under, over]).unwrap();
        assert_eq!(request.execution_role_arn.as_deref(), Some("b"));
        assert_eq!(request.tags.unwrap()["Team"], "z");
        let overrides = request.configuration_overrides.unwrap();
        assert!(overrides.monitoring_configuration.is_some());
        let classes = overrides.application_configuration.unwrap();
        assert_eq!(classes[0].properties.as_ref().unwrap()["Spark.X"], "1");
    }

    #[test]
    fn what_the_service_does_not_know_is_refused_with_its_place() {
        let refused = [
            (
                json!({"clientToken": "x"}),
                "clientToken",
                "unknown field `clientToken`",
            ),
            (
                json!({"configurationOverrides": {"applicationConfiguration": [{"classification": "a"}, {"classification": "b", "class": "c"}]}}),
                "configurationOverrides.applicationConfiguration[1].class",
                "unknown field `class`",
            ),
            (
                json!({"executionTimeoutMinutes": "7"}),
                "executionTimeoutMinutes",
                "invalid type",
            ),
            (json!({"mode": "ONCE"}), "mode", "unknown variant `ONCE`"),
            (
                json!({"jobDriver": {"hive": {}}}),
                "jobDriver.hive",
                "missing field `query`",
            ),
        ];
        for (request, path, message) in refused {
            let faults = read(&[request]).unwrap_err();
            let [fault] = &faults[..] else {
                panic!("{faults:?}");
            };
            assert!(fault.message.contains(message), "{fault}");
            assert_eq!(fault.path, path);
        }
        let many = json!({"mood": 1, "tags": {"a": 1}, "mode": "ONCE"});
        assert_eq!(read(&[many]).unwrap_err().len(), 3);
    }
}
