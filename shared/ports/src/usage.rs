//! What AWS bills for, counted by the adapters where they use it.
//!
//! A [`Ledger`] goes to every adapter of a process; [`Ledger::usage`] is what all of them used so far. What is counted
//! is what the answers tell of: a try whose answer was lost may be billed too. Prices are another crate's affair.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bytes of a chunk: messages and events are billed by chunks begun. Source: pricing of SQS and of EventBridge.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes that a request to the HTTP API is billed by. Source: pricing of API Gateway.
const API_BYTES: usize = 512 * 1024;

/// A line of a bill: something that is billed by the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Write units of DynamoDB: a KB begun, also of a write whose condition did not hold.
    TableWrites,
    /// Halves of read units of DynamoDB: 4 KB begun are two when read strongly, one when read eventually.
    TableHalfReads,
    /// Bytes in a table, times the hours that they were there.
    TableByteHours,
    /// The same bytes in backups that reach back to any second.
    BackupByteHours,
    /// Requests to a FIFO queue of SQS, by chunks: sends, receives (empty ones too), deletes.
    FifoRequests,
    /// Requests to a standard queue of SQS, by chunks.
    QueueRequests,
    /// Events put to a bus of our own, by chunks.
    Events,
    /// Schedules that fire. To create, change or delete one costs nothing.
    ScheduleInvocations,
    /// Objects put to S3 and lists of them, refused ones included.
    BlobPuts,
    /// Objects read from S3, absent ones included.
    BlobGets,
    /// Bytes in S3, times the hours that they were there.
    BlobByteHours,
    /// Reads of secrets.
    SecretReads,
    /// Secrets that there are, times the hours.
    SecretHours,
    /// Invocations of functions.
    FunctionRequests,
    /// Megabytes that a function has, times the milliseconds that it ran, each run rounded up to a whole one.
    FunctionMegabyteMilliseconds,
    /// States that executions of Step Functions entered, repeats included.
    Transitions,
    /// Bytes of log lines.
    LogBytes,
    /// Requests to the HTTP API, by 512 KB.
    ApiRequests,
    /// Notices published to a topic of SNS, by chunks.
    Notices,
    /// Alarms that there are, times the hours.
    AlarmHours,
    /// Metrics of our own that there are, times the hours.
    MetricHours,
}

impl Line {
    /// Every one, in the order of a bill.
    pub const ALL: [Self; 21] = [
        Self::TableWrites,
        Self::TableHalfReads,
        Self::TableByteHours,
        Self::BackupByteHours,
        Self::FifoRequests,
        Self::QueueRequests,
        Self::Events,
        Self::ScheduleInvocations,
        Self::BlobPuts,
        Self::BlobGets,
        Self::BlobByteHours,
        Self::SecretReads,
        Self::SecretHours,
        Self::FunctionRequests,
        Self::FunctionMegabyteMilliseconds,
        Self::Transitions,
        Self::LogBytes,
        Self::ApiRequests,
        Self::Notices,
        Self::AlarmHours,
        Self::MetricHours,
    ];
}

/// How much of each line was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage(BTreeMap<Line, u64>);

impl Usage {
    /// So many pieces of a line.
    pub fn of(&self, line: Line) -> u64 {
        self.0.get(&line).copied().unwrap_or_default()
    }

    /// The lines of which something was used, in the order of a bill.
    pub fn lines(&self) -> impl Iterator<Item = (Line, u64)> {
        self.0.iter().map(|(line, pieces)| (*line, *pieces))
    }

    /// So many more.
    pub fn add(&mut self, line: Line, pieces: u64) {
        if pieces > 0 {
            let used = self.0.entry(line).or_default();
            *used = used.saturating_add(pieces);
        }
    }

    /// All that another one has, too.
    pub fn add_all(&mut self, other: &Self) {
        other
            .lines()
            .for_each(|(line, pieces)| self.add(line, pieces));
    }

