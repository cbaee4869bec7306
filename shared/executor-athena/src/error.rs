//! Which refusals are for good.

use aws_sdk_athena::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use porpoise_ports::Unavailable;

/// What calls of this service are called in errors.
const WHAT: &str = "Athena";

/// What a failed call means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request itself is at fault, or who makes it: the service's words.
    Refused(String),
    /// Too many queries run.
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
    "RequestLimitExceeded",
    "SlowDown",
];

/// Codes that a repeat of the same call will meet again.
const REFUSED: &[&str] = &[
    "InvalidRequestException",
    "ValidationException",
    "AccessDeniedException",
    "ResourceNotFoundException",
    "SerializationException",
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
        let said = service
            .and_then(ProvideErrorMetadata::message)
            .unwrap_or("it says no more");
        if REFUSED.contains(&code) {
            return Self::Refused(format!("{code}: {said}"));
        }
        // by its reason it is a limit of queries that run, else one of calls; both pass
        if code == "TooManyRequestsException" {
            return Self::Full;
        }
        let throttled = THROTTLED.contains(&code);
        let error = Unavailable::new(WHAT, DisplayErrorContext(error).to_string());
        if throttled {
            Self::Throttled(error)
        } else {
            Self::Unknown(error)
        }
    }
}

/// A failure where a repeat is all that can be done.
impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Throttled(error) | Failure::Unknown(error) => error,
            Failure::Refused(message) => Self::new(WHAT, message),
            Failure::Full => Self::new(WHAT, "it takes no more queries for now"),
        }
    }
}

/// What a job or a target says that keeps it from being asked for.
pub(crate) fn unusable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(WHAT, error.to_string())
}
