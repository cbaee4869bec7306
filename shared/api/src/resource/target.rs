//! Targets: where tasks execute that do more than this server's own machine can.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use porpoise_app::target_store::{StoredTarget, TargetError, TargetSpec};
use porpoise_app::target_test::TestTargetError;
use porpoise_model::{AssumedRole, AwsPlace, Name, Place, ProjectId, RunId};
use porpoise_ports::source::{self, Source};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::outcome::Who;
use super::project;
use super::start::Started;
use crate::access::Caller;
use crate::extract::{Body, Params, Segments, command_id};
use crate::page::{Page, PageParams};
use crate::problem::{Problem, fault};
use crate::time::short;
use crate::{Api, Code};

/// The sorts of target that there are executors for.
const KINDS: [&str; 5] = [
    "emr-serverless",
    "athena",
    "lambda",
    "step-functions",
    PROCESS,
];
/// Processes of the machine that an agent runs on: the sort of target that sites have, and nobody else.
const PROCESS: &str = "process";
/// Those that are data sources: whoever serves their place speaks to them.
const SOURCES: [&str; 3] = source::KINDS;
/// Bytes of a target's settings, as JSON: they travel with every job.
const SETTINGS_BYTES_MAX: usize = 8 * 1024;

/// A target.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TargetDetail {
    /// Its name, which tasks say.
    pub(crate) name: String,
    /// Counts its changes, from 1. A run keeps the revision that it was created with.
    pub(crate) revision: u64,
    /// `emr-serverless`, `athena`, `lambda`, `step-functions`, `process`, `postgresql`, `mysql`, `sqlite`.
    pub(crate) kind: String,
    /// Where it lies: `partition.region.account` or `site.NAME`.
    pub(crate) place: String,
    /// The data place that serves it.
    pub(crate) served_by: String,
    /// The role that is assumed to speak to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// What its executor has to know.
    #[schema(value_type = Object)]
    pub(crate) settings: Value,
    /// Kinds of tasks that it takes if they name no target.
    pub(crate) default_for: BTreeSet<String>,
    /// Who changed it last.
    pub(crate) changed_by: Who,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) changed_at: Timestamp,
}

/// A role that is assumed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    /// Its ARN, in the target's account.
    pub(crate) arn: String,
    /// What its trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) external_id: Option<String>,
}

/// How a target is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetTarget {
    /// `emr-serverless`, `athena`, `lambda`, `step-functions`; `process` at a site; `postgresql`, `mysql`, `sqlite` at a
    /// site, or beside a server of one's own.
    pub(crate) kind: String,
    /// Where it lies: `partition.region.account`, as in `aws.eu-central-1.111122223333`, or `site.NAME`; for a data
    /// source also `local`.
    pub(crate) place: String,
    /// The data place that serves it; the one of its own region, or the site itself, if nothing is said.
    #[serde(default)]
    pub(crate) served_by: Option<String>,
    /// The role that is assumed to speak to it, if it is in another account.
    #[serde(default)]
    pub(crate) role: Option<Role>,
    /// What its executor has to know.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(crate) settings: Map<String, Value>,
    /// Kinds of tasks that it takes if they name no target: `spark`, `hive` …
    #[serde(default)]
    pub(crate) default_for: BTreeSet<String>,
}

/// Lists the targets of a project, by name.
#[utoipa::path(get, path = "/v1/projects/{project}/targets", operation_id = "list_targets", tag = "targets",
    params(("project" = String, Path), PageParams),
    responses((status = 200, body = Page<TargetDetail>), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<TargetDetail>>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let targets = api.app.targets(project).await?;
    let details = targets.iter().map(detail).collect();
    Ok(Json(page.of(details, |target: &TargetDetail| {
        target.name.as_str()
    })?))
}

