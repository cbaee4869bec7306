//! Events of the service, as EventBridge delivers them.

use jiff::Timestamp;
use porpoise_ports::executor::News;
use serde::Deserialize;

use crate::state::Seen;

/// Source: "Step Functions Execution Status Change" in the Step Functions developer guide.
const SOURCE: &str = "aws.states";
const KIND: &str = "Step Functions Execution Status Change";

#[derive(Debug, Deserialize)]
struct Event {
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    status: String,
    /// Milliseconds.
    start_date: i64,
    stop_date: Option<i64>,
    output: Option<String>,
    error: Option<String>,
    cause: Option<String>,
}

/// What an event says of an execution. One with a large output does not have it: that one has to be asked for.
pub(crate) fn read(text: &str) -> Option<News> {
    let event: Event = serde_json::from_str(text).ok()?;
    if event.source != SOURCE || event.kind != KIND {
        return None;
    }
    let detail = event.detail;
    let seen = Seen {
        arn: &detail.execution_arn,
        status: &detail.status,
        started: Timestamp::from_millisecond(detail.start_date).ok()?,
        ended: detail
            .stop_date
            .and_then(|at| Timestamp::from_millisecond(at).ok()),
        output: detail.output.as_deref(),
        error: detail.error.as_deref(),
        cause: detail.cause.as_deref(),
    };
    let whole = detail.status != "SUCCEEDED" || detail.output.is_some();
    Some(News {
        state: whole.then(|| seen.state()),
        external_id: detail.execution_arn,
        succeeded: None,
        usage: None,
    })
}

#[cfg(test)]
mod tests {
    use porpoise_ports::executor::JobState;
    use serde_json::json;

    use super::*;

    /// As the developer guide shows it.
    fn event(status: &str, output: Option<&str>) -> String {
        let over = status != "RUNNING";
        json!({
            "version": "0",
            "id": "315c1398-40ff-a850-213b-158f73e60175",
            "detail-type": "Step Functions Execution Status Change",
            "source": "aws.states",
            "account": "111122223333",
            "time": "2026-11-21T10:00:00Z",
            "region": "eu-central-1",
            "resources": ["arn:aws:states:eu-central-1:111122223333:execution:etl:key"],
            "detail": {
                "executionArn": "arn:aws:states:eu-central-1:111122223333:execution:etl:key",
                "stateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:etl",
                "name": "key",
                "status": status,
                "startDate": 1_792_000_000_000_i64,
                "stopDate": over.then_some(1_792_000_060_000_i64),
                "input": "{}",
                "inputDetails": {"included": true},
                "output": output,
                "outputDetails": output.map(|_| json!({"included": true})),
            },
        })
        .to_string()
    }

    #[test]
    fn events_tell_the_whole_state_unless_the_output_is_too_large_for_them() {
        let state =
            |status: &str, output: Option<&str>| read(&event(status, output)).unwrap().state;
        assert!(matches!(
            state("RUNNING", None),
            Some(JobState::Running { .. })
        ));
        let Some(JobState::Succeeded {
            started,
            ended,
            outputs,
        }) = state("SUCCEEDED", Some(r#"{"rows": 42}"#))
        else {
            panic!("it did not succeed");
        };
        assert_eq!(ended.duration_since(started).as_secs(), 60);
        assert_eq!(outputs["rows"].text, "42");
        assert_eq!(state("SUCCEEDED", None), None);
        assert!(matches!(
            state("ABORTED", None),
            Some(JobState::Canceled { .. })
        ));
        assert_eq!(read("{}"), None);
        assert_eq!(
            read(&event("RUNNING", None).replace("aws.states", "aws.x")),
            None
        );
    }
}
