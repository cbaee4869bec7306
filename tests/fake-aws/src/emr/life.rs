//! What becomes of a job, from one state to the next.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::job::Attempt;
use super::{ApplicationState, Due, Emr, Job, JobState as State, SOURCE};
use crate::clock::{after, between, text as time_text};
use crate::world::Context;

/// How often the utilisation of a running job is told.
const USAGE_EVERY: Duration = Duration::from_mins(30);

impl Emr {
    /// A job moves: says so, and plans how it goes on.
    pub(super) fn enter(
        &mut self,
        id: &str,
        state: State,
        details: &str,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let serial = self.next_number();
        let queue_time = |job: &Job| {
            let scheduler = self.applications.get(&job.application)?.scheduler();
            scheduler.map(|(_, timeout)| timeout)
        };
        let queue_time = self.jobs.get(id).and_then(queue_time);
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let before = (job.state != state).then_some(job.state);
        job.state = state;
        job.updated = at;
        job.serial = serial;
        job.waits = false;
        details.clone_into(&mut job.details);
        if let Some(queued_at) = job.queued_at.take() {
            job.queued = Some(job.queued.unwrap_or_default() + between(queued_at, at));
        }
        let script = &job.script;
        let stays = match state {
            State::Submitted => Some(script.waiting),
            State::Queued => queue_time,
            State::Pending => Some(script.pending),
            State::Scheduled => Some(script.scheduled),
            State::Running => {
                let timeout = job.timeout().unwrap_or(Duration::MAX);
                Some(script.running.min(timeout.saturating_sub(job.ran)))
            }
            State::Cancelling => Some(script.stops.min(job.grace.unwrap_or(Duration::MAX))),
            State::Success | State::Failed | State::Cancelled => None,
        };
        let billed = script.billed;
        match state {
            State::Queued => job.queued_at = Some(at),
            State::Running => {
                job.running = Some(at);
                job.started.get_or_insert(at);
            }
            State::Success | State::Failed | State::Cancelled => job.ended = Some(at),
            State::Submitted | State::Pending | State::Scheduled | State::Cancelling => {}
        }
        self.tell_state(id, before, at, context);
        if let Some(stays) = stays {
            self.plan(after(at, stays), Due::Job(id.to_owned(), serial));
        }
        if state == State::Running {
            self.plan(after(at, USAGE_EVERY), Due::Usage(id.to_owned(), false));
        }
        if state.is_terminal() {
            self.plan(after(at, billed), Due::Usage(id.to_owned(), true));
            self.release_place(id, at, context);
        }
    }

    pub(super) fn job_due(
        &mut self,
        id: &str,
        serial: u64,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let Some(job) = self.jobs.get(id).filter(|job| job.serial == serial) else {
            return;
        };
        match job.state {
            State::Submitted => self.admit(id, at, context),
            State::Queued => {
                self.enter(
                    id,
                    State::Failed,
                    "Job run timed out in the queue",
                    at,
                    context,
                );
            }
            State::Pending => self.enter(id, State::Scheduled, "", at, context),
            State::Scheduled => self.enter(id, State::Running, "", at, context),
            State::Running => self.finish(id, at, context),
            State::Cancelling => {
                let details = job.details.clone();
                self.enter(id, State::Cancelled, &details, at, context);
            }
            State::Success | State::Failed | State::Cancelled => {}
        }
    }

    /// A submitted job gets a place in its application, which may have to start first.
    fn admit(&mut self, id: &str, at: Timestamp, context: &mut Context<'_>) {
        let Some(application_id) = self.jobs.get(id).map(|job| job.application.clone()) else {
            return;
        };
        let Some(application) = self.applications.get(&application_id) else {
            return;
        };
        if application.state != ApplicationState::Started {
            let starts = matches!(
                application.state,
                ApplicationState::Created | ApplicationState::Stopped
            );
            if let Some(job) = self.jobs.get_mut(id) {
                job.waits = true;
            }
            if starts {
                let starting = ApplicationState::Starting;
                self.enter_application(&application_id, starting, at, context);
            }
            return;
        }
        let most = application.scheduler().map_or(usize::MAX, |(most, _)| most);
        let admitted = |job: &&Job| job.application == application_id && job.state.is_admitted();
        let state = if self.jobs.values().filter(admitted).count() < most {
            State::Pending
        } else {
            State::Queued
        };
        self.enter(id, state, "", at, context);
    }

