//! Types of state machines: only Standard ones keep books of the names of executions.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::StateMachineType;

use crate::arn::Machine;
use crate::error::Failure;

/// State machines that are known to be Standard. A state machine never changes its type.
#[derive(Debug, Clone, Default)]
pub(crate) struct Machines {
    standard: Arc<Mutex<BTreeSet<String>>>,
}

impl Machines {
    /// Nothing, if it is a Standard one.
    pub(crate) async fn check(&self, client: &Client, machine: &Machine) -> Result<(), Failure> {
        let arn = machine.bare();
        let known = |standard: &Mutex<BTreeSet<String>>| {
            let standard = standard.lock().unwrap_or_else(PoisonError::into_inner);
            standard.contains(&arn)
        };
        if known(&self.standard) {
            return Ok(());
        }
        let described = client.describe_state_machine().state_machine_arn(&arn);
        let described = described.send().await.map_err(Failure::of)?;
        if described.r#type != StateMachineType::Standard {
            return Err(Failure::Refused(format!(
                "the state machine `{arn}` is of type {}, which may run twice for one start and tells nothing of its \
                 executions: use one of type STANDARD",
                described.r#type
            )));
        }
        let mut standard = self.standard.lock().unwrap_or_else(PoisonError::into_inner);
        standard.insert(arn);
        Ok(())
    }
}
