//! Calls about one job.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::job::Job;
use super::{ApplicationState, Emr, JobState, text};
use crate::answer::Fault;
use crate::world::Context;

impl Emr {
    pub(super) fn start_job(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (application_id, application) = self.application(input)?;
        let state = application.state;
        let ready = match state {
            ApplicationState::Started => true,
            ApplicationState::Creating | ApplicationState::Terminated => false,
            ApplicationState::Created
            | ApplicationState::Starting
            | ApplicationState::Stopping
            | ApplicationState::Stopped => application.starts_by_itself(),
        };
        if !ready {
            let state = state.word();
            let message =
                format!("Application {application_id} is in state {state} and takes no jobs");
            return Err(Fault::validation(&message));
        }
        admissible(input, application.kind())?;
        let token = text(input, "clientToken");
        let script = context.options.behaviour.script(token, told(input));
        let script = script.map_err(|error| Fault::validation(&error.to_string()))?;
        let application = application_id.clone();
        let id = self.next_id();
        let job = Job {
            application: application.clone(),
            input: input.clone(),
            state: JobState::Submitted,
            details: String::new(),
            created: now,
            updated: now,
            script,
            attempt: 1,
            attempt_created: now,
            attempts: Vec::new(),
            running: None,
            ran: Duration::ZERO,
            started: None,
            ended: None,
            queued_at: None,
            queued: None,
            grace: None,
            waits: false,
            serial: 0,
            told: now,
        };
        self.jobs.insert(id.clone(), job);
        self.enter(&id, JobState::Submitted, "", now, context);
        let arn = self.job_arn(&application, &id);
        Ok(json!({"applicationId": application, "jobRunId": id, "arn": arn}))
    }

    /// A job of an application.
    pub(super) fn job(&self, input: &Value) -> Result<(&String, &Job), Fault> {
        let (application, _) = self.application(input)?;
        let id = text(input, "jobRunId");
        let found = self.jobs.get_full(id);
        let found = found.filter(|(_, _, job)| job.application == *application);
        let missing = || Fault::not_found(&format!("JobRun {id} does not exist"));
        found.map(|(_, id, job)| (id, job)).ok_or_else(missing)
    }

    pub(super) fn get_job(&self, input: &Value, now: Timestamp) -> Result<Value, Fault> {
        let (id, job) = self.job(input)?;
        Ok(json!({"jobRun": self.job_view(id, job, now)}))
    }

    pub(super) fn cancel_job(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (id, job) = self.job(input)?;
        let (id, state) = (id.clone(), job.state);
        if state.is_terminal() {
            let state = state.word();
            let message = format!("JobRun {id} is in state {state} and can not be canceled");
            return Err(Fault::validation(&message));
        }
        let grace = input
            .get("shutdownGracePeriodInSeconds")
            .and_then(Value::as_u64);
        if let Some(job) = self.jobs.get_mut(&id) {
            job.grace = grace.map(Duration::from_secs);
        }
        if state != JobState::Cancelling {
            self.enter(&id, JobState::Cancelling, "Cancelled by user", now, context);
        }
        Ok(json!({"applicationId": text(input, "applicationId"), "jobRunId": id}))
    }

    pub(super) fn dashboard(&self, input: &Value) -> Result<Value, Fault> {
        let (id, job) = self.job(input)?;
        if job.started.is_none() {
            let message = format!("JobRun {id} has no application UI before it runs");
            return Err(Fault::validation(&message));
        }
        let (region, kind) = (
            &self.home.region,
            if job.ended.is_some() { "p" } else { "j" },
        );
        let url =
            format!("https://{kind}-{id}.emrappui-prod.{region}.amazonaws.com/?authToken=fake");
        Ok(json!({"url": url}))
    }
}

/// What the model does not say of a start.
fn admissible(input: &Value, kind: &str) -> Result<(), Fault> {
    let driver = match input.get("jobDriver").and_then(Value::as_object) {
        Some(driver) if driver.contains_key("hive") => "Hive",
        Some(_) => "Spark",
        None => return Err(Fault::validation("jobDriver must be set")),
    };
    if !kind.eq_ignore_ascii_case(driver) {
        let message = format!("an application of type {kind} takes no job of type {driver}");
        return Err(Fault::validation(&message));
    }
    let batch = input.get("mode").and_then(Value::as_str).unwrap_or("BATCH") == "BATCH";
    let minutes = input.get("executionTimeoutMinutes").and_then(Value::as_u64);
    if batch && minutes.is_some_and(|minutes| minutes == 0 || minutes > 10_080) {
        return Err(Fault::validation(
            "executionTimeoutMinutes of a BATCH job must be between 1 and 10080",
        ));
    }
    let flex = input
        .pointer("/flexExecution/enabled")
        .and_then(Value::as_bool);
    if flex == Some(true) && (driver != "Spark" || !batch) {
        return Err(Fault::validation(
            "flexExecution is for Spark jobs in BATCH mode",
        ));
    }
    let policy = |name: &str| input.pointer(&format!("/retryPolicy/{name}")).is_some();
    if batch && policy("maxFailedAttemptsPerHour") {
        return Err(Fault::validation(
            "maxFailedAttemptsPerHour is for STREAMING jobs",
        ));
    }
    if !batch && policy("maxAttempts") {
        return Err(Fault::validation("maxAttempts is for BATCH jobs"));
    }
    Ok(())
}

/// The texts of a job that may tell its script.
fn told(input: &Value) -> Vec<&str> {
    let arguments = input.pointer("/jobDriver/sparkSubmit/entryPointArguments");
    let arguments = arguments.and_then(Value::as_array).into_iter().flatten();
    let query = input.pointer("/jobDriver/hive/query");
    arguments.chain(query).filter_map(Value::as_str).collect()
}
