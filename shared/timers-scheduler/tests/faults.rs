//! What no emulator makes: throttles, outages, silence; and what a request says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::retry::RetryConfig;
use jiff::{Timestamp, ToSpan as _};
use porpoise_canned::{Answer, Canned, chain};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Clock as _, Timers, Unavailable};
use porpoise_system::SystemClock;
use porpoise_timers_scheduler::{SchedulerTimers, Settings};
use serde_json::{Value, json};

use crate::support::config;

const CREATED: &str = r#"{"ScheduleArn": "arn:aws:scheduler:::schedule/porpoise/wake"}"#;

/// Near timers that note what they were asked.
#[derive(Debug, Default)]
struct Near(Mutex<Vec<(Address, Timestamp)>>);

#[async_trait]
impl Timers for Near {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        self.0.lock().unwrap().push((aggregate, at));
        Ok(())
    }
}

fn timers(canned: &Canned) -> (SchedulerTimers, Arc<Near>) {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        group: "porpoise".to_owned(),
        queue_arn: "arn:aws-cn:sqs:cn-north-1:111122223333:timers".to_owned(),
        role_arn: "arn:aws-cn:iam::111122223333:role/wakes".to_owned(),
        dead_letter_arn: Some("arn:aws-cn:sqs:cn-north-1:111122223333:dead".to_owned()),
        patience: Duration::from_secs(5),
    };
    let near = Arc::new(Near::default());
    let client = Client::from_conf(config.build());
    let timers = SchedulerTimers::new(client, settings, near.clone(), Arc::new(SystemClock));
    (timers, near)
}

fn sleeper() -> Address {
    Address::run(ProjectId::of_name("retail"), RunId::from_bytes([1; 16]))
}

#[tokio::test]
async fn a_schedule_says_all_that_it_has_to() {
    let canned = Canned::start(|_| Answer::json(200, CREATED)).unwrap();
    let (timers, near) = timers(&canned);
    let at: Timestamp = "2999-12-31T23:59:59.5Z".parse().unwrap();
    timers.wake(sleeper(), at).await.unwrap();
    let requests = canned.requests();
    let path = &requests[0].path;
    assert!(path.starts_with("/schedules/wake-"), "{path}");
    let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
    let target = json!({
        "Arn": "arn:aws-cn:sqs:cn-north-1:111122223333:timers",
        "RoleArn": "arn:aws-cn:iam::111122223333:role/wakes",
        "DeadLetterConfig": {"Arn": "arn:aws-cn:sqs:cn-north-1:111122223333:dead"},
        "Input": format!("{}@{at}", sleeper()),
    });
    for (field, wanted) in [
        ("GroupName", json!("porpoise")),
        ("ScheduleExpression", json!("at(2999-12-31T23:58:59)")),
        ("ScheduleExpressionTimezone", json!("UTC")),
        ("ActionAfterCompletion", json!("DELETE")),
        ("FlexibleTimeWindow", json!({"Mode": "OFF"})),
        ("Target", target),
    ] {
        assert_eq!(body[field], wanted, "{field}");
    }
    assert!(near.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_near_goes_to_the_near_timers_alone() {
    let canned = Canned::start(|_| Answer::json(200, CREATED)).unwrap();
    let (timers, near) = timers(&canned);
    let at = SystemClock.now() + 14.minutes();
    timers.wake(sleeper(), at).await.unwrap();
    assert_eq!(*near.0.lock().unwrap(), [(sleeper(), at)]);
    assert!(canned.requests().is_empty());
}

#[tokio::test]
async fn that_it_stands_already_is_no_error() {
    let canned = Canned::start(|_| Answer::error(409, "ConflictException")).unwrap();
    let at = SystemClock.now() + 1.hour();
    timers(&canned).0.wake(sleeper(), at).await.unwrap();
}

#[tokio::test]
async fn throttles_and_cut_connections_are_tried_again() {
    let mut calls = 0;
    let canned = Canned::start(move |_| {
        calls += 1;
        match calls {
            1 => Answer::error(429, "ThrottlingException"),
            2 => Answer::Cut,
            _ => Answer::json(200, CREATED),
        }
    })
    .unwrap();
    let at = SystemClock.now() + 1.hour();
    timers(&canned).0.wake(sleeper(), at).await.unwrap();
    let requests = canned.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].path, requests[2].path, "the same name");
}

#[tokio::test]
async fn outages_and_silence_are_errors_that_say_whom_and_when() {
    let at: Timestamp = "2999-12-31T23:59:59Z".parse().unwrap();
    let down = Canned::start(|_| Answer::error(500, "InternalServerException")).unwrap();
    let failed = timers(&down).0.wake(sleeper(), at).await;
    let said = chain(&failed.unwrap_err());
    for part in [
        "the scheduler is unavailable",
        "group `porpoise`",
        &sleeper().to_string(),
        "2999",
        "InternalServer",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let silent = Canned::start(|_| Answer::Silence).unwrap();
    let late = timers(&silent).0.wake(sleeper(), at).await;
    let said = chain(&late.unwrap_err());
    assert!(said.ends_with("no answer came in time"), "{said}");
}

#[tokio::test]
async fn a_schedule_is_counted_once_with_the_message_that_it_will_send() {
    let mut calls = 0;
    let canned = Canned::start(move |_| {
        calls += 1;
        match calls {
            1 => Answer::json(200, CREATED),
            _ => Answer::error(409, "ConflictException"),
        }
    })
    .unwrap();
    let ledger = Ledger::default();
    let timers = timers(&canned).0.with_ledger(ledger.clone());
    let at = SystemClock.now() + 1.hour();
    for _ in 0..3 {
        timers.wake(sleeper(), at).await.unwrap();
    }
    timers.wake(sleeper(), SystemClock.now()).await.unwrap();
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    let wanted = [(Line::QueueRequests, 1), (Line::ScheduleInvocations, 1)];
    assert_eq!(lines, wanted);
}
