//! The bus against the suite of its port, on an emulator of EventBridge with a rule for each place.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use porpoise_bus_eventbridge::{DETAIL_TYPE, EventBridgeBus, Intents, SOURCE, Settings};
use porpoise_ports::bus_conformance;
use porpoise_ports::conformance::bus::{Dispatched, PLACES};
use porpoise_region::unique;
use serde_json::{Value, json};

use crate::support::{client, queues};

/// Queues in the place of dispatchers: what the rule of a place matched.
#[derive(Debug)]
struct Dispatchers {
    client: aws_sdk_sqs::Client,
    /// By place.
    urls: BTreeMap<String, String>,
}

impl Dispatchers {
    async fn look(&self, url: &str) -> Vec<aws_sdk_sqs::types::Message> {
        let call = self.client.receive_message().queue_url(url);
        let call = call.max_number_of_messages(10).wait_time_seconds(1);
        call.send().await.unwrap().messages.unwrap_or_default()
    }
}

#[async_trait]
impl Dispatched for Dispatchers {
    async fn next(&self) -> Vec<(String, Vec<Bytes>)> {
        let mut arrived = Vec::new();
        for (place, url) in &self.urls {
            for message in self.look(url).await {
                let mut event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                let detail: Intents = serde_json::from_value(event["detail"].take()).unwrap();
                assert_eq!(detail.place, *place, "its rule matched it");
                arrived.push((detail.place, detail.intents));
                let call = self.client.delete_message().queue_url(url);
                let call = call.receipt_handle(message.receipt_handle().unwrap());
                call.send().await.unwrap();
            }
        }
        arrived
    }
}

/// A queue, and its ARN.
async fn queue(sqs: &aws_sdk_sqs::Client, name: &str) -> (String, String) {
    let created = sqs.create_queue().queue_name(unique(name)).send().await;
    let url = created.unwrap().queue_url.unwrap();
    let call = sqs.get_queue_attributes().queue_url(&url);
    let call = call.attribute_names(QueueAttributeName::QueueArn);
    let attributes = call.send().await.unwrap().attributes.unwrap();
    let arn = attributes[&QueueAttributeName::QueueArn].clone();
    (url, arn)
}

async fn event_bridge() -> (EventBridgeBus, Dispatchers, ()) {
    let (client, sqs) = (client(), queues());
    let bus = unique("bus");
    let created = client.create_event_bus().name(&bus).send().await;
    let arn_of_bus = created.unwrap().event_bus_arn.unwrap();
    let mut urls = BTreeMap::new();
    for place in PLACES {
        let (url, arn) = queue(&sqs, place).await;
        let pattern = json!({
            "source": [SOURCE], "detail-type": [DETAIL_TYPE], "detail": {"place": [place]}
        });
        let rule = client.put_rule().event_bus_name(&bus).name(place);
        let rule = rule.event_pattern(pattern.to_string());
        rule.send().await.unwrap();
        let target = Target::builder().id("dispatcher").arn(arn).build().unwrap();
        let put = client.put_targets().event_bus_name(&bus).rule(place);
        let put = put.targets(target).send().await.unwrap();
        assert_eq!(put.failed_entry_count, 0);
        urls.insert(place.to_owned(), url);
    }
    // one bus for both places, so that only the rules tell them apart
    let settings = Settings {
        buses: PLACES
            .map(|place| (place.to_owned(), arn_of_bus.clone()))
            .into(),
        patience: Duration::from_secs(30),
    };
    let bus = EventBridgeBus::new(settings, |_| client.clone()).unwrap();
    (bus, Dispatchers { client: sqs, urls }, ())
}

bus_conformance!(event_bridge_rules, event_bridge);
