//! Sets of tasks, written as ranges: a fact about ten thousand neighbours takes a few bytes.

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Task indices, ascending, each once, as half-open ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    /// Of indices in any order, repeated or not.
    pub fn of(tasks: impl IntoIterator<Item = u32>) -> Self {
        let mut tasks: Vec<u32> = tasks.into_iter().collect();
        tasks.sort_unstable();
        tasks.into_iter().collect()
    }

    /// Of one index.
    pub fn one(task: u32) -> Self {
        Self(vec![(task, task.saturating_add(1))])
    }

    /// The indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(from, to)| *from..*to)
    }

    /// Whether it is one of them.
    pub fn contains(&self, task: u32) -> bool {
        let ranges = &self.0;
        let at = ranges.partition_point(|(_, to)| *to <= task);
        ranges.get(at).is_some_and(|(from, _)| *from <= task)
    }

    /// One more, or nothing if it is there.
    pub fn insert(&mut self, task: u32) {
        let ranges = &mut self.0;
        let at = ranges.partition_point(|(_, to)| *to < task);
        let end = task.saturating_add(1);
        let follows = ranges.get(at + 1).copied().filter(|(from, _)| *from == end);
        match ranges.get_mut(at) {
            Some((from, to)) if *from <= task => {
                *to = (*to).max(end);
                if let Some((_, more)) = follows {
                    *to = more;
                    ranges.remove(at + 1);
                }
            }
            Some((from, _)) if *from == end => *from = task,
            Some(_) | None => ranges.insert(at, (task, end)),
        }
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many indices.
    pub fn len(&self) -> u32 {
        self.0.iter().map(|(from, to)| to - from).sum()
    }
}

/// From ascending indices; one that is not larger than the one before is left out.
impl FromIterator<u32> for Ranges {
    fn from_iter<I: IntoIterator<Item = u32>>(tasks: I) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for task in tasks {
            match ranges.last_mut() {
                Some((_, to)) if *to == task => *to += 1,
                Some((_, to)) if *to > task => {}
                Some(_) | None => ranges.push((task, task.saturating_add(1))),
            }
        }
        Self(ranges)
    }
}

/// `[gap, length, gap, length, …]`, each gap counted from the end of the range before.
impl<C> Encode<C> for Ranges {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        let mut end = 0;
        e.array(u64::try_from(self.0.len() * 2).unwrap_or(u64::MAX))?;
        for (from, to) in &self.0 {
            e.u32(from - end)?.u32(to - from)?;
            end = *to;
        }
        e.ok()
    }
}

impl<'b, C> Decode<'b, C> for Ranges {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        let numbers = d
            .array()?
            .ok_or_else(|| DecodeError::message("ranges have a known length"))?;
        let mut ranges = Vec::new();
        let mut end = 0_u32;
        for _ in 0..numbers / 2 {
            let (gap, length) = (d.u32()?, d.u32()?);
            let range = end
                .checked_add(gap)
                .and_then(|from| Some((from, from.checked_add(length)?)));
            let (from, to) =
                range.ok_or_else(|| DecodeError::message("a range ends beyond all tasks"))?;
            ranges.push((from, to));
            end = to;
        }
        Ok(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn ranges_hold_exactly_what_they_were_made_of(tasks in proptest::collection::btree_set(0_u32..500, 0..80)) {
            let ranges = Ranges::of(tasks.iter().rev().copied());
            let bytes = minicbor::to_vec(&ranges).unwrap();
            let read: Ranges = minicbor::decode(&bytes).unwrap();
            proptest::prop_assert_eq!(read.iter().collect::<Vec<_>>(), tasks.iter().copied().collect::<Vec<_>>());
            proptest::prop_assert_eq!(usize::try_from(ranges.len()).unwrap(), tasks.len());
            let half = tasks.len() / 2;
            let mut one_by_one = Ranges::of(tasks.iter().copied().step_by(2));
            tasks.iter().rev().chain(tasks.iter().take(half)).for_each(|task| one_by_one.insert(*task));
            proptest::prop_assert_eq!(&one_by_one, &ranges);
            proptest::prop_assert!((0..510).all(|task| ranges.contains(task) == tasks.contains(&task)));
        }
    }

    #[test]
    fn no_elements_of_a_mapped_task_take_more_than_two_kibibytes() {
        for step in 2..40 {
            let some = Ranges::of((0..1_024).step_by(step));
            let others = Ranges::of((0..1_024).filter(|task| !some.contains(*task)));
            for ranges in [some, others] {
                assert!(minicbor::to_vec(ranges).unwrap().len() < 2_048);
            }
        }
    }

    #[test]
    fn ten_thousand_neighbours_take_a_few_bytes() {
        assert!(minicbor::to_vec(Ranges::of(5..10_005)).unwrap().len() < 8);
    }
}
