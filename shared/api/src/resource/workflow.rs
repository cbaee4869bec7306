//! Workflows and their versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use porpoise_app::workflow_store::{Head, Version as Stored};
use porpoise_definition::{Checked, read};
use porpoise_model::workflow::Workflow as Definition;
use porpoise_model::{Actor, Name, ProjectId, VersionHash, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::outcome::Who;
use super::{calendar, project};
use crate::access::Caller;
use crate::extract::{Params, Raw, Segments};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::time::short;
use crate::{Api, Code};

/// A workflow in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Workflow {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
    /// Counts its versions, from 1.
    pub(crate) number: u64,
    /// Hash of the current version.
    pub(crate) version: String,
    /// How many tasks that has.
    pub(crate) tasks: u32,
    /// Whether any version of it ever had a schedule.
    pub(crate) scheduled: bool,
    /// When that version was applied.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) applied: Timestamp,
    /// Who applied it.
    pub(crate) applied_by: Who,
}

/// A version in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionLine {
    /// Counts from 1.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) version: String,
    /// The one that it replaced.
    pub(crate) before: Option<String>,
    /// How many tasks it has.
    pub(crate) tasks: u32,
    /// When it was applied.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) applied: Timestamp,
    /// Who applied it.
    pub(crate) applied_by: Who,
}

/// A version, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionDetail {
    /// Its workflow.
    pub(crate) name: String,
    /// Its project.
    pub(crate) project: String,
    /// Its hash.
    pub(crate) version: String,
    /// For people.
    pub(crate) description: String,
    /// Its parameters, as written.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Its tasks, in the order of the definition.
    pub(crate) tasks: Vec<TaskOutline>,
    /// The whole definition, as a file.
    pub(crate) definition: String,
}

/// A task of a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskOutline {
    /// Its name.
    pub(crate) name: String,
    /// `shell`, `python`, `noop` …
    pub(crate) kind: String,
    /// The tasks that it comes after.
    pub(crate) after: Vec<String>,
}

/// What became of a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Applied {
    /// A line for each workflow in it.
    pub(crate) workflows: Vec<AppliedWorkflow>,
}

/// What became of a workflow in a file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppliedWorkflow {
    /// Its project.
    pub(crate) project: String,
    /// Its name.
    pub(crate) name: String,
    /// `created`, `changed`, `unchanged`; `checked` where nothing was to be stored.
    pub(crate) outcome: &'static str,
    /// Hash of the version, where it is stored.
    pub(crate) version: Option<String>,
    /// Number of the version, where it is stored.
    pub(crate) number: Option<u64>,
    /// How many tasks it has.
    pub(crate) tasks: usize,
    /// What is allowed and perhaps not meant: `file`, `line`, `column`, `path`, `message`, `hint`.
    #[schema(value_type = Vec<Object>)]
    pub(crate) notes: Vec<Value>,
}

/// How a file is to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApplyParams {
    /// Only check it, and store nothing.
    #[serde(default)]
    pub(crate) check: bool,
    /// What faults call the file.
    pub(crate) file: Option<String>,
}

/// Stores the workflows of a definition file (YAML or JSON), or none of them if it has any fault.
#[utoipa::path(post, path = "/v1/projects/{project}/workflows", operation_id = "apply_definition", tag = "workflows",
    params(("project" = String, Path), ApplyParams),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = Applied), (status = 413, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn apply(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments(project): Segments<String>,
    Params(params): Params<ApplyParams>,
    Raw(body): Raw,
) -> Result<Json<Applied>, Problem> {
    let (id, project) = crate::extract::project(&project)?;
    let file = params.file.as_deref().map_or("definition".into(), short);
    let checked = read(&file, &body).map_err(|faults| Problem::of_faults(&faults))?;
    let foreign = checked.iter().find(|each| each.workflow.project != project);
    if let Some(Checked { workflow, .. }) = foreign {
        let title = format!(
            "workflow `{}` is of project `{}`, not of `{project}`; nothing was stored",
            workflow.name, workflow.project
        );
        return Err(
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Faults, title).hint(format!(
                "send it to /v1/projects/{}/workflows",
                workflow.project
            )),
        );
    }
    calendar::known(&api, id, &checked).await?;
    let mut workflows = Vec::with_capacity(checked.len());
    for each in &checked {
        workflows.push(store(&api, each, &caller.actor, params.check).await?);
    }
    Ok(Json(Applied { workflows }))
}

async fn store(
    api: &Api,
    checked: &Checked,
    actor: &Actor,
    only_check: bool,
) -> Result<AppliedWorkflow, Problem> {
    let workflow = &checked.workflow;
    let notes = checked
        .notes
        .iter()
        .map(|note| serde_json::to_value(note).unwrap_or_default());
    let mut applied = AppliedWorkflow {
        project: workflow.project.to_string(),
        name: workflow.name.to_string(),
        outcome: "checked",
        version: None,
        number: None,
        tasks: workflow.tasks.len(),
        notes: notes.collect(),
    };
    if !only_check {
        let stored = api.app.apply(workflow, actor).await?;
        let current = stored.head.current;
        applied.outcome = match (stored.changed, current.number) {
            (false, _) => "unchanged",
            (true, 1) => "created",
            (true, _) => "changed",
        };
        applied.version = Some(current.version.to_string());
        applied.number = Some(current.number);
    }
    Ok(applied)
}

