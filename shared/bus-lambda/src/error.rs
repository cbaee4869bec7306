//! Why intents could not be handed over.

use aws_sdk_lambda::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_lambda::operation::invoke::InvokeError;
use porpoise_ports::BoxError;
use porpoise_ports::intents::TooLarge;

/// A dispatcher was not named by an ARN, which says where it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "the dispatcher of place `{place}` is given as `{function}`, which is no ARN of a function: write `arn:aws:lambda:REGION:ACCOUNT:function:NAME`"
)]
pub struct NoRegion {
    /// Whose dispatcher.
    pub place: String,
    /// What was given.
    pub function: String,
}

/// Something was not handed over. What of it was is unknown.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No dispatcher is known there.
    #[error("no dispatcher is known for place `{0}`: give it one in the settings")]
    Place(String),
    /// One intent is larger than an invocation may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Lambda said no to an invocation, and would again.
    #[error("function `{function}` may not or cannot be invoked")]
    Refused {
        /// Its ARN.
        function: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// Lambda did not take an invocation this time.
    #[error("function `{function}` did not take an invocation")]
    NotTaken {
        /// Its ARN.
        function: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// No answer came in time.
    #[error("function `{0}` did not take an invocation in time")]
    Late(String),
}

impl SendError {
    /// What became of an invocation.
    pub(crate) fn of(function: &str, error: SdkError<InvokeError>) -> Self {
        let function = function.to_owned();
        let passing = may_be_taken_later(&error);
        let source = error.into();
        if passing {
            Self::NotTaken { function, source }
        } else {
            Self::Refused { function, source }
        }
    }
}

/// Whether another try may go better: nobody answered, Lambda is busy or ill, or too much was asked of it.
///
/// Source: Lambda API reference, `Invoke`, errors.
fn may_be_taken_later(error: &SdkError<InvokeError>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let passing = [
                // a function that is just being changed, or made
                "ResourceConflictException",
                "ResourceNotReadyException",
                // a clock that is wrong, which the client corrects by what the answer says
                "InvalidSignatureException",
            ];
            let code = refused.err().code();
            status == 429 || status >= 500 || code.is_some_and(|code| passing.contains(&code))
        }
        // and whatever the client may add
        SdkError::ConstructionFailure(_) | _ => false,
    }
}
