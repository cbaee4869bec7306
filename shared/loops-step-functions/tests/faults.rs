//! Starts while Step Functions misbehaves: by a script, and by many seeds.

use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sfn::types::ExecutionStatus;
use porpoise_canned::{Answer, Canned};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_loops_step_functions::{Settings, StepFunctionsLoops};
use porpoise_ports::{Loops as _, Unavailable};
use porpoise_region::unique;

use crate::support::{client, config, machine};

const MACHINE: &str = "arn:aws:states:us-east-1:111122223333:stateMachine:porpoise-loop";
const PLACE: &str = "aws.us-east-1.111122223333";

fn scripted(answers: Vec<Answer>) -> (StepFunctionsLoops, Canned) {
    let mut answers = answers.into_iter();
    let canned = Canned::start(move |_| answers.next().unwrap_or(Answer::Cut)).unwrap();
    let config = config(canned.endpoint()).retry_config(RetryConfig::disabled());
    let settings = Settings {
        machine_arn: MACHINE.to_owned(),
        patience: Duration::from_secs(5),
    };
    let loops = StepFunctionsLoops::new(Client::from_conf(config.build()), settings);
    (loops.unwrap(), canned)
}

fn told(error: &Unavailable) -> String {
    let causes = std::iter::successors(Some::<&dyn std::error::Error>(error), |error| {
        error.source()
    });
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

#[tokio::test]
async fn one_that_was_started_with_another_input_was_started() {
    let (loops, _canned) = scripted(vec![Answer::error(400, "ExecutionAlreadyExists")]);
    loops.start(PLACE, 3).await.unwrap();
}

#[tokio::test]
async fn what_fails_says_of_which_execution() {
    let refused = || Answer::error(400, "StateMachineDoesNotExist");
    let (loops, _canned) = scripted(vec![refused(), refused()]);
    let start = told(&loops.start(PLACE, 3).await.unwrap_err());
    let see = told(&loops.is_alive(PLACE, 3).await.unwrap_err());
    for (text, verb) in [(start, "start"), (see, "see")] {
        let wanted = format!("cannot {verb} execution `{PLACE}-3` of state machine `{MACHINE}`");
        assert!(text.contains(&wanted), "{text}");
        assert!(text.contains("StateMachineDoesNotExist"), "{text}");
    }
}

#[tokio::test]
async fn nobody_waits_for_ever() {
    let (loops, _canned) = scripted(vec![Answer::Silence]);
    let text = told(&loops.start(PLACE, 3).await.unwrap_err());
    assert!(text.contains("no answer came in time"), "{text}");
}

#[tokio::test]
async fn what_nobody_knows_is_not_alive_and_an_outage_says_nothing() {
    let answers = vec![
        Answer::error(400, "ExecutionDoesNotExist"),
        Answer::error(500, "InternalFailure"),
    ];
    let (loops, _canned) = scripted(answers);
    assert!(!loops.is_alive(PLACE, 3).await.unwrap());
    loops.is_alive(PLACE, 3).await.unwrap_err();
}

async fn starts(seed: u64) -> Tally {
    let faults = Faults::new(seed, Plan::each(25));
    let ministack = porpoise_region::ministack().unwrap();
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    let machine = machine().await;
    let settings = Settings {
        machine_arn: machine.clone(),
        patience: Duration::from_mins(1),
    };
    let loops = StepFunctionsLoops::new(Client::from_conf(config.build()), settings).unwrap();
    for epoch in 1..6 {
        loops.start(PLACE, epoch).await.unwrap();
        assert!(loops.is_alive(PLACE, epoch).await.unwrap(), "seed {seed}");
    }
    let call = client().list_executions().state_machine_arn(machine);
    let running = call.status_filter(ExecutionStatus::Running).send().await;
    let running = running.expect("listed").executions;
    assert_eq!(running.len(), 5, "seed {seed}");
    faults.tally()
}

#[tokio::test]
async fn each_epoch_has_one_execution_whatever_goes_wrong() {
    let tally = tally_of(0..32, starts).await;
    let missing = tally.missing("states", "StartExecution");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
