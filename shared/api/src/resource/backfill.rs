//! Backfills: how they stand, which run each date has, and what people want of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use porpoise_app::backfill_store::BackfillView;
use porpoise_engine::Input;
use porpoise_engine::backfill::{AfterFailure, Dates};
use porpoise_engine::input::{BackfillCommand, BackfillInput, Command};
use porpoise_model::limits::BACKFILL_DATES_MAX;
use porpoise_model::{Address, BackfillId, CommandId, ProjectId, RunId, RunState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::backfill_dependents::{self, DependentRun, LevelsWord, ProgressLine};
use super::outcome::{CommandOutcome, WaitParams, Who, until};
use super::{command, project, workflow};
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::time::{self, in_zone, short};
use crate::{Api, Code};

/// Dates that an answer about a backfill names beside its counts.
const NAMED_MAX: usize = 100;

/// A backfill: runs of one version of a workflow, one for each of its dates.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Backfill {
    /// Its id.
    pub(crate) id: String,
    /// Its project.
    pub(crate) project: String,
    /// Its workflow, by the name that it had when the backfill was asked for.
    pub(crate) workflow: String,
    /// Hash of the version that its runs run.
    pub(crate) version: String,
    /// `running`, `pausing`, `paused`, `canceling`, `succeeded`, `failed`, `canceled`.
    pub(crate) state: &'static str,
    /// How many dates it has.
    pub(crate) total: u32,
    /// How many of them have started.
    pub(crate) started: u32,
    /// How many of them succeeded, with all workflows that go along.
    pub(crate) succeeded: u32,
    /// How many ended otherwise.
    pub(crate) failed: usize,
    /// Which workflows were asked to go along: `none`, `direct` or `all`.
    pub(crate) levels: LevelsWord,
    /// Those that do, and how far they are.
    pub(crate) dependents: Vec<ProgressLine>,
    /// The dates whose runs are there and not over.
    pub(crate) running: Vec<DateLine>,
    /// The dates whose runs failed, were stopped or could not be created: the first hundred.
    pub(crate) not_succeeded: Vec<DateLine>,
    /// The date that starts next, as the clocks of its time zone show it.
    pub(crate) next: Option<String>,
    /// Why a run could not be created, or no further date can be told: the last of it.
    pub(crate) problem: Option<String>,
    /// The first and the last instant that dates may have, both included; null: they were named one by one.
    pub(crate) range: Option<RangeView>,
    /// The time zone of its dates.
    pub(crate) timezone: String,
    /// The latest date first.
    pub(crate) descending: bool,
    /// So many dates at the same time.
    pub(crate) parallel: u32,
    /// What follows where a run does not succeed: `stop` or `continue`.
    pub(crate) after_failure: &'static str,
    /// Who asked for it.
    pub(crate) actor: Who,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created: Timestamp,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
}

/// The range of a backfill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BackfillRange)]
pub(crate) struct RangeView {
    /// Not before this.
    pub(crate) from: String,
    /// Not after this.
    pub(crate) to: String,
    /// Its dates are the instants of this cron.
    pub(crate) cron: String,
    /// The calendar that excludes days among them, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calendar: Option<String>,
}

/// A date of a backfill.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = BackfillDate)]
pub(crate) struct DateLine {
    /// As the clocks of its time zone show it.
    pub(crate) date: String,
    /// Its run; null: it has not started.
    pub(crate) run_id: Option<String>,
    /// `pending`: it has not started. `running`: its run is there. Else how that ended, for the first time:
    /// `succeeded`, `failed`, `canceled`. Where workflows go along: `running` until their runs are over as well, and
    /// `succeeded` only if those succeeded.
    pub(crate) state: &'static str,
    /// Where workflows go along: how its run stands by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run_state: Option<&'static str>,
    /// The runs of the workflows that go along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) dependents: Vec<DependentRun>,
}

/// Which backfills.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BackfillFilter {
    /// Of this workflow only.
    pub(crate) workflow: Option<String>,
    /// At most this many: 1 to 500, 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// What a backfill is to do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackfillCommandRequest {
    /// `pause`: start no further date; `resume`; `kill`: stop its runs as well.
    pub(crate) command: Word,
}

/// What can be commanded.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BackfillWord)]
pub(crate) enum Word {
    /// Start no further date.
    Pause,
    /// Go on.
    Resume,
    /// Start no further date, and stop the runs that are there.
    Kill,
}

