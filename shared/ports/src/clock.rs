//! Time and randomness.

use std::fmt::Debug;

use jiff::Timestamp;

/// What time it is.
pub trait Clock: Debug + Send + Sync {
    /// Now. May jump, also backwards.
    fn now(&self) -> Timestamp;
}

/// Fresh numbers.
pub trait Ids: Debug + Send + Sync {
    /// 128 bits that nobody drew before.
    fn fresh(&self) -> u128;
}
