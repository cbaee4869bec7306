//! The description of the API, made from the handlers themselves. `docs/openapi.json` is its copy.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::problem::Problem;
use crate::resource::{
    command, fact, log, pool, project, run, run_list, schedule, server, start, task, workflow,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Porpoise", description = "API of Porpoise, version 1. Errors are problems (RFC 9457) with a stable code."),
    paths(
        server::health, server::version, server::openapi, project::list,
        workflow::list, workflow::apply, workflow::show, workflow::versions, workflow::version,
        schedule::list, schedule::show, schedule::switch, schedule::outcome,
        start::start, run_list::list, run::show, task::list, task::show, fact::list, fact::events,
        command::give, command::outcome, command::rerun_preview, log::read,
        pool::list, pool::show, pool::resize, pool::outcome,
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&Token),
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

/// The OpenAPI document, as indented JSON with a line break at its end.
pub fn document() -> String {
    let document = Document::openapi();
    let text = document.to_pretty_json().unwrap_or_default();
    text + "\n"
}
