//! The states of queries, in our words. A query may go back from running to queued: what is said of it then is what it
//! does now.

use std::time::Duration;

use aws_sdk_athena::primitives::DateTime;
use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionState as State, QueryExecutionStatistics,
};
use jiff::Timestamp;
use porpoise_model::Cause;
use porpoise_model::value::Outputs;
use porpoise_ports::executor::JobState;

/// With these words the service cancels what scans more than its workgroup allows.
const TOO_MUCH: &str = "bytes scanned limit";

/// An instant of the client as one of ours.
pub(crate) fn instant(at: &DateTime) -> Timestamp {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanos).unwrap_or_default()
}

pub(crate) fn word(query: &QueryExecution) -> Option<&State> {
    query.status()?.state()
}

pub(crate) fn is_over(query: &QueryExecution) -> bool {
    matches!(
        word(query),
        Some(State::Succeeded | State::Failed | State::Cancelled)
    )
}

/// When it left the queue, as far as the service says.
fn started(query: &QueryExecution) -> Timestamp {
    let submitted = query
        .status()
        .and_then(|status| status.submission_date_time());
    let queued = query
        .statistics()
        .and_then(QueryExecutionStatistics::query_queue_time_in_millis);
    let queued =
        Duration::from_millis(u64::try_from(queued.unwrap_or_default()).unwrap_or_default());
    let submitted = submitted.map(instant).unwrap_or_default();
    submitted.checked_add(queued).unwrap_or(submitted)
}

/// What a query does. `outputs` are those of one that succeeded.
pub(crate) fn of_query(query: &QueryExecution, outputs: Outputs) -> JobState {
    let status = query.status();
    let why = status
        .and_then(|status| status.state_change_reason())
        .unwrap_or_default();
    let started = started(query);
    let ended = status
        .and_then(|status| status.completion_date_time())
        .map(instant);
    let ended = ended.unwrap_or(started);
    let failed = |message: &str| JobState::Failed {
        started: Some(started),
        ended,
        cause: Cause::Failed {
            message: message.to_owned(),
        },
    };
    match word(query) {
        Some(State::Running) => JobState::Running { started },
        Some(State::Succeeded) => JobState::Succeeded {
            started,
            ended,
            outputs,
        },
        Some(State::Failed) => failed(why),
        Some(State::Cancelled) if why.to_ascii_lowercase().contains(TOO_MUCH) => failed(why),
        Some(State::Cancelled) => JobState::Canceled { ended },
        other => JobState::Waiting {
            why: other.map(|state| state.as_str().to_owned()),
        },
    }
}
