//! Publishing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use porpoise_ports::backoff::backoff;
use porpoise_ports::notices::Notice;
use porpoise_ports::usage::{Ledger, Line, chunks};
use porpoise_ports::{Notices, Unavailable};

use crate::body::{body, title};
use crate::error::PublishError;

/// Characters of a subject, which have to be fewer than a hundred. Source: SNS API reference, `Publish`.
const SUBJECT_MAX: usize = 99;

/// Which topic, and how long its sender waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its ARN.
    pub topic_arn: String,
    /// After this long, repeats and the client's retries included, a publication has failed.
    pub patience: Duration,
}

/// Notices through a topic.
#[derive(Debug, Clone)]
pub struct SnsNotices {
    client: Client,
    settings: Settings,
    ledger: Ledger,
}

impl SnsNotices {
    /// Publishes to the topic of `settings`; `client` is of its region.
    pub fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// Again and again, until it is taken or refused.
    async fn hand_over(
        &self,
        notice: &Notice,
        last: &Mutex<Option<PublishError>>,
    ) -> Result<(), PublishError> {
        let key = notice.key();
        let mut tries = 0;
        loop {
            match self.publish(notice).await {
                Err(complaint @ PublishError::NotTaken { .. }) => {
                    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(complaint);
                }
                done => return done,
            }
            tries += 1;
            pause(&key, tries).await;
        }
    }

    async fn publish(&self, notice: &Notice) -> Result<(), PublishError> {
        let topic = &self.settings.topic_arn;
        let message = body(notice).to_string();
        let requests = requests(&message);
        let mut call = self.client.publish().topic_arn(topic);
        for (name, value) in attributes(notice) {
            let value = MessageAttributeValue::builder()
                .data_type("String")
                .string_value(value)
                .build()
                .map_err(|error| PublishError::Refused {
                    topic: topic.clone(),
                    source: error.into(),
                })?;
            call = call.message_attributes(name, value);
        }
        let call = call.subject(subject(notice)).message(message);
        let answer = call.send().await;
        answer.map_err(|error| PublishError::of(topic, error))?;
        self.ledger.count(Line::Notices, requests);
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a repeat inside one call of the port, which is nothing that a timer effect could do"
)]
async fn pause(seed: &str, tries: u32) {
    tokio::time::sleep(backoff(seed.as_bytes(), tries)).await;
}

/// By which subscriptions filter.
fn attributes(notice: &Notice) -> [(&'static str, &str); 3] {
    [
        ("project", &notice.project),
        ("workflow", &notice.workflow),
        ("event", notice.what.word()),
    ]
}

/// The subject of a mail, which is printable ASCII.
fn subject(notice: &Notice) -> String {
    let printable = |letter: char| match letter {
        ' '..='~' => letter,
        _ => '?',
    };
    let subject = format!("Porpoise: {}", title(notice));
    subject.chars().map(printable).take(SUBJECT_MAX).collect()
}

/// Requests that a publication is billed as: by the chunks of its message. What is delivered to queues, functions and
/// chats costs nothing; mails do, after the first thousand of a month. Source: SNS pricing.
fn requests(message: &str) -> u64 {
    chunks(message.len())
}

#[async_trait]
impl Notices for SnsNotices {
    async fn send(&self, notice: &Notice) -> Result<(), Unavailable> {
        let last = Mutex::new(None);
        let sending = self.hand_over(notice, &last);
        let sent = tokio::time::timeout(self.settings.patience, sending).await;
        // What was complained of says more than that time is over.
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        let late = || PublishError::Late(self.settings.topic_arn.clone());
        let sent = sent.unwrap_or_else(|_| Err(last.unwrap_or_else(late)));
        sent.map_err(|error| Unavailable::new("the channel of notices", error))
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::RunState;
    use porpoise_ports::conformance::notices::notice;

    use super::*;

    #[test]
    fn a_subject_is_one_that_sns_takes() {
        let plain = notice(0, RunState::Failed);
        assert_eq!(subject(&plain), "Porpoise: retail/daily failed");
        let odd = Notice {
            workflow: "日\n次".repeat(60),
            ..plain
        };
        let subject = subject(&odd);
        assert!(subject.len() < 100 && subject.is_ascii());
        assert!(!subject.contains('\n'), "{subject}");
    }
}
