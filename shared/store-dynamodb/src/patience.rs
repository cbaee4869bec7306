//! How long a call may take.

use std::time::Duration;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

/// How often and for how long a call is tried. Between tries the SDK waits: a random part of 25 ms, doubled each time,
/// and of a second after a throttle.
///
/// A call ends, successful or not, within `call`: a function that has less time left when it starts a step sets less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries, the first included. One: never again.
    pub tries_max: u32,
    /// For a connection.
    pub connect: Duration,
    /// For one try, connection included.
    pub attempt: Duration,
    /// For all tries and what is waited in between.
    pub call: Duration,
}

impl Default for Patience {
    /// DynamoDB answers within 10 ms nearly always; a try that takes a second is lost. Five seconds leave a function
    /// that has 30 time for the rest of its messages.
    fn default() -> Self {
        Self {
            tries_max: 3,
            connect: Duration::from_millis(500),
            attempt: Duration::from_secs(1),
            call: Duration::from_secs(5),
        }
    }
}

impl Patience {
    pub(crate) fn apply(self, config: Builder) -> Builder {
        let retries = RetryConfig::standard().with_max_attempts(self.tries_max);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.call);
        config
            .retry_config(retries)
            .timeout_config(timeouts.build())
    }
}
