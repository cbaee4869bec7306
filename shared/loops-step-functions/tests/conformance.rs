//! Executions against the suite of the port of poll loops, on an emulator of Step Functions.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use porpoise_loops_step_functions::{Settings, StepFunctionsLoops};
use porpoise_ports::conformance::loops::Looks;
use porpoise_ports::{Loops as _, loops_conformance};

use crate::support::{client, machine};

/// The console of Step Functions.
#[derive(Debug)]
struct Console {
    client: Client,
    machine: String,
}

impl Console {
    async fn running(&self) -> Vec<String> {
        let call = self.client.list_executions();
        let call = call.state_machine_arn(&self.machine);
        let listed = call.status_filter(ExecutionStatus::Running).send().await;
        let listed = listed.unwrap().executions;
        listed.into_iter().map(|one| one.execution_arn).collect()
    }
}

#[async_trait]
impl Looks for Console {
    async fn alive(&self) -> usize {
        self.running().await.len()
    }

    async fn stop_all(&self) {
        for arn in self.running().await {
            let stop = self.client.stop_execution().execution_arn(arn);
            stop.send().await.unwrap();
        }
    }
}

async fn loops() -> (StepFunctionsLoops, Console, ()) {
    let machine = machine().await;
    let settings = Settings {
        machine_arn: machine.clone(),
        patience: Duration::from_secs(10),
    };
    let loops = StepFunctionsLoops::new(client(), settings).unwrap();
    let client = client();
    (loops, Console { client, machine }, ())
}

loops_conformance!(step_functions, loops);

/// The poller is asked for nothing that its first tick does not need.
#[tokio::test]
async fn an_execution_begins_with_its_place_its_epoch_and_its_first_tick() {
    let (loops, console, ()) = loops().await;
    loops.start("aws.eu-west-1.111122223333", 12).await.unwrap();
    let arn = console.running().await.remove(0);
    assert!(arn.ends_with(":aws.eu-west-1.111122223333-12"), "{arn}");
    let found = console.client.describe_execution().execution_arn(arn);
    let input = found.send().await.unwrap().input.unwrap();
    let input: serde_json::Value = serde_json::from_str(&input).unwrap();
    let wanted = serde_json::json!({"place": "aws.eu-west-1.111122223333", "epoch": 12, "tick": 0});
    assert_eq!(input, wanted);
}
