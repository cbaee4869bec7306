//! Which refusals are for good.

use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use porpoise_ports::Unavailable;

/// What calls of this service are called in errors.
const WHAT: &str = "Step Functions";

/// What a failed call means.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request itself is at fault, or who makes it: the service's words.
    Refused(String),
    /// What it is about does not exist.
    Missing(String),
    /// An execution of this name is there.
    Exists,
    /// Too many executions run.
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
    "KmsThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "SlowDown",
];

/// Codes that a repeat of the same call will meet again.
const REFUSED: &[&str] = &[
    "AccessDeniedException",
    "InvalidArn",
    "InvalidExecutionInput",
    "InvalidName",
    "KmsAccessDeniedException",
    "KmsInvalidStateException",
    "SerializationException",
    "StateMachineDeleting",
    "StateMachineTypeNotSupported",
    "ValidationException",
];

/// Codes of what is not there.
const MISSING: &[&str] = &["StateMachineDoesNotExist", "ExecutionDoesNotExist"];

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
        let said = format!("{code}: {}", message.unwrap_or("it says no more"));
        match code {
            "ExecutionAlreadyExists" => Self::Exists,
            "ExecutionLimitExceeded" => Self::Full,
            code if MISSING.contains(&code) => Self::Missing(said),
            code if REFUSED.contains(&code) => Self::Refused(said),
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
            Failure::Exists => Self::new(WHAT, "an execution of this name is there"),
            Failure::Full => Self::new(WHAT, "it takes no more executions for now"),
        }
    }
}

/// What a job or a target says that keeps it from being asked for.
pub(crate) fn unusable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable::new(WHAT, error.to_string())
}
