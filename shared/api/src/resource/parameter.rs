//! What a task can read by name.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use porpoise_engine::run::parameters::{self, Given as EngineGiven, Known};
use porpoise_model::ValueType;
use serde::Serialize;
use utoipa::ToSchema;

use super::{run, task};
use crate::Api;
use crate::extract::Segments;
use crate::problem::Problem;

/// What a task can read by name: of its latest attempt, if the tasks above have not run again since.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TaskParameters {
    /// Each name once, in order.
    pub(crate) items: Vec<Parameter>,
}

/// A name that a task can read: parameters of the run and its own, its environment, and those outputs of tasks above
/// and built-ins that its texts name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Parameter {
    /// The name.
    pub(crate) name: String,
    /// What it is declared as: `varchar`, `integer` …
    #[schema(value_type = String)]
    pub(crate) r#type: ValueType,
    /// Its value.
    #[serde(flatten)]
    pub(crate) given: Given,
    /// Values of the same name that this one hides, the nearest first.
    pub(crate) hidden: Vec<Given>,
}

/// A value and where it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Given {
    /// The value. References to secrets stay references.
    pub(crate) value: Option<String>,
    /// Why there is none.
    pub(crate) problem: Option<String>,
    /// Where it comes from: `env` and `task` (the task's `env` and `parameters`), `output` (a task above has set it),
    /// `start` (the run was started with it), `parent` (the run above handed it down), `workflow` (the workflow's
    /// `parameters`), `builtin`.
    pub(crate) source: &'static str,
    /// As it is written there, if that is not the value itself.
    pub(crate) written: Option<String>,
}

/// Shows what a task can read by name, and where each value comes from.
#[utoipa::path(get, path = "/v1/projects/{project}/runs/{run}/tasks/{task}/parameters",
    operation_id = "list_task_parameters", tag = "runs",
    params(("project" = String, Path), ("run" = String, Path), ("task" = String, Path)),
    responses((status = 200, body = TaskParameters), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments((project, run, task)): Segments<(String, String, String)>,
) -> Result<Json<TaskParameters>, Problem> {
    let (_, view) = run::existing(&api, &project, &run).await?;
    let task = task::find(&view, &task)?;
    let known = parameters::known(&view.view.state, &view.plan, task);
    let known = known.map_err(|why| {
        let title = format!("the parameters of this run cannot be read: {why}");
        Problem::refused(title)
    })?;
    Ok(Json(TaskParameters {
        items: known.into_iter().map(shown).collect(),
    }))
}

fn shown(known: Known) -> Parameter {
    Parameter {
        name: known.name,
        r#type: known.kind,
        given: given(known.given),
        hidden: known.hidden.into_iter().map(given).collect(),
    }
}

fn given(given: EngineGiven) -> Given {
    let (value, problem) = match given.value {
        Ok(value) => (Some(value), None),
        Err(problem) => (None, Some(problem)),
    };
    Given {
        value,
        problem,
        source: given.source.as_str(),
        written: given.written,
    }
}
