//! Parameters of a project, which all of its workflows can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use porpoise_app::parameter_store::{ParameterError, Parameters};
use porpoise_definition::read_parameters;
use porpoise_model::ValueType;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::outcome::Who;
use super::project;
use crate::access::Caller;
use crate::extract::{Params, Raw, Segments};
use crate::problem::Problem;
use crate::time::short;
use crate::{Api, Code};

/// The parameters of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectParameters {
    /// Each, in the order of their names.
    pub(crate) items: Vec<ProjectParameter>,
}

/// A parameter of a project.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProjectParameter {
    /// Its name: `${project.NAME}` in definitions, `${NAME}` in those that came from DolphinScheduler 3.2 or later.
    pub(crate) name: String,
    /// `varchar`, `integer` …
    #[schema(value_type = String)]
    pub(crate) r#type: ValueType,
    /// As it is written: it may hold expressions, which a run resolves for its logical date.
    pub(crate) value: String,
    /// Who changed it last.
    pub(crate) changed_by: Who,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) changed_at: Timestamp,
}

/// How the body is to be taken.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChangeParams {
    /// What faults call the file.
    pub(crate) file: Option<String>,
}

/// Shows the parameters of a project.
#[utoipa::path(get, path = "/v1/projects/{project}/parameters", operation_id = "show_project_parameters",
    tag = "projects",
    params(("project" = String, Path)),
    responses((status = 200, body = ProjectParameters), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
) -> Result<Json<ProjectParameters>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    Ok(Json(shown(api.app.parameters(project).await?)))
}

/// Changes parameters of a project: a map of names to values (YAML or JSON), as `parameters` of a workflow; `null` takes
/// one away, and what is not named stays. All of it holds, or nothing. Runs that are created from then on see it. A
/// project that is not there is made.
#[utoipa::path(patch, path = "/v1/projects/{project}/parameters", operation_id = "change_project_parameters",
    tag = "projects",
    params(("project" = String, Path), ChangeParams),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 200, body = ProjectParameters), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 422, body = Problem)))]
pub(crate) async fn change(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments(project): Segments<String>,
    Params(params): Params<ChangeParams>,
    Raw(body): Raw,
) -> Result<Json<ProjectParameters>, Problem> {
    let (_, project) = crate::extract::project(&project)?;
    let file = params.file.as_deref().map_or("parameters".into(), short);
    let changes = if body.trim_ascii().is_empty() {
        BTreeMap::new()
    } else {
        let read = read_parameters(&file, &body);
        read.map_err(|faults| Problem::of_file("file of parameters", &faults))?
    };
    let changed = api.app.change_parameters(&project, &changes, &caller.actor);
    Ok(Json(shown(changed.await?)))
}

fn shown(parameters: Parameters) -> ProjectParameters {
    let items = parameters.into_iter();
    let items = items.map(|(name, stored)| ProjectParameter {
        name,
        r#type: stored.value.kind,
        value: stored.value.text,
        changed_by: Who::from(&stored.actor),
        changed_at: stored.at,
    });
    ProjectParameters {
        items: items.collect(),
    }
}

impl From<ParameterError> for Problem {
    fn from(error: ParameterError) -> Self {
        match error {
            ParameterError::TooLarge(_) => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, Code::Faults, error.to_string())
                    .hint("every run carries those that it names: keep long texts in the workflows")
            }
            ParameterError::Contended => {
                Self::new(StatusCode::CONFLICT, Code::Contended, error.to_string())
                    .hint("change them again")
            }
            ParameterError::Store(_) | ParameterError::Unreadable => Self::failed(&error),
        }
    }
}
