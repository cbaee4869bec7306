//! Schedules while network and service misbehave, by many seeds, on an emulator of EventBridge Scheduler.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::retry::{RetryConfig, RetryPartition};
use jiff::{Timestamp, ToSpan as _};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::timers::Wake;
use porpoise_ports::{Clock as _, Timers, Unavailable};
use porpoise_region::unique;
use porpoise_system::SystemClock;
use porpoise_timers_scheduler::{SchedulerTimers, Settings};

use crate::support::{client, config};

/// Nothing here is near.
#[derive(Debug)]
struct Never;

#[async_trait]
impl Timers for Never {
    async fn wake(&self, _: Address, _: Timestamp) -> Result<(), Unavailable> {
        unreachable!("it is not near")
    }
}

/// A client that never gives up: what is looked for is wrong answers, not outages.
fn shaky(faults: &Faults) -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    Client::from_conf(config.build())
}

/// What the schedules of a group will send.
async fn set(direct: &Client, group: &str) -> Vec<Wake> {
    let listed = direct.list_schedules().group_name(group).send().await;
    let mut wakes = Vec::new();
    for schedule in listed.unwrap().schedules() {
        let get = direct.get_schedule().group_name(group);
        let got = get.name(schedule.name().unwrap()).send().await.unwrap();
        let input = got.target().unwrap().input().unwrap().to_owned();
        wakes.push(input.parse().unwrap());
    }
    wakes
}

async fn wakes(seed: u64) -> Tally {
    let direct = client();
    let group = unique("wakes");
    let create = direct.create_schedule_group().name(&group);
    create.send().await.unwrap();
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let settings = Settings {
        group: group.clone(),
        queue_arn: "arn:aws:sqs:us-east-1:111122223333:timers".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/scheduler".to_owned(),
        dead_letter_arn: None,
        patience: Duration::from_mins(1),
    };
    let near = Arc::new(Never);
    let timers = SchedulerTimers::new(shaky(&faults), settings, near, Arc::new(SystemClock));
    let mut asked = BTreeSet::new();
    for number in 0..10 {
        let project = ProjectId::of_name("retail");
        let aggregate = Address::run(project, RunId::from_bytes([number; 16]));
        let at = SystemClock.now() + 5.hours();
        timers.wake(aggregate, at).await.unwrap();
        asked.insert(Wake { aggregate, at });
    }
    pause().await;
    let set = set(&direct, &group).await;
    assert_eq!(set.len(), asked.len(), "seed {seed}");
    assert_eq!(BTreeSet::from_iter(set), asked, "seed {seed}");
    faults.tally()
}

/// Stragglers are in after this.
#[expect(clippy::disallowed_methods, reason = "stragglers take real time")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test]
async fn each_wake_has_one_schedule_whatever_goes_wrong() {
    let tally = tally_of(0..40, wakes).await;
    let missing = tally.missing("scheduler", "CreateSchedule");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
