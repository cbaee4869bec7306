//! What Athena could not look at is not taken for what it does not know.

use jiff::Timestamp;
use porpoise_canned::{Answer, Canned};
use porpoise_ports::Executor as _;
use porpoise_ports::executor::JobRef;
use serde_json::json;

use crate::support::{executor_at, job, sql, target};

/// What a list says of a job whose query the service names as not looked at, for this reason.
async fn listed(code: &'static str) -> Result<usize, String> {
    let canned = Canned::start(move |_| {
        let unread =
            json!({"QueryExecutionId": "q-1", "ErrorCode": code, "ErrorMessage": "so it is"});
        let body = json!({"QueryExecutions": [], "UnprocessedQueryExecutionIds": [unread]});
        Answer::json(200, body.to_string())
    })
    .unwrap();
    let job = job(1, sql("select 1"), target(&json!({})));
    let job = JobRef {
        key: job.key,
        external_id: Some("q-1".to_owned()),
        target: job.target,
        since: Timestamp::UNIX_EPOCH,
        until: None,
    };
    let listed = executor_at(canned.endpoint()).list(&[job]).await;
    let told = |error: porpoise_ports::Unavailable| error.source.to_string();
    listed.map(|reports| reports.len()).map_err(told)
}

#[tokio::test]
async fn only_a_query_that_is_not_there_is_left_out() {
    assert_eq!(listed("INVALID_INPUT").await, Ok(0));
    let error = listed("INTERNAL_FAILURE").await.unwrap_err();
    assert_eq!(error, "INTERNAL_FAILURE: so it is");
}
