//! A queue that subscribes to the notices of runs, as a team would.

use anyhow::Context as _;
use axum::http::Method;
use serde_json::{Value, json};

use crate::aws::{Caller, Scope};
use crate::cloud::Cloud;

/// Who is told what became of runs.
#[derive(Debug)]
pub struct Subscriber {
    caller: Caller,
    account: String,
    region: String,
    url: String,
}

impl Cloud {
    /// Subscribes a new queue of this name to the notices that a filter lets through.
    ///
    /// # Errors
    /// Ministack does not make the queue, or there is no topic.
    pub fn subscribe(&self, queue: &str, filter: &Value) -> anyhow::Result<Subscriber> {
        let options = self.options();
        let (account, region) = (&options.account, &options.home);
        let mut subscriber = Subscriber {
            caller: Caller::new(self.ministack()),
            account: account.clone(),
            region: region.clone(),
            url: String::new(),
        };
        tokio::task::block_in_place(|| {
            let topic = format!("arn:aws:sns:{region}:{account}:{}-runs", options.name);
            let policy = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }]});
            let asked = json!({"QueueName": queue, "Attributes": {"Policy": policy.to_string()}});
            let made = subscriber.queue_call("CreateQueue", &asked)?;
            let url = made.get("QueueUrl").and_then(Value::as_str);
            let url = url.context("a queue without a URL")?;
            url.clone_into(&mut subscriber.url);
            let parameters = [
                ("TopicArn", topic),
                ("Protocol", "sqs".to_owned()),
                (
                    "Endpoint",
                    format!("arn:aws:sqs:{region}:{account}:{queue}"),
                ),
                ("Attributes.entry.1.key", "FilterPolicy".to_owned()),
                ("Attributes.entry.1.value", filter.to_string()),
            ];
            let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
            let scope = subscriber.scope("sns");
            let caller = &subscriber.caller;
            let subscribed = caller.query(scope, "Subscribe", "2010-03-31", &parameters);
            subscribed.context("cannot subscribe to the notices")
        })?;
        Ok(subscriber)
    }
}

impl Subscriber {
    /// The next notice, with what SNS wraps around it; `None`: none has come for two seconds.
    ///
    /// # Errors
    /// Ministack does not answer, or it is no message of SNS.
    pub fn next(&self) -> anyhow::Result<Option<Value>> {
        tokio::task::block_in_place(|| {
            let asked = json!({"QueueUrl": self.url, "WaitTimeSeconds": 2});
            let received = self.queue_call("ReceiveMessage", &asked)?;
            let Some(message) = received.pointer("/Messages/0") else {
                return Ok(None);
            };
            let handle = message.get("ReceiptHandle");
            let done = json!({"QueueUrl": self.url, "ReceiptHandle": handle});
            self.queue_call("DeleteMessage", &done)?;
            let body = message.get("Body").and_then(Value::as_str);
            let body = body.context("a message without text")?;
            Ok(Some(serde_json::from_str(body)?))
        })
    }

    fn queue_call(&self, action: &str, body: &Value) -> anyhow::Result<Value> {
        let target = format!("AmazonSQS.{action}");
        let more = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", target.as_str()),
        ];
        let body = body.to_string();
        let scope = self.scope("sqs");
        let answer = self
            .caller
            .call(scope, (Method::POST, "/"), &more, body.as_bytes())?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&answer)?)
    }

    fn scope<'s>(&'s self, service: &'s str) -> Scope<'s> {
        Scope {
            account: &self.account,
            region: &self.region,
            service,
        }
    }
}
