//! Sending to the queue of inputs.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use futures_util::future::join_all;
use porpoise_ports::backoff::backoff;
use porpoise_ports::queue::Message;
use porpoise_ports::usage::{self, Ledger, chunks};
use porpoise_ports::{Queue, Unavailable};

use crate::error::SendError;
use crate::pack::{Line, MESSAGE_BYTES_MAX, Pack, lines};

/// Messages of one call. Source: SQS API reference, `SendMessageBatch`.
const CALL_MESSAGES_MAX: usize = 10;
/// Calls that are under way at the same time.
pub(crate) const CALLS_MAX: usize = 8;

/// Which queue, and how long its sender waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The URL of the queue.
    pub url: String,
    /// After this long, repeats and the client's retries included, a send has failed.
    pub patience: Duration,
}

/// Inputs through an SQS FIFO queue: the group is the aggregate's address.
///
/// A group's next message is sent when the one before has been taken, so what a call takes only in part never changes
/// their order.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    settings: Settings,
    ledger: Ledger,
}

impl SqsQueue {
    /// Sends to the FIFO queue of `settings`.
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

    /// Round by round: each sends what stands first in every line. `last` is what was complained of last.
    async fn send_lines(
        &self,
        mut lines: Vec<Line>,
        last: &mut Option<SendError>,
    ) -> Result<(), SendError> {
        let mut tries = 0;
        while !lines.is_empty() {
            let Outcome { taken, complaint } = self.round(&lines).await?;
            // Who gets somewhere need not wait longer and longer.
            tries = if taken.is_empty() { tries + 1 } else { 0 };
            for number in taken {
                lines.get_mut(number).and_then(Line::pop_front);
            }
            lines.retain(|line| !line.is_empty());
            if let (Some(complaint), Some(first)) = (complaint, lines.iter().find_map(Line::front))
            {
                *last = Some(complaint);
                pause(&first.deduplication, tries).await;
            }
        }
        Ok(())
    }

    async fn round(&self, lines: &[Line]) -> Result<Outcome, SendError> {
        let mut round = Outcome::default();
        for some in calls(lines).chunks(CALLS_MAX) {
            for outcome in join_all(some.iter().map(|call| self.call(call))).await {
                let outcome = outcome?;
                round.taken.extend(outcome.taken);
                round.complaint = round.complaint.or(outcome.complaint);
            }
        }
        Ok(round)
    }

    async fn call(&self, call: &[(usize, &Pack)]) -> Result<Outcome, SendError> {
        let failed = |source| SendError::Call {
            url: self.settings.url.clone(),
            source,
        };
        let entries: Result<Vec<_>, _> = call.iter().map(entry).collect();
        let output = self
            .client
            .send_message_batch()
            .queue_url(&self.settings.url)
            .set_entries(Some(entries.map_err(|error| failed(error.into()))?))
            .send()
            .await
            .map_err(|error| failed(error.into()))?;
        let requests = requests(call.iter().map(|(_, pack)| *pack));
        self.ledger.count(usage::Line::FifoRequests, requests);
        let mut complaint = None;
        for entry in output.failed() {
            let (_, pack) = call
                .iter()
                .find(|(number, _)| number.to_string() == entry.id())
                .ok_or_else(|| failed("it complains of a message that it was not given".into()))?;
            if !may_be_taken_later(entry) {
                return Err(self.refused(pack, entry));
            }
            complaint.get_or_insert_with(|| self.not_taken(pack, entry.code()));
        }
        let taken = output.successful().iter();
        let taken: Vec<usize> = taken.filter_map(|entry| entry.id().parse().ok()).collect();
        // To send again what the answer forgets does no harm: it keeps its id.
        let forgotten = call.iter().find(|(number, _)| !taken.contains(number));
        if let Some((_, pack)) = forgotten {
            complaint.get_or_insert_with(|| self.not_taken(pack, "it was left out of the answer"));
        }
        Ok(Outcome { taken, complaint })
    }

    fn not_taken(&self, pack: &Pack, code: &str) -> SendError {
        SendError::NotTaken {
            url: self.settings.url.clone(),
            group: pack.group,
            code: code.to_owned(),
        }
    }

    fn refused(&self, pack: &Pack, entry: &BatchResultErrorEntry) -> SendError {
        SendError::Refused {
            url: self.settings.url.clone(),
            group: pack.group,
            code: entry.code().to_owned(),
            message: entry.message().unwrap_or_default().to_owned(),
        }
    }
}

/// What a call is billed as.
pub(crate) fn requests<'a>(call: impl Iterator<Item = &'a Pack>) -> u64 {
    chunks(call.map(|pack| pack.text.len()).sum())
}

/// What became of calls that did not fail as a whole.
#[derive(Default)]
struct Outcome {
    /// The lines whose first pack was taken.
    taken: Vec<usize>,
    /// Why one was not.
    complaint: Option<SendError>,
}

fn entry((number, pack): &(usize, &Pack)) -> Result<SendMessageBatchRequestEntry, BuildError> {
    SendMessageBatchRequestEntry::builder()
        .id(number.to_string())
        .message_group_id(pack.group.to_string())
        .message_deduplication_id(&pack.deduplication)
        .message_body(&pack.text)
        .build()
}

/// Throttles are said to be the sender's fault, and pass.
fn may_be_taken_later(entry: &BatchResultErrorEntry) -> bool {
    !entry.sender_fault() || entry.code().contains("Throttl")
}

/// The first packs of all lines, each with the number of its line, in calls that SQS takes. A call never has two of
/// one group: it might be taken in part.
pub(crate) fn calls(lines: &[Line]) -> Vec<Vec<(usize, &Pack)>> {
    let mut calls: Vec<Vec<(usize, &Pack)>> = Vec::new();
    let mut used = 0;
    let firsts = lines.iter().enumerate();
    for (number, pack) in firsts.filter_map(|(number, line)| Some((number, line.front()?))) {
        let bytes = pack.text.len();
        match calls.last_mut() {
            Some(call) if call.len() < CALL_MESSAGES_MAX && used + bytes <= MESSAGE_BYTES_MAX => {
                used += bytes;
                call.push((number, pack));
            }
            Some(_) | None => {
                used = bytes;
                calls.push(vec![(number, pack)]);
            }
        }
    }
    calls
}

#[expect(
    clippy::disallowed_methods,
    reason = "a repeat inside one call of the port, which is nothing that a timer effect could do"
)]
async fn pause(seed: &str, tries: u32) {
    tokio::time::sleep(backoff(seed.as_bytes(), tries)).await;
}

/// Waits no longer than the settings say.
pub(crate) async fn within<T>(
    settings: &Settings,
    sending: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let sent = tokio::time::timeout(settings.patience, sending).await;
    sent.unwrap_or_else(|_| Err(SendError::Late(settings.url.clone())))
}

#[async_trait]
impl Queue for SqsQueue {
    /// Also what is handed over: SQS has stored it when it says so.
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let failed = |error| Unavailable::new("the queue", error);
        let lines = lines(messages).map_err(failed)?;
        let mut last = None;
        let sent = within(&self.settings, self.send_lines(lines, &mut last)).await;
        match (sent, last) {
            // What was complained of says more than that time is over.
            (Err(SendError::Late(_)), Some(complaint)) => Err(failed(complaint)),
            (sent, _) => sent.map_err(failed),
        }
    }
}
