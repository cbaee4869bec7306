//! Clients, state machines, targets, jobs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_sfn::types::StateMachineType;
use jiff::Timestamp;
use porpoise_executor_step_functions::StepFunctionsExecutor;
use porpoise_model::Target;
use porpoise_model::job::{Job, Work};
use porpoise_ports::Executor;
use porpoise_ports::conformance;
use porpoise_ports::executor::{JobRef, JobState, Submitted};
use serde_json::{Value, json};

pub(crate) const REGION: &str = "eu-central-1";

/// An account of the emulator that no other test has: what is in it is this test's own.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) endpoint: String,
}

impl Account {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
        let made = u128::from(MADE.fetch_add(1, Ordering::Relaxed));
        let process = u128::from(std::process::id());
        let number = (time.wrapping_mul(31) + process * 1_000_003 + made * 7_919) % 900_000_000_000;
        let ministack = porpoise_region::ministack().unwrap();
        Self {
            id: format!("{}", 100_000_000_000 + number),
            endpoint: ministack.endpoint().to_owned(),
        }
    }

    pub(crate) fn client(&self) -> Client {
        at(&self.endpoint, &self.id)
    }

    pub(crate) fn executor(&self) -> StepFunctionsExecutor {
        let Self { id, endpoint } = self.clone();
        StepFunctionsExecutor::new(Arc::new(move |_, _| at(&endpoint, &id)))
    }

    pub(crate) fn target(&self, kind: &str, settings: &Value) -> Target {
        Target {
            name: "steps".parse().unwrap(),
            revision: 1,
            kind: kind.to_owned(),
            place: format!("aws.{REGION}.{}", self.id).parse().unwrap(),
            role: None,
            settings: settings.to_string(),
        }
    }

    /// A new state machine with this one state.
    pub(crate) async fn machine(&self, name: &str, state: Value) -> String {
        self.machine_of(
            name,
            &json!({"StartAt": "Only", "States": {"Only": state}}),
            StateMachineType::Standard,
        )
        .await
    }

    pub(crate) async fn machine_of(
        &self,
        name: &str,
        definition: &Value,
        kind: StateMachineType,
    ) -> String {
        let create = self.client();
        let create = create
            .create_state_machine()
            .name(name)
            .definition(definition.to_string())
            .r#type(kind)
            .role_arn(format!("arn:aws:iam::{}:role/steps", self.id));
        create.send().await.unwrap().state_machine_arn
    }
}

pub(crate) fn at(endpoint: &str, account: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(account, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

pub(crate) fn machine(name: &str, input: &Value) -> Work {
    Work::StateMachine {
        name: name.to_owned(),
        input: input.to_string(),
    }
}

pub(crate) fn job(number: u32, work: Work, target: &Target) -> Job {
    conformance::executor::job(number, work, Some(target.clone()))
}

pub(crate) fn reference(job: &Job, submitted: Option<&Submitted>) -> JobRef {
    JobRef {
        key: job.key,
        external_id: submitted.map(|submitted| submitted.external_id.clone()),
        target: job.target.clone(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    }
}

/// Submits a job and waits for its end.
pub(crate) async fn end(executor: &impl Executor, job: &Job) -> JobState {
    let submitted = executor.submit(job).await.unwrap();
    let known = reference(job, Some(&submitted));
    for _ in 0..400 {
        let reports = executor.list(std::slice::from_ref(&known)).await.unwrap();
        let state = reports.into_iter().next().map(|report| report.state);
        if let Some(state) = state.filter(JobState::is_terminal) {
            return state;
        }
        #[expect(clippy::disallowed_methods, reason = "executions take real time")]
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the job does not end in time");
}
