//! The one table of routes: method, address, and the action and resource that each needs.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use porpoise_model::limits::DEFINITION_BYTES_MAX;

use crate::access::{self, Action, Needs, Resource};
use crate::problem::Problem;
use crate::resource::{
    backfill, backfill_start, calendar, command, edit, fact, log, parameter, place, pool, project,
    project_parameter, residency, run, run_list, schedule, server, start, target, task, usage,
    workflow,
};
use crate::{Api, Code};

/// A route.
struct Route {
    method: Method,
    path: &'static str,
    action: Action,
    resource: Resource,
    handler: MethodRouter<Arc<Api>>,
}

/// What the table says of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `GET`, `POST`, `PUT`, `PATCH`, `DELETE`.
    pub method: Method,
    /// With names of segments in braces.
    pub path: &'static str,
    /// What it does.
    pub action: Action,
    /// To what.
    pub resource: Resource,
}

macro_rules! table {
    ($($method:ident $path:literal $action:ident $resource:ident => $handler:path;)+) => {
        vec![$(Route {
            method: Method::$method,
            path: $path,
            action: Action::$action,
            resource: Resource::$resource,
            handler: table!(@ $method $handler),
        }),+]
    };
    (@ GET $handler:path) => { get($handler) };
    (@ POST $handler:path) => { post($handler) };
    (@ PUT $handler:path) => { put($handler) };
    (@ PATCH $handler:path) => { patch($handler) };
    (@ DELETE $handler:path) => { delete($handler) };
}

