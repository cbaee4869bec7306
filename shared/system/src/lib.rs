//! Time and randomness of this machine: the adapters of `Clock` and `Ids` that every host has.
//!
//! Start reading at [`SystemClock`].

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use porpoise_ports::{Clock, Ids};

/// The wall clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock port")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Random numbers of the operating system, drawn a few dozen at a time.
#[derive(Debug, Default)]
pub struct OsIds {
    drawn: Mutex<Vec<u128>>,
}

/// Numbers drawn at once.
const DRAW: usize = 64;

impl Ids for OsIds {
    fn fresh(&self) -> u128 {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = drawn.pop() {
                return number;
            }
            draw(&mut drawn);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the Ids port")]
#[expect(
    clippy::expect_used,
    reason = "without randomness no id is safe, and nothing could go on"
)]
fn draw(numbers: &mut Vec<u128>) {
    let mut bytes = [0; DRAW * 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    let chunks = bytes.as_chunks::<16>().0;
    numbers.extend(chunks.iter().map(|chunk| u128::from_le_bytes(*chunk)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_drawn_twice() {
        let ids = OsIds::default();
        let drawn: std::collections::BTreeSet<u128> = (0..1_000).map(|_| ids.fresh()).collect();
        assert_eq!(drawn.len(), 1_000);
    }
}
