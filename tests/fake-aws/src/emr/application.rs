//! Applications: made, started, stopped, and stopped by themselves.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ApplicationState as State, Due, Emr, JobState, SOURCE, copy, text};
use crate::answer::Fault;
use crate::clock::{after, seconds, text as time_text};
use crate::world::Context;

#[derive(Debug)]
pub(super) struct Application {
    /// What it was made from.
    pub(super) input: Value,
    pub(super) state: State,
    created: Timestamp,
    updated: Timestamp,
    /// Of the entry in the agenda that counts.
    serial: u64,
}

impl Application {
    pub(super) fn release(&self) -> &str {
        text(&self.input, "releaseLabel")
    }

    /// `Spark` or `Hive`, as it was written.
    pub(super) fn kind(&self) -> &str {
        text(&self.input, "type")
    }

    pub(super) fn starts_by_itself(&self) -> bool {
        let switch = self.input.pointer("/autoStartConfiguration/enabled");
        switch.and_then(Value::as_bool).unwrap_or(true)
    }

    /// How long it may do nothing before it stops by itself.
    fn idles(&self) -> Option<Duration> {
        let setting = |name: &str| {
            self.input
                .pointer(&format!("/autoStopConfiguration/{name}"))
        };
        let enabled = setting("enabled").and_then(Value::as_bool).unwrap_or(true);
        let minutes = setting("idleTimeoutMinutes").and_then(Value::as_u64);
        enabled.then(|| Duration::from_mins(minutes.unwrap_or(15)))
    }

    /// How many jobs it takes at once and how long others wait, if it has a scheduler.
    pub(super) fn scheduler(&self) -> Option<(usize, Duration)> {
        let scheduler = self.input.get("schedulerConfiguration")?;
        let number = |name: &str| scheduler.get(name).and_then(Value::as_u64);
        let most = usize::try_from(number("maxConcurrentRuns").unwrap_or(15)).ok()?;
        let minutes = number("queueTimeoutMinutes").unwrap_or(360);
        Some((most, Duration::from_mins(minutes)))
    }
}

impl Emr {
    pub(super) fn create_application(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let kind = text(input, "type").to_ascii_uppercase();
        if !matches!(kind.as_str(), "SPARK" | "HIVE") {
            return Err(Fault::validation(&format!(
                "{kind} is no type of application"
            )));
        }
        let id = self.next_id();
        let mut application = Application {
            input: input.clone(),
            state: State::Creating,
            created: now,
            updated: now,
            serial: 0,
        };
        if kind == "SPARK" {
            application.input["type"] = json!("Spark");
        } else {
            application.input["type"] = json!("Hive");
        }
        self.applications.insert(id.clone(), application);
        self.enter_application(&id, State::Creating, now, context);
        let mut answer = json!({"applicationId": id, "arn": self.arn(&id)});
        copy(input, &["name"], &mut answer);
        Ok(answer)
    }

    pub(super) fn application(&self, input: &Value) -> Result<(&String, &Application), Fault> {
        let id = text(input, "applicationId");
        let missing = || Fault::not_found(&format!("Application {id} does not exist"));
        let (_, id, application) = self.applications.get_full(id).ok_or_else(missing)?;
        Ok((id, application))
    }

    pub(super) fn get_application(&self, input: &Value) -> Result<Value, Fault> {
        let (id, application) = self.application(input)?;
        let mut view = self.summary(id, application);
        if let Some(view) = view.as_object_mut()
            && let Some(id) = view.shift_remove("id")
        {
            view.insert("applicationId".to_owned(), id);
        }
        let settings = [
            "initialCapacity",
            "maximumCapacity",
            "tags",
            "networkConfiguration",
            "runtimeConfiguration",
            "monitoringConfiguration",
            "schedulerConfiguration",
            "jobLevelCostAllocationConfiguration",
        ];
        copy(&application.input, &settings, &mut view);
        let idle = application.idles().map(|idle| idle.as_secs() / 60);
        view["autoStartConfiguration"] = json!({"enabled": application.starts_by_itself()});
        view["autoStopConfiguration"] = json!({"enabled": idle.is_some()});
        if let Some(minutes) = idle {
            view["autoStopConfiguration"]["idleTimeoutMinutes"] = json!(minutes);
        }
        Ok(json!({"application": view}))
    }

    pub(super) fn summary(&self, id: &str, application: &Application) -> Value {
        let architecture = application.input.get("architecture").cloned();
        let mut summary = json!({
            "id": id,
            "arn": self.arn(id),
            "releaseLabel": application.release(),
            "type": application.kind(),
            "state": application.state.word(),
            "createdAt": seconds(application.created),
            "updatedAt": seconds(application.updated),
            "architecture": architecture.unwrap_or_else(|| json!("X86_64")),
        });
        copy(&application.input, &["name"], &mut summary);
        summary
    }

