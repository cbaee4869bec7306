//! Starting executions, and seeing whether they go on.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use porpoise_ports::{BoxError, Loops, Unavailable};
use serde_json::json;

use crate::error::{LoopError, NoMachine};

/// Which state machine, and how long its callers wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// ARN of the state machine that is the loop.
    pub machine_arn: String,
    /// After this long, the client's retries included, a call has failed.
    pub patience: Duration,
}

/// Poll loops as executions.
#[derive(Debug, Clone)]
pub struct StepFunctionsLoops {
    client: Client,
    settings: Settings,
    /// What the ARNs of its executions begin with.
    executions: String,
}

impl StepFunctionsLoops {
    /// Loops of the state machine of `settings`; `client` is of its region.
    ///
    /// # Errors
    /// The settings name no state machine.
    pub fn new(client: Client, settings: Settings) -> Result<Self, NoMachine> {
        let executions = executions(&settings.machine_arn);
        let executions = executions.ok_or_else(|| NoMachine(settings.machine_arn.clone()))?;
        Ok(Self {
            client,
            settings,
            executions,
        })
    }

    /// One that was started before, with whatever input, was started: it is not started again.
    async fn start_execution(&self, name: &str, input: String) -> Result<(), BoxError> {
        let call = self.client.start_execution().name(name).input(input);
        let started = call.state_machine_arn(&self.settings.machine_arn).send();
        let Err(error) = started.await else {
            return Ok(());
        };
        let exists = error
            .as_service_error()
            .is_some_and(StartExecutionError::is_execution_already_exists);
        if exists { Ok(()) } else { Err(error.into()) }
    }

    /// Whatever it ended by, it does not go on. One that can be redriven has ended, too.
    async fn goes_on(&self, name: &str) -> Result<bool, BoxError> {
        let arn = format!("{}{name}", self.executions);
        match self
            .client
            .describe_execution()
            .execution_arn(arn)
            .send()
            .await
        {
            Ok(found) => Ok(*found.status() == ExecutionStatus::Running),
            Err(error) => {
                let unknown = error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist);
                if unknown {
                    Ok(false)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    async fn within<T>(
        &self,
        what: &'static str,
        execution: &str,
        call: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, Unavailable> {
        let machine = self.settings.machine_arn.clone();
        let execution = execution.to_owned();
        let done = match tokio::time::timeout(self.settings.patience, call).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(source)) => LoopError::Call {
                what,
                execution,
                machine,
                source,
            },
            Err(_) => LoopError::Late {
                what,
                execution,
                machine,
            },
        };
        Err(Unavailable::new("the poll loop", done))
    }
}

/// `arn:PARTITION:states:REGION:ACCOUNT:execution:NAME:`, of the ARN of a state machine.
fn executions(machine: &str) -> Option<String> {
    let parts: Vec<&str> = machine.split(':').collect();
    match parts[..] {
        [
            "arn",
            partition,
            "states",
            region,
            account,
            "stateMachine",
            name,
        ] if !name.is_empty() => Some(format!(
            "arn:{partition}:states:{region}:{account}:execution:{name}:"
        )),
        _ => None,
    }
}

/// A name of at most 80 characters, of which a place takes about 40. Source: Step Functions API reference,
/// `StartExecution`.
fn name(place: &str, epoch: u64) -> String {
    format!("{place}-{epoch}")
}

#[async_trait]
impl Loops for StepFunctionsLoops {
    async fn start(&self, place: &str, epoch: u64) -> Result<(), Unavailable> {
        let name = name(place, epoch);
        let input = json!({"place": place, "epoch": epoch, "tick": 0}).to_string();
        let call = self.start_execution(&name, input);
        self.within("start", &name, call).await
    }

    async fn is_alive(&self, place: &str, epoch: u64) -> Result<bool, Unavailable> {
        let name = name(place, epoch);
        let call = self.goes_on(&name);
        self.within("see", &name, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_where_their_machine_is() {
        let machine = "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:porpoise-loop";
        let wanted = "arn:aws-cn:states:cn-north-1:111122223333:execution:porpoise-loop:";
        assert_eq!(executions(machine).as_deref(), Some(wanted));
        for text in [
            "",
            "porpoise-loop",
            "arn:aws:states:eu-west-1:1:stateMachine:",
            "arn:aws:states:eu-west-1:1:execution:a:b",
            "arn:aws:sqs:eu-west-1:1:stateMachine:a",
        ] {
            assert_eq!(executions(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_within_what_step_functions_takes() {
        let name = name("aws-us-gov.us-gov-east-1.111122223333", u64::MAX);
        assert!(name.len() <= 80, "{name}");
        let forbidden = "<>{}[]?*\"#%\\^|~`$&,;:/ ";
        assert!(!name.chars().any(|c| forbidden.contains(c)), "{name}");
    }
}