impl From<Word> for BackfillCommand {
    fn from(word: Word) -> Self {
        match word {
            Word::Pause => Self::Pause,
            Word::Resume => Self::Resume,
            Word::Kill => Self::Kill,
        }
    }
}

/// What follows where a run does not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AfterFailure)]
pub(crate) enum AfterFailureWord {
    /// No further date starts.
    Stop,
    /// The other dates start all the same.
    Continue,
}

impl From<AfterFailureWord> for AfterFailure {
    fn from(word: AfterFailureWord) -> Self {
        match word {
            AfterFailureWord::Stop => Self::Stop,
            AfterFailureWord::Continue => Self::Continue,
        }
    }
}

/// Lists the backfills of a project, the newest first.
#[utoipa::path(get, path = "/v1/projects/{project}/backfills", operation_id = "list_backfills", tag = "backfills",
    params(("project" = String, Path), BackfillFilter),
    responses((status = 200, body = Page<Backfill>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(name): Segments<String>,
    Params(asked): Params<BackfillFilter>,
) -> Result<Json<Page<Backfill>>, Problem> {
    let (project, _) = project::existing(&api, &name).await?;
    let of = match &asked.workflow {
        Some(workflow) => Some(workflow::existing(&api, &name, workflow).await?.1.workflow),
        None => None,
    };
    let page = PageParams {
        limit: asked.limit,
        cursor: asked.cursor,
    };
    let found = api.app.backfills(project, of, page.after()?, page.limit());
    let found = found.await?;
    Ok(Json(Page {
        items: found
            .backfills
            .iter()
            .map(|view| shown(&name, view))
            .collect(),
        next_cursor: found.next.as_deref().map(crate::page::cursor),
    }))
}

/// Shows how far a backfill is.
#[utoipa::path(get, path = "/v1/projects/{project}/backfills/{backfill}", operation_id = "show_backfill",
    tag = "backfills", params(("project" = String, Path), ("backfill" = String, Path)),
    responses((status = 200, body = Backfill), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, backfill)): Segments<(String, String)>,
) -> Result<Json<Backfill>, Problem> {
    let (_, view) = existing(&api, &project, &backfill).await?;
    Ok(Json(shown(&project, &view)))
}

/// Lists the dates of a backfill in its order, each with its run.
#[utoipa::path(get, path = "/v1/projects/{project}/backfills/{backfill}/dates", operation_id = "list_backfill_dates",
    tag = "backfills", params(("project" = String, Path), ("backfill" = String, Path), PageParams),
    responses((status = 200, body = Page<DateLine>), (status = 404, body = Problem)))]
