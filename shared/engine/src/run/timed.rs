//! What tasks wait for until a time: by task, and by time, so that what is due is found without looking at the rest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::state::{Hold, Time};

/// Something that may be over at a time.
pub trait Until {
    /// That time.
    fn until(&self) -> Option<Time>;
}

impl Until for Time {
    fn until(&self) -> Option<Time> {
        Some(*self)
    }
}

impl Until for Hold {
    fn until(&self) -> Option<Time> {
        self.until
    }
}

/// Values by task, of which those that are due are at hand. Stored as the map that it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed<V> {
    by_task: BTreeMap<u32, V>,
    by_time: BTreeSet<(Time, u32)>,
}

impl<V> Default for Timed<V> {
    fn default() -> Self {
        Self {
            by_task: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<V: Until> Timed<V> {
    /// The value of a task.
    pub fn get(&self, task: &u32) -> Option<&V> {
        self.by_task.get(task)
    }

    /// Whether a task has one.
    pub fn contains_key(&self, task: &u32) -> bool {
        self.by_task.contains_key(task)
    }

    /// Every task that has one, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (&u32, &V)> {
        self.by_task.iter()
    }

    /// The tasks that have one, ascending.
    pub fn keys(&self) -> impl Iterator<Item = &u32> {
        self.by_task.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_task.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.by_task.is_empty()
    }

    /// The tasks whose time has come, ascending.
    pub fn due(&self, now: Timestamp) -> BTreeSet<u32> {
        let due = self.times().take_while(|(at, _)| at.0 <= now);
        due.map(|(_, task)| task).collect()
    }

    /// The times that will come, and their tasks, the earliest first.
    pub fn times(&self) -> impl Iterator<Item = (Time, u32)> {
        self.by_time.iter().copied()
    }

    pub(super) fn insert(&mut self, task: u32, value: V) {
        self.remove(task);
        self.by_time.extend(value.until().map(|at| (at, task)));
        self.by_task.insert(task, value);
    }

    pub(super) fn remove(&mut self, task: u32) {
        let removed = self.by_task.remove(&task);
        if let Some(at) = removed.and_then(|value| value.until()) {
            self.by_time.remove(&(at, task));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<V: Until> FromIterator<(u32, V)> for Timed<V> {
    fn from_iter<I: IntoIterator<Item = (u32, V)>>(values: I) -> Self {
        let mut timed = Self::default();
        for (task, value) in values {
            timed.insert(task, value);
        }
        timed
    }
}

impl<C, V: Encode<C>> Encode<C> for Timed<V> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.by_task.encode(e, c)
    }
}

impl<'b, C, V: Decode<'b, C> + Until> Decode<'b, C> for Timed<V> {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        let by_task = BTreeMap::<u32, V>::decode(d, c)?;
        Ok(by_task.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time(Timestamp::from_second(seconds).unwrap())
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_a_look_at_everything_finds(
            steps in prop::collection::vec((0_u32..20, prop::option::of(0_i64..50)), 0..60),
            now in 0_i64..50,
        ) {
            let mut timed = Timed::default();
            let mut plain = BTreeMap::new();
            for (task, until) in steps {
                if let Some(until) = until.map(at) {
                    timed.insert(task, until);
                    plain.insert(task, until);
                } else {
                    timed.remove(task);
                    plain.remove(&task);
                }
            }
            let due = plain.iter().filter(|(_, until)| **until <= at(now)).map(|(task, _)| *task);
            prop_assert_eq!(timed.due(at(now).0), due.collect::<BTreeSet<u32>>());
            prop_assert_eq!(timed.times().next().map(|(first, _)| first), plain.values().min().copied());
            let bytes = minicbor::to_vec(&timed).unwrap();
            prop_assert_eq!(&bytes, &minicbor::to_vec(&plain).unwrap());
            prop_assert_eq!(minicbor::decode::<Timed<Time>>(&bytes).unwrap(), timed);
        }
    }
}
