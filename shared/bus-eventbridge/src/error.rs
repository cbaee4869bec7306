//! Why intents could not be sent.

use porpoise_ports::BoxError;
use porpoise_ports::intents::TooLarge;

/// A bus was not named by an ARN, which says where it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "the bus of place `{place}` is given as `{bus}`, which is no ARN of an event bus: write `arn:aws:events:REGION:ACCOUNT:event-bus/NAME`"
)]
pub struct NoRegion {
    /// Whose bus.
    pub place: String,
    /// What was given.
    pub bus: String,
}

/// Something was not sent. What of it was is unknown.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No bus leads there.
    #[error("no bus is known for place `{0}`: give it one in the settings")]
    Place(String),
    /// One intent is larger than an event may be.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The bus said no to an event, and would again.
    #[error("bus `{bus}` refused an event ({code}): {message}")]
    Refused {
        /// Its name.
        bus: String,
        /// The service's word for it.
        code: String,
        /// What the service says.
        message: String,
    },
    /// The bus did not take an event this time.
    #[error("bus `{bus}` did not take an event ({code})")]
    NotTaken {
        /// Its name.
        bus: String,
        /// The service's word for it.
        code: String,
    },
    /// A call failed as a whole.
    #[error("cannot send to bus `{bus}`")]
    Call {
        /// Its name.
        bus: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// No answer came in time.
    #[error("bus `{0}` did not answer in time")]
    Late(String),
}
