//! Task instances of a run, and their attempts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use porpoise_app::view::RunView;
use porpoise_engine::Plan;
use porpoise_engine::effect as engine;
use porpoise_engine::run::view::AttemptView;
use porpoise_model::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::element::{self, Element, ElementCounts};
use super::outcome::{CauseView, HoldView, ReasonView};
use super::run;
use crate::extract::{Params, Segments};
use crate::page::{Page, PageParams};
use crate::problem::{Problem, fault};
use crate::time::short;
use crate::{Api, Code};

/// A task instance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Task {
    /// Its name.
    pub(crate) name: String,
    /// `shell`, `python`, `noop` …
    pub(crate) kind: String,
    /// Nothing of it runs: this run replaces what no target here runs by `noop`.
    pub(crate) simulated: bool,
    /// `pending`, `queued`, `dispatched`, `running`, `up_for_retry`, `canceling`, `succeeded`, `failed`, `canceled`,
    /// `skipped`, `upstream_failed`.
    pub(crate) state: &'static str,
    /// Number of its latest attempt; 0 before the first.
    pub(crate) attempt: u32,
    /// When the job of the latest attempt began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// Why it ended so.
    pub(crate) cause: Option<CauseView>,
    /// Why it waits.
    pub(crate) reason: Option<ReasonView>,
    /// The run that its latest attempt has made, if it is another workflow.
    pub(crate) child_run_id: Option<String>,
    /// How far its latest attempt is, if it is mapped: then that has several runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) elements: Option<ElementCounts>,
    /// The tasks that it comes after.
    pub(crate) upstream: Vec<String>,
}

/// A task instance with its attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskDetail {
    /// The task instance.
    #[serde(flatten)]
    pub(crate) task: Task,
    /// The tasks that come after it.
    pub(crate) downstream: Vec<String>,
    /// What it has set.
    pub(crate) outputs: BTreeMap<String, String>,
    /// It is on hold.
    pub(crate) hold: Option<HoldView>,
    /// Its attempts, the first one first.
    pub(crate) attempts: Vec<Attempt>,
    /// The elements of its latest attempt that have started, in order, if it is mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_elements: Option<Vec<Element>>,
}

/// A try of a task instance.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: u32,
    /// `dispatched`, `running`, `succeeded`, `failed`, `canceled`.
    pub(crate) state: &'static str,
    /// When it was handed to the dispatcher.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) dispatched: Timestamp,
    /// When its job began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When its job ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// Why it ended so.
    pub(crate) cause: Option<CauseView>,
    /// What the target calls the job.
    pub(crate) external_id: Option<String>,
    /// The run that it has made, if its task is another workflow.
    pub(crate) child_run_id: Option<String>,
    /// How far it is, if its task is mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) elements: Option<ElementCounts>,
    /// It ran longer than it should.
    pub(crate) overdue: bool,
}

/// Lists the task instances of a run, in the order of the definition.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/tasks", operation_id = "list_tasks", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), PageParams),
    responses((status = 200, body = Page<Task>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments((project, run)): Segments<(String, String)>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Task>>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let (range, next_cursor) = page.numbers(view.plan.len())?;
    Ok(Json(Page {
        items: range.map(|task| shown(&view, task)).collect(),
        next_cursor,
    }))
}

/// Shows a task instance with its attempts.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/tasks/{task}", operation_id = "show_task", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), ("task" = String, Path)),
    responses((status = 200, body = TaskDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, run, task)): Segments<(String, String, String)>,
) -> Result<Json<TaskDetail>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let task = find(&view, &task)?;
    let state = &view.view.state;
    let outputs = state.outputs.get(&task).into_iter().flatten();
    let attempts = view.view.attempts.get(&task).into_iter().flatten();
    Ok(Json(TaskDetail {
        task: shown(&view, task),
        downstream: names(&view, view.plan.downstream(task)),
        outputs: outputs
            .map(|(name, value)| (name.clone(), value.text.clone()))
            .collect(),
        hold: state.holds.get(&task).map(HoldView::from),
        attempts: attempts.map(|made| attempt(&view, made)).collect(),
        started_elements: element::all(&view, task),
    }))
}

