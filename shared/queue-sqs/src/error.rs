//! Why messages could not be sent.

use porpoise_model::Address;
use porpoise_ports::BoxError;

/// Something was not sent. What of it was is unknown.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It is larger than a message may be.
    #[error(
        "the input for `{group}` has {bytes} bytes, which no message of the queue can hold: keep it as a blob"
    )]
    TooLarge {
        /// Whose.
        group: Address,
        /// Its own, before it is encoded.
        bytes: usize,
    },
    /// The queue said no to a message, and would again.
    #[error("queue `{url}` refused a message for `{group}` ({code}): {message}")]
    Refused {
        /// Of the queue.
        url: String,
        /// Whose message.
        group: Address,
        /// The queue's word for it.
        code: String,
        /// What the queue says.
        message: String,
    },
    /// The queue did not take a message this time.
    #[error("queue `{url}` did not take a message for `{group}` ({code})")]
    NotTaken {
        /// Of the queue.
        url: String,
        /// Whose message.
        group: Address,
        /// The queue's word for it.
        code: String,
    },
    /// A call failed as a whole.
    #[error("cannot send to queue `{url}`")]
    Call {
        /// Of the queue.
        url: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// It was not said how many messages stand in a queue.
    #[error("cannot look at queue `{url}`")]
    Look {
        /// Of the queue.
        url: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// An answer without the numbers that were asked for.
    #[error("queue `{0}` does not say how many messages stand in it")]
    NoNumber(String),
    /// No answer came in time.
    #[error("queue `{0}` did not answer in time")]
    Late(String),
}
