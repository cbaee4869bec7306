//! What no emulator makes: throttles, limits, reads that lag behind starts.

use std::sync::Arc;

use porpoise_canned::{Answer, Canned, Request};
use porpoise_executor_step_functions::StepFunctionsExecutor;
use porpoise_model::{Place, Target};
use porpoise_ports::Executor as _;
use porpoise_ports::executor::{JobState, SubmitError, Submitted};
use serde_json::json;

use crate::support::{at, job, machine, reference};

const ACCOUNT: &str = "111122223333";
const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:etl";

fn target() -> Target {
    let place: Place = format!("aws.eu-central-1.{ACCOUNT}").parse().unwrap();
    Target {
        name: "steps".parse().unwrap(),
        revision: 1,
        kind: "step-functions".to_owned(),
        place,
        role: None,
        settings: json!({"state_machines": ["etl"]}).to_string(),
    }
}

/// A service that answers a call of an operation so.
fn service(
    mut script: impl FnMut(&str, &Request) -> Answer + Send + 'static,
) -> (Canned, StepFunctionsExecutor) {
    let canned = Canned::start(move |request| {
        let operation = operation(request);
        script(&operation, request)
    })
    .unwrap();
    let endpoint = canned.endpoint().to_owned();
    let executor = StepFunctionsExecutor::new(Arc::new(move |_, _| at(&endpoint, ACCOUNT)));
    (canned, executor)
}

fn operation(request: &Request) -> String {
    let target = &request.headers["x-amz-target"];
    target.rsplit('.').next().unwrap().to_owned()
}

/// A state machine that stands.
fn described(status: &str) -> Answer {
    let machine = json!({
        "stateMachineArn": MACHINE, "name": "etl", "status": status, "type": "STANDARD", "creationDate": 1.0,
        "definition": "{}", "roleArn": "arn:aws:iam::111122223333:role/x",
    });
    Answer::json(200, machine.to_string())
}

async fn submitted(code: &'static str, status: u16) -> Result<Submitted, SubmitError> {
    let (_canned, executor) = service(move |operation, _| match operation {
        "DescribeStateMachine" => described("ACTIVE"),
        _ => Answer::error(status, code),
    });
    let job = job(1, machine("etl", &json!({})), &target());
    executor.submit(&job).await
}

#[tokio::test]
async fn refusals_for_good_and_for_now_are_told_apart() {
    let throttled = submitted("ThrottlingException", 400).await;
    assert!(matches!(throttled, Err(SubmitError::Throttled)));
    let full = submitted("ExecutionLimitExceeded", 400).await;
    assert!(matches!(full, Err(SubmitError::Busy)));
    let down = submitted("InternalFailure", 500).await;
    assert!(matches!(down, Err(SubmitError::Unavailable(_))));
    let denied = submitted("AccessDeniedException", 400).await;
    assert!(matches!(denied, Err(SubmitError::Rejected { .. })));
    // the execution of this name is over, so its ARN is not answered, but made
    let exists = submitted("ExecutionAlreadyExists", 400).await.unwrap();
    let job = job(1, machine("etl", &json!({})), &target());
    let arn = format!(
        "arn:aws:states:eu-central-1:{ACCOUNT}:execution:etl:{}",
        job.key
    );
    assert_eq!(exists.external_id, arn);
}

#[tokio::test]
async fn what_was_started_and_is_not_visible_yet_is_not_taken_for_lost() {
    for (status, wanted) in [("ACTIVE", 1), ("DELETING", 0)] {
        let (_canned, executor) = service(move |operation, _| match operation {
            "DescribeStateMachine" => described(status),
            _ => Answer::error(400, "ExecutionDoesNotExist"),
        });
        let job = job(1, machine("etl", &json!({})), &target());
        let submitted = Submitted {
            external_id: format!(
                "arn:aws:states:eu-central-1:{ACCOUNT}:execution:etl:{}",
                job.key
            ),
        };
        let known = reference(&job, Some(&submitted));
        let reports = executor.list(&[known]).await.unwrap();
        assert_eq!(reports.len(), wanted, "{status}: {reports:?}");
        let waits = |report: &_| matches!(report, JobState::Waiting { .. });
        assert!(reports.iter().all(|report| waits(&report.state)));
        // one whose start was not answered was perhaps never started
        let unknown = reference(&job, None);
        assert_eq!(executor.list(&[unknown]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn those_that_run_cost_a_list_and_the_others_a_call_each() {
    let target = target();
    let jobs: Vec<_> = (0..10)
        .map(|number| {
            let job = job(number, machine("etl", &json!({})), &target);
            let external_id = format!(
                "arn:aws:states:eu-central-1:{ACCOUNT}:execution:etl:{}",
                job.key
            );
            reference(&job, Some(&Submitted { external_id }))
        })
        .collect();
    let running: Vec<_> = jobs[..9]
        .iter()
        .map(|job| {
            json!({
                "executionArn": job.external_id, "stateMachineArn": MACHINE, "name": job.key.to_string(),
                "status": "RUNNING", "startDate": 1.5,
            })
        })
        .collect();
    let (canned, executor) = service(move |operation, request| {
        if operation == "ListExecutions" {
            return Answer::json(200, json!({"executions": running}).to_string());
        }
        let asked: serde_json::Value = serde_json::from_str(&request.text()).unwrap();
        let execution = json!({
            "executionArn": asked["executionArn"], "stateMachineArn": MACHINE, "status": "SUCCEEDED",
            "startDate": 1.0, "stopDate": 2.0, "output": "{}",
        });
        Answer::json(200, execution.to_string())
    });
    let reports = executor.list(&jobs).await.unwrap();
    let over = reports.iter().filter(|report| report.state.is_terminal());
    assert_eq!((reports.len(), over.count()), (10, 1));
    let asked: Vec<String> = canned.requests().iter().map(operation).collect();
    assert_eq!(asked, ["ListExecutions", "DescribeExecution"]);
    // a list that fails is no list of nothing
    let (_canned, executor) = service(|_, _| Answer::error(500, "InternalFailure"));
    executor.list(&jobs).await.unwrap_err();
}
