//! Projects.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use porpoise_model::{Name, ProjectId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::extract::Params;
use crate::page::{Page, PageParams};
use crate::problem::Problem;
use crate::{Api, Code};

/// A project: it exists from the first workflow on that is applied to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Project {
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: String,
}

/// Lists projects, by name.
#[utoipa::path(get, path = "/v1/projects", operation_id = "list_projects", tag = "projects", params(PageParams),
    responses((status = 200, body = Page<Project>), (status = 401, body = Problem)))]
pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    Params(page): Params<PageParams>,
) -> Result<Json<Page<Project>>, Problem> {
    let projects = api.app.projects().await?.into_iter();
    let projects = projects.map(|(id, name)| Project {
        name: name.to_string(),
        id: id.to_string(),
    });
    Ok(Json(page.of(projects.collect(), |project| &project.name)?))
}

/// The project of this name.
///
/// # Errors
/// There is none; with the name that was most likely meant.
pub(crate) async fn existing(api: &Api, name: &str) -> Result<(ProjectId, Name), Problem> {
    let (id, name) = crate::extract::project(name)?;
    let projects = api.app.projects().await?;
    if projects.iter().any(|(known, _)| *known == id) {
        return Ok((id, name));
    }
    let names = projects.iter().map(|(_, name)| name.as_str());
    Err(
        Problem::absent(Code::NoProject, format!("there is no project `{name}`"))
            .near(name.as_str(), names),
    )
}
