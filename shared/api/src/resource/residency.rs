//! Where the data of a project may be.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use porpoise_app::residency::{Residency, ResidencyError};
use porpoise_model::Place;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::outcome::Who;
use super::project;
use crate::Api;
use crate::access::Caller;
use crate::extract::{Body, Segments};
use crate::problem::{Problem, fault};

/// Where the data of a project may be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResidencyDetail {
    /// The places, as `local`, `partition.region.account` or `site.NAME`; none: anywhere.
    pub(crate) places: Vec<String>,
    /// Counts its changes; 0: nobody ever said anything.
    pub(crate) revision: u64,
    /// Who changed it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed_by: Option<Who>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) changed_at: Option<Timestamp>,
}

/// Where the data of a project may be from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetResidency {
    /// The places; none: anywhere.
    pub(crate) places: BTreeSet<String>,
}

/// Shows where the data of a project may be.
#[utoipa::path(get, path = "/v1/projects/{project}/residency", operation_id = "show_residency", tag = "projects",
    params(("project" = String, Path)),
    responses((status = 200, body = ResidencyDetail), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    Segments(project): Segments<String>,
) -> Result<Json<ResidencyDetail>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let residency = api.app.residency(project).await;
    let residency = residency.map_err(|error| Problem::failed(&error))?;
    Ok(Json(detail(residency.as_ref())))
}

/// Says where the data of a project may be, for runs that are created from then on.
#[utoipa::path(put, path = "/v1/projects/{project}/residency", operation_id = "set_residency", tag = "projects",
    params(("project" = String, Path)), request_body = SetResidency,
    responses((status = 200, body = ResidencyDetail), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(crate) async fn set(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Segments(project): Segments<String>,
    Body(request): Body<SetResidency>,
) -> Result<Json<ResidencyDetail>, Problem> {
    let (project, _) = project::existing(&api, &project).await?;
    let (mut places, mut faults) = (BTreeSet::new(), Vec::new());
    for text in &request.places {
        match text.parse::<Place>() {
            Ok(place) => _ = places.insert(place),
            Err(error) => {
                let hint = Some("`local`, `site.NAME`, or as in `aws.eu-central-1.111122223333`");
                faults.push(fault("places", error.to_string(), hint));
            }
        }
    }
    if !faults.is_empty() {
        return Err(
            Problem::bad_request("the residency has faults; nothing of it was stored")
                .listing(faults),
        );
    }
    let set = api.app.set_residency(project, places, &caller.actor).await;
    let residency = set.map_err(|error| match error {
        ResidencyError::Targets(_) => {
            Problem::refused(error.to_string()).hint("add their places, or move the targets first")
        }
        ResidencyError::Contended => Problem::refused(error.to_string()).hint("set it again"),
        ResidencyError::Store(_) | ResidencyError::Unreadable(_) => Problem::failed(&error),
    })?;
    Ok(Json(detail(Some(&residency))))
}

fn detail(residency: Option<&Residency>) -> ResidencyDetail {
    let places = residency.into_iter().flat_map(|known| &known.places);
    ResidencyDetail {
        places: places.map(ToString::to_string).collect(),
        revision: residency.map_or(0, |known| known.revision),
        changed_by: residency.map(|known| Who::from(&known.actor)),
        changed_at: residency.map(|known| known.at),
    }
}
