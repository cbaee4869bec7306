//! Why a secret could not be read, in words that hold no part of an answer.

use std::error::Error;

use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;

/// A secret could not be read. The client's own error is not kept: it may hold the answer, and that the value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The service said no, or could not be asked.
    #[error("cannot read secret `{id}`: {why}")]
    Read {
        /// What Secrets Manager calls it.
        id: String,
        /// The service's words, or what happened on the way.
        why: String,
    },
    /// It is no text.
    #[error("secret `{0}` holds bytes, and only text can be handed to a job: store it as a string")]
    NoText(String),
    /// The answer says less than it has to.
    #[error("cannot read secret `{0}`: the answer names no version")]
    NoVersion(String),
    /// No answer came in time.
    #[error("cannot read secret `{0}`: no answer came in time")]
    Late(String),
}

impl SecretError {
    pub(crate) fn read(id: &str, error: &SdkError<GetSecretValueError>) -> Self {
        let why = match error {
            SdkError::ServiceError(context) => service(context.err()),
            SdkError::DispatchFailure(failure) => failure.as_connector_error().map_or_else(
                || "the service cannot be reached".to_owned(),
                |error| format!("the service cannot be reached: {}", chain(error)),
            ),
            SdkError::TimeoutError(_) => "no answer came in time".to_owned(),
            SdkError::ResponseError(_) => "the answer cannot be understood".to_owned(),
            // and whatever the client may add
            SdkError::ConstructionFailure(_) | _ => "the request cannot be made".to_owned(),
        };
        let id = id.to_owned();
        Self::Read { id, why }
    }
}

fn service(error: &GetSecretValueError) -> String {
    let code = error.code().unwrap_or("an unknown error");
    match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => code.to_owned(),
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