pub(crate) async fn dates(
    State(api): State<Arc<Api>>,
    Segments((project, backfill)): Segments<(String, String)>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<DateLine>>, Problem> {
    let (_, view) = existing(&api, &project, &backfill).await?;
    let new = &view.new;
    let all = new.dates.read(&new.like.timezone, new.descending);
    let all = all.map_or_else(|_| Vec::new(), |dates| dates.first(BACKFILL_DATES_MAX));
    let (range, next_cursor) = page.numbers(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
    let from = usize::try_from(range.start).unwrap_or(usize::MAX);
    let page = all.into_iter().skip(from).take(range.len());
    Ok(Json(Page {
        items: page.map(|date| date_line(&view, date)).collect(),
        next_cursor,
    }))
}

/// Gives a command to a backfill, which decides on it in its turn.
#[utoipa::path(post, path = "/v1/projects/{project}/backfills/{backfill}/commands", operation_id = "command_backfill",
    tag = "backfills",
    params(("project" = String, Path), ("backfill" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = BackfillCommandRequest,
    responses((status = 202, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn give(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, backfill)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<BackfillCommandRequest>,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (address, _) = existing(&api, &project, &backfill).await?;
    let (id, _) = command_id(&api, &headers, &format!("commands/{address}"))?;
    let command = Command {
        id,
        actor: caller.actor,
        what: request.command.into(),
    };
    let input = Input::Backfill(BackfillInput::Commanded(command));
    api.app.tell(&[(address, input)]).await?;
    let outcome = decided(&api, address, id, wait).await?;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

/// Says what has become of a command to a backfill.
#[utoipa::path(get, path = "/v1/projects/{project}/backfills/{backfill}/commands/{command}",
    operation_id = "show_backfill_command", tag = "backfills",
    params(("project" = String, Path), ("backfill" = String, Path), ("command" = String, Path), WaitParams),
    responses((status = 200, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn outcome(
    State(api): State<Arc<Api>>,
    Segments((project, backfill, command)): Segments<(String, String, String)>,
    Params(params): Params<WaitParams>,
) -> Result<Json<CommandOutcome>, Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (address, _) = existing(&api, &project, &backfill).await?;
    let id = command::command_of(&command)?;
    Ok(Json(decided(&api, address, id, wait).await?))
}

async fn decided(
    api: &Arc<Api>,
    address: Address,
    id: CommandId,
    wait: Duration,
) -> Result<CommandOutcome, Problem> {
    let look = || async move {
        let view = view(api, address).await?;
        let seen = view.as_ref().and_then(|view| view.state.commands.seen(id));
        Ok((seen.cloned(), view.as_ref().map_or(0, |view| view.sequence)))
    };
    let outcome = until(api, address, wait, look).await?;
    Ok(CommandOutcome::new(id, outcome.as_ref()))
}

/// The backfill at an address, if there is one.
pub(crate) async fn view(api: &Api, address: Address) -> Result<Option<BackfillView>, Problem> {
    let id = BackfillId::from_bytes(address.id);
    Ok(api.app.backfill(address.project, id).await?)
}

async fn existing(
    api: &Api,
    project: &str,
    backfill: &str,
) -> Result<(Address, BackfillView), Problem> {
    let (id, _) = crate::extract::project(project)?;
    let absent = || {
        let title = format!("there is no backfill `{}`", short(backfill));
        Problem::absent(Code::NoBackfill, title)
    };
    let backfill: BackfillId = backfill.parse().map_err(|_| absent())?;
    let address = Address::backfill(id, backfill);
    if let Some(view) = view(api, address).await? {
        return Ok((address, view));
    }
    project::existing(api, project).await?;
    Err(absent())
}

fn shown(project: &str, view: &BackfillView) -> Backfill {
    let (new, state) = (&view.new, &view.state);
    let zone = &new.like.timezone;
    let not_succeeded = state.failed.keys().take(NAMED_MAX);
    Backfill {
        id: new.backfill.to_string(),
        project: project.to_owned(),
        workflow: new.like.workflow_name.clone(),
        version: new
            .like
            .version
            .map_or_else(String::new, |version| version.to_string()),
        state: state.run_state().as_str(),
        total: state.total,
        started: state.started,
        succeeded: state.succeeded,
        failed: state.failed.len(),
        levels: LevelsWord::of(new.dependents.as_ref()),
        dependents: backfill_dependents::progress(view),
        running: state
            .running
            .iter()
            .map(|date| date_line(view, date.0))
            .collect(),
        not_succeeded: not_succeeded.map(|date| date_line(view, date.0)).collect(),
        next: state
            .next
            .filter(|_| state.over.is_none())
            .map(|date| in_zone(date.0, zone)),
        problem: state.problem.clone(),
        range: match &new.dates {
            Dates::Range {
                from,
                to,
                cron,
                calendar,
            } => Some(RangeView {
                calendar: calendar.as_ref().map(|used| used.calendar.to_string()),
                from: in_zone(*from, zone),
                to: in_zone(*to, zone),
                cron: cron.clone(),
            }),
            Dates::List(_) => None,
        },
        timezone: zone.clone(),
        descending: new.descending,
        parallel: new.parallel,
        after_failure: new.after_failure.as_str(),
        actor: Who::from(&new.like.actor),
        created: new.like.created,
        ended: state.ended.map(|at| at.0),
    }
}

fn date_line(view: &BackfillView, date: Timestamp) -> DateLine {
    let state = view.state.date(date);
    let run = RunId::of_backfill(view.new.backfill, date);
    let dependents = backfill_dependents::of_date(view, date);
    DateLine {
        date: in_zone(date, &view.new.like.timezone),
        run_id: state.map(|_| run.to_string()),
        state: state.map_or("pending", RunState::as_str),
        run_state: dependents.first().map(|_| {
            let own = view.state.run(date);
            own.map_or("pending", RunState::as_str)
        }),
        dependents,
    }
}

/// The address of a backfill of a project.
pub(crate) fn address(project: ProjectId, backfill: BackfillId) -> Address {
    Address::backfill(project, backfill)
}
