//! Takes events where they should go.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mail::{Event, Sink};

/// `PutEvents` takes so many at once.
const ENTRIES_MAX: usize = 10;

/// Hands these events over. What cannot be delivered is lost, which is what the services promise.
pub(crate) fn deliver(sink: &Sink, events: &[Event]) {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10)));
    let agent = ureq::Agent::new_with_config(config.build());
    match sink {
        Sink::Keep => {}
        Sink::Post(url) => {
            for event in events {
                _ = agent.post(url).send_json(event);
            }
        }
        Sink::PutEvents(url) => {
            // a call puts events of one region and account
            for event in events.chunk_by(|one, other| {
                ["account", "region"]
                    .iter()
                    .all(|name| one.get(name) == other.get(name))
            }) {
                for entries in event.chunks(ENTRIES_MAX) {
                    put(&agent, url, entries);
                }
            }
        }
    }
}

fn put(agent: &ureq::Agent, url: &str, events: &[Event]) {
    let text = |event: &Value, name: &str| {
        let value = event.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let Some(first) = events.first() else { return };
    let (account, region) = (text(first, "account"), text(first, "region"));
    let entry = |event: &Value| {
        json!({
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": event["detail"].to_string(),
            "Resources": event["resources"],
        })
    };
    let entries: Vec<Value> = events.iter().map(entry).collect();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/events/aws4_request, \
         SignedHeaders=host, Signature=fake"
    );
    let request = agent
        .post(url)
        .header("authorization", authorization)
        .header("x-amz-target", "AWSEvents.PutEvents")
        .header("content-type", "application/x-amz-json-1.1");
    _ = request.send(json!({"Entries": entries}).to_string());
}