    /// What was used since `earlier`, a usage of the same ledger.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = Self::default();
        for (line, pieces) in self.lines() {
            since.add(line, pieces.saturating_sub(earlier.of(line)));
        }
        since
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(&self, factor: u64) -> Self {
        let many = self
            .lines()
            .map(|(line, pieces)| (line, pieces.saturating_mul(factor)));
        Self(many.collect())
    }
}

/// Where usage is written down. Clones are the same ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Usage>>);

impl Ledger {
    /// So many more.
    pub fn count(&self, line: Line, pieces: u64) {
        let mut usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.add(line, pieces);
    }

    /// A function that has so many megabytes ran once, for so long.
    pub fn invocation(&self, megabytes: u64, took: Duration) {
        let milliseconds = took.as_nanos().div_ceil(1_000_000).max(1);
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        self.count(Line::FunctionRequests, 1);
        self.count(
            Line::FunctionMegabyteMilliseconds,
            megabytes.saturating_mul(milliseconds),
        );
    }

    /// A queue's mapping received a batch of so many bytes for a function, and deleted what that took in. `line` is
    /// [`Line::FifoRequests`] or [`Line::QueueRequests`].
    pub fn batch(&self, line: Line, bytes: usize) {
        self.count(line, chunks(bytes) + 1);
    }

    /// A request to the HTTP API of so many bytes, the larger of question and answer. Source: pricing of API Gateway.
    pub fn api_request(&self, bytes: usize) {
        let pieces = bytes.div_ceil(API_BYTES).max(1);
        self.count(Line::ApiRequests, u64::try_from(pieces).unwrap_or(u64::MAX));
    }

    /// What was used so far.
    pub fn usage(&self) -> Usage {
        let usage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usage.clone()
    }
}

/// Chunks that so many bytes are billed as; nothing is one.
pub fn chunks(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(CHUNK_BYTES).max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_write_into_the_same_ledger_and_differences_are_usage() {
        let ledger = Ledger::default();
        ledger.count(Line::Events, 2);
        let before = ledger.usage();
        ledger.clone().count(Line::Events, 3);
        ledger.count(Line::BlobPuts, 1);
        ledger.count(Line::BlobGets, 0);
        let since = ledger.usage().since(&before);
        let lines: Vec<(Line, u64)> = since.lines().collect();
        assert_eq!(lines, [(Line::Events, 3), (Line::BlobPuts, 1)]);
        assert_eq!(ledger.usage().times(10).of(Line::Events), 50);
        let mut sum = since.clone();
        sum.add_all(&before);
        assert_eq!(sum, ledger.usage());
    }

    #[test]
    fn every_line_is_in_the_list_once_and_in_order() {
        assert!(Line::ALL.is_sorted());
        let mut distinct = Line::ALL.to_vec();
        distinct.dedup();
        assert_eq!(distinct.len(), Line::ALL.len());
        assert_eq!(
            Line::ALL.last(),
            Some(&Line::MetricHours),
            "the last there is"
        );
    }

    #[test]
    fn functions_batches_and_requests_are_counted_as_they_are_billed() {
        let ledger = Ledger::default();
        ledger.invocation(256, Duration::from_micros(1_001));
        ledger.invocation(256, Duration::ZERO);
        ledger.batch(Line::FifoRequests, 3 * CHUNK_BYTES);
        ledger.batch(Line::QueueRequests, 0);
        ledger.api_request(0);
        ledger.api_request(API_BYTES + 1);
        let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
        let wanted = [
            (Line::FifoRequests, 3 + 1),
            (Line::QueueRequests, 1 + 1),
            (Line::FunctionRequests, 2),
            (Line::FunctionMegabyteMilliseconds, 256 * (2 + 1)),
            (Line::ApiRequests, 1 + 2),
        ];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn chunks_are_begun() {
        let sizes = [0, 1, 65_536, 65_537, 1_048_576].map(chunks);
        assert_eq!(sizes, [1, 1, 1, 2, 16]);
    }
}
