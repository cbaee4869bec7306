//! Requests that are passed on as they came.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};

/// Longer than any function may take.
const PATIENCE: Duration = Duration::from_secs(130);

/// A request, whole.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// Passes requests on.
#[derive(Debug, Clone)]
pub(crate) struct Passer(ureq::Agent);

impl Default for Passer {
    fn default() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .allow_non_standard_methods(true);
        Self(ureq::Agent::new_with_config(config.build()))
    }
}

impl Passer {
    /// Sends it to `base`, an address without a slash at the end; every header stays as it is, since most are signed.
    pub(crate) async fn pass(&self, base: &str, passed: Passed) -> Response<Body> {
        let agent = self.0.clone();
        let url = format!("{base}{}", passed.path);
        let sent = tokio::task::spawn_blocking(move || send(&agent, &url, passed)).await;
        match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => failed(&error),
            Err(error) => failed(&error.into()),
        }
    }
}

fn failed(error: &anyhow::Error) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{error:#}")));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

fn send(agent: &ureq::Agent, url: &str, passed: Passed) -> anyhow::Result<Response<Body>> {
    let mut request = Request::builder().method(passed.method).uri(url);
    for (name, value) in &passed.headers {
        // how long it is says the body
        if name != header::CONTENT_LENGTH && name != header::CONNECTION {
            request = request.header(name, value);
        }
    }
    let answer = agent.run(request.body(passed.body)?)?;
    let (mut parts, mut body) = answer.into_parts();
    let bytes = body.with_config().limit(64 << 20).read_to_vec()?;
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONNECTION);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