fn shown(view: &RunView, task: u32) -> Task {
    let now = view.view.task(&view.plan, task);
    let definition = view.plan.task(task);
    Task {
        name: definition.map_or_else(String::new, |task| task.name.to_string()),
        kind: definition.map_or_else(String::new, |task| task.kind.word().into_owned()),
        simulated: definition.is_some_and(|task| view.run.simulates(&task.kind)),
        state: now.state.as_str(),
        attempt: now.attempt,
        started: now.started,
        ended: now.ended,
        cause: now.cause.as_ref().map(CauseView::from),
        reason: now.reason.as_ref().map(ReasonView::from),
        child_run_id: latest(view, task).and_then(|attempt| child(view, attempt)),
        elements: element::counts(view, task),
        upstream: names(view, view.plan.upstream(task)),
    }
}

fn latest(view: &RunView, task: u32) -> Option<&AttemptView> {
    view.view.attempts.get(&task)?.last()
}

/// The run that an attempt has made: its id is known before it is there.
fn child(view: &RunView, made: &AttemptView) -> Option<String> {
    let plan = &view.made_by(made)?.plan;
    let maker = made.goes_on.unwrap_or(made.number);
    let child = || engine::Attempt::of(made.task, maker).child(view.run.run);
    let alone = plan.is_workflow(made.task) && plan.each(made.task).is_none();
    alone.then(|| child().to_string())
}

fn names(view: &RunView, tasks: &[u32]) -> Vec<String> {
    let name = |task: &u32| Some(view.plan.task(*task)?.name.to_string());
    tasks.iter().filter_map(name).collect()
}

fn attempt(view: &RunView, attempt: &AttemptView) -> Attempt {
    Attempt {
        child_run_id: child(view, attempt),
        number: attempt.number,
        state: attempt.state.as_str(),
        dispatched: attempt.dispatched,
        started: attempt.started,
        ended: attempt.ended,
        cause: attempt.cause.as_ref().map(CauseView::from),
        external_id: attempt.external_id.clone().filter(|id| !id.is_empty()),
        elements: attempt.mapped.as_deref().map(ElementCounts::from),
        overdue: attempt.overdue,
    }
}

/// The index of the task of this name.
///
/// # Errors
/// There is none; with the name that was most likely meant.
pub(crate) fn find(view: &RunView, name: &str) -> Result<u32, Problem> {
    find_in(&view.plan, &view.run.workflow_name, name)
}

fn find_in(plan: &Plan, workflow: &str, name: &str) -> Result<u32, Problem> {
    let wanted = name.parse::<Name>().ok();
    let found = wanted.and_then(|wanted| plan.find(wanted.as_str()));
    found.ok_or_else(|| {
        let title = format!(
            "there is no task `{}` in workflow `{workflow}`",
            short(name)
        );
        let tasks = &plan.workflow().tasks;
        Problem::absent(Code::NoTask, title).near(name, tasks.iter().map(|task| task.name.as_str()))
    })
}

/// The indices of tasks; every name that is not there is told at once, with its place in `tasks`.
pub(crate) fn find_all(plan: &Plan, workflow: &str, names: &[String]) -> Result<Vec<u32>, Problem> {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        match find_in(plan, workflow, name) {
            Ok(task) => found.push(task),
            Err(problem) => {
                let message = format!("no task is named `{}`", short(name));
                let path = format!("tasks[{at}]");
                faults.push(fault(&path, message, problem.hint.as_deref()));
            }
        }
    }
    if faults.is_empty() {
        return Ok(found);
    }
    let title = format!("workflow `{workflow}` has no such task");
    Err(Problem::absent(Code::NoTask, title).listing(faults))
}
