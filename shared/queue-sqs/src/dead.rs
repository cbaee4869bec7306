//! How many messages nobody could handle.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use porpoise_ports::Unavailable;
use porpoise_ports::usage::{Ledger, Line};

use crate::error::SendError;
use crate::queue::{Settings, within};

/// Messages in a queue, and those that somebody is just looking at.
const STANDING: [QueueAttributeName; 2] = [
    QueueAttributeName::ApproximateNumberOfMessages,
    QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
];

/// The queue of messages that could not be handled, as seen by who looks whether there are any.
///
/// A metric of SQS tells the same, and an alarm on it costs more in a month than to ask for it every ten minutes.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    settings: Settings,
    ledger: Ledger,
}

impl DeadLetters {
    /// Those of the queue of `settings`.
    pub fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            ledger: Ledger::default(),
        }
    }

    /// Counts what it uses in `ledger`, and no longer in one that nobody reads.
    #[must_use]
    pub fn with_ledger(mut self, ledger: Ledger) -> Self {
        self.ledger = ledger;
        self
    }

    /// What a look at the queue at this address is billed as.
    pub const fn look_costs(url: &str) -> (Line, u64) {
        let fifo = matches!(url.as_bytes(), [.., b'.', b'f', b'i', b'f', b'o']);
        let line = if fifo {
            Line::FifoRequests
        } else {
            Line::QueueRequests
        };
        (line, 1)
    }

    /// About how many there are: exact a minute after the last one came. Costs a request.
    ///
    /// # Errors
    /// The queue did not say.
    pub async fn count(&self) -> Result<usize, Unavailable> {
        let counted = within(&self.settings, self.look()).await;
        counted.map_err(|error| Unavailable::new("the queue of dead letters", error))
    }

    async fn look(&self) -> Result<usize, SendError> {
        let url = self.settings.url.as_str();
        let call = self.client.get_queue_attributes().queue_url(url);
        let call = call.set_attribute_names(Some(STANDING.into()));
        let answer = call.send().await.map_err(|error| SendError::Look {
            url: url.to_owned(),
            source: error.into(),
        })?;
        let (line, pieces) = Self::look_costs(url);
        self.ledger.count(line, pieces);
        let attributes = answer.attributes();
        let number = |name: &QueueAttributeName| {
            let text = attributes.and_then(|all| all.get(name));
            text.and_then(|text| text.parse::<usize>().ok())
                .ok_or_else(|| SendError::NoNumber(url.to_owned()))
        };
        STANDING.iter().map(number).sum()
    }
}
