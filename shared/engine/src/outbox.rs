//! The outbox: effects that are decided and not yet acknowledged, as part of an aggregate's state.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::limits::EFFECT_RESEND_SECONDS;

use crate::effect::EffectKey;

/// How long an effect that was sent stays unsent again.
pub const RESEND: SignedDuration = SignedDuration::from_secs(EFFECT_RESEND_SECONDS);

/// Effects by key, each with the time at which it was decided. Only facts add and remove them.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct Outbox {
    #[n(0)]
    entries: BTreeMap<EffectKey, At>,
}

/// A time, in the store as whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Encode, Decode)]
#[cbor(transparent)]
struct At(
    #[n(0)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    Timestamp,
);

impl Outbox {
    /// Decided at `at`, to be sent until acknowledged. Kept as it is if it is there.
    pub fn add(&mut self, key: EffectKey, at: Timestamp) {
        self.entries.entry(key).or_insert(At(at));
    }

    /// Acknowledged, or no longer wanted.
    pub fn remove(&mut self, key: &EffectKey) -> bool {
        self.entries.remove(key).is_some()
    }

    /// Whether it waits for its acknowledgement.
    pub fn contains(&self, key: &EffectKey) -> bool {
        self.entries.contains_key(key)
    }

    /// When it was decided, if it waits.
    pub fn since(&self, key: &EffectKey) -> Option<Timestamp> {
        self.entries.get(key).map(|at| at.0)
    }

    /// What waits, in the order of keys, with the time of its decision.
    pub fn iter(&self) -> impl Iterator<Item = (EffectKey, Timestamp)> + '_ {
        self.entries.iter().map(|(key, at)| (*key, at.0))
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the next of them is due to be sent again, strictly after `now`: each comes due every
    /// [`RESEND`] after its decision.
    pub fn next_resend(&self, now: Timestamp) -> Option<Timestamp> {
        self.entries.values().map(|at| next_due(at.0, now)).min()
    }
}

fn next_due(decided: Timestamp, now: Timestamp) -> Timestamp {
    let resend = EFFECT_RESEND_SECONDS * 1_000;
    let waited = (now.as_millisecond() - decided.as_millisecond()).max(0);
    let due = decided
        .as_millisecond()
        .saturating_add((waited / resend + 1) * resend);
    Timestamp::from_millisecond(due).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn an_effect_comes_due_every_two_minutes_until_it_is_acknowledged() {
        let mut outbox = Outbox::default();
        let key = EffectKey::Listing(1);
        outbox.add(key, at(10));
        outbox.add(key, at(50));
        assert_eq!(outbox.next_resend(at(10)), Some(at(130)));
        assert_eq!(outbox.next_resend(at(130)), Some(at(250)));
        assert_eq!(
            outbox.next_resend(at(0)),
            Some(at(130)),
            "the clock may have jumped back"
        );
        assert!(outbox.remove(&key));
        assert_eq!(outbox.next_resend(at(0)), None);
    }
}
