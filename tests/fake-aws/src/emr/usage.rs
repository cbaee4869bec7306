//! What a job used and what of it is billed: known minutes after its end.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Due, Emr, Job, JobState, SOURCE};
use crate::clock::{after, between, text as time_text};
use crate::world::Context;

/// At least so much of each worker is billed.
const BILLED_LEAST: Duration = Duration::from_mins(1);

/// So many GB of disk come with a worker.
const STORAGE_FREE: f64 = 20.0;

impl Job {
    fn used(&self, time: Duration) -> Value {
        self.hours(time, self.script.storage)
    }

    fn billed(&self, time: Duration) -> Value {
        let storage = (self.script.storage - STORAGE_FREE).max(0.0);
        if time.is_zero() {
            self.hours(time, storage)
        } else {
            self.hours(time.max(BILLED_LEAST), storage)
        }
    }

    fn hours(&self, time: Duration, storage: f64) -> Value {
        let hours = time.as_secs_f64().ceil() / 3600.0;
        json!({
            "vCPUHour": self.script.vcpu * hours,
            "memoryGBHour": self.script.memory * hours,
            "storageGBHour": storage * hours,
        })
    }

    /// Total and billed, once they are known.
    pub(super) fn usage_known(&self, now: Timestamp) -> Option<(Value, Value)> {
        let ended = self.ended?;
        let known = now >= after(ended, self.script.billed);
        let ran = self.ran(ended);
        known.then(|| (self.used(ran), self.billed(ran)))
    }
}

impl Emr {
    /// Every half hour of a job that runs, and once when it is over.
    pub(super) fn tell_usage(
        &mut self,
        id: &str,
        last: bool,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let Some(job) = self.jobs.get(id) else { return };
        if !last && job.state != JobState::Running {
            return;
        }
        let until = job.ended.unwrap_or(at);
        let interval = between(job.told.max(job.started.unwrap_or(until)), until);
        let ran = job.ran(until);
        let mut detail = json!({
            "applicationId": job.application,
            "jobRunId": id,
            "attempt": job.attempt,
            "mode": job.mode(),
            "createdAt": time_text(job.created),
            "calculatedFrom": time_text(job.told),
            "calculatedTo": time_text(until),
            "resourceUtilizationFinal": last,
            "resourceUtilizationForInterval": job.used(interval),
            "billedResourceUtilizationForInterval": job.billed(interval),
            "totalResourceUtilization": job.used(ran),
            "totalBilledResourceUtilization": job.billed(ran),
        });
        if let Some(started) = job.started {
            detail["startedAt"] = json!(time_text(started));
        }
        let kind = "EMR Serverless Job Resource Utilization Update";
        let arn = self.job_arn(&job.application, id);
        context
            .mail
            .send(at, (&self.home, SOURCE), kind, &arn, &detail);
        if let Some(job) = self.jobs.get_mut(id) {
            job.told = until;
        }
        if !last {
            let again = Due::Usage(id.to_owned(), false);
            self.plan(after(at, Duration::from_mins(30)), again);
        }
    }
}
