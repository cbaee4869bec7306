//! Lists of runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use porpoise_app::lists::Filter;
use porpoise_engine::effect::Listing;
use porpoise_model::RunState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{project, workflow};
use crate::Api;
use crate::extract::{Params, Segments};
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::time::short;

/// A run in a list. Lists may lag a moment behind the runs themselves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunLine {
    /// Its id.
    pub(crate) id: String,
    /// Its workflow.
    pub(crate) workflow: String,
    /// `queued`, `running`, `pausing`, `paused`, `canceling`, `succeeded`, `failed`, `canceled`.
    pub(crate) state: &'static str,
    /// `schedule`, `manual`, `api`, `parent`, `backfill`, `test`.
    pub(crate) trigger: &'static str,
    /// The instant that it stands for.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) logical_date: Timestamp,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created: Timestamp,
    /// When its first task could start.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended: Option<Timestamp>,
    /// How many tasks it has.
    pub(crate) task_count: u32,
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RunFilter {
    /// Of this workflow only.
    pub(crate) workflow: Option<String>,
    /// In this state only.
    pub(crate) state: Option<String>,
    /// Created by this only: `schedule`, `manual`, `api`, `parent`, `backfill`, `test`.
    pub(crate) trigger: Option<String>,
    /// At most this many: 1 to 500, 100 unless given.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<usize>,
    /// The `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Lists runs, the newest first. A page may be short and still have a successor.
#[utoipa::path(get, path = "/v1/projects/{project}/runs", operation_id = "list_runs", tag = "runs",
    params(("project" = String, Path), RunFilter),
    responses((status = 200, body = Page<RunLine>), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(name): Segments<String>,
    Params(asked): Params<RunFilter>,
) -> Result<Json<Page<RunLine>>, Problem> {
    let (project, _) = crate::extract::project(&name)?;
    let filter = Filter {
        workflow: asked
            .workflow
            .as_deref()
            .map(|name| workflow::id_of(project, name)),
        state: asked.state.as_deref().map(state).transpose()?,
        trigger: asked.trigger.as_deref().map(trigger).transpose()?,
    };
    let page = PageParams {
        limit: asked.limit,
        cursor: None,
    };
    let runs = api
        .app
        .runs(project, &filter, asked.cursor.as_deref(), page.limit())
        .await?;
    if runs.runs.is_empty() && asked.cursor.is_none() {
        match &asked.workflow {
            Some(workflow) => drop(workflow::existing(&api, &name, workflow).await?),
            None => drop(project::existing(&api, &name).await?),
        }
    }
    Ok(Json(Page {
        items: runs.runs.iter().map(line).collect(),
        next_cursor: runs.next,
    }))
}

fn line(listing: &Listing) -> RunLine {
    RunLine {
        id: listing.run.to_string(),
        workflow: listing.workflow_name.clone(),
        state: listing.state.as_str(),
        trigger: listing.trigger.as_str(),
        logical_date: listing.logical_date,
        created: listing.created,
        started: listing.started,
        ended: listing.ended,
        task_count: listing.tasks,
    }
}

fn state(word: &str) -> Result<RunState, Problem> {
    let found = RunState::ALL
        .into_iter()
        .find(|state| state.as_str() == word);
    found.ok_or_else(|| {
        let words: Vec<_> = RunState::ALL.iter().map(|state| state.as_str()).collect();
        Problem::bad_request(format!("`state`: no run is ever `{}`", short(word)))
            .detail(format!("states are {}", words.join(", ")))
            .near(word, words.iter().copied())
    })
}

fn trigger(word: &str) -> Result<String, Problem> {
    let words = ["schedule", "manual", "api", "parent", "backfill", "test"];
    if words.contains(&word) {
        return Ok(word.to_owned());
    }
    let title = format!("`trigger`: nothing is triggered by `{}`", short(word));
    Err(Problem::bad_request(title)
        .detail(format!("triggers are {}", words.join(", ")))
        .near(word, words.into_iter()))
}
