//! Editing a finished run: another version of its workflow, with which it goes on.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use porpoise_app::edit::{EditError, WriteBack};
use porpoise_app::view::RunView;
use porpoise_definition::{Checked, read};
use porpoise_engine::Plan;
use porpoise_engine::run::command::selected;
use porpoise_engine::run::edit::in_the_world;
use porpoise_engine::run::{Edit, Ranges};
use porpoise_model::{Address, CommandId, VersionHash};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::outcome::{CommandOutcome, WaitParams, until};
use super::workflow::{VersionDetail, detail};
use super::{calendar, command, run, task};
use crate::access::{Action, Caller, Resource, authorize};
use crate::extract::{Body, Params, Segments, command_id};
use crate::problem::Problem;
use crate::time::{self, short};
use crate::{Api, Code};

/// What a run that has just ended may still have to do with pools and targets is done within this, or not soon.
const SETTLES: Duration = Duration::from_secs(5);

/// An edit of a finished run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own")]
pub(crate) struct EditRequest {
    /// The definition that it is to go on with: a file (YAML or JSON) with this one workflow.
    pub(crate) definition: String,
    /// What faults call the file.
    pub(crate) file: Option<String>,
    /// Beside what has changed or is new, and what comes after that: `rerun_failed` what did not succeed, `rerun` these
    /// tasks, or all of them if none is named.
    #[serde(default)]
    pub(crate) command: RerunWord,
    /// Of `rerun`: these.
    #[serde(default)]
    pub(crate) tasks: Vec<String>,
    /// Of `rerun`: and all that comes after these tasks.
    #[serde(default)]
    pub(crate) downstream: bool,
    /// Of `rerun`: and all that comes before these tasks.
    #[serde(default)]
    pub(crate) upstream: bool,
    /// The workflow is to have this definition, too: as if it were applied, unless somebody else has changed it since.
    #[serde(default)]
    pub(crate) write_back: bool,
    /// Of `write_back`: also if somebody else has.
    #[serde(default)]
    pub(crate) force: bool,
    /// Only say what would run, and change nothing.
    #[serde(default)]
    pub(crate) check: bool,
}

/// What runs again beside what has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RerunWord {
    /// What did not succeed.
    #[default]
    RerunFailed,
    /// These tasks, or all.
    Rerun,
}

/// An edit, and what has become of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EditOutcome {
    /// The command: ask for it until it is no longer pending.
    #[serde(flatten)]
    pub(crate) command: CommandOutcome,
    /// Hash of the version that the run had.
    pub(crate) before: String,
    /// Hash of the version that it has now.
    pub(crate) version: String,
    /// These run again, each as a new attempt.
    pub(crate) tasks: Vec<String>,
    /// Tasks that the run had and has no more.
    pub(crate) gone: Vec<String>,
    /// The version is the workflow's current one, too.
    pub(crate) written_back: bool,
    /// What is allowed and perhaps not meant: `file`, `line`, `column`, `path`, `message`, `hint`.
    #[schema(value_type = Vec<Object>)]
    pub(crate) notes: Vec<Value>,
}

/// Shows the definition that a run has: the version that it was created with, or was given since.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/definition", operation_id = "show_run_definition",
    tag = "runs", params(("project" = String, Path), ("run" = String, Path)),
    responses((status = 200, body = VersionDetail), (status = 404, body = Problem)))]
pub(crate) async fn definition(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
) -> Result<Json<VersionDetail>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let version = view.run.version.unwrap_or_else(|| VersionHash::of(&[]));
    Ok(Json(detail(view.plan.workflow(), version)))
}

