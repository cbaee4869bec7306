//! Notices against the suite of their port, on an emulator of SNS with a queue that subscribes.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use porpoise_model::RunState;
use porpoise_notices_sns::{Settings, SnsNotices};
use porpoise_ports::conformance::notices::{Reader, notice};
use porpoise_ports::notices::{Notice, What};
use porpoise_ports::{Notices as _, notices_conformance};
use porpoise_region::unique;
use serde_json::Value;

use crate::support::config;

fn client() -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    Client::from_conf(config(ministack.endpoint()).build())
}

fn queues() -> aws_sdk_sqs::Client {
    let ministack = porpoise_region::ministack().unwrap();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::Credentials::new(
            "test", "test", None, None, "tests",
        ))
        .endpoint_url(ministack.endpoint());
    aws_sdk_sqs::Client::from_conf(config.build())
}

/// A queue that subscribes to a topic.
#[derive(Debug)]
struct Subscriber {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Subscriber {
    async fn of(topic: &str, filter: Option<&str>) -> Self {
        let client = queues();
        let created = client.create_queue().queue_name(unique("notices"));
        let url = created.send().await.unwrap().queue_url.unwrap();
        let call = client.get_queue_attributes().queue_url(&url);
        let call = call.attribute_names(QueueAttributeName::QueueArn);
        let attributes = call.send().await.unwrap().attributes.unwrap();
        let arn = &attributes[&QueueAttributeName::QueueArn];
        let call = self::client().subscribe().topic_arn(topic);
        let mut call = call.protocol("sqs").endpoint(arn);
        if let Some(filter) = filter {
            call = call.attributes("FilterPolicy", filter);
        }
        call.send().await.unwrap();
        Self { client, url }
    }

    /// Also what stands around a notice.
    async fn envelope(&self) -> Option<Value> {
        let call = self.client.receive_message().queue_url(&self.url);
        let received = call.wait_time_seconds(1).send().await.unwrap();
        let message = received.messages.unwrap_or_default().pop()?;
        let delete = self.client.delete_message().queue_url(&self.url);
        let delete = delete.receipt_handle(message.receipt_handle().unwrap());
        delete.send().await.unwrap();
        Some(serde_json::from_str(message.body().unwrap()).unwrap())
    }
}

#[async_trait]
impl Reader for Subscriber {
    async fn next(&self) -> Option<Notice> {
        let envelope = self.envelope().await?;
        let body = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
        Some(read(&body))
    }
}

/// What a subscriber makes of a message.
fn read(body: &Value) -> Notice {
    let context = &body["metadata"]["additionalContext"];
    let text = |name: &str| context[name].as_str().unwrap_or_default();
    let notice = Notice {
        project: text("project").to_owned(),
        workflow: text("workflow").to_owned(),
        run: text("run_id").parse().unwrap(),
        trigger: match text("trigger") {
            "manual" => "manual",
            "api" => "api",
            "schedule" => "schedule",
            other => panic!("`{other}` is no trigger"),
        },
        logical_date: text("logical_date").parse().unwrap(),
        created: text("created").parse().unwrap(),
        started: context["started"]
            .as_str()
            .map(|text| text.parse().unwrap()),
        at: text("at").parse().unwrap(),
        what: what(body["metadata"]["eventType"].as_str().unwrap(), text),
    };
    assert_eq!(text("event"), notice.what.word());
    assert_eq!(body["id"], notice.key());
    assert_eq!(body["metadata"]["threadId"], text("run_id"));
    notice
}

fn what<'a>(event_type: &str, text: impl Fn(&str) -> &'a str) -> What {
    let state = || serde_json::from_value(text("state").into()).unwrap();
    let task = || text("task").to_owned();
    let attempt = || text("attempt").parse().unwrap();
    let stopped = || text("stopped").parse().unwrap();
    match event_type {
        "run_ended" => What::Ended {
            state: state(),
            tasks: text("tasks").parse().unwrap(),
            failed: serde_json::from_str(text("failed_tasks")).unwrap(),
            failed_count: text("failed_count").parse().unwrap(),
        },
        "task_failed" => What::TaskFailed {
            task: task(),
            attempt: attempt(),
        },
        "task_late" => What::TaskLate {
            task: task(),
            attempt: attempt(),
            stopped: stopped(),
        },
        "run_late" => What::Late { stopped: stopped() },
        other => panic!("`{other}` is no type of event"),
    }
}

async fn topic() -> String {
    let created = client().create_topic().name(unique("runs")).send().await;
    created.unwrap().topic_arn.unwrap()
}

fn notices(topic: &str) -> SnsNotices {
    let settings = Settings {
        topic_arn: topic.to_owned(),
        patience: Duration::from_secs(30),
    };
    SnsNotices::new(client(), settings)
}

async fn sns() -> (SnsNotices, Subscriber, ()) {
    let topic = topic().await;
    (notices(&topic), Subscriber::of(&topic, None).await, ())
}

notices_conformance!(sns_topic, sns);

#[tokio::test]
async fn subscribers_choose_by_project_workflow_and_event() {
    let topic = topic().await;
    let filter = r#"{"project": ["retail"], "event": ["failed", "canceled"]}"#;
    let subscriber = Subscriber::of(&topic, Some(filter)).await;
    let notices = notices(&topic);
    let others = Notice {
        project: "finance".to_owned(),
        ..notice(0, RunState::Failed)
    };
    let ours = notice(5, RunState::Failed);
    for one in [&others, &notice(1, RunState::Succeeded), &ours] {
        notices.send(one).await.unwrap();
    }
    let envelope = subscriber.envelope().await.unwrap();
    let attributes = &envelope["MessageAttributes"];
    for (name, value) in [
        ("project", "retail"),
        ("workflow", "daily"),
        ("event", "failed"),
    ] {
        assert_eq!(attributes[name]["Value"], value, "{attributes}");
        assert_eq!(attributes[name]["Type"], "String");
    }
    assert_eq!(envelope["Subject"], "Porpoise: retail/daily failed");
    let body = serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap();
    assert_eq!(read(&body), ours);
    assert_eq!(subscriber.envelope().await, None);
}
