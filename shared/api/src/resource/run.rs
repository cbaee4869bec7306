//! A run.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use porpoise_app::view::RunView;
use porpoise_engine::effect::Trigger;
use porpoise_engine::placement::{Placed, Placement};
use porpoise_engine::run::reason::Reason;
use porpoise_engine::run::state::{Gate, State as RunFold};
use porpoise_engine::run::view::EditView;
use porpoise_model::{Address, ProjectId, RunId, RunState};
use serde::Serialize;
use utoipa::ToSchema;

use super::outcome::{CauseView, HoldView, ReasonView, Who};
use super::project;
use crate::extract::Segments;
use crate::problem::Problem;
use crate::time::in_zone;
use crate::{Api, Code};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunDetail {
    /// Its id.
    pub(crate) id: String,
    /// Its project.
    pub(crate) project: String,
    /// Its workflow, by the name that it had when the run was created.
    pub(crate) workflow: String,
    /// Hash of the version that it runs.
    pub(crate) version: String,
    /// The edits that gave it that version, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) edits: Vec<EditLine>,
    /// `queued`, `running`, `pausing`, `paused`, `canceling`, `succeeded`, `failed`, `canceled`.
    pub(crate) state: &'static str,
    /// Why it ended so, if it did not succeed.
    pub(crate) cause: Option<CauseView>,
    /// Why it does not go on, if something keeps all of it.
    pub(crate) reason: Option<ReasonView>,
    /// `schedule`, `manual`, `api`, `parent`, `backfill`, `test`.
    pub(crate) trigger: &'static str,
    /// The run whose task has made it, if one has.
    pub(crate) parent: Option<ParentView>,
    /// The backfill that has made it, if one has.
    pub(crate) backfill: Option<String>,
    /// Who asked for it.
    pub(crate) actor: Who,
    /// The instant that it stands for, as the clocks of its time zone show it.
    pub(crate) logical_date: String,
    /// That time zone.
    pub(crate) timezone: String,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created: Timestamp,
    /// When its first task could start.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// Its parameters: resolved once it has begun, before that those that it was started with.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Every task succeeds without a job.
    pub(crate) dry_run: bool,
    /// Kinds that no target here runs are replaced by `noop`.
    pub(crate) simulate: bool,
    /// Where it stands with the gate of its workflow: `asked` or `waiting`; null: nothing keeps it there.
    pub(crate) gate: Option<&'static str>,
    /// It is on hold.
    pub(crate) hold: Option<HoldView>,
    /// Where its tasks execute: settled when it was created.
    pub(crate) placement: PlacementView,
    /// How many task instances are in each state.
    pub(crate) counts: BTreeMap<&'static str, u32>,
    /// How many tasks it has.
    pub(crate) task_count: u32,
    /// The last record of its log that is told here: where `…/facts?after=` goes on.
    pub(crate) sequence: u64,
}

/// An edit of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunEdit)]
pub(crate) struct EditLine {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// Who.
    pub(crate) actor: Who,
    /// Hash of the version that it had.
    pub(crate) before: String,
    /// Hash of the version that it has had since.
    pub(crate) version: String,
    /// That was made the workflow's current version, too.
    pub(crate) written_back: bool,
}

impl From<&EditView> for EditLine {
    fn from(edit: &EditView) -> Self {
        Self {
            at: edit.at,
            actor: Who::from(&edit.actor),
            before: edit.before.to_string(),
            version: edit.version.to_string(),
            written_back: edit.written_back,
        }
    }
}

/// The run above.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Parent)]
pub(crate) struct ParentView {
    /// Its id.
    pub(crate) run_id: String,
    /// Index of the task there, in the order of its definition.
    pub(crate) task: u32,
    /// Which attempt of that task.
    pub(crate) attempt: u32,
    /// Which element, from 1, if that task is mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) element: Option<u32>,
}

impl ParentView {
    fn of(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::Parent { run, attempt, .. } => Some(Self {
                run_id: run.to_string(),
                task: attempt.task,
                attempt: attempt.number,
                element: attempt.element().map(|element| element.saturating_add(1)),
            }),
            Trigger::Schedule { .. }
            | Trigger::Manual
            | Trigger::Api
            | Trigger::Backfill { .. }
            | Trigger::Test => None,
        }
    }
}

fn backfill(trigger: &Trigger) -> Option<String> {
    match trigger {
        Trigger::Backfill { backfill, .. } => Some(backfill.to_string()),
        Trigger::Schedule { .. }
        | Trigger::Manual
        | Trigger::Api
        | Trigger::Parent { .. }
        | Trigger::Test => None,
    }
}

/// Where the tasks of a run execute.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Placement)]
pub(crate) struct PlacementView {
    /// What dispatches tasks that name no target.
    pub(crate) place: String,
    /// The targets that its tasks use, as they were when it was created.
    pub(crate) targets: Vec<PlacedView>,
    /// The places that its data may be in; none: anywhere.
    pub(crate) residency: Vec<String>,
}

