//! The stepper: a batch of inputs, each aggregate's stepped together.

use bytes::Bytes;
use futures_util::future::join_all;
use indexmap::IndexMap;
use jiff::Timestamp;
use porpoise_app::{App, Delivery};
use porpoise_model::{Address, ProjectId};

use crate::batch::{BatchResponse, Group, SqsEvent, Unreadable, by_aggregate};

/// Steps each aggregate of a batch, all at the same time, and says which messages are to come again: all of an aggregate
/// whose step failed, and no others.
pub async fn step(app: &App, event: SqsEvent) -> BatchResponse {
    let (groups, unreadable) = by_aggregate(event.records);
    let mut response = BatchResponse::default();
    response.add(step_groups(app, groups).await);
    response.add(keep(app, unreadable).await);
    response
}

async fn step_groups(app: &App, groups: IndexMap<Address, Group>) -> Vec<String> {
    let steps = groups.into_iter().map(|(address, group)| async move {
        let delivery = if group.again {
            Delivery::Again
        } else {
            Delivery::First
        };
        if step_group(app, address, delivery, group.inputs, group.trace).await {
            Vec::new()
        } else {
            group.messages
        }
    });
    join_all(steps).await.concat()
}

/// Whether it was done.
async fn step_group(
    app: &App,
    address: Address,
    delivery: Delivery,
    inputs: Vec<Bytes>,
    trace: Option<String>,
) -> bool {
    let begun = app.ports().clock.now();
    let stepped = app.on_group(address, delivery, inputs).await;
    let took_ms = millis(begun, app.ports().clock.now());
    let trace = trace.as_deref().map(root);
    match stepped {
        Ok(report) => {
            let (sequence, facts, sent) = (report.sequence, report.facts, report.sent);
            tracing::info!(%address, sequence, facts, sent, took_ms, trace, "stepped");
            true
        }
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(%address, took_ms, trace, error, "messages returned to their queue");
            false
        }
    }
}

/// What nobody can read is kept as a blob and told, and does not come again: an outage is the only reason to deliver
/// twice. Returns the ids of those that could not be kept.
pub async fn keep(app: &App, unreadable: Vec<Unreadable>) -> Vec<String> {
    let mut lost = Vec::new();
    for Unreadable { message, why } in unreadable {
        let nobody = ProjectId::from_bytes([0; 16]);
        let body = Bytes::from(message.body);
        let kept = app.ports().blobs.put(porpoise_app::HOME, nobody, body);
        match kept.await {
            Ok(blob) => tracing::error!(%blob, error = why, "message cannot be read"),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::warn!(error, "message that cannot be read is returned");
                lost.push(message.message_id);
            }
        }
    }
    lost
}

/// The part of a trace header that is the same for everything that one request caused.
fn root(trace: &str) -> &str {
    let mut parts = trace.split(';');
    let root = parts.find_map(|part| part.trim().strip_prefix("Root="));
    root.unwrap_or(trace)
}

/// Whole milliseconds between two looks at the clock.
pub fn millis(begun: Timestamp, ended: Timestamp) -> u64 {
    let took = ended.duration_since(begun).as_millis();
    u64::try_from(took).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_known_by_its_root() {
        let header = "Root=1-5e1b4151-5ac6c58f5b5d;Parent=53995c3f42cd8ad8;Sampled=1";
        assert_eq!(root(header), "1-5e1b4151-5ac6c58f5b5d");
        assert_eq!(root("other"), "other");
    }
}
