//! Wakes as schedules.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::BuildError;
use aws_sdk_scheduler::operation::create_schedule::CreateScheduleError;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, Target,
};
use jiff::Timestamp;
use porpoise_model::Address;
use porpoise_model::id::derive;
use porpoise_ports::timers::Wake;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{BoxError, Clock, Timers, Unavailable};

use crate::error::ScheduleError;

/// Up to here, the other timers wait. Source: the longest delay of SQS.
pub const NEAR_MAX: Duration = Duration::from_mins(15);
/// How long before a wake its schedule is set. Source: EventBridge Scheduler user guide, which promises to fire within
/// a minute.
pub const EARLY: Duration = Duration::from_mins(1);

/// What a schedule is billed as: that it fires, and the message that it sends then.
pub const SCHEDULED: [(Line, u64); 2] = [(Line::ScheduleInvocations, 1), (Line::QueueRequests, 1)];

/// What schedules send, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The group of schedules.
    pub group: String,
    /// The ARN of the queue that the near timers use, whose receiver asks again for what is not due.
    pub queue_arn: String,
    /// The ARN of the role that may send to it.
    pub role_arn: String,
    /// The ARN of the queue for wakes that could not be sent, if there is one.
    pub dead_letter_arn: Option<String>,
    /// After this long, the client's retries included, setting a schedule has failed.
    pub patience: Duration,
}

/// Timers for waits of any length.
#[derive(Debug, Clone)]
pub struct SchedulerTimers {
    client: Client,
    settings: Settings,
    near: Arc<dyn Timers>,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
}

impl SchedulerTimers {
    /// Timers with schedules for what is too far away for `near`.
    pub fn new(
        client: Client,
        settings: Settings,
        near: Arc<dyn Timers>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            settings,
            near,
            clock,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads: the firing of a schedule when it is set,
    /// and the message that it will send.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    async fn schedule(&self, wake: Wake) -> Result<(), ScheduleError> {
        let Wake { aggregate, at } = wake;
        let created = tokio::time::timeout(self.settings.patience, self.create(wake)).await;
        let created = created.map_err(|_| ScheduleError::Late { aggregate, at })?;
        created.map_err(|source| ScheduleError::Create {
            group: self.settings.group.clone(),
            aggregate,
            at,
            source,
        })
    }

    /// If there is a schedule of that name, it is this one: it stands, and no more is asked.
    async fn create(&self, wake: Wake) -> Result<(), BoxError> {
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off);
        let created = self
            .client
            .create_schedule()
            .group_name(&self.settings.group)
            .name(name(wake))
            .schedule_expression(expression(wake.at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(window.build()?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(wake)?)
            .send()
            .await;
        let Err(error) = created else {
            for (line, pieces) in SCHEDULED {
                self.ledger.count(line, pieces);
            }
            return Ok(());
        };
        let stands = error
            .as_service_error()
            .is_some_and(CreateScheduleError::is_conflict_exception);
        if stands { Ok(()) } else { Err(error.into()) }
    }

    fn target(&self, wake: Wake) -> Result<Target, BuildError> {
        let dead_letters = self.settings.dead_letter_arn.as_ref();
        let dead_letters = dead_letters.map(|arn| DeadLetterConfig::builder().arn(arn).build());
        Target::builder()
            .arn(&self.settings.queue_arn)
            .role_arn(&self.settings.role_arn)
            .set_dead_letter_config(dead_letters)
            .input(wake.to_string())
            .build()
    }
}

/// Made from the wake, so that asking again sets nothing new.
fn name(wake: Wake) -> String {
    let id = derive("timers/schedule", &[wake.to_string().as_bytes()]);
    format!("wake-{:032x}", u128::from_be_bytes(id))
}

/// A minute before its time, in whole seconds.
fn expression(at: Timestamp) -> String {
    let early = at.saturating_sub(EARLY).unwrap_or(at);
    early.strftime("at(%Y-%m-%dT%H:%M:%S)").to_string()
}

#[async_trait]
impl Timers for SchedulerTimers {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let wait = Duration::try_from(at.duration_since(self.clock.now()));
        if wait.unwrap_or_default() <= NEAR_MAX {
            return self.near.wake(aggregate, at).await;
        }
        let set = self.schedule(Wake { aggregate, at }).await;
        set.map_err(|error| Unavailable::new("the scheduler", error))
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    fn wake(id: u8, at: &str) -> Wake {
        Wake {
            aggregate: Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16])),
            at: at.parse().unwrap(),
        }
    }

    #[test]
    fn schedules_are_a_minute_early_and_never_less() {
        for (at, wanted) in [
            ("2026-11-21T12:00:00Z", "at(2026-11-21T11:59:00)"),
            ("2026-11-21T12:00:00.999Z", "at(2026-11-21T11:59:00)"),
            ("2027-01-01T00:00:30Z", "at(2026-12-31T23:59:30)"),
        ] {
            assert_eq!(expression(at.parse().unwrap()), wanted);
        }
    }

    #[test]
    fn a_wake_has_one_name_of_its_own() {
        let first = name(wake(1, "2026-11-21T12:00:00Z"));
        assert_eq!(first, name(wake(1, "2026-11-21T12:00:00.000Z")));
        assert_ne!(first, name(wake(2, "2026-11-21T12:00:00Z")));
        assert_ne!(first, name(wake(1, "2026-11-21T12:00:00.001Z")));
        assert!(first.len() <= 64, "what Scheduler allows");
    }
}
