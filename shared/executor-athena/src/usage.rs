//! What a query was billed: the bytes that it scanned.

use aws_sdk_athena::types::{
    QueryExecution, QueryExecutionState as State, QueryExecutionStatistics, StatementType,
};
use porpoise_ports::executor::{JobUsage, JobUsageLine};

use crate::state::{is_over, word};

/// A query that scans less is billed for this much. Source: the price list of Athena.
const BYTES_LEAST: u64 = 10_000_000;

/// The usage of a query that is over. Statements that change definitions and queries that failed are not billed.
pub(crate) fn usage(query: &QueryExecution, price_per_tb: Option<f64>) -> Option<JobUsage> {
    if !is_over(query) {
        return None;
    }
    let scanned = query
        .statistics()
        .and_then(QueryExecutionStatistics::data_scanned_in_bytes);
    let scanned = u64::try_from(scanned.unwrap_or_default()).unwrap_or_default();
    let free = word(query) == Some(&State::Failed)
        || query.statement_type() == Some(&StatementType::Ddl)
        || scanned == 0;
    let billed = if free { 0 } else { scanned.max(BYTES_LEAST) };
    Some(JobUsage {
        lines: vec![JobUsageLine {
            measure: "scanned_bytes".to_owned(),
            millionths: scanned.saturating_mul(1_000_000),
            nanodollars: price_per_tb.map(|price| cost(billed, price)),
        }],
    })
}

/// Dollars for 10¹² bytes are billionths of a dollar for a thousand bytes.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a price is not exact to the last of 53 bits, and is not below zero"
)]
fn cost(bytes: u64, price_per_tb: f64) -> u64 {
    (bytes as f64 * price_per_tb / 1e3).round().max(0.0) as u64
}
