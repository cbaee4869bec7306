//! Which tasks are upstream of which: for many pairs at once, in blocks of bits.

use super::order::at;

/// Answers questions in blocks of this many producers: a pass over the graph for each block.
const BLOCK: usize = 256;

/// A question: is `above` upstream of `below`, directly or through others?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) above: u32,
    pub(crate) below: u32,
}

/// The positions of those pairs whose answer is no.
pub(crate) fn unreached(after: &[&[u32]], order: &[u32], pairs: &[Pair]) -> Vec<usize> {
    let mut rank = vec![0_usize; after.len()];
    for (position, node) in order.iter().enumerate() {
        if let Some(rank) = rank.get_mut(at(*node)) {
            *rank = position;
        }
    }
    let rank_of = |node: u32| rank.get(at(node)).copied().unwrap_or_default();
    // By place in the order, so that a block spans a short stretch of the graph.
    let mut sorted: Vec<usize> = (0..pairs.len()).collect();
    let above = |index: &usize| {
        pairs
            .get(*index)
            .map(|pair| (rank_of(pair.above), pair.above))
    };
    sorted.sort_by_key(above);
    let mut unreached = Vec::new();
    let mut marks = Marks::new(after.len());
    let mut rest = sorted.as_slice();
    while !rest.is_empty() {
        let (block, producers, later) = take_block(rest, pairs);
        rest = later;
        let last = block
            .iter()
            .filter_map(|index| pairs.get(*index))
            .map(|pair| rank_of(pair.below))
            .max();
        let first = producers.first().map_or(0, |above| rank_of(*above));
        let stretch = order.get(first..=last.unwrap_or(first)).unwrap_or_default();
        marks.spread(after, stretch, &producers, |node| rank_of(node) >= first);
        unreached.extend(block.iter().copied().filter(|index| {
            pairs.get(*index).is_none_or(|pair| {
                let bit = producers.iter().position(|above| *above == pair.above);
                !bit.is_some_and(|bit| rank_of(pair.below) >= first && marks.has(pair.below, bit))
            })
        }));
    }
    unreached.sort_unstable();
    unreached
}

/// The first pairs, of at most [`BLOCK`] producers; those producers; the other pairs.
fn take_block<'s>(sorted: &'s [usize], pairs: &[Pair]) -> (&'s [usize], Vec<u32>, &'s [usize]) {
    let mut producers: Vec<u32> = Vec::with_capacity(BLOCK);
    let mut length = 0;
    for pair in sorted.iter().filter_map(|index| pairs.get(*index)) {
        if producers.last() != Some(&pair.above) {
            if producers.len() == BLOCK {
                break;
            }
            producers.push(pair.above);
        }
        length += 1;
    }
    let (block, rest) = sorted.split_at(length);
    (block, producers, rest)
}

/// For each node a bit for each producer of a block that is upstream of it or itself.
#[derive(Debug)]
struct Marks(Vec<[u64; BLOCK / 64]>);

impl Marks {
    fn new(nodes: usize) -> Self {
        Self(vec![[0; BLOCK / 64]; nodes])
    }

    /// Marks the nodes of a stretch of the order. What lies before the stretch carries no mark of this block.
    fn spread(
        &mut self,
        after: &[&[u32]],
        stretch: &[u32],
        producers: &[u32],
        within: impl Fn(u32) -> bool,
    ) {
        for node in stretch {
            let mut mark = [0_u64; BLOCK / 64];
            let upstream = after.get(at(*node)).copied().unwrap_or_default();
            for above in upstream
                .iter()
                .filter(|above| *above != node && within(**above))
            {
                let theirs = self.0.get(at(*above)).copied().unwrap_or_default();
                mark.iter_mut()
                    .zip(theirs)
                    .for_each(|(word, other)| *word |= other);
            }
            self.set(*node, mark);
            // Producers come in the order of the graph; a search by rank would do, the block is small.
            if let Some(bit) = producers.iter().position(|above| above == node) {
                self.add(*node, bit);
            }
        }
    }

    fn set(&mut self, node: u32, mark: [u64; BLOCK / 64]) {
        if let Some(slot) = self.0.get_mut(at(node)) {
            *slot = mark;
        }
    }

    fn add(&mut self, node: u32, bit: usize) {
        let word = self
            .0
            .get_mut(at(node))
            .and_then(|mark| mark.get_mut(bit / 64));
        if let Some(word) = word {
            *word |= 1 << (bit % 64);
        }
    }

    fn has(&self, node: u32, bit: usize) -> bool {
        let word = self.0.get(at(node)).and_then(|mark| mark.get(bit / 64));
        word.is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reached(after: &[Vec<u32>], pair: Pair) -> bool {
        let mut stack = after[at(pair.below)].clone();
        let mut seen = std::collections::BTreeSet::new();
        while let Some(node) = stack.pop() {
            if seen.insert(node) {
                stack.extend(&after[at(node)]);
            }
        }
        seen.contains(&pair.above)
    }

    proptest! {
        #[test]
        fn upstream_is_what_a_plain_search_finds(
            edges in prop::collection::vec((0_u32..700, 0_u32..700), 0..1_500),
            pairs in prop::collection::vec((0_u32..700, 0_u32..700), 0..900),
        ) {
            let mut after = vec![Vec::new(); 700];
            for (a, b) in edges.into_iter().filter(|(a, b)| a != b) {
                after[at(a.max(b))].push(a.min(b));
            }
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| a != b).map(|(above, below)| Pair { above, below }).collect();
            let slices: Vec<_> = after.iter().map(Vec::as_slice).collect();
            let order = crate::read::order::topological(&slices).unwrap();
            let expected: Vec<_> = (0..pairs.len()).filter(|index| !reached(&after, pairs[*index])).collect();
            prop_assert_eq!(unreached(&slices, &order, &pairs), expected);
        }
    }
}
