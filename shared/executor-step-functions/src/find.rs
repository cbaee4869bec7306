//! Executions of jobs: by their ARN, and by their name when the ARN was lost.

use std::collections::BTreeMap;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineType};
use jiff::Timestamp;
use porpoise_model::{AttemptKey, AwsPlace};

use crate::arn::Machine;
use crate::error::Failure;
use crate::settings::Settings;
use crate::state::instant;

/// So many pages of running executions are read at most: of a state machine that others keep busy, the rest is asked
/// for one by one.
const PAGES_MAX: usize = 10;

/// An execution, if there is one.
pub(crate) async fn describe(
    client: &Client,
    arn: &str,
) -> Result<Option<DescribeExecutionOutput>, Failure> {
    let describe = client.describe_execution().execution_arn(arn).send().await;
    match describe.map_err(Failure::of) {
        Ok(execution) => Ok(Some(execution)),
        Err(Failure::Missing(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether a state machine is there, and is to stay.
pub(crate) async fn stands(client: &Client, machine: &Machine) -> Result<bool, Failure> {
    let describe = client.describe_state_machine();
    let describe = describe.state_machine_arn(machine.bare()).send().await;
    match describe.map_err(Failure::of) {
        Ok(machine) => Ok(machine
            .status
            .is_none_or(|status| status.as_str() == "ACTIVE")),
        Err(Failure::Missing(_)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// The running executions of a state machine and when they began, as far as a list tells.
pub(crate) async fn running(
    client: &Client,
    machine: &Machine,
    since: Timestamp,
) -> Result<BTreeMap<String, Timestamp>, Failure> {
    let list = client.list_executions().state_machine_arn(machine.bare());
    let list = list.status_filter(ExecutionStatus::Running);
    let mut pages = list.into_paginator().send();
    let mut running = BTreeMap::new();
    for _ in 0..PAGES_MAX {
        let Some(page) = pages.next().await else {
            break;
        };
        let page = page.map_err(Failure::of)?;
        let begun = page.executions.iter();
        let begun = begun.map(|each| (each.execution_arn.clone(), instant(&each.start_date)));
        running.extend(begun);
        // the newest come first
        let last = page.executions.last();
        if last.is_some_and(|last| instant(&last.start_date) < since) {
            break;
        }
    }
    Ok(running)
}

/// Where the execution of a job can be: its name is known, its state machine is one of few, or of all that there are.
pub(crate) async fn candidates(
    client: &Client,
    settings: &Settings,
    place: &AwsPlace,
    key: AttemptKey,
) -> Result<Vec<String>, Failure> {
    let machines = match settings.machines(place) {
        Some(machines) => machines,
        None => all(client, place).await?,
    };
    Ok(machines
        .iter()
        .map(|machine| machine.execution(key))
        .collect())
}

async fn all(client: &Client, place: &AwsPlace) -> Result<Vec<Machine>, Failure> {
    let list = client.list_state_machines().into_paginator();
    let mut items = list.items().send();
    let mut machines = Vec::new();
    while let Some(machine) = items.next().await {
        let machine = machine.map_err(Failure::of)?;
        if machine.r#type == StateMachineType::Standard {
            machines.extend(Machine::at(place, &machine.state_machine_arn));
        }
    }
    Ok(machines)
}

/// The execution of a job whose ARN was lost. A state machine that may not be looked at has none of ours, unless the
/// target names it.
pub(crate) async fn lost(
    client: &Client,
    settings: &Settings,
    place: &AwsPlace,
    key: AttemptKey,
) -> Result<Option<DescribeExecutionOutput>, Failure> {
    let named = settings.machines(place).is_some();
    for arn in candidates(client, settings, place, key).await? {
        match describe(client, &arn).await {
            Ok(Some(execution)) => return Ok(Some(execution)),
            Ok(None) => {}
            Err(Failure::Refused(_)) if !named => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}
