//! Being woken later.

use std::fmt::{self, Debug};
use std::str::FromStr;

use async_trait::async_trait;
use jiff::Timestamp;
use porpoise_model::Address;
use porpoise_model::address::ParseAddressError;

use crate::Unavailable;

/// Wakes aggregates, the poll loop and the sweep.
#[async_trait]
pub trait Timers: Debug + Send + Sync {
    /// Sends the aggregate its `Woken` input at `at` or later, at least once. Wakes may come twice, and one that was
    /// asked for and is no longer needed comes all the same: a wake only ever says "look again".
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable>;
}

/// A wake on its way, as adapters that send it somewhere write it: `project/kind/id@2026-11-21T12:00:00Z`.
///
/// What carries it may be early (a schedule that was set a minute ahead, a queue with a longest delay): whoever
/// receives a wake that is not [due](Self::is_due) asks for it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wake {
    /// Whom to wake.
    pub aggregate: Address,
    /// Not before this.
    pub at: Timestamp,
}

impl Wake {
    /// Whether its time has come.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.at <= now
    }
}

impl fmt::Display for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.aggregate, self.at)
    }
}

/// A text that is no wake.
#[derive(Debug, thiserror::Error)]
pub enum ParseWakeError {
    /// Not of the form `address@instant`.
    #[error("`{0}` is not a wake: `address@instant` is expected")]
    Form(String),
    /// Its address is none.
    #[error(transparent)]
    Address(#[from] ParseAddressError),
    /// Its instant is none.
    #[error("`{0}` is not the instant of a wake")]
    Instant(String, #[source] jiff::Error),
}

impl FromStr for Wake {
    type Err = ParseWakeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let short = |text: &str| text.chars().take(120).collect();
        let (aggregate, at) = text
            .split_once('@')
            .ok_or_else(|| ParseWakeError::Form(short(text)))?;
        Ok(Self {
            aggregate: aggregate.parse()?,
            at: at
                .parse()
                .map_err(|error| ParseWakeError::Instant(short(at), error))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use porpoise_model::{ProjectId, RunId};

    use super::*;

    #[test]
    fn wakes_read_back_what_they_print_and_are_due_from_their_instant_on() {
        let aggregate = Address::run(ProjectId::of_name("p"), RunId::from_bytes([3; 16]));
        let at: Timestamp = "2026-11-21T12:00:00.123456789Z".parse().unwrap();
        let wake = Wake { aggregate, at };
        let read: Wake = wake.to_string().parse().unwrap();
        assert_eq!(read, wake);
        let nanosecond = jiff::Span::new().nanoseconds(1);
        assert!(wake.is_due(at) && !wake.is_due(at - nanosecond));
    }

    #[test]
    fn what_is_no_wake_is_refused() {
        for text in ["", "run@2026-11-21T12:00:00Z", "no at sign"] {
            text.parse::<Wake>().unwrap_err();
        }
        let aggregate = Address::run(ProjectId::of_name("p"), RunId::from_bytes([3; 16]));
        let refused = format!("{aggregate}@noon").parse::<Wake>();
        assert!(matches!(refused, Err(ParseWakeError::Instant(..))));
    }
}
