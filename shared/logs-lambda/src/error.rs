//! Why a log could not be asked for.

use porpoise_ports::BoxError;
use porpoise_ports::logs::LetterError;

/// A reader was not named by an ARN, which says where it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no ARN of a function that reads logs: write `arn:aws:lambda:REGION:ACCOUNT:function:NAME`"
)]
pub struct NotAFunction(pub String);

/// A log was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody reads logs there.
    #[error("no function is known that reads logs at place `{0}`: give it one in the settings")]
    Place(String),
    /// Lambda did not invoke it.
    #[error("function `{function}` was not invoked")]
    NotInvoked {
        /// Its ARN.
        function: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// It was invoked, and failed.
    #[error("function `{function}` could not read the log: {said}")]
    Failed {
        /// Its ARN.
        function: String,
        /// In its own words.
        said: String,
    },
    /// It answered with something else.
    #[error("function `{function}` answered what is no log: {said}")]
    NoAnswer {
        /// Its ARN.
        function: String,
        /// What is wrong with it.
        said: String,
    },
    /// The same, written as answers are.
    #[error("function `{function}` answered what is no log")]
    Letter {
        /// Its ARN.
        function: String,
        /// What is wrong with it.
        #[source]
        source: LetterError,
    },
    /// No answer came in time.
    #[error("function `{0}` did not answer in time")]
    Late(String),
}