/// Shows a target.
#[utoipa::path(get, path = "/v1/projects/{project}/targets/{target}", operation_id = "show_target", tag = "targets",
    params(("project" = String, Path), ("target" = String, Path)),
    responses((status = 200, body = TargetDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments((project, target)): Segments<(String, String)>,
) -> Result<Json<TargetDetail>, Problem> {
    let (project, name) = project::existing(&api, &project).await?;
    let found = existing(&api, project, &name, &target).await?;
    Ok(Json(detail(&found)))
}

async fn existing(
    api: &Api,
    project: ProjectId,
    name: &Name,
    target: &str,
) -> Result<StoredTarget, Problem> {
    let targets = api.app.targets(project).await?;
    let wanted = target.parse::<Name>().ok();
    let mut each = targets.iter();
    let found = each.find(|found| Some(&found.spec.name) == wanted.as_ref());
    found.cloned().ok_or_else(|| {
        let title = format!("there is no target `{}` in project `{name}`", short(target));
        let names = targets.iter().map(|target| target.spec.name.as_str());
        Problem::absent(Code::NoTarget, title).near(target, names)
    })
}

/// Starts a connection test of a data source: a run of one task, `connect`, that connects from where the statements of
/// tasks are sent, and asks who answers. How it ends, and why, is read as of any run; its output `version` is the answer.
#[utoipa::path(post, path = "/v1/projects/{project}/targets/{target}/test", operation_id = "test_target",
    tag = "targets",
    params(("project" = String, Path), ("target" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 202, body = Started), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(crate) async fn test(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, target)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Started>), Problem> {
    let (id, name) = project::existing(&api, &project).await?;
    let found = existing(&api, id, &name, &target).await?;
    let scope = format!("target-test/{id}/{}", found.spec.name);
    let (command, _) = command_id(&api, &headers, &scope)?;
    let run = RunId::of_command(command);
    let project = (id, &name);
    let tested = api
        .app
        .test_target(project, &found.spec, run, &caller.actor);
    let tested = tested.await;
    tested.map_err(|error| match error {
        TestTargetError::NoSource(..) => Problem::refused(error.to_string())
            .hint("data sources are targets of the kinds `postgresql`, `mysql` and `sqlite`"),
        TestTargetError::Version(error) => error.into(),
        TestTargetError::Run(error) => error.into(),
    })?;
    let started = Started {
        run_id: run.to_string(),
        command_id: command.to_string(),
        notes: Vec::new(),
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}

/// Makes a target, or changes it for the runs that are created from then on. What runs stays where it is.
#[utoipa::path(put, path = "/v1/projects/{project}/targets/{target}", operation_id = "set_target", tag = "targets",
    params(("project" = String, Path), ("target" = String, Path)),
    request_body = SetTarget,
    responses((status = 200, body = TargetDetail), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn set(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments((project, target)): Segments<(String, String)>,
    Body(request): Body<SetTarget>,
) -> Result<Json<TargetDetail>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let spec = checked(&target, request, api.app.home())?;
    let stored = set_in(&api, project, spec, &caller).await?;
    Ok(Json(detail(&stored)))
}

async fn set_in(
    api: &Api,
    project: ProjectId,
    spec: TargetSpec,
    caller: &Caller,
) -> Result<StoredTarget, Problem> {
    let set = api.app.set_target(project, spec, &caller.actor).await;
    set.map_err(|error| match error {
        TargetError::Contended(_) => Problem::refused(error.to_string()).hint("set it again"),
        TargetError::Outside(..) => Problem::refused(error.to_string())
            .hint("add the place to the residency of the project"),
        TargetError::Store(_) | TargetError::Residency(_) => Problem::failed(&error),
    })
}

/// What is asked for, or every fault in it.
fn checked(name: &str, request: SetTarget, home: &Place) -> Result<TargetSpec, Problem> {
    let mut faults = Vec::new();
    let name = name.parse::<Name>();
    if let Err(error) = &name {
        faults.push(fault("target", error.to_string(), None));
    }
    let known = || KINDS.into_iter().chain(SOURCES);
    let is_source = SOURCES.contains(&request.kind.as_str());
    if !known().any(|kind| kind == request.kind) {
        let message = format!("`{}` is no sort of target", short(&request.kind));
        let hint = format!("one of {}", known().collect::<Vec<_>>().join(", "));
        faults.push(fault("kind", message, Some(&hint)));
    }
    let place = target_place(
        &request.place,
        is_source && *home == Place::Local,
        &mut faults,
    );
    let served_by = match (&request.served_by, &place) {
        (Some(text), _) => match text.parse::<Place>() {
            Ok(place) => Some(place),
            Err(error) => {
                faults.push(fault("served_by", error.to_string(), None));
                None
            }
        },
        (None, Some(place)) => Some(server_of(place, home)),
        (None, None) => None,
    };
    if let Some(place) = &place {
        check_site(&request, place, served_by.as_ref(), &mut faults);
        check_source(&request, place, served_by.as_ref(), &mut faults);
    }
    match (&request.role, &place) {
        (Some(role), Some(Place::Aws(place))) => check_role(role, place, &mut faults),
        (Some(_), Some(Place::Site(_))) => {
            faults.push(fault("role", "nobody assumes a role at a site", None));
        }
        (Some(_), Some(Place::Local) | None) | (None, _) => {}
    }
    for kind in &request.default_for {
        if kind.is_empty() || kind.chars().any(char::is_control) || *kind != kind.to_lowercase() {
            let message = format!("`{}` is no kind of task", short(kind));
            let hint = Some("kinds are written in lower case, as in `spark`");
            faults.push(fault("default_for", message, hint));
        }
    }
    let settings = Value::Object(request.settings).to_string();
    if settings.len() > SETTINGS_BYTES_MAX {
        let message = format!("more than {SETTINGS_BYTES_MAX} bytes");
        faults.push(fault("settings", message, None));
    }
    match (name, place, served_by) {
        (Ok(name), Some(place), Some(served_by)) if faults.is_empty() => Ok(TargetSpec {
            name,
            kind: request.kind,
            place,
            served_by,
            role: request.role.map(|role| AssumedRole {
                arn: role.arn,
                external_id: role.external_id,
            }),
            settings,
            default_for: request.default_for,
        }),
        _ => {
            let title = "the target has faults; nothing of it was stored";
            Err(Problem::bad_request(title).listing(faults))
        }
    }
}

/// Statements are sent by a process beside the server, or by an agent; AWS has neither. All of the settings is checked,
/// because a password among them would be stored.
fn check_source(
    request: &SetTarget,
    place: &Place,
    served_by: Option<&Place>,
    faults: &mut Vec<Value>,
) {
    if !SOURCES.contains(&request.kind.as_str()) {
        return;
    }
    if place.aws().is_some() || served_by.is_some_and(|place| place.aws().is_some()) {
        let message = format!("nobody speaks to a `{}` from a region of AWS", request.kind);
        let hint =
            "it is `local` beside a server of your own, or `site.NAME` where an agent serves";
        faults.push(fault("place", message, Some(hint)));
    }
    if let (Some(_), Place::Local) = (&request.role, place) {
        faults.push(fault("role", "nobody assumes a role here", None));
    }
    let settings = Value::Object(request.settings.clone()).to_string();
    for wrong in Source::read(&request.kind, &settings)
        .err()
        .into_iter()
        .flatten()
    {
        let wrong = wrong.within("settings");
        faults.push(fault(&wrong.path, wrong.message, None));
    }
}

fn target_place(text: &str, local: bool, faults: &mut Vec<Value>) -> Option<Place> {
    let hint = Some("as in `aws.eu-central-1.111122223333`, or `site.NAME` where an agent serves");
    match text.parse::<Place>() {
        Ok(Place::Local) if !local => {
            let message = "a target lies in an account of AWS, or at a site";
            faults.push(fault("place", message, hint));
            None
        }
        Ok(place) => Some(place),
        Err(error) => {
            faults.push(fault("place", error.to_string(), hint));
            None
        }
    }
}

/// A site has processes, and serves itself; nothing else does either.
fn check_site(
    request: &SetTarget,
    place: &Place,
    served_by: Option<&Place>,
    faults: &mut Vec<Value>,
) {
    let process = request.kind == PROCESS;
    if SOURCES.contains(&request.kind.as_str()) {
        // wherever somebody runs processes
    } else if KINDS.contains(&request.kind.as_str()) && process != place.site().is_some() {
        let message = if process {
            format!("`{PROCESS}` is no sort of target at `{place}`: only sites have it")
        } else {
            format!("`{}` is no sort of target at a site", request.kind)
        };
        let hint = format!("sites have targets of the sort `{PROCESS}`");
        faults.push(fault("kind", message, Some(&hint)));
    }
    let far = served_by.filter(|server| {
        let sites = server.site().is_some() || place.site().is_some();
        sites && *server != place
    });
    if let Some(server) = far {
        let message = format!("`{server}` does not serve `{place}`: a site serves itself alone");
        faults.push(fault("served_by", message, None));
    }
}

/// The data place of its region in the account of the control plane; a laptop serves every target on AWS by itself, and
/// so does a site its own.
fn server_of(place: &Place, home: &Place) -> Place {
    match place {
        Place::Aws(place) => {
            let served = home.aws().and_then(|home| {
                AwsPlace::new(place.partition(), place.region(), home.account()).ok()
            });
            served.map_or(Place::Local, Place::Aws)
        }
        Place::Local | Place::Site(_) => place.clone(),
    }
}

/// A role of another partition or account than the target's would never reach it.
fn check_role(role: &Role, place: &AwsPlace, faults: &mut Vec<Value>) {
    let start = format!("arn:{}:iam::{}:role/", place.partition(), place.account());
    if role.arn.strip_prefix(&start).is_none_or(str::is_empty) {
        let message = format!("`{}` is no role in the target's account", short(&role.arn));
        let hint = format!("it begins with `{start}`");
        faults.push(fault("role.arn", message, Some(&hint)));
    }
    let id = role.external_id.as_deref();
    if id.is_some_and(|id| !(2..=1_224).contains(&id.len())) {
        let message = "an external id has 2 to 1224 characters";
        faults.push(fault("role.external_id", message, None));
    }
}

fn detail(stored: &StoredTarget) -> TargetDetail {
    let spec = &stored.spec;
    TargetDetail {
        name: spec.name.to_string(),
        revision: stored.revision,
        kind: spec.kind.clone(),
        place: spec.place.to_string(),
        served_by: spec.served_by.to_string(),
        role: spec.role.as_ref().map(|role| Role {
            arn: role.arn.clone(),
            external_id: role.external_id.clone(),
        }),
        settings: serde_json::from_str(&spec.settings).unwrap_or_default(),
        default_for: spec.default_for.clone(),
        changed_by: Who::from(&stored.actor),
        changed_at: stored.at,
    }
}
