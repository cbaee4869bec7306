//! The trigger: wakes that come through their own queue, and the sweep.

use porpoise_app::App;
use porpoise_ports::timers::Wake;
use porpoise_queue_sqs::DeadLetters;
use serde::Deserialize;
use serde_json::Value;

use crate::batch::{BatchResponse, SqsEvent, Unreadable};
use crate::{metric, steps};

/// Open aggregates that should have moved and could not be stepped, and inputs that nobody could handle; an alarm looks
/// at it.
const WITHOUT_PROGRESS: &str = "OpenWithoutProgress";

/// What the trigger is called with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum TriggerEvent {
    /// Wakes.
    Wakes(SqsEvent),
    /// Whatever else calls it, a rule with a rate above all: the sweep.
    Sweep(Value),
}

/// Forwards wakes, or sweeps.
///
/// # Errors
/// The open index could not be read: the next sweep comes soon.
pub async fn trigger(app: &App, event: TriggerEvent) -> anyhow::Result<BatchResponse> {
    Box::pin(handle(app, None, event)).await
}

/// The same, and each sweep looks for `dead` inputs too: the aggregate of each stands still.
///
/// # Errors
/// The open index could not be read, or nobody knows how many are dead: the next sweep comes soon.
pub async fn watch(
    app: &App,
    dead: &DeadLetters,
    event: TriggerEvent,
) -> anyhow::Result<BatchResponse> {
    Box::pin(handle(app, Some(dead), event)).await
}

async fn handle(
    app: &App,
    dead: Option<&DeadLetters>,
    event: TriggerEvent,
) -> anyhow::Result<BatchResponse> {
    match event {
        TriggerEvent::Wakes(event) => Ok(forward(app, event).await),
        TriggerEvent::Sweep(_) => {
            sweep(app, dead).await?;
            Ok(BatchResponse::default())
        }
    }
}

async fn forward(app: &App, event: SqsEvent) -> BatchResponse {
    let (mut wakes, mut ids, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for message in event.records {
        match message.body.parse::<Wake>() {
            Ok(wake) => {
                wakes.push(wake);
                ids.push(message.message_id);
            }
            Err(error) => unreadable.push(Unreadable {
                message,
                why: error.to_string(),
            }),
        }
    }
    let mut response = BatchResponse::default();
    for failed in app.on_wakes(&wakes).await {
        if let Some(wake) = wakes.get(failed.index) {
            let (address, error) = (wake.aggregate, failed.error);
            tracing::warn!(%address, error, "wake returned to its queue");
        }
        response.add(ids.get(failed.index).cloned());
    }
    response.add(steps::keep(app, unreadable).await);
    response
}

/// Steps everything that is open, and tells how much that is.
async fn sweep(app: &App, dead: Option<&DeadLetters>) -> anyhow::Result<()> {
    let clock = &app.ports().clock;
    let begun = clock.now();
    let swept = app.sweep().await;
    let counted = match dead {
        Some(dead) => dead.count().await,
        None => Ok(0),
    };
    // what one of the two found is told, whatever became of the other
    let failed = swept.as_ref().map_or(0, |swept| swept.failed.len());
    let dead = *counted.as_ref().unwrap_or(&0);
    if failed + dead > 0 {
        // a metric that is not written costs nothing
        metric::count(clock.now(), &[(WITHOUT_PROGRESS, failed + dead)]);
    }
    let open = swept?.open;
    counted?;
    let took_ms = steps::millis(begun, clock.now());
    tracing::info!(open, failed, dead, took_ms, "swept");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_wakes_is_told_from_the_rule_that_asks_for_a_sweep() {
        let rule = r#"{
            "version": "0", "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa", "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "123456789012", "time": "2015-10-08T16:53:06Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"], "detail": {}
        }"#;
        let event: TriggerEvent = serde_json::from_str(rule).unwrap();
        assert!(matches!(event, TriggerEvent::Sweep(_)));
        let wakes =
            r#"{"Records": [{"messageId": "m", "body": "b", "attributes": {"SenderId": "s"}}]}"#;
        let event: TriggerEvent = serde_json::from_str(wakes).unwrap();
        assert!(matches!(event, TriggerEvent::Wakes(event) if event.records.len() == 1));
    }
}
