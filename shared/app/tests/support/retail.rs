//! A project, its workflow, and a run of it: each test changes what it is about.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::Timestamp;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::placement::Placement;
use porpoise_model::workflow::{Concurrency, FailureStrategy, Priority, Task, Workflow};
use porpoise_model::{Actor, CommandId, ProjectId, RunId, WorkflowId};

pub(crate) fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

/// The run that was asked for under a key.
pub(crate) fn run_of(key: &str) -> RunId {
    RunId::of_command(CommandId::of_key("test", key))
}

pub(crate) fn workflow(tasks: Vec<Task>) -> Workflow {
    Workflow {
        form: 1,
        project: "retail".parse().unwrap(),
        name: "daily".parse().unwrap(),
        description: String::new(),
        dialect: "porpoise/1".to_owned(),
        schedule: None,
        parameters: IndexMap::new(),
        outputs: IndexMap::new(),
        timeout: None,
        on_failure: FailureStrategy::Continue,
        concurrency: Concurrency::Parallel,
        priority: Priority::Medium,
        notify: BTreeSet::new(),
        labels: BTreeMap::new(),
        tasks,
    }
}

/// Made when the clock of [`World`](crate::support::World) begins.
pub(crate) fn new_run(workflow: WorkflowId, key: &str) -> NewRun {
    NewRun {
        project: project(),
        run: run_of(key),
        workflow,
        workflow_name: String::new(),
        version: None,
        trigger: Trigger::Manual,
        logical_date: Timestamp::UNIX_EPOCH,
        timezone: "UTC".to_owned(),
        parameters: BTreeMap::new(),
        actor: Actor::engine(),
        priority: None,
        on_failure: None,
        concurrency: None,
        dry_run: false,
        simulate: false,
        created: Timestamp::from_second(1_767_225_600).unwrap(),
        placement: Placement::default(),
        only: None,
        project_parameters: None,
    }
}
