//! Starting runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use porpoise_app::workflow_store::Head;
use porpoise_engine::Plan;
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::run::selection::select;
use porpoise_engine::run::{Ranges, Reach};
use porpoise_model::limits::{ENTRIES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::{FailureStrategy, Priority, Workflow};
use porpoise_model::{ProjectId, RunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{task, workflow};
use crate::access::Caller;
use crate::extract::{Body, Segments, command_id};
use crate::problem::{Problem, fault};
use crate::time::{When, short};
use crate::{Api, Code};

/// A run to be started. Every field may be left out.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StartRun {
    /// Instead of the workflow's parameters of these names. Texts, numbers and booleans.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) parameters: BTreeMap<String, Value>,
    /// The instant that the run stands for: `2026-03-01T06:00:00+01:00`, or a day or a time of the workflow's time zone,
    /// `2026-03-01`. Now unless given.
    #[schema(value_type = Option<String>)]
    pub(crate) logical_date: Option<When>,
    /// Only these tasks, and what is within `reach` of them; the others are left out. All unless given.
    pub(crate) tasks: Vec<String>,
    /// What runs beside `tasks`.
    pub(crate) reach: ReachWord,
    /// Every task succeeds without a job.
    pub(crate) dry_run: bool,
    /// Kinds that no target here runs are replaced by `noop`.
    pub(crate) simulate: bool,
    /// `highest`, `high`, `medium`, `low`, `lowest`: instead of the workflow's.
    #[schema(value_type = Option<String>)]
    pub(crate) priority: Option<Priority>,
    /// `continue` or `end`: instead of the workflow's.
    #[schema(value_type = Option<String>)]
    pub(crate) on_failure: Option<FailureStrategy>,
}

/// What runs beside the tasks that are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReachWord {
    /// Nothing.
    Only,
    /// All that comes before them.
    Upstream,
    /// All that comes after them.
    #[default]
    Downstream,
}

impl From<ReachWord> for Reach {
    fn from(word: ReachWord) -> Self {
        match word {
            ReachWord::Only => Self::Only,
            ReachWord::Upstream => Self::Upstream,
            ReachWord::Downstream => Self::Downstream,
        }
    }
}

/// A run that exists now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// Its id.
    pub(crate) run_id: String,
    /// The command that made it: the same `Idempotency-Key` gives the same.
    pub(crate) command_id: String,
    /// What is allowed and perhaps not meant.
    pub(crate) notes: Vec<String>,
}

