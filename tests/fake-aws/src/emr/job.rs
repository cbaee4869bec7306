//! What is known of a job.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Emr, JobState, copy};
use crate::clock::{between, seconds};
use crate::script::Script;

#[derive(Debug)]
pub(super) struct Job {
    pub(super) application: String,
    /// What it was started from.
    pub(super) input: Value,
    pub(super) state: JobState,
    pub(super) details: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) script: Script,
    pub(super) attempt: u64,
    pub(super) attempt_created: Timestamp,
    /// The attempts before this one.
    pub(super) attempts: Vec<Attempt>,
    /// Since when this attempt runs.
    pub(super) running: Option<Timestamp>,
    /// What the attempts before it ran.
    pub(super) ran: Duration,
    /// When it ran first.
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) queued_at: Option<Timestamp>,
    pub(super) queued: Option<Duration>,
    /// How long it is given to stop.
    pub(super) grace: Option<Duration>,
    /// It waits for its application to start.
    pub(super) waits: bool,
    /// Of the entry in the agenda that counts.
    pub(super) serial: u64,
    /// Up to when its utilisation was told.
    pub(super) told: Timestamp,
}

#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u64,
    pub(super) created: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) details: String,
}

impl Job {
    /// How long it may run; none if without end.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let minutes = self
            .input
            .get("executionTimeoutMinutes")
            .and_then(Value::as_u64);
        let minutes = minutes.unwrap_or(720);
        (minutes > 0).then(|| Duration::from_mins(minutes))
    }

    pub(super) fn attempts_most(&self) -> u64 {
        let most = self.input.pointer("/retryPolicy/maxAttempts");
        most.and_then(Value::as_u64).unwrap_or(1)
    }

    pub(super) fn mode(&self) -> &str {
        let mode = self.input.get("mode").and_then(Value::as_str);
        mode.unwrap_or("BATCH")
    }

    /// How long it ran, up to `at`.
    pub(super) fn ran(&self, at: Timestamp) -> Duration {
        let until = self.ended.unwrap_or(at).min(at);
        self.ran
            + self
                .running
                .map_or(Duration::ZERO, |running| between(running, until))
    }
}

impl Emr {
    pub(super) fn job_arn(&self, application: &str, id: &str) -> String {
        format!("{}/jobruns/{id}", self.arn(application))
    }

    fn release(&self, job: &Job) -> &str {
        let application = self.applications.get(&job.application);
        application.map_or("", |application| application.release())
    }

    pub(super) fn job_summary(&self, id: &str, job: &Job) -> Value {
        let hive = job.input.pointer("/jobDriver/hive").is_some();
        let mut summary = json!({
            "applicationId": job.application,
            "id": id,
            "mode": job.mode(),
            "arn": self.job_arn(&job.application, id),
            "createdBy": self.home.arn(),
            "createdAt": seconds(job.created),
            "updatedAt": seconds(job.updated),
            "executionRole": job.input["executionRoleArn"],
            "state": job.state.word(),
            "stateDetails": job.details,
            "releaseLabel": self.release(job),
            "type": if hive { "HIVE" } else { "SPARK_SUBMIT" },
            "attempt": job.attempt,
            "attemptCreatedAt": seconds(job.attempt_created),
            "attemptUpdatedAt": seconds(job.updated),
        });
        copy(&job.input, &["name", "flexExecution"], &mut summary);
        summary
    }

    pub(super) fn job_view(&self, id: &str, job: &Job, now: Timestamp) -> Value {
        let mut view = self.job_summary(id, job);
        if let Some(view) = view.as_object_mut() {
            view.shift_remove("id");
            view.shift_remove("type");
        }
        let members = [
            "executionIamPolicy",
            "configurationOverrides",
            "jobDriver",
            "tags",
            "retryPolicy",
        ];
        copy(&job.input, &members, &mut view);
        view["jobRunId"] = json!(id);
        view["executionTimeoutMinutes"] =
            json!(job.timeout().map_or(0, |time| time.as_secs() / 60));
        if let Some(started) = job.started {
            view["startedAt"] = seconds(started);
        }
        if let Some(queued) = job.queued {
            view["queuedDurationMilliseconds"] =
                json!(u64::try_from(queued.as_millis()).unwrap_or(u64::MAX));
        }
        if let Some(ended) = job.ended {
            view["endedAt"] = seconds(ended);
            view["totalExecutionDurationSeconds"] = json!(job.ran(ended).as_secs());
        }
        if let Some((total, billed)) = job.usage_known(now) {
            view["totalResourceUtilization"] = total;
            view["billedResourceUtilization"] = billed;
        }
        view
    }
}
