//! Why a notice could not be handed over.

use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sns::operation::publish::PublishError as SdkPublishError;
use porpoise_ports::BoxError;

/// A notice was not published, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// SNS said no, and would again; or the notice cannot be said to it.
    #[error("topic `{topic}` may not or cannot be published to")]
    Refused {
        /// Its ARN.
        topic: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// SNS did not take the notice this time.
    #[error("topic `{topic}` did not take a notice")]
    NotTaken {
        /// Its ARN.
        topic: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// No answer came in time.
    #[error("topic `{0}` did not answer in time")]
    Late(String),
}

impl PublishError {
    /// What became of a publication.
    pub(crate) fn of(topic: &str, error: SdkError<SdkPublishError>) -> Self {
        let topic = topic.to_owned();
        let passing = may_be_taken_later(&error);
        let source = error.into();
        if passing {
            Self::NotTaken { topic, source }
        } else {
            Self::Refused { topic, source }
        }
    }
}

/// Whether another try may go better: nobody answered, SNS is ill, or too much was asked of it, which it says by a code
/// that the client does not take for a throttle.
///
/// Source: SNS API reference, `Publish`, errors (`Throttled`, `KMSThrottling`: status 400 or 429).
fn may_be_taken_later(error: &SdkError<SdkPublishError>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            true
        }
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let passing = [
                "Throttled",
                "KMSThrottling",
                // a clock that is wrong, which the client corrects by what the answer says
                "InvalidSignature",
                "SignatureDoesNotMatch",
            ];
            let code = refused.err().code();
            status == 429 || status >= 500 || code.is_some_and(|code| passing.contains(&code))
        }
        // and whatever the client may add
        SdkError::ConstructionFailure(_) | _ => false,
    }
}