/// Gives a finished run another version of its workflow, with which it goes on.
///
/// With an `Idempotency-Key`, a request that is repeated finishes what was begun, and edits nothing again.
#[utoipa::path(post, path = "/v1/projects/{project}/runs/{run}/edit", operation_id = "edit_run", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = EditRequest,
    responses((status = 202, body = EditOutcome), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn edit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, run)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<EditRequest>,
) -> Result<(StatusCode, Json<EditOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let write_back = write_back(&request)?;
    if write_back != WriteBack::No {
        let principal = Some(caller.actor.principal.as_str());
        authorize(principal, Action::Write, Resource::Workflow)?;
    }
    let (address, view) = run::existing(&api, &project, &run).await?;
    let (id, _) = command_id(&api, &headers, &format!("edits/{address}"))?;
    let checked = one(&view, &request)?;
    let alone = std::slice::from_ref(&checked);
    calendar::known(&api, address.project, alone).await?;
    let asked = Asked::of(&view, &checked, &request)?;
    if view.view.commands.iter().any(|given| given.id == id) {
        let outcome = command::decided(&api, address, id, wait).await?;
        let done = asked.done(&view, id, outcome)?;
        return Ok((StatusCode::ACCEPTED, Json(done)));
    }
    let view = settled(&api, address, view).await?;
    let prepared = api
        .app
        .prepare_edit(&view, asked.version, &asked.plan, asked.again.clone());
    let edit = prepared.await?;
    let mut answer = asked.planned(&view, id, &edit)?;
    if request.check {
        answer.command.state = "checked";
        return Ok((StatusCode::OK, Json(answer)));
    }
    let workflow = &checked.workflow;
    let by = (id, caller.actor);
    let given = api.app.edit_run(&view, workflow, edit, by, write_back);
    answer.written_back = given.await?.is_some();
    answer.command = command::decided(&api, address, id, wait).await?;
    Ok((StatusCode::ACCEPTED, Json(answer)))
}

fn write_back(request: &EditRequest) -> Result<WriteBack, Problem> {
    match (request.write_back, request.force) {
        (false, false) => Ok(WriteBack::No),
        (true, false) => Ok(WriteBack::IfUnchanged),
        (true, true) => Ok(WriteBack::Force),
        (false, true) => Err(Problem::bad_request("only `write_back` takes `force`")),
    }
}

/// The one workflow of the file, if it is that of the run.
fn one(view: &RunView, request: &EditRequest) -> Result<Checked, Problem> {
    let file = request.file.as_deref().map_or("definition".into(), short);
    let read = read(&file, request.definition.as_bytes());
    let checked = read.map_err(|faults| Problem::of_faults(&faults))?;
    let had = view.plan.workflow();
    let unfit = |title: String| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::Faults, title).hint(format!(
            "edit what `porpoise show {} --definition` prints",
            view.run.run
        ))
    };
    let count = checked.len();
    let Ok([checked]) = <[Checked; 1]>::try_from(checked) else {
        return Err(unfit(format!(
            "the file has {count} workflows, an edit takes one"
        )));
    };
    let has = &checked.workflow;
    if (&has.project, &has.name) != (&had.project, &had.name) {
        return Err(unfit(format!(
            "the file is of workflow `{}/{}`, and the run of `{}/{}`",
            has.project, has.name, had.project, had.name
        )));
    }
    Ok(checked)
}

/// What was asked for, with indices for names.
struct Asked {
    version: VersionHash,
    plan: Plan,
    again: Option<Ranges>,
    notes: Vec<Value>,
}

