//! Where the tasks of one version are in another.

use std::collections::BTreeMap;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::ranges::Ranges;
use crate::Plan;

/// Pairs of indices, in the version before and in the one after: those of one name. Kept as stretches that moved
/// together, in the order of the version after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves(Vec<Stretch>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: u32,
    to: u32,
    length: u32,
}

impl Moves {
    /// Of the tasks that both versions have, by their names.
    pub fn between(before: &Plan, after: &Plan) -> Self {
        let mut moves = Self::default();
        for to in 0..after.len() {
            let name = after.task(to).map(|task| task.name.as_str());
            if let Some(from) = name.and_then(|name| before.find(name)) {
                moves.push(from, to);
            }
        }
        moves
    }

    fn push(&mut self, from: u32, to: u32) {
        match self.0.last_mut() {
            Some(last) if last.from + last.length == from && last.to + last.length == to => {
                last.length += 1;
            }
            Some(_) | None => self.0.push(Stretch {
                from,
                to,
                length: 1,
            }),
        }
    }

    /// The pairs, in the order of the version after.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().flat_map(|stretch| {
            (0..stretch.length)
                .filter_map(|at| Some((stretch.from.checked_add(at)?, stretch.to.checked_add(at)?)))
        })
    }

    /// Where these tasks are now; those that are gone are left out.
    pub fn follow(&self, tasks: &Ranges) -> Ranges {
        let to: BTreeMap<u32, u32> = self.pairs().collect();
        Ranges::of(tasks.iter().filter_map(|task| to.get(&task).copied()))
    }

    /// How many stretches there are: what they take when they are written grows with these.
    pub fn stretches(&self) -> usize {
        self.0.len()
    }
}

/// `[back, gap, length, …]`: `gap` is counted from the end of the stretch before in the version after, `back` from its
/// end in the version before, and is negative where the order has changed.
impl<C> Encode<C> for Moves {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        let (mut from, mut to) = (0_u32, 0_u32);
        e.array(u64::try_from(self.0.len() * 3).unwrap_or(u64::MAX))?;
        for stretch in &self.0 {
            e.i64(i64::from(stretch.from) - i64::from(from))?;
            e.u32(stretch.to - to)?.u32(stretch.length)?;
            (from, to) = (stretch.from + stretch.length, stretch.to + stretch.length);
        }
        e.ok()
    }
}

impl<'b, C> Decode<'b, C> for Moves {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let numbers = d
            .array()?
            .ok_or_else(|| DecodeError::message("moves have a known length"))?;
        let (mut stretches, mut from, mut to) = (Vec::new(), 0_u32, 0_u32);
        for _ in 0..numbers / 3 {
            let (back, gap, length) = (d.i64()?, d.u32()?, d.u32()?);
            let begins = i64::from(from).checked_add(back);
            let begins = begins.and_then(|from| u32::try_from(from).ok());
            let stretch =
                begins
                    .zip(to.checked_add(gap))
                    .map(|(from, to)| Stretch { from, to, length });
            let ends = stretch.and_then(|stretch| {
                let from = stretch.from.checked_add(length)?;
                Some((stretch, from, stretch.to.checked_add(length)?))
            });
            let (stretch, ends_from, ends_to) =
                ends.ok_or_else(|| DecodeError::message("a task has moved beyond all tasks"))?;
            stretches.push(stretch);
            (from, to) = (ends_from, ends_to);
        }
        Ok(Self(stretches))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(u32, u32)]) -> Moves {
        let mut moves = Moves::default();
        for (from, to) in pairs {
            moves.push(*from, *to);
        }
        moves
    }

    proptest::proptest! {
        #[test]
        fn moves_read_back_what_was_written(
            to in proptest::collection::btree_map(0_u32..300, 0_u32..300, 0..60),
        ) {
            let pairs: Vec<(u32, u32)> = to.iter().map(|(to, from)| (*from, *to)).collect();
            let moves = of(&pairs);
            proptest::prop_assert_eq!(moves.pairs().collect::<Vec<_>>(), pairs);
            let bytes = minicbor::to_vec(&moves).unwrap();
            proptest::prop_assert_eq!(minicbor::decode::<Moves>(&bytes).unwrap(), moves);
        }
    }

    #[test]
    fn a_task_put_in_among_ten_thousand_takes_a_few_bytes() {
        let pairs: Vec<_> = (0..10_000)
            .map(|at| (at, at + u32::from(at > 77)))
            .collect();
        let moves = of(&pairs);
        assert_eq!(moves.stretches(), 2);
        assert!(minicbor::to_vec(&moves).unwrap().len() < 16);
        assert_eq!(moves.follow(&Ranges::of([77, 78])), Ranges::of([77, 79]));
    }
}