/// Lists the workflows of a project, by name.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows", operation_id = "list_workflows", tag = "workflows",
    params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<Workflow>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Workflow>>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let heads = api.app.workflows(project).await?;
    let workflows = heads.iter().map(line).collect();
    Ok(Json(page.of(workflows, |workflow| &workflow.name)?))
}

fn line(head: &Head) -> Workflow {
    Workflow {
        name: head.name.to_string(),
        id: head.workflow.to_string(),
        number: head.current.number,
        version: head.version.to_string(),
        tasks: head.current.tasks,
        scheduled: head.scheduled,
        applied: head.current.at,
        applied_by: Who::from(&head.current.actor),
    }
}

/// Shows the current version of a workflow.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows/{workflow}",
    operation_id = "show_workflow", tag = "workflows",
    params(("project" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = VersionDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, workflow)): Segments<(String, String)>,
) -> Result<Json<VersionDetail>, Problem> {
    let (project, head) = existing(&api, &project, &workflow).await?;
    let definition = api.app.current(project, &head).await?;
    Ok(Json(detail(&definition, head.version)))
}

/// Lists the versions of a workflow, the newest first.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows/{workflow}/versions",
    operation_id = "list_versions", tag = "workflows",
    params(("project" = String, Path), ("workflow" = String, Path), PageParams),
    responses((status = 200, body = Page<VersionLine>), (status = 404, body = Problem)))]
pub(crate) async fn versions(
    State(api): State<Arc<Api>>,
    Segments((project, workflow)): Segments<(String, String)>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<VersionLine>>, Problem> {
    let (project, head) = existing(&api, &project, &workflow).await?;
    let versions = api.app.versions(project, head.workflow).await?;
    let lines = versions.iter().map(version_line).collect();
    Ok(Json(page.below(lines, |line: &VersionLine| line.number)?))
}

fn version_line(version: &Stored) -> VersionLine {
    VersionLine {
        number: version.number,
        version: version.version.to_string(),
        before: version.before.map(|before| before.to_string()),
        tasks: version.tasks,
        applied: version.at,
        applied_by: Who::from(&version.actor),
    }
}

/// Shows a version of a workflow.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows/{workflow}/versions/{version}",
    operation_id = "show_version", tag = "workflows",
    params(("project" = String, Path), ("workflow" = String, Path), ("version" = String, Path)),
    responses((status = 200, body = VersionDetail), (status = 404, body = Problem)))]
pub(crate) async fn version(
    State(api): State<Arc<Api>>,
    Segments((project, workflow, version)): Segments<(String, String, String)>,
) -> Result<Json<VersionDetail>, Problem> {
    let (project, head) = existing(&api, &project, &workflow).await?;
    let absent = || {
        Problem::absent(
            Code::NoVersion,
            format!(
                "workflow `{}` has no version `{}`",
                head.name,
                short(&version)
            ),
        )
    };
    let hash: VersionHash = version.parse().map_err(|_| absent())?;
    let versions = api.app.versions(project, head.workflow).await?;
    if !versions.iter().any(|known| known.version == hash) {
        return Err(absent());
    }
    let definition = api.app.version(project, hash).await?;
    Ok(Json(detail(&definition, hash)))
}

pub(super) fn detail(definition: &Definition, version: VersionHash) -> VersionDetail {
    let name = |task: &u32| {
        let at = usize::try_from(*task).unwrap_or(usize::MAX);
        definition.tasks.get(at).map(|task| task.name.to_string())
    };
    let tasks = definition.tasks.iter().map(|task| TaskOutline {
        name: task.name.to_string(),
        kind: task.kind.word().into_owned(),
        after: task.after.iter().filter_map(name).collect(),
    });
    let parameters = definition.parameters.iter();
    VersionDetail {
        name: definition.name.to_string(),
        project: definition.project.to_string(),
        version: version.to_string(),
        description: definition.description.clone(),
        parameters: parameters
            .map(|(name, value)| (name.clone(), value.text.clone()))
            .collect(),
        tasks: tasks.collect(),
        definition: porpoise_definition::write(definition),
    }
}

/// The workflow of this name.
///
/// # Errors
/// There is none, or no such project; with the name that was most likely meant.
pub(crate) async fn existing(
    api: &Api,
    project: &str,
    workflow: &str,
) -> Result<(ProjectId, Head), Problem> {
    let (id, _) = crate::extract::project(project)?;
    // No name is none of a workflow.
    if let Ok(name) = workflow.parse::<Name>()
        && let Some(head) = api.app.workflow_named(id, name.as_str()).await?
    {
        return Ok((id, head));
    }
    project::existing(api, project).await?;
    let heads = api.app.workflows(id).await?;
    let names = heads.iter().map(|head| head.name.as_str());
    let title = format!(
        "there is no workflow `{}` in project `{}`",
        short(workflow),
        short(project)
    );
    Err(Problem::absent(Code::NoWorkflow, title).near(workflow, names))
}

/// The id of the workflow of this name, whether it exists or not.
pub(crate) fn id_of(project: ProjectId, workflow: &str) -> WorkflowId {
    let name = workflow.parse::<Name>();
    let name = name.as_ref().map_or(workflow, Name::as_str);
    WorkflowId::first_named(project, name)
}
