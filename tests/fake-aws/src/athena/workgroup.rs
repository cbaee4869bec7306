//! Workgroups: where results go, and how much a query may scan.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Athena;
use crate::answer::Fault;
use crate::clock::seconds;
use crate::emr::text;

#[derive(Debug)]
pub(super) struct Workgroup {
    configuration: Value,
    description: Option<String>,
    created: Timestamp,
}

impl Workgroup {
    /// The one that every account has: results go where the query says.
    pub(super) fn primary() -> Self {
        Self {
            configuration: json!({
                "EnforceWorkGroupConfiguration": false,
                "PublishCloudWatchMetricsEnabled": true,
            }),
            description: None,
            created: Timestamp::UNIX_EPOCH,
        }
    }

    /// A query may scan no more bytes than this.
    pub(super) fn cutoff(&self) -> Option<u64> {
        self.configuration
            .get("BytesScannedCutoffPerQuery")
            .and_then(Value::as_u64)
    }

    /// The folder of results: the workgroup's if it insists, else the query's, else the workgroup's.
    pub(super) fn output(&self, asked: Option<&str>) -> Option<String> {
        let own = self
            .configuration
            .pointer("/ResultConfiguration/OutputLocation");
        let own = own.and_then(Value::as_str);
        let insists = self.configuration.get("EnforceWorkGroupConfiguration");
        // the service insists unless it is told not to
        let insists = insists.and_then(Value::as_bool).unwrap_or(true);
        let chosen = if insists { own } else { asked.or(own) };
        chosen.map(str::to_owned)
    }
}

impl Athena {
    pub(super) fn create_workgroup(
        &mut self,
        input: &Value,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let name = text(input, "Name");
        if self.workgroups.contains_key(name) {
            let message = "WorkGroup is already created";
            return Err(Fault::invalid("INVALID_INPUT", message));
        }
        let configuration = input.get("Configuration").cloned();
        let workgroup = Workgroup {
            configuration: configuration.unwrap_or_else(|| json!({})),
            description: input
                .get("Description")
                .and_then(Value::as_str)
                .map(str::to_owned),
            created: now,
        };
        self.workgroups.insert(name.to_owned(), workgroup);
        Ok(json!({}))
    }

    pub(super) fn workgroup(&self, name: &str) -> Result<&Workgroup, Fault> {
        let missing =
            || Fault::invalid("INVALID_INPUT", &format!("WorkGroup {name} is not found."));
        self.workgroups.get(name).ok_or_else(missing)
    }

    pub(super) fn get_workgroup(&self, input: &Value) -> Result<Value, Fault> {
        let name = text(input, "WorkGroup");
        let workgroup = self.workgroup(name)?;
        let mut view = json!({
            "Name": name,
            "State": "ENABLED",
            "Configuration": workgroup.configuration,
            "CreationTime": seconds(workgroup.created),
        });
        if let Some(description) = &workgroup.description {
            view["Description"] = json!(description);
        }
        Ok(json!({"WorkGroup": view}))
    }
}
