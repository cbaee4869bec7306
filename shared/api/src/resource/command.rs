//! Commands to a run: taken, and decided by the run itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use porpoise_app::view::RunView;
use porpoise_engine::Input;
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::run::command::preview;
use porpoise_model::{Address, CommandId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::{CommandOutcome, WaitParams, until};
use super::{run, task};
use crate::Api;
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::problem::Problem;
use crate::time;
use crate::time::short;

/// A command to a run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunCommandRequest {
    /// `pause`, `resume`, `kill`, `kill_tasks`, `hold`, `release`, `mark_succeeded`, `skip`, `rerun_failed`, `rerun`,
    /// `approve`, `decline`.
    pub(crate) command: Word,
    /// The tasks that it is about. `hold` and `release` without tasks are about the run.
    #[serde(default)]
    pub(crate) tasks: Vec<String>,
    /// Of `hold`, `approve` and `decline`: why, for people.
    #[serde(default)]
    pub(crate) why: String,
    /// Of `hold`: it ends by itself then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) until: Option<Timestamp>,
    /// Of `rerun`: and all that comes after these tasks.
    #[serde(default)]
    pub(crate) downstream: bool,
    /// Of `rerun`: and all that comes before these tasks.
    #[serde(default)]
    pub(crate) upstream: bool,
}

/// What can be commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// Start nothing more.
    Pause,
    /// Go on.
    Resume,
    /// Stop everything.
    Kill,
    /// Stop these tasks.
    KillTasks,
    /// Do not start these tasks, or the run's.
    Hold,
    /// End a hold.
    Release,
    /// Let these tasks count as succeeded.
    MarkSucceeded,
    /// Do not run these tasks.
    Skip,
    /// Run what did not succeed again, and what did not run because of it.
    RerunFailed,
    /// Run all again that was not left out.
    RerunAll,
    /// Run these tasks again.
    Rerun,
    /// Let the run go on where these tasks ask.
    Approve,
    /// Do not let it go on there.
    Decline,
}

/// Exactly what a rerun would run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Preview {
    /// These run again, each as a new attempt.
    pub(crate) tasks: Vec<String>,
    /// Of those, these still have a job, which is stopped first.
    pub(crate) stops: Vec<String>,
}

/// Gives a command to a run, which decides on it in its turn.
#[utoipa::path(post, path = "/v1/projects/{project}/runs/{run}/commands", operation_id = "command_run", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = RunCommandRequest,
    responses((status = 202, body = CommandOutcome), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn give(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, run)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<RunCommandRequest>,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (address, view) = run::existing(&api, &project, &run).await?;
    let what = read(&view, request)?;
    let (id, _) = command_id(&api, &headers, &format!("commands/{address}"))?;
    let command = Command {
        id,
        actor: caller.actor,
        what,
    };
    let input = Input::Run(RunInput::Commanded(command));
    api.app.tell(&[(address, input)]).await?;
    let outcome = decided(&api, address, id, wait).await?;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

/// Says what has become of a command.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/commands/{command}",
    operation_id = "show_run_command", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), ("command" = String, Path), WaitParams),
    responses((status = 200, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn outcome(
    State(api): State<Arc<Api>>,
    Segments((project, run, command)): Segments<(String, String, String)>,
    Params(params): Params<WaitParams>,
) -> Result<Json<CommandOutcome>, Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (address, _) = run::existing(&api, &project, &run).await?;
    let id = command_of(&command)?;
    Ok(Json(decided(&api, address, id, wait).await?))
}

/// The id of a command, as it was given out.
pub(crate) fn command_of(text: &str) -> Result<CommandId, Problem> {
    text.parse()
        .map_err(|_| Problem::bad_request(format!("`{}` is no id of a command", short(text))))
}

pub(super) async fn decided(
    api: &Arc<Api>,
    address: Address,
    id: CommandId,
    wait: std::time::Duration,
) -> Result<CommandOutcome, Problem> {
    let look = || async move {
        let run = porpoise_model::RunId::from_bytes(address.id);
        let Some(view) = api.app.run_view(address.project, run).await? else {
            return Ok((None, 0));
        };
        let command = view
            .view
            .commands
            .iter()
            .rev()
            .find(|command| command.id == id);
        Ok((
            command.map(|command| command.outcome.clone()),
            view.sequence,
        ))
    };
    let outcome = until(api, address, wait, look).await?;
    Ok(CommandOutcome::new(id, outcome.as_ref()))
}

/// Says exactly what `rerun` or `rerun_failed` would run, and changes nothing.
#[utoipa::path(post, path = "/v1/projects/{project}/runs/{run}/rerun-preview",
    operation_id = "preview_rerun", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path)),
    request_body = RunCommandRequest,
    responses((status = 200, body = Preview), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn rerun_preview(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
    Body(request): Body<RunCommandRequest>,
) -> Result<Json<Preview>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let command = read(&view, request)?;
    let found = preview(&view.view.state, &view.plan, &command);
    let found =
        found.map_err(|reason| Problem::refused("the run would refuse this").detail(reason))?;
    let names = |tasks: Vec<u32>| {
        let name = |task: u32| Some(view.plan.task(task)?.name.to_string());
        tasks.into_iter().filter_map(name).collect()
    };
    Ok(Json(Preview {
        tasks: names(found.runs),
        stops: names(found.stops),
    }))
}

/// The command, with indices for names; every name that is not there is told at once.
fn read(view: &RunView, request: RunCommandRequest) -> Result<RunCommand, Problem> {
    let tasks = task::find_all(&view.plan, &view.run.workflow_name, &request.tasks)?;
    let superfluous = match request.command {
        Word::Pause | Word::Resume | Word::Kill | Word::RerunFailed | Word::RerunAll => {
            !tasks.is_empty()
        }
        Word::KillTasks
        | Word::Hold
        | Word::Release
        | Word::MarkSucceeded
        | Word::Skip
        | Word::Rerun
        | Word::Approve
        | Word::Decline => false,
    };
    if superfluous {
        return Err(Problem::bad_request("this command names no tasks")
            .hint("`kill_tasks` stops single tasks, `rerun` runs single tasks again"));
    }
    if request.command != Word::Hold && request.until.is_some() {
        return Err(Problem::bad_request("only `hold` takes `until`"));
    }
    let told_why = matches!(request.command, Word::Hold | Word::Approve | Word::Decline);
    if !told_why && !request.why.is_empty() {
        let message = "only `hold`, `approve` and `decline` take `why`";
        return Err(Problem::bad_request(message));
    }
    Ok(match request.command {
        Word::Pause => RunCommand::Pause,
        Word::Resume => RunCommand::Resume,
        Word::Kill => RunCommand::Kill,
        Word::KillTasks => RunCommand::KillTasks { tasks },
        Word::Hold => RunCommand::Hold {
            tasks,
            why: request.why,
            until: request.until,
        },
        Word::Release => RunCommand::Release { tasks },
        Word::MarkSucceeded => RunCommand::MarkSucceeded { tasks },
        Word::Skip => RunCommand::Skip { tasks },
        Word::RerunFailed => RunCommand::RerunFailed,
        Word::RerunAll => RunCommand::RerunAll,
        Word::Rerun => RunCommand::Rerun {
            tasks,
            downstream: request.downstream,
            upstream: request.upstream,
        },
        Word::Approve | Word::Decline => RunCommand::Answer {
            tasks,
            approved: request.command == Word::Approve,
            why: request.why,
        },
    })
}
