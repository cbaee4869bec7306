//! The HTTP API behind API Gateway or a function URL: the same router as the local server's.

mod caller;

use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, header};
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
    let service = service_fn(move |request: Request| {
        let answered = router.clone().oneshot(taken(request));
        async move { answered.await.map(given) }
    });
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

/// What goes to the gateway. A log is bytes, whatever its type says: as text it would come in JSON, with other bytes for
/// those that are no UTF-8 (a part of a log may begin within a character), and as large as its escapes make it, while
/// Lambda takes 6 MB. What has an encoding goes out as bytes.
fn given(mut response: Response<Body>) -> Response<Body> {
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    if headers.get(header::CONTENT_TYPE) == Some(&text) {
        let none = HeaderValue::from_static("identity");
        headers.insert(header::CONTENT_ENCODING, none);
    }
    response
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

#[cfg(test)]
mod tests {
    use lambda_http::IntoResponse as _;

    use super::*;

    async fn out(kind: &'static str, body: &'static [u8]) -> lambda_http::Body {
        let response = Response::builder().header(header::CONTENT_TYPE, kind);
        let response = response.body(Body::from(body)).unwrap();
        given(response).into_response().await.into_body()
    }

    #[tokio::test]
    async fn logs_leave_as_the_bytes_that_they_are_and_all_else_as_text() {
        let log = out("text/plain; charset=utf-8", b"\xacuro\n").await;
        assert!(matches!(log, lambda_http::Body::Binary(bytes) if bytes == b"\xacuro\n"));
        let problem = out("application/problem+json", b"{}").await;
        assert!(matches!(problem, lambda_http::Body::Text(text) if text == "{}"));
    }
}
