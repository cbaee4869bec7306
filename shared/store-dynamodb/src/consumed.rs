//! What DynamoDB says that calls have consumed.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;

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
pub(crate) struct Meter(Mutex<Consumed>);

impl Meter {
    pub(crate) fn now(&self) -> Consumed {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, capacity: Option<&ConsumedCapacity>) {
        self.add(|consumed| consumed.read_units += units(capacity));
    }

    pub(crate) fn written(&self, capacity: Option<&ConsumedCapacity>) {
        self.add(|consumed| consumed.write_units += units(capacity));
    }

    pub(crate) fn refused(&self) {
        self.add(|consumed| consumed.refused += 1);
    }

    fn add(&self, add: impl FnOnce(&mut Consumed)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn units(capacity: Option<&ConsumedCapacity>) -> f64 {
    capacity
        .and_then(ConsumedCapacity::capacity_units)
        .unwrap_or(0.0)
}
