//! Parts of a request, read by axum, with problems for what cannot be read.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use porpoise_model::limits::DEFINITION_BYTES_MAX;
use porpoise_model::{CommandId, Name, ProjectId, RunId};
use serde::de::DeserializeOwned;

use crate::access::Caller;
use crate::problem::Problem;
use crate::time::{clipped, short};
use crate::{Api, Code};

/// Longest idempotency key.
const KEY_BYTES_MAX: usize = 255;

/// What is told of a fault in words that repeat what somebody sent.
const DETAIL_CHARS_MAX: usize = 300;

/// What stands between the slashes.
#[derive(Debug)]
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(error) => Err(Problem::bad_request("the address cannot be read")
                .detail(clipped(&error.body_text(), DETAIL_CHARS_MAX))),
        }
    }
}

/// What stands behind the question mark.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::bad_request("a query parameter cannot be read")
                .detail(clipped(&error.body_text(), DETAIL_CHARS_MAX))),
        }
    }
}

/// The body as bytes.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // Before anything of it is read.
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > DEFINITION_BYTES_MAX) {
            return Err(too_large());
        }
        let read = Bytes::from_request(request, state).await;
        read.map(Self).map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &BytesRejection) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Problem::bad_request("the body cannot be read")
        .detail(clipped(&error.body_text(), DETAIL_CHARS_MAX))
}

fn too_large() -> Problem {
    let megabytes = DEFINITION_BYTES_MAX / 1024 / 1024;
    let title = format!("the body is larger than {megabytes} MB");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, title)
        .hint("split the definition into several files")
}

/// The body as JSON; an empty one is an empty object.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let read = serde_json::from_slice(text).map_err(|error| {
            Problem::bad_request("the body is not what this route takes")
                .detail(clipped(&error.to_string(), DETAIL_CHARS_MAX))
        });
        read.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::failed(&std::io::Error::other("route without a guard")))
    }
}

/// The id of a command: of its `Idempotency-Key`, or a fresh one.
pub(crate) fn command_id(
    api: &Arc<Api>,
    headers: &HeaderMap,
    scope: &str,
) -> Result<(CommandId, bool), Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        let fresh = api.app.ports().ids.fresh();
        return Ok((CommandId::from_bytes(fresh.to_be_bytes()), false));
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(Problem::bad_request(format!(
            "`Idempotency-Key` must be 1 to {KEY_BYTES_MAX} visible characters"
        )));
    }
    Ok((CommandId::of_key(scope, key), true))
}

/// A project by its name.
pub(crate) fn project(name: &str) -> Result<(ProjectId, Name), Problem> {
    let name: Name = name
        .parse()
        .map_err(|error: porpoise_model::name::ParseNameError| {
            Problem::absent(
                Code::NoProject,
                format!("there is no project `{}`", short(name)),
            )
            .detail(error.to_string())
        })?;
    Ok((ProjectId::of_name(name.as_str()), name))
}

/// A run by its id.
pub(crate) fn run(id: &str) -> Result<RunId, Problem> {
    id.parse()
        .map_err(|_| Problem::absent(Code::NoRun, format!("there is no run `{}`", short(id))))
}
