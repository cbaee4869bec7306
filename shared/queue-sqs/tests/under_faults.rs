//! The queue and its timers while network and service misbehave, by many seeds, on an emulator of SQS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use bytes::Bytes;
use futures_util::future::join_all;
use jiff::ToSpan as _;
use porpoise_faults::{Faults, Hit, Plan, Tally, tally_of};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::queue::Message;
use porpoise_ports::timers::Wake;
use porpoise_ports::{Clock as _, Queue as _, Timers as _};
use porpoise_queue_sqs::{Settings, SqsQueue, SqsTimers, receive};
use porpoise_region::unique;
use porpoise_system::SystemClock;

use crate::support::{client, config};

/// What arrived, by group.
type Arrived = BTreeMap<Address, Vec<Bytes>>;

/// Nearly every third call is hit by something.
fn faults(seed: u64) -> Faults {
    Faults::new(seed, Plan::each(25))
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

fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        patience: Duration::from_mins(1),
    }
}

fn group(number: u8) -> Address {
    Address::run(
        ProjectId::of_name("retail"),
        RunId::from_bytes([number; 16]),
    )
}

async fn fifo(client: &Client) -> String {
    let created = client
        .create_queue()
        .queue_name(format!("{}.fifo", unique("inputs")))
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::ContentBasedDeduplication, "false")
        .send()
        .await;
    created.unwrap().queue_url.unwrap()
}

/// Until nothing has come for a second: stragglers are in by then.
async fn messages(client: &Client, url: &str) -> Vec<aws_sdk_sqs::types::Message> {
    let mut all = Vec::new();
    loop {
        let call = client.receive_message().queue_url(url);
        let call = call.max_number_of_messages(10).wait_time_seconds(1);
        let call = call.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let some = call.send().await.unwrap().messages.unwrap_or_default();
        if some.is_empty() {
            return all;
        }
        for message in &some {
            let call = client.delete_message().queue_url(url);
            let call = call.receipt_handle(message.receipt_handle().unwrap());
            call.send().await.unwrap();
        }
        all.extend(some);
    }
}

/// Ten sends of some messages for some of five groups. What was sent, what arrived, and what happened on the way.
async fn sends(seed: u64) -> (Arrived, Arrived, Vec<Hit>) {
    let direct = client();
    let url = fifo(&direct).await;
    let faults = faults(seed);
    let queue = SqsQueue::new(shaky(&faults), settings(&url));
    let mut sent = Arrived::new();
    for call in 0..10_u8 {
        let messages = (0..6_u8).map(|number| Message {
            group: group((call + number * number) % 5),
            deduplication: u128::from(call) << 8 | u128::from(number),
            body: format!("{call}.{number}").into(),
        });
        let messages: Vec<Message> = messages.collect();
        for one in &messages {
            sent.entry(one.group).or_default().push(one.body.clone());
        }
        queue.send(messages).await.unwrap();
    }
    let mut arrived = Arrived::new();
    for message in messages(&direct, &url).await {
        let attributes = message.attributes().unwrap();
        let group = attributes.get(&MessageSystemAttributeName::MessageGroupId);
        let received = receive(group.unwrap(), message.body().unwrap()).unwrap();
        let bodies = arrived.entry(received.group).or_default();
        bodies.extend(received.bodies);
    }
    (sent, arrived, faults.hits())
}

#[tokio::test]
async fn what_is_sent_arrives_once_and_in_its_order_whatever_goes_wrong() {
    let seeds: Vec<u64> = (0..40).collect();
    let mut hits = Vec::new();
    for some in seeds.chunks(8) {
        let outcomes = join_all(some.iter().map(|seed| sends(*seed))).await;
        for (seed, (sent, arrived, hit)) in some.iter().zip(outcomes) {
            assert_eq!(arrived, sent, "seed {seed}");
            hits.extend(hit);
        }
    }
    let tally = Tally::of(&hits);
    let missing = tally.missing("sqs", "SendMessageBatch");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}

#[tokio::test]
async fn a_seed_does_the_same_again() {
    let (_, _, first) = sends(3).await;
    let (_, _, second) = sends(3).await;
    assert!(first.iter().any(|hit| hit.fault.is_some()));
    assert_eq!(first, second);
}

async fn wakes(seed: u64) -> Tally {
    let direct = client();
    let created = direct.create_queue().queue_name(unique("timers"));
    let url = created.send().await.unwrap().queue_url.unwrap();
    let faults = faults(seed);
    let timers = SqsTimers::new(shaky(&faults), settings(&url), Arc::new(SystemClock));
    let mut asked = BTreeSet::new();
    for number in 0..10 {
        let at = SystemClock.now() - i64::from(number).seconds();
        let aggregate = group(number);
        timers.wake(aggregate, at).await.unwrap();
        asked.insert(Wake { aggregate, at });
    }
    let arrived = messages(&direct, &url).await;
    let arrived = arrived.iter().map(|message| message.body().unwrap());
    let arrived: BTreeSet<Wake> = arrived.map(|body| body.parse().unwrap()).collect();
    assert_eq!(arrived, asked, "seed {seed}");
    faults.tally()
}

#[tokio::test]
async fn every_wake_comes_whatever_goes_wrong() {
    let tally = tally_of(0..40, wakes).await;
    let missing = tally.missing("sqs", "SendMessage");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