/// A target that a run uses.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlacedTarget)]
pub(crate) struct PlacedView {
    /// Its name.
    pub(crate) name: String,
    /// The revision that the run uses.
    pub(crate) revision: u64,
    /// `emr-serverless`, `athena`, `lambda`, `step-functions`.
    pub(crate) kind: String,
    /// Where it lies.
    pub(crate) place: String,
    /// The data place that serves it.
    pub(crate) served_by: String,
}

impl From<&Placement> for PlacementView {
    fn from(placement: &Placement) -> Self {
        let placed = |placed: &Placed| PlacedView {
            name: placed.target.name.to_string(),
            revision: placed.target.revision,
            kind: placed.target.kind.clone(),
            place: placed.target.place.to_string(),
            served_by: placed.place.to_string(),
        };
        let residency = placement.residency.iter();
        Self {
            place: placement.place.to_string(),
            targets: placement.targets.iter().map(placed).collect(),
            residency: residency.map(ToString::to_string).collect(),
        }
    }
}

/// Shows a run.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}", operation_id = "show_run", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path)),
    responses((status = 200, body = RunDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
) -> Result<Json<RunDetail>, Problem> {
    let (_, view) = existing(&api, &project, &run).await?;
    Ok(Json(shown(project, &view)))
}

fn shown(project: String, view: &RunView) -> RunDetail {
    let (new, state) = (&view.run, &view.view.state);
    let tasks = &state.tasks;
    let mut counts = BTreeMap::new();
    if tasks.is_empty() {
        counts.insert("pending", view.plan.len());
    }
    for task in tasks.indices() {
        *counts
            .entry(tasks.phase(task).state().as_str())
            .or_default() += 1;
    }
    RunDetail {
        id: new.run.to_string(),
        project,
        workflow: new.workflow_name.clone(),
        version: new
            .version
            .map_or_else(String::new, |version| version.to_string()),
        edits: view.view.edits.iter().map(EditLine::from).collect(),
        state: state.run_state().as_str(),
        cause: state.cause.as_ref().map(CauseView::from),
        reason: reason(state).as_ref().map(ReasonView::from),
        trigger: new.trigger.as_str(),
        parent: ParentView::of(&new.trigger),
        backfill: backfill(&new.trigger),
        actor: Who::from(&new.actor),
        logical_date: in_zone(new.logical_date, &new.timezone),
        timezone: new.timezone.clone(),
        created: new.created,
        started: state.started.map(|at| at.0),
        ended: state.ended.map(|at| at.0),
        parameters: state.parameters.as_ref().unwrap_or(&new.parameters).clone(),
        dry_run: new.dry_run,
        simulate: new.simulate,
        gate: gate(state),
        hold: state.hold.as_ref().map(HoldView::from),
        placement: PlacementView::from(&new.placement),
        counts,
        task_count: view.plan.len(),
        sequence: view.sequence,
    }
}

/// What keeps the whole run from going on.
fn reason(state: &RunFold) -> Option<Reason> {
    if let Some(hold) = state
        .hold
        .as_ref()
        .filter(|_| !state.run_state().is_terminal())
    {
        return Some(Reason::RunHold(hold.clone()));
    }
    match state.run_state() {
        RunState::Queued if gate(state).is_some() => Some(Reason::Gate),
        RunState::Queued => Some(Reason::Beginning),
        RunState::Pausing | RunState::Paused => Some(Reason::Paused),
        RunState::Running
        | RunState::Canceling
        | RunState::Succeeded
        | RunState::Failed
        | RunState::Canceled => None,
    }
}

const fn gate(state: &RunFold) -> Option<&'static str> {
    match state.gate {
        Gate::Asked => Some("asked"),
        Gate::Waiting => Some("waiting"),
        Gate::Outside | Gate::Inside => None,
    }
}

/// The run of this id, and its address.
///
/// # Errors
/// There is none, or no such project.
pub(crate) async fn existing(
    api: &Api,
    project: &str,
    run: &str,
) -> Result<(Address, RunView), Problem> {
    let (project_id, run_id) = ids(project, run)?;
    match api.app.run_view(project_id, run_id).await? {
        Some(view) => Ok((Address::run(project_id, run_id), view)),
        None => Err(absent(api, project, run).await),
    }
}

/// The ids of a project and a run.
pub(crate) fn ids(project: &str, run: &str) -> Result<(ProjectId, RunId), Problem> {
    let (project, _) = crate::extract::project(project)?;
    Ok((project, crate::extract::run(run)?))
}

/// What is not there: the run, or already its project.
pub(crate) async fn absent(api: &Api, project: &str, run: &str) -> Problem {
    match project::existing(api, project).await {
        Err(problem) => problem,
        Ok((_, name)) => Problem::absent(
            Code::NoRun,
            format!("there is no run `{run}` in project `{name}`"),
        ),
    }
}
