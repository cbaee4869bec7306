//! Starting a function: configuration, then one event after the other until Lambda ends it.

use std::fmt::Debug;
use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::{ConfigError, Reader};
use crate::log;

/// Starts the log and makes what the function works with. `None`: it was said what is wrong, and Lambda tries again
/// with a new environment.
pub fn start<T>(make: impl FnOnce(Reader<'static>) -> Result<T, ConfigError>) -> Option<T> {
    log::start();
    match make(Reader::of_process()) {
        Ok(made) => Some(made),
        Err(error) => {
            for fault in error.0 {
                tracing::error!(error = fault, "function is not configured");
            }
            None
        }
    }
}

/// Takes events until Lambda ends the environment.
///
/// An event that `handle` fails at is reported to Lambda as failed, with what the error says.
pub async fn events<E, R, Fut>(handle: impl Fn(E) -> Fut) -> ExitCode
where
    E: DeserializeOwned,
    R: Serialize,
    Fut: Future<Output = anyhow::Result<R>>,
{
    let handle = &handle;
    named_events(|event| async move { Ok(handle(event).await?) }).await
}

/// The same, for callers that look at the name of what went wrong.
pub async fn named_events<E, R, Fut>(handle: impl Fn(E) -> Fut) -> ExitCode
where
    E: DeserializeOwned,
    R: Serialize,
    Fut: Future<Output = Result<R, Failure>>,
{
    let handle = &handle;
    let service = service_fn(move |event: LambdaEvent<E>| async move {
        let handled = handle(event.payload).await;
        handled.map_err(Failure::reported)
    });
    ended(lambda_runtime::run(service).await)
}

/// Why an event was not handled, in the words that Lambda passes on.
#[derive(Debug)]
pub struct Failure {
    name: &'static str,
    message: String,
    /// It belongs to how things go.
    expected: bool,
}

impl Failure {
    /// One that its caller waits for.
    pub fn named(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            message: message.into(),
            expected: true,
        }
    }

    fn reported(self) -> Diagnostic {
        if !self.expected {
            tracing::error!(error = self.message, "event failed");
        }
        Diagnostic {
            error_type: self.name.to_owned(),
            error_message: self.message,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self {
            name: "Failed",
            message: format!("{error:#}"),
            expected: false,
        }
    }
}

/// How a function ends that Lambda does not end.
pub fn ended(result: Result<(), impl Debug>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(?error, "function ends");
            ExitCode::FAILURE
        }
    }
}
