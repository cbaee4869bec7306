//! Batches of SQS: what came, whose it is, and what has to come again.
//!
//! A batch mixes aggregates. Each one's messages are stepped together, and returned together when that fails: in a FIFO
//! queue a later message of the same aggregate must not overtake one that is returned. Nobody else's are returned with
//! them.

use bytes::Bytes;
use indexmap::IndexMap;
use porpoise_model::Address;
use porpoise_queue_sqs::receive;
use serde::{Deserialize, Serialize};

/// What Lambda hands over from a queue.
///
/// Source: Lambda developer guide, "Using Lambda with Amazon SQS".
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SqsEvent {
    /// The messages, in the order of their groups.
    #[serde(rename = "Records")]
    pub records: Vec<SqsMessage>,
}

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsMessage {
    /// By which it is returned.
    pub message_id: String,
    /// Its text.
    pub body: String,
    /// What the queue says of it.
    #[serde(default)]
    pub attributes: Attributes,
}

/// What a queue says of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attributes {
    /// In a FIFO queue, its group.
    pub message_group_id: Option<String>,
    /// Of whoever sent it, if that was traced.
    #[serde(rename = "AWSTraceHeader")]
    pub trace: Option<String>,
    /// How often it was handed out, this time included.
    pub approximate_receive_count: Option<String>,
}

/// Which messages are to be delivered again; all others are done with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// Empty: none.
    pub batch_item_failures: Vec<ItemFailure>,
}

/// A message that is to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// Its id.
    pub item_identifier: String,
}

impl BatchResponse {
    /// Has these delivered again.
    pub fn add(&mut self, ids: impl IntoIterator<Item = String>) {
        let failures = ids
            .into_iter()
            .map(|item_identifier| ItemFailure { item_identifier });
        self.batch_item_failures.extend(failures);
    }
}

/// The messages of one aggregate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Its inputs, in their order.
    pub inputs: Vec<Bytes>,
    /// The ids of the messages that brought them.
    pub messages: Vec<String>,
    /// Whether one of them was, or may have been, handed out before.
    pub again: bool,
    /// The trace that the last of them belongs to.
    pub trace: Option<String>,
}

/// A message that is none of ours: to receive it again would change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The message.
    pub message: SqsMessage,
    /// Why it cannot be read.
    pub why: String,
}

/// Sorts a batch by aggregate.
pub fn by_aggregate(records: Vec<SqsMessage>) -> (IndexMap<Address, Group>, Vec<Unreadable>) {
    let mut groups: IndexMap<Address, Group> = IndexMap::new();
    let mut unreadable = Vec::new();
    for message in records {
        let group = message.attributes.message_group_id.as_deref();
        match receive(group.unwrap_or_default(), &message.body) {
            Ok(received) => {
                let group = groups.entry(received.group).or_default();
                group.inputs.extend(received.bodies);
                group.messages.push(message.message_id);
                let count = message.attributes.approximate_receive_count;
                group.again |= count.as_deref() != Some("1");
                group.trace = message.attributes.trace.or(group.trace.take());
            }
            Err(error) => unreadable.push(Unreadable {
                message,
                why: error.to_string(),
            }),
        }
    }
    (groups, unreadable)
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    /// As Lambda sends it, with fields that nothing here reads.
    fn event(messages: &[(&str, &str, &str)]) -> SqsEvent {
        let records: Vec<serde_json::Value> = messages
            .iter()
            .map(|(id, group, body)| {
                serde_json::json!({
                    "messageId": id,
                    "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
                    "body": body,
                    "attributes": {
                        "ApproximateReceiveCount": if *id == "b" { "2" } else { "1" },
                        "AWSTraceHeader": format!("Root=1-{id}"),
                        "SentTimestamp": "1573251510774",
                        "SequenceNumber": "18849496460467696128",
                        "MessageGroupId": group,
                        "SenderId": "AIDAIO23YVJENQZJOL4VO",
                        "MessageDeduplicationId": "1",
                        "ApproximateFirstReceiveTimestamp": "1573251510774"
                    },
                    "messageAttributes": {},
                    "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                    "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:fifo.fifo",
                    "awsRegion": "us-east-2"
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
    }

    #[test]
    fn messages_are_sorted_by_aggregate_in_their_order() {
        let [one, two] =
            [1, 2].map(|id| Address::run(ProjectId::of_name("p"), RunId::from_bytes([id; 16])));
        let groups = [one.to_string(), two.to_string()];
        let event = event(&[
            ("a", &groups[0], "1:YQ,Yg"),
            ("b", &groups[1], "1:Yw"),
            ("c", &groups[0], "1:ZA"),
            ("d", "somebody else's", "1:ZA"),
            ("e", &groups[1], "{}"),
        ]);
        let (groups, unreadable) = by_aggregate(event.records);
        assert_eq!(groups.keys().copied().collect::<Vec<_>>(), [one, two]);
        let group = &groups[0];
        assert_eq!(group.inputs, ["a", "b", "d"]);
        assert_eq!(group.messages, ["a", "c"]);
        assert_eq!([group.again, groups[1].again], [false, true]);
        assert_eq!(group.trace.as_deref(), Some("Root=1-c"));
        let ids = unreadable.iter().map(|one| &*one.message.message_id);
        assert_eq!(ids.collect::<Vec<_>>(), ["d", "e"]);
    }

    #[test]
    fn the_answer_names_what_is_to_come_again() {
        let mut response = BatchResponse::default();
        let json = |response: &BatchResponse| serde_json::to_string(response).unwrap();
        assert_eq!(json(&response), r#"{"batchItemFailures":[]}"#);
        response.add(["a".to_owned()]);
        let wanted = r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#;
        assert_eq!(json(&response), wanted);
    }
}
