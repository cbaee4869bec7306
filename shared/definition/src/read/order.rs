//! The order of a graph, or its cycles. Iterative: a chain of 100,000 tasks needs no stack.

/// Cycles that are told of; a graph may have more than could be listed.
const CYCLES_MAX: usize = 20;

/// The nodes, each behind those that it follows. `after` holds for each node those that it follows.
///
/// # Errors
/// Cycles without a node in common, at most [`CYCLES_MAX`], each in the direction of its arrows, beginning with its
/// lowest node; a node that follows itself is left out of account.
pub(crate) fn topological(after: &[&[u32]]) -> Result<Vec<u32>, Vec<Vec<u32>>> {
    let mut sorter = Sorter::new(after);
    sorter.run();
    let mut cycles = Vec::new();
    while sorter.order.len() < after.len() && cycles.len() < CYCLES_MAX {
        let cycle = sorter.cycle(after);
        if cycle.is_empty() {
            break;
        }
        for node in &cycle {
            sorter.release(*node);
        }
        sorter.run();
        cycles.push(cycle);
    }
    if cycles.is_empty() {
        Ok(sorter.order)
    } else {
        Err(cycles)
    }
}

/// Kahn's algorithm, with cycles cut where it cannot go on.
#[derive(Debug)]
struct Sorter {
    /// For each node those that follow it.
    before: Vec<Vec<u32>>,
    /// For each node how many of those that it follows are not in order yet.
    waiting: Vec<usize>,
    done: Vec<bool>,
    order: Vec<u32>,
    ready: Vec<u32>,
}

impl Sorter {
    fn new(after: &[&[u32]]) -> Self {
        let mut before = vec![Vec::new(); after.len()];
        let mut waiting = Vec::with_capacity(after.len());
        for (node, upstream) in (0_u32..).zip(after) {
            let others = upstream.iter().filter(|above| **above != node);
            waiting.push(others.clone().count());
            for above in others {
                if let Some(below) = before.get_mut(at(*above)) {
                    below.push(node);
                }
            }
        }
        let ready = (0_u32..).zip(&waiting).filter(|(_, count)| **count == 0);
        Self {
            ready: ready.map(|(node, _)| node).collect(),
            done: vec![false; after.len()],
            order: Vec::with_capacity(after.len()),
            before,
            waiting,
        }
    }

    fn run(&mut self) {
        while let Some(node) = self.ready.pop() {
            self.release(node);
        }
    }

    /// Puts a node in order, and makes ready what waited for it alone.
    fn release(&mut self, node: u32) {
        match self.done.get_mut(at(node)) {
            Some(done) if !*done => *done = true,
            Some(_) | None => return,
        }
        self.order.push(node);
        for below in self.before.get(at(node)).into_iter().flatten() {
            if let Some(count) = self.waiting.get_mut(at(*below)) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.ready.push(*below);
                }
            }
        }
    }

    /// Walks upstream among what is left until a node comes twice: each of those follows another of them.
    fn cycle(&self, after: &[&[u32]]) -> Vec<u32> {
        let left = |node: u32| self.done.get(at(node)) == Some(&false);
        let mut seen = vec![usize::MAX; after.len()];
        let mut walk = Vec::new();
        let mut next = (0_u32..)
            .zip(&self.done)
            .find(|(_, done)| !**done)
            .map(|(node, _)| node);
        while let Some(node) = next {
            let Some(position) = seen.get_mut(at(node)) else {
                break;
            };
            if *position != usize::MAX {
                let mut cycle = walk.split_off(*position);
                cycle.reverse();
                let lowest = cycle.iter().enumerate().min_by_key(|(_, node)| **node);
                let lowest = lowest.map_or(0, |(position, _)| position);
                cycle.rotate_left(lowest);
                return cycle;
            }
            *position = walk.len();
            walk.push(node);
            let upstream = after.get(at(node)).copied().unwrap_or_default();
            next = upstream
                .iter()
                .copied()
                .find(|above| *above != node && left(*above));
        }
        Vec::new()
    }
}

/// The place of a node in a list.
pub(crate) fn at(node: u32) -> usize {
    usize::try_from(node).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sort(after: &[Vec<u32>]) -> Result<Vec<u32>, Vec<Vec<u32>>> {
        let after: Vec<_> = after.iter().map(Vec::as_slice).collect();
        topological(&after)
    }

    #[test]
    fn a_cycle_is_found_behind_what_leads_to_it() {
        // 0 -> 1 -> 2 -> 3 -> 1, and 3 -> 4.
        let after = [vec![], vec![0, 3], vec![1], vec![2], vec![3]];
        assert_eq!(sort(&after), Err(vec![vec![1, 2, 3]]));
    }

    #[test]
    fn separate_cycles_are_all_found() {
        let after = [vec![1], vec![0], vec![3], vec![2], vec![4]];
        assert_eq!(sort(&after), Err(vec![vec![0, 1], vec![2, 3]]));
    }

    #[test]
    fn a_long_chain_and_a_long_cycle_need_no_stack() {
        let mut after: Vec<Vec<u32>> = (0..100_000_u32)
            .map(|n| n.checked_sub(1).into_iter().collect())
            .collect();
        assert_eq!(sort(&after).unwrap().len(), 100_000);
        after[0] = vec![99_999];
        assert_eq!(sort(&after).unwrap_err()[0].len(), 100_000);
    }

    proptest! {
        #[test]
        fn an_order_respects_every_edge_and_a_cycle_is_one(
            after in prop::collection::vec(prop::collection::btree_set(0_u32..12, 0..4), 12)
        ) {
            let after: Vec<Vec<u32>> = after.into_iter().map(|set| set.into_iter().collect()).collect();
            match sort(&after) {
                Ok(order) => {
                    prop_assert_eq!(order.len(), after.len());
                    let place = |node: u32| order.iter().position(|other| *other == node).unwrap();
                    for (node, upstream) in (0..).zip(&after) {
                        prop_assert!(upstream.iter().all(|above| *above == node || place(*above) < place(node)));
                    }
                }
                Err(cycles) => {
                    prop_assert!(!cycles.is_empty());
                    for cycle in cycles {
                        prop_assert!(cycle.len() > 1);
                        for (from, to) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
                            prop_assert!(after[at(*to)].contains(from));
                        }
                    }
                }
            }
        }
    }
}
