//! How long to wait before trying again.

use std::time::Duration;

use porpoise_model::id::derive;

/// The longest wait before the first repeat.
const FIRST: Duration = Duration::from_millis(50);
/// The longest wait before any repeat.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait before a repeat, of which `tries` went before: anything between nothing and a bound that doubles
/// each time. Those who failed together do not come back together.
///
/// The wait is hashed from `seed`, what is tried: an adapter needs no source of randomness for it.
pub fn backoff(seed: &[u8], tries: u32) -> Duration {
    let hash = derive("backoff", &[seed, &tries.to_le_bytes()]);
    let [a, b, ..] = hash;
    let share = f64::from(u16::from_le_bytes([a, b])) / f64::from(u16::MAX);
    let bound = FIRST.saturating_mul(2_u32.saturating_pow(tries));
    bound.min(LONGEST).mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        let longest = |tries| {
            let waits = (0_u32..1_000).map(|seed| backoff(&seed.to_le_bytes(), tries));
            waits.max().unwrap()
        };
        for (tries, bound) in [(0, 50), (1, 100), (4, 800), (7, 5_000), (u32::MAX, 5_000)] {
            let (found, bound) = (longest(tries), Duration::from_millis(bound));
            assert!(
                found <= bound && found > bound.mul_f64(0.95),
                "{tries}: {found:?}"
            );
        }
        let short = (0_u32..1_000).filter(|seed| backoff(&seed.to_le_bytes(), 9) < LONGEST / 2);
        assert!((400..600).contains(&short.count()));
    }
}
