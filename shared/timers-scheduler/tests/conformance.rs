//! Timers of any length against the suite of their port, on emulators of EventBridge Scheduler and SQS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::conformance::timers::Woken;
use porpoise_ports::timers::Wake;
use porpoise_ports::{Clock, Timers as _, timers_conformance};
use porpoise_queue_sqs::SqsTimers;
use porpoise_region::unique;
use porpoise_system::SystemClock;
use porpoise_timers_scheduler::{EARLY, SchedulerTimers, Settings};

use crate::support::{client, queues};

const PATIENCE: Duration = Duration::from_secs(10);

/// The function that forwards wakes: what is not due goes back to the timers.
#[derive(Debug)]
struct Forwarder {
    sqs: aws_sdk_sqs::Client,
    url: String,
    scheduler: Client,
    group: String,
    timers: SchedulerTimers,
}

impl Forwarder {
    async fn wakes(&self) -> Vec<Wake> {
        let call = self.sqs.receive_message().queue_url(&self.url);
        let call = call.max_number_of_messages(10).wait_time_seconds(1);
        let mut wakes = Vec::new();
        for message in call.send().await.unwrap().messages.unwrap_or_default() {
            wakes.push(message.body().unwrap().parse().unwrap());
            let delete = self.sqs.delete_message().queue_url(&self.url);
            let delete = delete.receipt_handle(message.receipt_handle().unwrap());
            delete.send().await.unwrap();
        }
        wakes
    }

    /// How many are set.
    async fn schedules(&self) -> usize {
        let listed = self.scheduler.list_schedules().group_name(&self.group);
        listed.send().await.unwrap().schedules().len()
    }
}

#[async_trait]
impl Woken for Forwarder {
    async fn next(&self) -> Vec<Address> {
        let mut woken = Vec::new();
        for wake in self.wakes().await {
            if wake.is_due(SystemClock.now()) {
                woken.push(wake.aggregate);
            } else {
                self.timers.wake(wake.aggregate, wake.at).await.unwrap();
            }
        }
        woken
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

/// A clock that is wrong, so that a schedule is set that fires while a test waits.
#[derive(Debug)]
struct Behind(SignedDuration);

impl Clock for Behind {
    fn now(&self) -> Timestamp {
        SystemClock.now() - self.0
    }
}

/// Timers whose clock is behind by so much.
async fn behind(by: SignedDuration) -> (SchedulerTimers, Forwarder, ()) {
    let (scheduler, sqs) = (client(), queues());
    let created = sqs.create_queue().queue_name(unique("timers"));
    let url = created.send().await.unwrap().queue_url.unwrap();
    let call = sqs.get_queue_attributes().queue_url(&url);
    let call = call.attribute_names(QueueAttributeName::QueueArn);
    let attributes = call.send().await.unwrap().attributes.unwrap();
    let group = unique("wakes");
    let call = scheduler.create_schedule_group().name(&group);
    call.send().await.unwrap();
    let queue = porpoise_queue_sqs::Settings {
        url: url.clone(),
        patience: PATIENCE,
    };
    let near = SqsTimers::new(sqs.clone(), queue, Arc::new(SystemClock));
    let settings = Settings {
        group: group.clone(),
        queue_arn: attributes[&QueueAttributeName::QueueArn].clone(),
        role_arn: "arn:aws:iam::111122223333:role/scheduler".to_owned(),
        dead_letter_arn: None,
        patience: PATIENCE,
    };
    let clock = Arc::new(Behind(by));
    let timers = SchedulerTimers::new(scheduler.clone(), settings, Arc::new(near), clock);
    let forwarder = Forwarder {
        sqs,
        url,
        scheduler,
        group,
        timers: timers.clone(),
    };
    (timers, forwarder, ())
}

timers_conformance!(scheduler_and_sqs, async || behind(SignedDuration::ZERO)
    .await);

fn sleeper(number: u8) -> Address {
    Address::run(
        ProjectId::of_name("retail"),
        RunId::from_bytes([number; 16]),
    )
}

#[tokio::test]
async fn asking_again_sets_no_second_schedule() {
    let (timers, forwarder, ()) = behind(SignedDuration::ZERO).await;
    let at = SystemClock.now() + 5.hours();
    for _ in 0..3 {
        timers.wake(sleeper(1), at).await.unwrap();
    }
    assert_eq!(forwarder.schedules().await, 1);
    timers.wake(sleeper(1), at + 1.second()).await.unwrap();
    timers.wake(sleeper(2), at).await.unwrap();
    assert_eq!(forwarder.schedules().await, 3);
}

#[tokio::test]
async fn what_is_near_needs_no_schedule() {
    let (timers, forwarder, ()) = behind(SignedDuration::ZERO).await;
    for (wait, schedules) in [
        (0.seconds(), 0),
        (1.minute(), 0),
        (14.minutes(), 0),
        (16.minutes(), 1),
    ] {
        let at = SystemClock.now() + wait;
        timers.wake(sleeper(1), at).await.unwrap();
        assert_eq!(forwarder.schedules().await, schedules);
    }
}

#[tokio::test]
async fn a_schedule_fires_early_into_the_queue_and_is_gone() {
    let (timers, forwarder, ()) = behind(SignedDuration::from_mins(16)).await;
    let wake = Wake {
        aggregate: sleeper(1),
        at: SystemClock.now() + EARLY + Duration::from_secs(3),
    };
    timers.wake(wake.aggregate, wake.at).await.unwrap();
    assert_eq!(forwarder.schedules().await, 1);
    let mut fired = Vec::new();
    for _ in 0..30 {
        fired = forwarder.wakes().await;
        if !fired.is_empty() {
            break;
        }
    }
    assert_eq!(fired, [wake]);
    let now = SystemClock.now();
    assert!(!wake.is_due(now), "what remains can be waited for exactly");
    for _ in 0..10 {
        if forwarder.schedules().await == 0 {
            return;
        }
        assert_eq!(forwarder.wakes().await, [], "it fires once");
    }
    panic!("the schedule has fired and stands");
}
