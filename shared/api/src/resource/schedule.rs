//! Schedules: one a workflow at most, made by its definition, switched here.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use porpoise_app::workflow_store::Head;
use porpoise_engine::Input;
use porpoise_engine::input::Spec;
use porpoise_engine::input::{Command, ScheduleCommand, ScheduleInput};
use porpoise_engine::schedule::{Schedule as Aggregate, State as Fold, changed_days, upcoming};
use porpoise_model::workflow::{ExcludedDay, MissedFires};
use porpoise_model::{Address, CommandId, ProjectId, ScheduleId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::{CommandOutcome, WaitParams, until};
use super::{command, project, workflow};
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::time::{self, in_zone};
use crate::{Api, Code};

/// Fire times that are told ahead.
const UPCOMING: usize = 10;

/// The schedule of a workflow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Schedule {
    /// Its workflow.
    pub(crate) workflow: String,
    /// Whether it fires.
    pub(crate) online: bool,
    /// When, as written.
    pub(crate) cron: String,
    /// In this time zone.
    pub(crate) timezone: String,
    /// Nothing fires before this.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) start: Option<Timestamp>,
    /// Nothing fires at or after this.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) end: Option<Timestamp>,
    /// What happens to instants that nobody was there to fire: `latest` or `skip`.
    pub(crate) missed: &'static str,
    /// The calendar that it follows: nothing fires on the days that this excludes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calendar: Option<CalendarUse>,
    /// The next fire times, on the clocks of its time zone: what they would be, where it is offline.
    pub(crate) upcoming: Vec<String>,
}

/// The calendar of a schedule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CalendarUse {
    /// Its name.
    pub(crate) name: String,
    /// The revision that the schedule goes by.
    pub(crate) revision: u64,
    /// What becomes of an instant on an excluded day: `skip`, `next`, `previous`.
    pub(crate) excluded: &'static str,
    /// The next instants on excluded days, and what becomes of them; up to the last of `upcoming`.
    pub(crate) changed: Vec<ChangedInstant>,
}

/// An instant of the cron that lies on an excluded day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChangedInstant {
    /// When it would be without the calendar.
    pub(crate) from: String,
    /// The day on which it is instead; null: it is skipped.
    pub(crate) to: Option<String>,
}

/// How a schedule is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Switch {
    /// Whether it fires.
    pub(crate) online: bool,
}

/// Lists the schedules of a project, by workflow.
#[utoipa::path(get, path = "/v1/projects/{project}/schedules", operation_id = "list_schedules", tag = "schedules",
    params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<Schedule>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Schedule>>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let heads = api.app.workflows(project).await?.into_iter();
    let scheduled: Vec<_> = heads.filter(|head| head.scheduled).collect();
    let heads = page.of(scheduled, |head| head.name.as_str())?;
    let mut items = Vec::with_capacity(heads.items.len());
    for head in &heads.items {
        items.extend(found(&api, project, head).await?);
    }
    Ok(Json(Page {
        items,
        next_cursor: heads.next_cursor,
    }))
}

/// Shows the schedule of a workflow, with its next fire times.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows/{workflow}/schedule",
    operation_id = "show_schedule", tag = "schedules",
    params(("project" = String, Path), ("workflow" = String, Path)),
    responses((status = 200, body = Schedule), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, workflow)): Segments<(String, String)>,
) -> Result<Json<Schedule>, Problem> {
    let (project, head) = workflow::existing(&api, &project, &workflow).await?;
    let schedule = found(&api, project, &head).await?;
    schedule.map(Json).ok_or_else(|| none(&head))
}

/// Switches the schedule of a workflow on or off.
#[utoipa::path(post, path = "/v1/projects/{project}/workflows/{workflow}/schedule",
    operation_id = "switch_schedule", tag = "schedules",
    params(("project" = String, Path), ("workflow" = String, Path), WaitParams,
        ("Idempotency-Key" = Option<String>, Header)),
    request_body = Switch,
    responses((status = 202, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn switch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, workflow)): Segments<(String, String)>,
    Params(params): Params<WaitParams>,
    headers: HeaderMap,
    Body(request): Body<Switch>,
) -> Result<(StatusCode, Json<CommandOutcome>), Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (project, head) = workflow::existing(&api, &project, &workflow).await?;
    let address = address(project, &head);
    if fold(&api, address).await?.0.setting.is_none() {
        return Err(none(&head));
    }
    let (id, _) = command_id(&api, &headers, &format!("commands/{address}"))?;
    let command = Command {
        id,
        actor: caller.actor,
        what: if request.online {
            ScheduleCommand::Online
        } else {
            ScheduleCommand::Offline
        },
    };
    let input = Input::Schedule(ScheduleInput::Commanded(command));
    api.app.tell(&[(address, input)]).await?;
    let outcome = decided(&api, address, id, wait).await?;
    Ok((StatusCode::ACCEPTED, Json(outcome)))
}

