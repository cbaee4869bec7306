//! Why a schedule could not be set.

use jiff::Timestamp;
use porpoise_model::Address;
use porpoise_ports::BoxError;

/// A schedule could not be set. Whether it stands is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Scheduler said no, or could not be asked.
    #[error("cannot set a schedule in group `{group}` that wakes `{aggregate}` at {at}")]
    Create {
        /// Where.
        group: String,
        /// Whom.
        aggregate: Address,
        /// When.
        at: Timestamp,
        /// What the client met.
        #[source]
        source: BoxError,
    },
    /// No answer came in time.
    #[error("cannot set a schedule that wakes `{aggregate}` at {at}: no answer came in time")]
    Late {
        /// Whom.
        aggregate: Address,
        /// When.
        at: Timestamp,
    },
}
