//! Why a poll loop could not be started, or seen.

use porpoise_ports::BoxError;

/// A poll loop could not be started or seen. Whether it was started is unknown.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// Step Functions said no, or could not be asked.
    #[error("cannot {what} execution `{execution}` of state machine `{machine}`")]
    Call {
        /// `start`, `see`.
        what: &'static str,
        /// Its name.
        execution: String,
        /// Of which state machine.
        machine: String,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// No answer came in time.
    #[error(
        "cannot {what} execution `{execution}` of state machine `{machine}`: no answer came in time"
    )]
    Late {
        /// `start`, `see`.
        what: &'static str,
        /// Its name.
        execution: String,
        /// Of which state machine.
        machine: String,
    },
}

/// A text that is no ARN of a state machine.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is no ARN of a state machine (`arn:PARTITION:states:REGION:ACCOUNT:stateMachine:NAME`)"
)]
pub struct NoMachine(pub String);
