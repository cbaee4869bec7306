//! What is answered: a value, or an error in the form of its protocol.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Map, Value, json};

/// A refusal, as the services make it.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Box<Said>);

#[derive(Debug, Clone)]
struct Said {
    status: u16,
    code: String,
    message: String,
    more: Map<String, Value>,
}

/// How a service writes things down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// EMR Serverless.
    RestJson,
    /// Athena: JSON 1.1.
    Json11,
}

impl Fault {
    pub(crate) fn of(status: u16, code: &str) -> Self {
        Self(Box::new(Said {
            status,
            code: code.to_owned(),
            message: String::new(),
            more: Map::new(),
        }))
    }

    pub(crate) fn saying(mut self, message: &str) -> Self {
        message.clone_into(&mut self.0.message);
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    /// A request of EMR Serverless that says what can't be.
    pub(crate) fn validation(message: &str) -> Self {
        Self::of(400, "ValidationException").saying(message)
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::of(404, "ResourceNotFoundException").saying(message)
    }

    pub(crate) fn conflict(message: &str) -> Self {
        Self::of(409, "ConflictException").saying(message)
    }

    /// A request of Athena that says what can't be.
    pub(crate) fn invalid(code: &str, message: &str) -> Self {
        Self::of(400, "InvalidRequestException")
            .saying(message)
            .with("AthenaErrorCode", code)
    }

    pub(crate) fn throttled() -> Self {
        Self::of(400, "ThrottlingException").saying("Rate exceeded")
    }

    /// The fake contradicts itself.
    pub(crate) fn bug(message: &str) -> Self {
        Self::of(500, "InternalFailure").saying(message)
    }
}

pub(crate) fn success(protocol: Protocol, value: &Value) -> Response<Body> {
    respond(protocol, 200, None, value)
}

pub(crate) fn failure(protocol: Protocol, fault: &Fault) -> Response<Body> {
    let mut body = Map::new();
    match protocol {
        Protocol::RestJson => body.insert("message".to_owned(), json!(fault.0.message)),
        Protocol::Json11 => {
            body.insert("__type".to_owned(), json!(fault.0.code));
            body.insert("Message".to_owned(), json!(fault.0.message))
        }
    };
    body.extend(fault.0.more.clone());
    let code = Some(fault.0.code.as_str());
    respond(protocol, fault.0.status, code, &Value::Object(body))
}

fn respond(protocol: Protocol, status: u16, error: Option<&str>, value: &Value) -> Response<Body> {
    let form = match protocol {
        Protocol::RestJson => "application/json",
        Protocol::Json11 => "application/x-amz-json-1.1",
    };
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", axum::http::HeaderValue::from_static(form));
    if protocol == Protocol::RestJson
        && let Some(code) = error.and_then(|code| code.parse().ok())
    {
        headers.insert("x-amzn-errortype", code);
    }
    response
}