    pub(super) fn start_application(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (id, application) = self.application(input)?;
        let (id, state) = (id.clone(), application.state);
        match state {
            State::Starting | State::Started => {}
            State::Created | State::Stopped => {
                self.enter_application(&id, State::Starting, now, context);
            }
            State::Creating | State::Stopping | State::Terminated => {
                return Err(refused(&id, state, "started"));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn stop_application(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (id, application) = self.application(input)?;
        let (id, state) = (id.clone(), application.state);
        match state {
            State::Stopping | State::Stopped => {}
            State::Started if self.is_busy(&id) => {
                let message = format!("Application {id} has jobs that are not over");
                return Err(Fault::validation(&message));
            }
            State::Started => self.enter_application(&id, State::Stopping, now, context),
            State::Creating | State::Created | State::Starting | State::Terminated => {
                return Err(refused(&id, state, "stopped"));
            }
        }
        Ok(json!({}))
    }

    pub(super) fn delete_application(
        &mut self,
        input: &Value,
        now: Timestamp,
        context: &mut Context<'_>,
    ) -> Result<Value, Fault> {
        let (id, application) = self.application(input)?;
        let (id, state) = (id.clone(), application.state);
        match state {
            State::Created | State::Stopped => {
                self.enter_application(&id, State::Terminated, now, context);
                Ok(json!({}))
            }
            State::Creating
            | State::Starting
            | State::Started
            | State::Stopping
            | State::Terminated => Err(refused(&id, state, "deleted")),
        }
    }

    /// Whether it has jobs that are not over.
    pub(super) fn is_busy(&self, application: &str) -> bool {
        let mut jobs = self.jobs.values();
        jobs.any(|job| job.application == application && !job.state.is_terminal())
    }

    /// An application moves: says so, and plans how it goes on.
    pub(super) fn enter_application(
        &mut self,
        id: &str,
        state: State,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let serial = self.next_number();
        let arn = self.arn(id);
        let Some(application) = self.applications.get_mut(id) else {
            return;
        };
        application.state = state;
        application.updated = at;
        application.serial = serial;
        let idle = application.idles();
        let detail = json!({
            "applicationId": id,
            "applicationName": text(&application.input, "name"),
            "arn": arn,
            "releaseLabel": application.release(),
            "state": state.word(),
            "type": application.kind(),
            "createdAt": time_text(application.created),
            "updatedAt": time_text(at),
            "autoStopConfig": {"enabled": idle.is_some(), "idleTimeout": idle.map_or(0, |idle| idle.as_secs() / 60)},
            "autoStartConfig": {"enabled": application.starts_by_itself()},
        });
        let kind = "EMR Serverless Application State Change";
        context
            .mail
            .send(at, (&self.home, SOURCE), kind, "", &detail);
        let takes = context.options.application_takes;
        match state {
            State::Creating | State::Starting | State::Stopping => {
                self.plan(after(at, takes), Due::Application(id.to_owned(), serial));
            }
            State::Started => {
                self.plan_idle(id, at);
                self.admit_waiting(id, at, context);
            }
            State::Created | State::Stopped => {
                let waits = |job: &super::Job| {
                    job.application == id && job.state == JobState::Submitted && job.waits
                };
                if self.jobs.values().any(waits) {
                    self.enter_application(id, State::Starting, at, context);
                }
            }
            State::Terminated => {}
        }
    }

    pub(super) fn application_due(
        &mut self,
        id: &str,
        serial: u64,
        at: Timestamp,
        context: &mut Context<'_>,
    ) {
        let found = self.applications.get(id);
        let Some(application) = found.filter(|application| application.serial == serial) else {
            return;
        };
        let next = match application.state {
            State::Creating => State::Created,
            State::Starting => State::Started,
            State::Stopping => State::Stopped,
            State::Created | State::Started | State::Stopped | State::Terminated => return,
        };
        self.enter_application(id, next, at, context);
    }

    /// It may have nothing to do from now on.
    pub(super) fn plan_idle(&mut self, id: &str, at: Timestamp) {
        let serial = self.next_number();
        let Some(application) = self.applications.get_mut(id) else {
            return;
        };
        if application.state == State::Started
            && let Some(idle) = application.idles()
        {
            application.serial = serial;
            self.plan(after(at, idle), Due::Idle(id.to_owned(), serial));
        }
    }

    pub(super) fn idle(&mut self, id: &str, serial: u64, at: Timestamp, context: &mut Context<'_>) {
        let found = self.applications.get(id);
        let counts = found.is_some_and(|application| application.serial == serial);
        if counts && !self.is_busy(id) {
            self.enter_application(id, State::Stopping, at, context);
        }
    }
}

fn refused(id: &str, state: State, done: &str) -> Fault {
    let state = state.word();
    Fault::validation(&format!(
        "Application {id} is in state {state} and can not be {done}"
    ))
}
