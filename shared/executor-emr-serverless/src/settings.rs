//! What a target says of itself.

use std::collections::BTreeMap;

use porpoise_model::Target;
use porpoise_ports::target::{self, Fault, TargetError};
use serde::Deserialize;

use crate::request::StartRequest;

/// The settings of a target of kind `emr-serverless`.
///
/// ```json
/// {
///   "application_name": "etl",
///   "execution_role": "arn:aws:iam::111122223333:role/etl-job",
///   "cancel_grace_seconds": 60,
///   "request": {"configurationOverrides": {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://logs/etl/"}}}},
///   "prices": {"vcpu_hour": 0.052624, "memory_gb_hour": 0.0057785, "storage_gb_hour": 0.000111}
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The id of the application.
    pub application_id: Option<String>,
    /// Its name, if its id is not given: exactly one application that is not terminated may have it.
    pub application_name: Option<String>,
    /// The role that jobs run with, unless a job names another.
    pub execution_role: Option<String>,
    /// Whether an application that is stopped and does not start by itself is started for a job.
    #[serde(default = "yes")]
    pub start_application: bool,
    /// How long a job that is canceled has to stop by itself.
    pub cancel_grace_seconds: Option<i32>,
    /// Members of `StartJobRun` that every job gets, unless it says otherwise.
    #[serde(default)]
    pub request: serde_json::Map<String, serde_json::Value>,
    /// What usage costs there.
    pub prices: Option<Prices>,
    /// For tasks that were imported.
    #[serde(default)]
    pub imported: Imported,
}

/// What tasks of another scheduler name that EMR Serverless can't know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The folder on S3 in which its resource files are, under their paths there.
    pub resources: Option<String>,
    /// Addresses of resource files that are named by their id.
    #[serde(default)]
    pub resource_ids: BTreeMap<String, String>,
    /// Address of a program that runs its first argument as SQL: Spark on EMR Serverless takes programs only.
    pub sql_program: Option<String>,
}

const fn yes() -> bool {
    true
}

/// Prices of usage, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Of a virtual processor for an hour.
    pub vcpu_hour: f64,
    /// Of a GB of memory for an hour.
    pub memory_gb_hour: f64,
    /// Of a GB of disk for an hour, beyond what is free.
    pub storage_gb_hour: f64,
}

impl Settings {
    /// The settings of a target, checked: also what every job gets.
    ///
    /// # Errors
    /// Everything that is wrong, and where.
    pub fn of(target: &Target) -> Result<Self, TargetError> {
        target::settings(target, Self::check)
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        let of_application = |fault: &Fault| fault.path.starts_with("application_");
        if self.application_id.is_some() == self.application_name.is_some()
            && !faults.iter().any(of_application)
        {
            let message = "set exactly one of `application_id` and `application_name`";
            faults.push(Fault::new("", message));
        }
        if self.cancel_grace_seconds.is_some_and(i32::is_negative) {
            faults.push(Fault::new("cancel_grace_seconds", "a time is not below 0"));
        }
        if let Err(wrong) = StartRequest::of([&self.request]) {
            faults.extend(wrong.into_iter().map(|fault| fault.within("request")));
        }
    }
}