    /// Its application has started: jobs that waited for it go on.
    pub(super) fn admit_waiting(
        &mut self,
        application: &str,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let waits = |job: &Job| job.application == application && job.waits;
        let waiting = self.jobs.iter().filter(|(_, job)| waits(job));
        let waiting: Vec<String> = waiting.map(|(id, _)| id.clone()).collect();
        for id in waiting {
            self.admit(&id, at, context);
        }
    }

    /// A job is over: the first that queues takes its place.
    fn release_place(&mut self, id: &str, at: Timestamp, context: &mut Context<'_>) {
        let Some(application) = self.jobs.get(id).map(|job| job.application.clone()) else {
            return;
        };
        let queues = |job: &Job| job.application == application && job.state == State::Queued;
        let first = self.jobs.iter().find(|(_, job)| queues(job));
        match first.map(|(id, _)| id.clone()) {
            Some(first) => self.enter(&first, State::Pending, "", at, context),
            None => self.plan_idle(&application, at),
        }
    }

    /// It has run for as long as it does, or may.
    fn finish(&mut self, id: &str, at: Timestamp, context: &mut Context<'_>) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        let running = job
            .running
            .map_or(Duration::ZERO, |since| between(since, at));
        if running < job.script.running {
            let details = "Job run exceeded its execution timeout";
            return self.enter(id, State::Cancelling, details, at, context);
        }
        let fails = job.script.fails.clone();
        let fails = fails.filter(|_| job.attempt <= job.script.failures);
        let Some(why) = fails else {
            return self.enter(id, State::Success, "", at, context);
        };
        if job.attempt >= job.attempts_most() {
            return self.enter(id, State::Failed, &why, at, context);
        }
        job.ran += running;
        job.running = None;
        let failed = Attempt {
            number: job.attempt,
            created: job.attempt_created,
            ended: at,
            details: why,
        };
        job.attempt += 1;
        job.attempt_created = at;
        self.tell_retry(id, &failed, at, context);
        if let Some(job) = self.jobs.get_mut(id) {
            job.attempts.push(failed);
        }
        self.enter(id, State::Pending, "", at, context);
    }

    fn tell_state(
        &self,
        id: &str,
        before: Option<State>,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let Some(job) = self.jobs.get(id) else { return };
        let mut detail = self.told(id, job);
        detail["state"] = json!(job.state.word());
        detail["updatedAt"] = json!(time_text(at));
        if let Some(before) = before {
            detail["previousState"] = json!(before.word());
        }
        let kind = "EMR Serverless Job Run State Change";
        context
            .mail
            .send(at, (&self.home, SOURCE), kind, "", &detail);
    }

    fn tell_retry(&self, id: &str, failed: &Attempt, at: Timestamp, context: &mut Context<'_>) {
        let Some(job) = self.jobs.get(id) else { return };
        let mut detail = self.told(id, job);
        detail["previousAttempt"] = json!(failed.number);
        detail["previousAttemptState"] = json!("FAILED");
        detail["previousAttemptCreatedAt"] = json!(time_text(failed.created));
        detail["previousAttemptEndedAt"] = json!(time_text(at));
        detail["newAttempt"] = json!(job.attempt);
        detail["newAttemptCreatedAt"] = json!(time_text(at));
        let kind = "EMR Serverless Job Run Retry";
        context
            .mail
            .send(at, (&self.home, SOURCE), kind, "", &detail);
    }

    /// What all events of a job say.
    fn told(&self, id: &str, job: &Job) -> serde_json::Value {
        let application = self.applications.get(&job.application);
        json!({
            "jobRunId": id,
            "applicationId": job.application,
            "arn": self.job_arn(&job.application, id),
            "releaseLabel": application.map_or("", |application| application.release()),
            "createdBy": self.home.arn(),
            "createdAt": time_text(job.created),
        })
    }
}
