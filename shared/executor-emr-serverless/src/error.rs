//! Which refusals are for good.

use aws_sdk_emrserverless::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use porpoise_ports::Unavailable;
use porpoise_ports::executor::LogError;

/// What calls of this service are called in errors.
const WHAT: &str = "EMR Serverless";

/// What a failed call means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request itself is at fault, or who makes it: the service's words.
    Refused(String),
    /// What it is about does not exist.
    Missing(String),
    /// The token was used before for something else.
    Conflict,
    /// A quota is used up.
    Full,
    /// Calls come too fast.
    Throttled(Unavailable),
    /// Nobody knows; it may have taken effect.
    Unknown(Unavailable),
}

/// Codes with which services say that calls come too fast.
const THROTTLED: &[&str] = &[
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
];

/// Codes that a repeat of the same call will meet again.
const REFUSED: &[&str] = &[
    "ValidationException",
    "AccessDeniedException",
    "SerializationException",
    "UnknownOperationException",
];

impl Failure {
    pub(crate) fn of<E, R>(error: SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let service = error.as_service_error();
        let code = service
            .and_then(ProvideErrorMetadata::code)
            .unwrap_or_default();
        let message = service.and_then(ProvideErrorMetadata::message);
        let said = message.unwrap_or("it says no more").to_owned();
        if REFUSED.contains(&code) {
            return Self::Refused(format!("{code}: {said}"));
        }
        match code {
            "ResourceNotFoundException" => Self::Missing(said),
            "ConflictException" => Self::Conflict,
            "ServiceQuotaExceededException" => Self::Full,
            code if THROTTLED.contains(&code) => Self::Throttled(unavailable(error)),
            _ => Self::Unknown(unavailable(error)),
        }
    }
}

fn unavailable<E, R>(error: SdkError<E, R>) -> Unavailable
where
    E: std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    Unavailable::new(WHAT, DisplayErrorContext(error).to_string())
}

/// A failure where a repeat is all that can be done.
impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled(error) | Failure::Unknown(error) => error,
            Failure::Refused(message) | Failure::Missing(message) => Self::new(WHAT, message),
            Failure::Conflict => Self::new(WHAT, "the client token was used for something else"),
            Failure::Full => Self::new(WHAT, "a quota of the account is used up"),
        }
    }
}

/// What a job or a target says that keeps it from being asked for.
pub(crate) fn unusable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(WHAT, error.to_string())
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.into())
    }
}
