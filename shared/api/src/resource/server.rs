//! The server itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use porpoise_ports::table::{Consistency, Key};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::problem::Problem;

/// Whether the server works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`: requests are answered and the store can be read.
    pub(crate) status: &'static str,
}

/// What answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Server {
    /// `porpoise`.
    pub(crate) name: &'static str,
    /// The release.
    pub(crate) version: &'static str,
    /// Version of this API.
    pub(crate) api: &'static str,
}

/// Says whether the server works; reads the store once.
#[utoipa::path(get, path = "/v1/health", operation_id = "health", tag = "server", security(()),
    responses((status = 200, body = Health), (status = 503, body = Problem)))]
pub(crate) async fn health(State(api): State<Arc<Api>>) -> Result<Json<Health>, Problem> {
    let probe = Key::new("projects", "-");
    let read = api
        .app
        .ports()
        .table
        .get(&probe, Consistency::Eventual)
        .await;
    read.map_err(|error| Problem::failed(&error))?;
    Ok(Json(Health { status: "ok" }))
}

/// Says what answers.
#[utoipa::path(get, path = "/v1/version",
    operation_id = "version", tag = "server", security(()), responses((status = 200, body = Server)))]
pub(crate) async fn version() -> Json<Server> {
    Json(Server {
        name: "porpoise",
        version: env!("CARGO_PKG_VERSION"),
        api: "v1",
    })
}

/// The description of this API, as OpenAPI 3.1.
#[utoipa::path(get, path = "/v1/openapi.json", operation_id = "openapi", tag = "server", security(()),
    responses((status = 200, content_type = "application/json")))]
pub(crate) async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        crate::document(),
    )
}
