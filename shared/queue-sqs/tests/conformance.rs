//! The queue and its timers against the suites of their ports, on an emulator of SQS.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use jiff::Timestamp;
use porpoise_faults::{Faults, Plan};
use porpoise_model::Address;
use porpoise_ports::conformance::queue::{Receiver, Taken};
use porpoise_ports::conformance::timers::Woken;
use porpoise_ports::timers::Wake;
use porpoise_ports::{Clock, Timers as _, queue_conformance, timers_conformance};
use porpoise_queue_sqs::{Settings, SqsQueue, SqsTimers, receive};
use porpoise_region::unique;
use porpoise_system::SystemClock;

use crate::support::{client, config};

fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        patience: Duration::from_secs(30),
    }
}

/// A function that a queue invokes, as calls of SQS.
#[derive(Debug)]
struct Mapping {
    client: Client,
    url: String,
}

impl Mapping {
    async fn messages(&self) -> Vec<aws_sdk_sqs::types::Message> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .visibility_timeout(60)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .send()
            .await;
        received.unwrap().messages.unwrap_or_default()
    }

    async fn delete(&self, handle: &str) {
        let call = self.client.delete_message().queue_url(&self.url);
        call.receipt_handle(handle).send().await.unwrap();
    }
}

#[async_trait]
impl Receiver for Mapping {
    type Receipt = Vec<String>;

    async fn take(&self) -> Vec<Taken<Vec<String>>> {
        let mut batches: Vec<Taken<Vec<String>>> = Vec::new();
        for message in self.messages().await {
            let attributes = message.attributes().unwrap();
            let group = &attributes[&MessageSystemAttributeName::MessageGroupId];
            let received = receive(group, message.body().unwrap()).unwrap();
            let handle = message.receipt_handle().unwrap().to_owned();
            let known = batches
                .iter_mut()
                .find(|batch| batch.group == received.group);
            match known {
                Some(batch) => {
                    batch.bodies.extend(received.bodies);
                    batch.receipt.push(handle);
                }
                None => batches.push(Taken {
                    group: received.group,
                    bodies: received.bodies,
                    receipt: vec![handle],
                }),
            }
        }
        batches
    }

    async fn done(&self, receipt: Vec<String>) {
        for handle in receipt {
            self.delete(&handle).await;
        }
    }

    async fn returned(&self, receipt: Vec<String>) {
        for handle in receipt {
            let call = self.client.change_message_visibility();
            let call = call.queue_url(&self.url).receipt_handle(handle);
            call.visibility_timeout(0).send().await.unwrap();
        }
    }
}

async fn fifo() -> (SqsQueue, Mapping, ()) {
    let client = client();
    let created = client
        .create_queue()
        .queue_name(format!("{}.fifo", unique("inputs")))
        .attributes(QueueAttributeName::FifoQueue, "true")
        .attributes(QueueAttributeName::ContentBasedDeduplication, "false")
        .send()
        .await;
    let url = created.unwrap().queue_url.unwrap();
    let queue = SqsQueue::new(client.clone(), settings(&url));
    (queue, Mapping { client, url }, ())
}

queue_conformance!(sqs_fifo, fifo);

/// Every third call of the sender is hit by something, and nobody notices.
async fn fifo_under_faults() -> (SqsQueue, Mapping, ()) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (_, mapping, ()) = fifo().await;
    let faults = Faults::new(NEXT.fetch_add(1, Ordering::Relaxed), Plan::each(25));
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let ministack = porpoise_region::ministack().unwrap();
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    let client = Client::from_conf(config.build());
    let queue = SqsQueue::new(client, settings(&mapping.url));
    (queue, mapping, ())
}

queue_conformance!(sqs_fifo_under_faults, fifo_under_faults);

/// The function that forwards wakes: into the queue of inputs when they are due, else to the timers again.
#[derive(Debug)]
struct Forwarder {
    mapping: Mapping,
    timers: SqsTimers,
}

#[async_trait]
impl Woken for Forwarder {
    async fn next(&self) -> Vec<Address> {
        let mut woken = Vec::new();
        for message in self.mapping.messages().await {
            let wake: Wake = message.body().unwrap().parse().unwrap();
            if wake.is_due(SystemClock.now()) {
                woken.push(wake.aggregate);
            } else {
                self.timers.wake(wake.aggregate, wake.at).await.unwrap();
            }
            let handle = message.receipt_handle().unwrap();
            self.mapping.delete(handle).await;
        }
        woken
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }
}

async fn standard() -> (SqsTimers, Forwarder, ()) {
    let client = client();
    let created = client.create_queue().queue_name(unique("timers"));
    let url = created.send().await.unwrap().queue_url.unwrap();
    let timers = SqsTimers::new(client.clone(), settings(&url), Arc::new(SystemClock));
    let forwarder = Forwarder {
        mapping: Mapping { client, url },
        timers: timers.clone(),
    };
    (timers, forwarder, ())
}

timers_conformance!(sqs_with_delay, standard);
