//! The HTTP API behind API Gateway or a function URL: the same router as the local server's.

mod caller;

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use lambda_http::{Request, service_fn};
use porpoise_api::{Access, Api, Token};
use porpoise_functions::changes::Looking;
use porpoise_functions::config::{ConfigError, Reader};
use porpoise_functions::{home, run};
use tower::ServiceExt as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(router) = run::start(router) else {
        return ExitCode::FAILURE;
    };
    let router = &router;
    let service = service_fn(move |request: Request| router.clone().oneshot(taken(request)));
    run::ended(lambda_http::run(service).await)
}

/// What came through the gateway, with who it let in.
fn taken(mut request: Request) -> axum::http::Request<Body> {
    if let Some(principal) = caller::principal(&request) {
        request.extensions_mut().insert(principal);
    }
    request.map(|body| match body {
        lambda_http::Body::Empty => Body::empty(),
        lambda_http::Body::Text(text) => text.into(),
        lambda_http::Body::Binary(bytes) => bytes.into(),
        _ => Body::empty(),
    })
}

/// The gateway checks the host, and who may come in: no token opens this door.
fn router(env: Reader<'static>) -> Result<Router, ConfigError> {
    let origins = env.optional("PORPOISE_ORIGINS").unwrap_or_default();
    let app = home::reader(env)?;
    let table = Arc::clone(&app.ports().table);
    Ok(porpoise_api::router(Api {
        app,
        changes: Arc::new(Looking::new(table)),
        access: Access {
            principal: "anonymous".to_owned(),
            token: Token::none(),
            hosts: Vec::new(),
            origins: origins.split_whitespace().map(str::to_owned).collect(),
        },
    }))
}
