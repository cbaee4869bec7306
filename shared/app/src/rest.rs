//! Who is left alone for a while, because it said that it is called too often.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// The longest rest after the first throttle; each further one in a row doubles it.
const REST_MIN: SignedDuration = SignedDuration::from_secs(1);
/// No rest is longer.
const REST_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Rests by who takes them.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    by_name: BTreeMap<String, Rest>,
}

#[derive(Debug)]
struct Rest {
    until: Timestamp,
    /// Throttles in a row.
    times: u32,
}

impl Rests {
    /// It was throttled at `now`. `dice` draws a share of up to half of its rest that it is spared, so that callers
    /// who were throttled together do not come back together.
    pub(crate) fn rest(&mut self, name: &str, now: Timestamp, dice: u128) {
        let times = self.by_name.get(name).map_or(0, |rest| rest.times);
        let full = REST_MIN.saturating_mul(1 << times.min(16)).min(REST_MAX);
        let spared = i32::try_from(dice % 1_000).unwrap_or_default();
        let rest = full - full / 2_000 * spared;
        let rest = Rest {
            until: now.checked_add(rest).unwrap_or(now),
            times: times.saturating_add(1),
        };
        self.by_name.insert(name.to_owned(), rest);
    }

    /// It took calls again.
    pub(crate) fn calm(&mut self, name: &str) {
        self.by_name.remove(name);
    }

    /// How long it still rests. A clock that was set back wakes everybody.
    pub(crate) fn left(&self, name: &str, now: Timestamp) -> Option<SignedDuration> {
        let left = self.by_name.get(name)?.until.duration_since(now);
        (left.is_positive() && left <= REST_MAX).then_some(left)
    }

    /// How long until the first of them may be called again.
    pub(crate) fn first(&self, now: Timestamp) -> Option<SignedDuration> {
        let left = self.by_name.keys().filter_map(|name| self.left(name, now));
        left.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_000_000 + millis).unwrap()
    }

    #[test]
    fn rests_double_up_to_their_limit_until_a_call_is_taken() {
        let mut rests = Rests::default();
        let mut lengths = Vec::new();
        for _ in 0..7 {
            rests.rest("spark", at(0), 0);
            lengths.push(rests.left("spark", at(0)).unwrap().as_secs());
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 30, 30]);
        rests.calm("spark");
        assert_eq!(rests.left("spark", at(0)), None);
        rests.rest("spark", at(0), 999);
        assert_eq!(
            rests.first(at(0)),
            Some(SignedDuration::from_micros(500_500))
        );
    }

    #[test]
    fn a_rest_is_over_at_its_time_and_when_the_clock_is_set_back() {
        let mut rests = Rests::default();
        rests.rest("spark", at(0), 0);
        assert!(rests.left("spark", at(999)).is_some());
        assert_eq!(rests.left("spark", at(1_000)), None);
        assert_eq!(rests.left("spark", at(-60_000)), None);
        assert_eq!(rests.left("sql", at(0)), None);
    }
}
