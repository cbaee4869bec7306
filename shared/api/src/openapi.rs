//! The description of the API, made from the handlers themselves. `docs/openapi.json` is its copy.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::problem::Problem;
use crate::resource::{
    backfill, backfill_start, calendar, command, edit, fact, log, parameter, place, pool, project,
    project_parameter, residency, run, run_list, schedule, server, start, target, task, usage,
    workflow,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Porpoise", description = "API of Porpoise, version 1. Errors are problems (RFC 9457) with a stable code."),
    paths(
        server::health, server::version, server::openapi, project::list,
        residency::show, residency::set,
        workflow::list, workflow::apply, workflow::show, workflow::versions, workflow::version,
        schedule::list, schedule::show, schedule::switch, schedule::outcome,
        start::start, run_list::list, run::show, task::list, task::show,
        parameter::list, usage::show, fact::list, fact::events,
        command::give, command::outcome, command::rerun_preview, edit::definition, edit::edit, log::read,
        backfill_start::start, backfill_start::preview, backfill::list, backfill::show, backfill::dates,
        backfill::give, backfill::outcome,
        project_parameter::show, project_parameter::change,
        calendar::list, calendar::show, calendar::put, calendar::delete,
        pool::list, pool::show, pool::resize, pool::give, pool::outcome,
        target::list, target::show, target::set, target::test,
        place::take, place::report,
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&Token, &Problems),
)]
struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// Every answer that is no success is a problem, also where a handler names none.
struct Problems;

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for path in document.paths.paths.values_mut() {
            let operations = [
                &mut path.get,
                &mut path.post,
                &mut path.put,
                &mut path.delete,
            ];
            operations.into_iter().flatten().for_each(describe_problems);
        }
    }
}

fn describe_problems(operation: &mut Operation) {
    let problem = |description: &str| -> RefOr<Response> {
        let schema = Ref::from_schema_name("Problem");
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(description);
        response
            .content("application/problem+json", content)
            .build()
            .into()
    };
    let responses = &mut operation.responses.responses;
    for (status, response) in &mut *responses {
        if status.starts_with(['4', '5']) {
            let known = StatusCode::from_bytes(status.as_bytes()).ok();
            let reason = known.and_then(|status| status.canonical_reason());
            *response = problem(reason.unwrap_or_default());
        }
    }
    responses.insert("default".to_owned(), problem("What went wrong."));
}

/// The OpenAPI document, as indented JSON with a line break at its end.
pub fn document() -> String {
    let document = Document::openapi();
    let text = document.to_pretty_json().unwrap_or_default();
    text + "\n"
}