/// Starts a run of the current version of a workflow.
///
/// With an `Idempotency-Key`, a request that is repeated starts nothing again and gives the same answer.
#[utoipa::path(post, path = "/v1/projects/{project}/workflows/{workflow}/runs",
    operation_id = "start_run", tag = "runs",
    params(("project" = String, Path), ("workflow" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = StartRun,
    responses((status = 202, body = Started), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn start(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, name)): Segments<(String, String)>,
    headers: HeaderMap,
    Body(request): Body<StartRun>,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let (project, head) = workflow::existing(&api, &project, &name).await?;
    let scope = format!("runs/{project}/{}", head.workflow);
    let (command, keyed) = command_id(&api, &headers, &scope)?;
    let parameters = texts(&request.parameters)?;
    let plan = api.app.plan(project, head.version).await?;
    let notes = unknown(plan.workflow(), &parameters);
    let only = only(&plan, &head, &request)?;
    let run = RunId::of_command(command);
    let new = new_run(
        &api,
        project,
        run,
        &head,
        plan.workflow(),
        &request,
        parameters,
        &caller,
    );
    let (new, explicit) = (NewRun { only, ..new.0 }, new.1);
    let created = api.app.create_run(new).await?;
    if created.fresh {
        api.app.list_created(&created.run, plan.len()).await?;
    }
    if keyed && !created.fresh {
        same_request(&api, &created.run, explicit).await?;
    }
    let started = Started {
        run_id: run.to_string(),
        command_id: command.to_string(),
        notes,
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// The run, and whether its logical date was given.
#[expect(clippy::too_many_arguments, reason = "the parts of one request")]
fn new_run(
    api: &Api,
    project: ProjectId,
    run: RunId,
    head: &Head,
    workflow: &Workflow,
    request: &StartRun,
    parameters: BTreeMap<String, String>,
    caller: &Caller,
) -> (NewRun, bool) {
    let now = api.app.ports().clock.now();
    let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
    let zone = workflow.schedule.as_ref();
    let timezone = zone.map_or_else(|| "UTC".to_owned(), |schedule| schedule.timezone.clone());
    // a zone that is not known here is taken for UTC
    let clocks = TimeZone::get(&timezone).unwrap_or(TimeZone::UTC);
    let date = request.logical_date.map(|when| when.at(&clocks));
    let new = NewRun {
        project,
        run,
        workflow: head.workflow,
        workflow_name: head.name.to_string(),
        version: Some(head.version),
        trigger: trigger(caller),
        logical_date: date.unwrap_or(now),
        timezone,
        parameters,
        actor: caller.actor.clone(),
        priority: request.priority,
        on_failure: request.on_failure,
        concurrency: None,
        dry_run: request.dry_run,
        simulate: request.simulate,
        created: now,
        placement: porpoise_engine::placement::Placement::default(),
        only: None,
        project_parameters: None,
    };
    (new, date.is_some())
}

/// How whoever asks has it run.
pub(crate) fn trigger(caller: &Caller) -> Trigger {
    if caller.actor.via == "api" {
        Trigger::Api
    } else {
        Trigger::Manual
    }
}

/// The tasks that it is started with; `None`: all.
pub(super) fn only(
    plan: &Plan,
    head: &Head,
    request: &StartRun,
) -> Result<Option<Ranges>, Problem> {
    if request.tasks.is_empty() {
        return Ok(None);
    }
    let named = task::find_all(plan, head.name.as_str(), &request.tasks)?;
    let only = select(plan, &named, request.reach.into());
    Ok((only.len() < plan.len()).then_some(only))
}

/// Values as texts, within the limits; every fault at once.
pub(super) fn texts(given: &BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, Problem> {
    let (mut texts, mut faults) = (BTreeMap::new(), Vec::new());
    if given.len() > ENTRIES_MAX {
        let message = format!("at most {ENTRIES_MAX}, not {}", given.len());
        faults.push(fault("parameters", message, None));
    }
    for (name, value) in given {
        match text(value) {
            Ok(text) => drop(texts.insert(name.clone(), text)),
            Err(message) => {
                let path = format!("parameters.{}", short(name));
                faults.push(fault(&path, message, None));
            }
        }
    }
    if faults.is_empty() {
        return Ok(texts);
    }
    let title = "the parameters cannot be taken";
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, title);
    Err(problem.listing(faults))
}

/// A value as a text, or what is wrong with it.
fn text(value: &Value) -> Result<String, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err("a text, a number or a boolean belongs here".to_owned());
        }
    };
    if text.len() > VALUE_BYTES_MAX {
        return Err(format!(
            "at most {VALUE_BYTES_MAX} bytes, not {}",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("a text must not contain the character NUL".to_owned());
    }
    Ok(text)
}

/// Parameters that the workflow does not declare: scripts may still read them.
pub(super) fn unknown(workflow: &Workflow, given: &BTreeMap<String, String>) -> Vec<String> {
    let strange = given
        .keys()
        .filter(|name| !workflow.parameters.contains_key(*name));
    strange
        .map(|name| format!("the workflow declares no parameter `{}`", short(name)))
        .collect()
}

/// A key that was used before must have come with the same request.
async fn same_request(api: &Api, new: &NewRun, dated: bool) -> Result<(), Problem> {
    let view = api.app.run_view(new.project, new.run).await?;
    let Some(before) = view.map(|view| view.run.clone()) else {
        return Ok(());
    };
    let same = before.parameters == new.parameters
        && before.dry_run == new.dry_run
        && before.simulate == new.simulate
        && before.priority == new.priority
        && before.on_failure == new.on_failure
        && before.only == new.only
        && (!dated || before.logical_date == new.logical_date);
    if same {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        Code::KeyReused,
        "this `Idempotency-Key` came with another request before",
    )
    .detail(format!("it started run `{}`", new.run))
    .hint("use a new key for a new run"))
}
