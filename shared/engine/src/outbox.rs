//! The outbox: effects that are decided and not yet acknowledged, as part of an aggregate's state.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use porpoise_model::codec;
use porpoise_model::limits::EFFECT_RESEND_SECONDS;

use crate::effect::EffectKey;

/// How long an effect that was sent stays unsent again.
pub const RESEND: SignedDuration = SignedDuration::from_secs(EFFECT_RESEND_SECONDS);

/// Effects by key, each with the time at which it was decided. Only facts add and remove them.
///
/// Each has a number beside it, in the order in which this fold added them, so that whoever sends them finds what came
/// since it looked last without looking at all of them. The numbers are of this value alone: they are not stored, and
/// two outboxes of the same effects are equal.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    entries: BTreeMap<EffectKey, Entry>,
    by_number: BTreeMap<u64, EffectKey>,
    /// The number of the next one.
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    decided: Timestamp,
    number: u64,
}

impl Outbox {
    /// Decided at `at`, to be sent until acknowledged. Kept as it is if it is there.
    pub fn add(&mut self, key: EffectKey, at: Timestamp) {
        let number = self.next;
        let entry = self.entries.entry(key).or_insert(Entry {
            decided: at,
            number,
        });
        if entry.number == number {
            self.by_number.insert(number, key);
            self.next += 1;
        }
    }

    /// Acknowledged, or no longer wanted.
    pub fn remove(&mut self, key: &EffectKey) -> bool {
        let removed = self.entries.remove(key);
        if let Some(entry) = &removed {
            self.by_number.remove(&entry.number);
        }
        removed.is_some()
    }

    /// Whether it waits for its acknowledgement.
    pub fn contains(&self, key: &EffectKey) -> bool {
        self.entries.contains_key(key)
    }

    /// When it was decided, if it waits.
    pub fn since(&self, key: &EffectKey) -> Option<Timestamp> {
        self.entries.get(key).map(|entry| entry.decided)
    }

    /// Its number, if it waits.
    pub fn number(&self, key: &EffectKey) -> Option<u64> {
        self.entries.get(key).map(|entry| entry.number)
    }

    /// When it was decided, if it waits.
    pub fn decided(&self, key: &EffectKey) -> Option<Timestamp> {
        self.entries.get(key).map(|entry| entry.decided)
    }

    /// What waits, in the order of keys, with the time of its decision.
    pub fn iter(&self) -> impl Iterator<Item = (EffectKey, Timestamp)> + '_ {
        self.entries
            .iter()
            .map(|(key, entry)| (*key, entry.decided))
    }

    /// What waits and was added under this number or a later one, in that order.
    pub fn added_from(&self, number: u64) -> impl Iterator<Item = EffectKey> + '_ {
        self.by_number.range(number..).map(|(_, key)| *key)
    }

    /// The number under which the next effect will be added.
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

impl PartialEq for Outbox {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// `[{key: milliseconds, …}]`.
impl<C> Encode<C> for Outbox {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        let count = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        e.array(1)?.map(count)?;
        for (key, entry) in &self.entries {
            key.encode(e, c)?;
            codec::timestamp::encode(&entry.decided, e, c)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Outbox {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        let fields = d.array()?;
        let count = d.map()?;
        let mut outbox = Self::default();
        for _ in 0..count.ok_or_else(|| DecodeError::message("an outbox of unknown length"))? {
            let key = EffectKey::decode(d, c)?;
            outbox.add(key, codec::timestamp::decode(d, c)?);
        }
        (1..fields.unwrap_or(1)).try_for_each(|_| d.skip())?;
        Ok(outbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn an_effect_keeps_its_time_and_its_number_until_it_is_acknowledged() {
        let (mut outbox, key) = (Outbox::default(), EffectKey::Listing(1));
        outbox.add(key, at(10));
        outbox.add(key, at(50));
        assert_eq!(
            (outbox.since(&key), outbox.number(&key)),
            (Some(at(10)), Some(0))
        );
        assert!(outbox.remove(&key) && !outbox.remove(&key));
        outbox.add(key, at(10));
        assert_eq!(outbox.number(&key), Some(1), "it is another one");
    }

    #[test]
    fn what_was_added_since_is_found_in_its_order() {
        let mut outbox = Outbox::default();
        for revision in [5, 3, 9, 1] {
            outbox.add(EffectKey::Listing(revision), at(0));
        }
        outbox.remove(&EffectKey::Listing(9));
        let since = |number| outbox.added_from(number).collect::<Vec<_>>();
        assert_eq!(since(1), [EffectKey::Listing(3), EffectKey::Listing(1)]);
        assert_eq!(since(outbox.next_number()), []);
    }

    #[test]
    fn numbers_are_not_stored_and_make_no_difference() {
        let (mut one, mut other) = (Outbox::default(), Outbox::default());
        for revision in 0..4 {
            one.add(EffectKey::Listing(revision), at(7));
            other.add(EffectKey::Listing(3 - revision), at(7));
        }
        assert_eq!(one, other);
        let bytes = minicbor::to_vec(&one).unwrap();
        assert_eq!(bytes, minicbor::to_vec(&other).unwrap());
        let read: Outbox = minicbor::decode(&bytes).unwrap();
        assert_eq!(read, one);
        assert_eq!(read.added_from(0).count(), 4);
    }
}
