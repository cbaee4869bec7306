//! Connection tests: a run of one task that asks a data source who it is, from where the statements of tasks are sent.
//!
//! The version that it runs is stored under its hash as any other, and is the current one of no workflow: nothing lists
//! or schedules it. So a test has what a run has, its log, its rights and its trace, and needs no way of its own to any
//! place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::placement::Placement;
use porpoise_model::workflow::{
    Concurrency, FailureStrategy, Kind, Priority, STORED_FORM, Task, Timeout, TimeoutAction,
    Workflow,
};
use porpoise_model::{Actor, Name, ProjectId, RunId, Value, WorkflowId};
use porpoise_ports::source;

use crate::app::App;
use crate::create::{CreateRunError, Created};
use crate::target_store::TargetSpec;
use crate::workflow_store::ApplyError;

/// The one task of a connection test.
pub const TEST_TASK: &str = "connect";
/// What that task hands on: which server answered.
pub const TEST_OUTPUT: &str = "version";
/// How long a test may take: longer than a connection may (30 seconds), with time for an agent to fetch it.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection test could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TestTargetError {
    /// There is nothing to connect to: its jobs are submitted to a service, or are processes.
    #[error("target `{0}` is of kind `{1}`: a connection test is for data sources")]
    NoSource(Name, String),
    /// Its version cannot be stored.
    #[error(transparent)]
    Version(#[from] ApplyError),
    /// Its run cannot be created.
    #[error(transparent)]
    Run(#[from] CreateRunError),
}

/// Asks who answers. The file of an `SQLite` is only read when a table is asked for.
fn question(kind: &str) -> Option<&'static str> {
    match kind {
        source::POSTGRESQL => Some("select version() as version"),
        source::MYSQL => Some("select concat(version(), ' ', @@version_comment) as version"),
        source::SQLITE => Some(
            "select 'SQLite ' || sqlite_version() as version from (select count(*) from sqlite_master)",
        ),
        _ => None,
    }
}

impl App {
    /// Starts a run that connects to a data source and asks who answers.
    pub async fn test_target(
        &self,
        project: (ProjectId, &Name),
        target: &TargetSpec,
        run: RunId,
        actor: &Actor,
    ) -> Result<Created, TestTargetError> {
        let Some(statement) = question(&target.kind) else {
            let (name, kind) = (target.name.clone(), target.kind.clone());
            return Err(TestTargetError::NoSource(name, kind));
        };
        let (project, project_name) = project;
        let workflow = workflow(project_name, target, statement);
        let version = self.keep_version(project, &workflow).await?;
        let now = self.now();
        let new = NewRun {
            project,
            run,
            // no name of a workflow has a NUL in it, so this is nobody's
            workflow: WorkflowId::first_named(project, &format!("\0test/{}", target.name)),
            workflow_name: workflow.name.to_string(),
            version: Some(version),
            trigger: Trigger::Test,
            logical_date: Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now),
            timezone: "UTC".to_owned(),
            parameters: BTreeMap::new(),
            actor: actor.clone(),
            priority: None,
            on_failure: None,
            concurrency: None,
            dry_run: false,
            simulate: false,
            created: now,
            placement: Placement::default(),
            only: None,
            project_parameters: None,
        };
        let created = self.create_run(new).await?;
        if created.fresh {
            let listed = self.list_created(&created.run, 1).await;
            listed.map_err(CreateRunError::Store)?;
        }
        Ok(created)
    }
}

fn workflow(project: &Name, target: &TargetSpec, statement: &str) -> Workflow {
    let kind = Kind::Sql {
        statement: statement.to_owned(),
        arguments: Vec::new(),
        database: None,
        request: serde_json::Map::new(),
        before: Vec::new(),
        after: Vec::new(),
        rows: None,
        limit: None,
    };
    let named = |name: &str| {
        name.parse()
            .unwrap_or_else(|_: porpoise_model::name::ParseNameError| target.name.clone())
    };
    let mut task = Task::new(named(TEST_TASK), kind);
    task.target = Some(target.name.to_string());
    task.outputs = [(TEST_OUTPUT.to_owned(), Value::text(""))]
        .into_iter()
        .collect();
    task.timeout = Some(Timeout {
        after: PATIENCE,
        action: TimeoutAction::Fail,
    });
    Workflow {
        form: STORED_FORM,
        project: project.clone(),
        name: named(&format!("connection test of {}", target.name)),
        description: "Connects to a data source and asks who answers.".to_owned(),
        dialect: "porpoise/1".to_owned(),
        schedule: None,
        parameters: std::iter::empty().collect(),
        outputs: std::iter::empty().collect(),
        timeout: None,
        on_failure: FailureStrategy::default(),
        concurrency: Concurrency::default(),
        priority: Priority::Highest,
        notify: BTreeSet::new(),
        labels: BTreeMap::new(),
        tasks: vec![task],
    }
}