#[rustfmt::skip]
fn table() -> Vec<Route> {
    table! {
        GET  "/v1/health"       Greet Server => server::health;
        GET  "/v1/version"      Greet Server => server::version;
        GET  "/v1/openapi.json" Greet Server => server::openapi;

        GET  "/v1/projects"                     Read  Project => project::list;
        GET  "/v1/projects/{project}/residency" Read  Project => residency::show;
        PUT  "/v1/projects/{project}/residency" Write Project => residency::set;

        GET   "/v1/projects/{project}/parameters" Read  Project => project_parameter::show;
        PATCH "/v1/projects/{project}/parameters" Write Project => project_parameter::change;

        GET  "/v1/projects/{project}/workflows"                               Read  Workflow => workflow::list;
        POST "/v1/projects/{project}/workflows"                               Write Workflow => workflow::apply;
        GET  "/v1/projects/{project}/workflows/{workflow}"                    Read  Workflow => workflow::show;
        GET  "/v1/projects/{project}/workflows/{workflow}/versions"           Read  Workflow => workflow::versions;
        GET  "/v1/projects/{project}/workflows/{workflow}/versions/{version}" Read  Workflow => workflow::version;

        GET  "/v1/projects/{project}/schedules"                                        Read  Schedule => schedule::list;
        GET  "/v1/projects/{project}/workflows/{workflow}/schedule"                    Read  Schedule => schedule::show;
        POST "/v1/projects/{project}/workflows/{workflow}/schedule"                    Write Schedule => schedule::switch;
        GET  "/v1/projects/{project}/workflows/{workflow}/schedule/commands/{command}" Read  Schedule => schedule::outcome;

        POST "/v1/projects/{project}/workflows/{workflow}/runs"                  Operate Run => start::start;
        GET  "/v1/projects/{project}/runs"                                       Read    Run => run_list::list;
        GET  "/v1/projects/{project}/runs/{run}"                                 Read    Run => run::show;
        GET  "/v1/projects/{project}/runs/{run}/tasks"                           Read    Run => task::list;
        GET  "/v1/projects/{project}/runs/{run}/tasks/{task}"                    Read    Run => task::show;
        GET  "/v1/projects/{project}/runs/{run}/tasks/{task}/parameters"         Read    Run => parameter::list;
        GET  "/v1/projects/{project}/runs/{run}/usage"                           Read    Run => usage::show;
        GET  "/v1/projects/{project}/runs/{run}/facts"                           Read    Run => fact::list;
        GET  "/v1/projects/{project}/runs/{run}/events"                          Read    Run => fact::events;
        POST "/v1/projects/{project}/runs/{run}/commands"                        Operate Run => command::give;
        GET  "/v1/projects/{project}/runs/{run}/commands/{command}"              Read    Run => command::outcome;
        POST "/v1/projects/{project}/runs/{run}/rerun-preview"                   Read    Run => command::rerun_preview;
        GET  "/v1/projects/{project}/runs/{run}/definition"                      Read    Run => edit::definition;
        POST "/v1/projects/{project}/runs/{run}/edit"                            Operate Run => edit::edit;
        GET  "/v1/projects/{project}/runs/{run}/tasks/{task}/attempts/{attempt}/log" Read Log => log::read;

        POST "/v1/projects/{project}/workflows/{workflow}/backfills"            Operate Backfill => backfill_start::start;
        POST "/v1/projects/{project}/workflows/{workflow}/backfill-preview"     Read    Backfill => backfill_start::preview;
        GET  "/v1/projects/{project}/backfills"                                 Read    Backfill => backfill::list;
        GET  "/v1/projects/{project}/backfills/{backfill}"                      Read    Backfill => backfill::show;
        GET  "/v1/projects/{project}/backfills/{backfill}/dates"                Read    Backfill => backfill::dates;
        POST "/v1/projects/{project}/backfills/{backfill}/commands"             Operate Backfill => backfill::give;
        GET  "/v1/projects/{project}/backfills/{backfill}/commands/{command}"   Read    Backfill => backfill::outcome;

        GET    "/v1/projects/{project}/calendars"            Read  Calendar => calendar::list;
        GET    "/v1/projects/{project}/calendars/{calendar}" Read  Calendar => calendar::show;
        PUT    "/v1/projects/{project}/calendars/{calendar}" Write Calendar => calendar::put;
        DELETE "/v1/projects/{project}/calendars/{calendar}" Write Calendar => calendar::delete;

        GET  "/v1/projects/{project}/pools"                           Read  Pool => pool::list;
        GET  "/v1/projects/{project}/pools/{pool}"                    Read  Pool => pool::show;
        PUT  "/v1/projects/{project}/pools/{pool}"                    Write Pool => pool::resize;
        POST "/v1/projects/{project}/pools/{pool}/commands"           Operate Pool => pool::give;
        GET  "/v1/projects/{project}/pools/{pool}/commands/{command}" Read  Pool => pool::outcome;

        GET  "/v1/projects/{project}/targets"          Read  Target => target::list;
        GET  "/v1/projects/{project}/targets/{target}" Read  Target => target::show;
        PUT  "/v1/projects/{project}/targets/{target}" Write Target => target::set;
        POST "/v1/projects/{project}/targets/{target}/test" Operate Target => target::test;

        POST "/v1/places/{place}/take"    Serve Place => place::take;
        POST "/v1/places/{place}/reports" Serve Place => place::report;
    }
}

/// All routes, with what each needs.
pub fn listed() -> Vec<Listed> {
    let listed = table().into_iter().map(|route| Listed {
        method: route.method,
        path: route.path,
        action: route.action,
        resource: route.resource,
    });
    listed.collect()
}

/// The API.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let mut router = Router::new();
    for route in table() {
        let needs = Needs {
            api: Arc::clone(&api),
            action: route.action,
            resource: route.resource,
        };
        let guard = middleware::from_fn_with_state(needs, access::guard);
        router = router.route(route.path, route.handler.route_layer(guard));
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(DEFINITION_BYTES_MAX))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&api),
            access::receive,
        ))
        .with_state(api)
}

async fn no_route() -> Problem {
    Problem::absent(Code::NoRoute, "there is nothing at this address")
        .hint("/v1/openapi.json describes every address")
}

async fn no_method(method: Method) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::NoRoute,
        format!("this address has no method {method}"),
    )
    .hint("/v1/openapi.json describes every address")
}