impl Asked {
    fn of(view: &RunView, checked: &Checked, request: &EditRequest) -> Result<Self, Problem> {
        let workflow = Arc::new(checked.workflow.clone());
        let bug = |error: &(dyn std::error::Error + 'static)| Problem::failed(error);
        let (_, version) = workflow.to_stored().map_err(|error| bug(&error))?;
        let plan = Plan::compile(workflow).map_err(|error| bug(&error))?;
        let tasks = task::find_all(&plan, &view.run.workflow_name, &request.tasks)?;
        let again = match request.command {
            RerunWord::RerunFailed
                if !tasks.is_empty() || request.downstream || request.upstream =>
            {
                return Err(Problem::bad_request("only `rerun` names tasks"));
            }
            RerunWord::RerunFailed => None,
            RerunWord::Rerun if tasks.is_empty() => Some((0..plan.len()).collect()),
            RerunWord::Rerun => Some(selected(
                &plan,
                &tasks,
                request.downstream,
                request.upstream,
            )),
        };
        let notes = checked.notes.iter();
        Ok(Self {
            version,
            plan,
            again,
            notes: notes
                .map(|note| serde_json::to_value(note).unwrap_or_default())
                .collect(),
        })
    }

    /// What it would come to.
    fn planned(&self, view: &RunView, id: CommandId, edit: &Edit) -> Result<EditOutcome, Problem> {
        let tasks = edit.tasks(&view.view.state, &view.plan);
        if tasks.is_empty() && edit.version == edit.before {
            let title = "there is nothing to run again, and the definition is what the run has";
            return Err(Problem::refused(title));
        }
        Ok(EditOutcome {
            command: CommandOutcome::new(id, None),
            before: edit.before.to_string(),
            version: edit.version.to_string(),
            tasks: named(&self.plan, &tasks),
            gone: gone(&view.plan, &self.plan),
            written_back: false,
            notes: self.notes.clone(),
        })
    }

    /// What it came to when it was given before.
    fn done(
        self,
        view: &RunView,
        id: CommandId,
        command: CommandOutcome,
    ) -> Result<EditOutcome, Problem> {
        let edits = &view.view.edits;
        let at = edits.iter().position(|edit| edit.command == Some(id));
        let pins = at.and_then(|at| Some((view.pins.get(at)?, view.pins.get(at + 1)?)));
        let (Some(edit), Some((had, has))) = (at.and_then(|at| edits.get(at)), pins) else {
            let had = view
                .run
                .version
                .map_or_else(String::new, |had| had.to_string());
            return Ok(EditOutcome {
                command,
                before: had,
                version: self.version.to_string(),
                tasks: Vec::new(),
                gone: Vec::new(),
                written_back: false,
                notes: self.notes,
            });
        };
        if edit.version != self.version {
            let title = "this `Idempotency-Key` came with another definition before";
            return Err(
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::KeyReused, title)
                    .hint("use a new key for another edit"),
            );
        }
        Ok(EditOutcome {
            command,
            before: edit.before.to_string(),
            version: edit.version.to_string(),
            tasks: named(&has.plan, &edit.tasks),
            gone: gone(&had.plan, &has.plan),
            written_back: edit.written_back,
            notes: self.notes,
        })
    }
}

/// Those of these tasks that run.
fn named(plan: &Plan, tasks: &Ranges) -> Vec<String> {
    let runs = tasks.iter().filter(|task| !plan.is_disabled(*task));
    runs.filter_map(|task| Some(plan.task(task)?.name.to_string()))
        .collect()
}

fn gone(had: &Plan, has: &Plan) -> Vec<String> {
    let had = (0..had.len()).filter_map(|task| had.task(task));
    let gone = had.filter(|task| has.find(task.name.as_str()).is_none());
    gone.map(|task| task.name.to_string()).collect()
}

/// The run once nothing of what it did is on its way any more, or as it is after a while.
async fn settled(api: &Arc<Api>, address: Address, view: RunView) -> Result<RunView, Problem> {
    let over = |view: &RunView| {
        let state = &view.view.state;
        !state.run_state().is_terminal() || in_the_world(state).is_none()
    };
    if over(&view) {
        return Ok(view);
    }
    let look = || async move {
        let run = porpoise_model::RunId::from_bytes(address.id);
        let view = api.app.run_view(address.project, run).await?;
        let sequence = view.as_ref().map_or(0, |view| view.sequence);
        Ok((view.filter(over), sequence))
    };
    let settled = until(api, address, SETTLES, look).await?;
    Ok(settled.unwrap_or(view))
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Refused(reason) => Self::refused("the run refuses this").detail(reason),
            EditError::Place(error) => porpoise_app::create::CreateRunError::Place(error).into(),
            EditError::Parameters(error) => error.into(),
            EditError::Apply(error) => error.into(),
            EditError::Store(error) => error.into(),
            EditError::Unavailable(error) => error.into(),
        }
    }
}