/// Says what has become of a command to a schedule.
#[utoipa::path(get, path = "/v1/projects/{project}/workflows/{workflow}/schedule/commands/{command}",
    operation_id = "show_schedule_command", tag = "schedules",
    params(("project" = String, Path), ("workflow" = String, Path), ("command" = String, Path), WaitParams),
    responses((status = 200, body = CommandOutcome), (status = 404, body = Problem)))]
pub(crate) async fn outcome(
    State(api): State<Arc<Api>>,
    Segments((project, workflow, command)): Segments<(String, String, String)>,
    Params(params): Params<WaitParams>,
) -> Result<Json<CommandOutcome>, Problem> {
    let wait = time::wait(params.wait.as_deref())?;
    let (project, head) = workflow::existing(&api, &project, &workflow).await?;
    let id = command::command_of(&command)?;
    Ok(Json(
        decided(&api, address(project, &head), id, wait).await?,
    ))
}

async fn decided(
    api: &Arc<Api>,
    address: Address,
    id: CommandId,
    wait: Duration,
) -> Result<CommandOutcome, Problem> {
    let look = || async move {
        let (state, sequence) = fold(api, address).await?;
        Ok((state.commands.seen(id).cloned(), sequence))
    };
    let outcome = until(api, address, wait, look).await?;
    Ok(CommandOutcome::new(id, outcome.as_ref()))
}

fn address(project: ProjectId, head: &Head) -> Address {
    Address::schedule(project, ScheduleId::of_workflow(head.workflow))
}

fn none(head: &Head) -> Problem {
    Problem::absent(
        Code::NoSchedule,
        format!("workflow `{}` has no schedule", head.name),
    )
    .hint("write `schedule:` into its definition and apply it")
}

async fn fold(api: &Api, address: Address) -> Result<(Fold, u64), Problem> {
    let loaded = api.app.look::<Aggregate>(address).await?;
    Ok((loaded.state, loaded.sequence))
}

async fn found(api: &Api, project: ProjectId, head: &Head) -> Result<Option<Schedule>, Problem> {
    let (state, _) = fold(api, address(project, head)).await?;
    let Some(setting) = &state.setting else {
        return Ok(None);
    };
    let spec = &setting.spec;
    let now = api.app.ports().clock.now();
    let times = upcoming(spec, now, UPCOMING);
    Ok(Some(Schedule {
        workflow: head.name.to_string(),
        online: state.online,
        cron: spec.cron.clone(),
        timezone: spec.timezone.clone(),
        start: spec.start,
        end: spec.end,
        missed: match spec.missed {
            MissedFires::Latest => "latest",
            MissedFires::Skip => "skip",
        },
        calendar: spec.calendar.as_ref().map(|observed| CalendarUse {
            name: observed.calendar.to_string(),
            revision: observed.revision,
            excluded: match observed.policy {
                ExcludedDay::Skip => "skip",
                ExcludedDay::Next => "next",
                ExcludedDay::Previous => "previous",
            },
            changed: changed(spec, now, times.last().copied()),
        }),
        upcoming: times
            .into_iter()
            .map(|at| in_zone(at, &spec.timezone))
            .collect(),
    }))
}

/// What the calendar does to the next instants.
fn changed(spec: &Spec, now: Timestamp, until: Option<Timestamp>) -> Vec<ChangedInstant> {
    let until = until.unwrap_or(now);
    let days = changed_days(spec, now, until, UPCOMING);
    let told = days.into_iter().map(|(from, to)| ChangedInstant {
        from: in_zone(from, &spec.timezone),
        to: to.map(|day| day.to_string()),
    });
    told.collect()
}
