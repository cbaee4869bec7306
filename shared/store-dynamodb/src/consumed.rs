//! What DynamoDB says that calls have consumed.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;
use porpoise_ports::Ledger;
use porpoise_ports::meter::WRITE_UNIT_BYTES;
use porpoise_ports::usage::Line;

/// What was billed so far, as DynamoDB reports it with each answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Consumed {
    /// Read units: 4 KB begun, strongly consistent; half of that for an eventual read.
    pub read_units: f64,
    /// Write units: 1 KB begun.
    pub write_units: f64,
    /// Writes whose condition did not hold. DynamoDB bills them too, by what stands there and a unit at least, but does
    /// not report how much.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Meter {
    consumed: Mutex<Consumed>,
    pub(crate) ledger: Ledger,
}

impl Meter {
    pub(crate) fn now(&self) -> Consumed {
        *self.consumed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, capacity: Option<&ConsumedCapacity>) {
        let units = units(capacity);
        self.add(|consumed| consumed.read_units += units);
        self.ledger.count(Line::TableHalfReads, whole(units * 2.0));
    }

    pub(crate) fn written(&self, capacity: Option<&ConsumedCapacity>) {
        let units = units(capacity);
        self.add(|consumed| consumed.write_units += units);
        self.ledger.count(Line::TableWrites, whole(units));
    }

    /// `bytes`: the larger of what was to be written and what stands, by which DynamoDB bills. Source: DynamoDB developer
    /// guide, "Read and write operations", on conditional writes.
    pub(crate) fn refused(&self, bytes: usize) {
        self.add(|consumed| consumed.refused += 1);
        let units = bytes.div_ceil(WRITE_UNIT_BYTES).max(1);
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        self.ledger.count(Line::TableWrites, units);
    }

    fn add(&self, add: impl FnOnce(&mut Consumed)) {
        add(&mut self.consumed.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn units(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity
        .and_then(ConsumedCapacity::capacity_units)
        .unwrap_or(0.0)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "units are small, positive and whole"
)]
fn whole(units: f64) -> u64 {
    units.round() as u64
}
