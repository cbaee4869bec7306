//! The bus while network and service misbehave, by many seeds, on an emulator of EventBridge.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use porpoise_bus_eventbridge::{EventBridgeBus, Intents, Settings};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_ports::Bus as _;
use porpoise_region::unique;
use serde_json::Value;

use crate::support::{client, config, queues};

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

/// A bus whose events all go to a queue: the ARN of the one, the URL of the other.
async fn bus(sqs: &aws_sdk_sqs::Client) -> (String, String) {
    let events = client();
    let created = sqs.create_queue().queue_name(unique("intents"));
    let url = created.send().await.unwrap().queue_url.unwrap();
    let call = sqs.get_queue_attributes().queue_url(&url);
    let call = call.attribute_names(QueueAttributeName::QueueArn);
    let attributes = call.send().await.unwrap().attributes.unwrap();
    let queue = attributes.get(&QueueAttributeName::QueueArn).unwrap();
    let name = unique("bus");
    let created = events.create_event_bus().name(&name).send().await;
    let rule = events.put_rule().event_bus_name(&name).name("all");
    let rule = rule.event_pattern(r#"{"source": ["porpoise"]}"#);
    rule.send().await.unwrap();
    let target = Target::builder().id("queue").arn(queue).build().unwrap();
    let put = events.put_targets().event_bus_name(&name).rule("all");
    put.targets(target).send().await.unwrap();
    (created.unwrap().event_bus_arn.unwrap(), url)
}

/// Until nothing has come for a second: stragglers are in by then.
async fn arrivals(sqs: &aws_sdk_sqs::Client, url: &str) -> Vec<Bytes> {
    let mut all = Vec::new();
    loop {
        let call = sqs.receive_message().queue_url(url);
        let call = call.max_number_of_messages(10).wait_time_seconds(1);
        let some = call.send().await.unwrap().messages.unwrap_or_default();
        if some.is_empty() {
            return all;
        }
        for message in some {
            let mut event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let detail = event.get_mut("detail").unwrap().take();
            let intents: Intents = serde_json::from_value(detail).unwrap();
            all.extend(intents.intents);
            let call = sqs.delete_message().queue_url(url);
            let call = call.receipt_handle(message.receipt_handle().unwrap());
            call.send().await.unwrap();
        }
    }
}

async fn sends(seed: u64) -> Tally {
    let sqs = queues();
    let (arn, url) = bus(&sqs).await;
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let settings = Settings {
        buses: [("eu".to_owned(), arn)].into(),
        patience: Duration::from_mins(1),
    };
    let bus = EventBridgeBus::new(settings, |_| shaky(&faults)).unwrap();
    let mut sent = BTreeSet::new();
    for call in 0..10 {
        let intents = (0..3).map(|number| format!("{call}.{number}").into());
        let intents: Vec<Bytes> = intents.collect();
        sent.extend(intents.clone());
        bus.send("eu", intents).await.unwrap();
    }
    let arrived: BTreeSet<Bytes> = arrivals(&sqs, &url).await.into_iter().collect();
    assert_eq!(arrived, sent, "seed {seed}");
    faults.tally()
}

#[tokio::test]
async fn every_intent_arrives_and_nothing_else_does_whatever_goes_wrong() {
    let tally = tally_of(0..40, sends).await;
    let missing = tally.missing("events", "PutEvents");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
