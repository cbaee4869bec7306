//! Events of the service, as EventBridge delivers them.

use jiff::Timestamp;
use porpoise_ports::executor::{JobState, News};
use serde::Deserialize;

/// Source: "Athena query state change events" in the user guide of Athena.
const SOURCE: &str = "aws.athena";
const KIND: &str = "Athena Query State Change";

#[derive(Debug, Deserialize)]
struct Event {
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    time: Option<Timestamp>,
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    query_execution_id: Option<String>,
    current_state: Option<String>,
}

/// What an event says of a query. That one is over is said without a state: the event does not tell when it began and
/// where its results are, so it has to be asked for.
pub(crate) fn read(text: &str) -> Option<News> {
    let event: Event = serde_json::from_str(text).ok()?;
    if event.source != SOURCE || event.kind != KIND {
        return None;
    }
    let state = match event.detail.current_state?.as_str() {
        "RUNNING" => event.time.map(|started| JobState::Running { started }),
        "SUCCEEDED" | "FAILED" | "CANCELLED" => None,
        open => Some(JobState::Waiting {
            why: Some(open.to_owned()),
        }),
    };
    Some(News {
        external_id: event.detail.query_execution_id?,
        state,
        succeeded: None,
        usage: None,
    })
}
