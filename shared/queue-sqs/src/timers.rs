//! Wakes of up to a quarter of an hour: messages with a delay.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use jiff::Timestamp;
use porpoise_model::Address;
use porpoise_ports::timers::Wake;
use porpoise_ports::usage::Ledger;
use porpoise_ports::{Clock, Timers, Unavailable};

use crate::error::SendError;
use crate::outline::WAKE;
use crate::queue::{Settings, within};

/// The longest delay of a message. Source: SQS API reference, `SendMessage`.
pub const DELAY_MAX: Duration = Duration::from_mins(15);

/// Wakes through a standard queue.
///
/// A wake that is further away than [`DELAY_MAX`] arrives after that time, and whoever receives it asks for it again.
#[derive(Debug, Clone)]
pub struct SqsTimers {
    client: Client,
    settings: Settings,
    clock: Arc<dyn Clock>,
    ledger: Ledger,
}

impl SqsTimers {
    /// Timers on the queue of `settings`, which is no FIFO queue.
    pub fn new(client: Client, settings: Settings, clock: Arc<dyn Clock>) -> Self {
        Self {
            client,
            settings,
            clock,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    async fn send(&self, wake: Wake) -> Result<(), SendError> {
        let sent = self
            .client
            .send_message()
            .queue_url(&self.settings.url)
            .message_body(wake.to_string())
            .delay_seconds(delay_seconds(wake.at, self.clock.now()))
            .send()
            .await;
        sent.map_err(|error| SendError::Call {
            url: self.settings.url.clone(),
            source: error.into(),
        })?;
        let (line, pieces) = WAKE;
        self.ledger.count(line, pieces);
        Ok(())
    }
}

/// Whole seconds, rather one more than one less: a message must not come before its time.
fn delay_seconds(at: Timestamp, now: Timestamp) -> i32 {
    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let wait = wait.min(DELAY_MAX);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or_default()
}

#[async_trait]
impl Timers for SqsTimers {
    async fn wake(&self, aggregate: Address, at: Timestamp) -> Result<(), Unavailable> {
        let sent = within(&self.settings, self.send(Wake { aggregate, at })).await;
        sent.map_err(|error| Unavailable::new("the timer queue", error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_whole_seconds_and_never_too_short() {
        let now: Timestamp = "2026-11-21T12:00:00.5Z".parse().unwrap();
        let delay = |at: &str| delay_seconds(at.parse().unwrap(), now);
        assert_eq!(delay("2026-11-21T12:00:00.5Z"), 0);
        assert_eq!(delay("2026-11-21T12:00:00.500000001Z"), 1);
        assert_eq!(delay("2026-11-21T12:00:01.5Z"), 1);
        assert_eq!(delay("2026-11-21T12:00:02Z"), 2);
        assert_eq!(delay("2026-11-21T12:15:00.4Z"), 900);
        assert_eq!(delay("2027-11-21T12:00:00Z"), 900);
        assert_eq!(delay("1970-01-01T00:00:00Z"), 0);
        assert_eq!(delay_seconds(Timestamp::MAX, Timestamp::MIN), 900);
        assert_eq!(delay_seconds(Timestamp::MIN, Timestamp::MAX), 0);
    }
}
