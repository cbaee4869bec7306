//! How many simulations it takes to find a bug that was put in on purpose.

use porpoise_engine::mutant::{Mutant, activate};

use crate::sim::{Outcome, simulate};
use crate::workload::Profile;

/// Seeds from the first to the one that finds the bug, and what it found; `None`: none of `most` did.
pub fn hunt(mutant: Mutant, from: u64, most: u64) -> Option<(u64, Outcome)> {
    let profile = Profile::for_mutant(mutant);
    activate(Some(mutant));
    let found = (0..most).find_map(|tried| {
        let outcome = simulate(from + tried, profile, false);
        outcome.violation.is_some().then_some((tried + 1, outcome))
    });
    activate(None);
    found
}

/// The median number of seeds over several starting points; `None`: it was not found from more than half of them.
pub fn median(mutant: Mutant, points: u64, most: u64) -> Option<u64> {
    let start = |point: u64| 1_000_003 * (point + 1);
    let mut counts: Vec<u64> = (0..points)
        .map(|point| hunt(mutant, start(point), most).map_or(u64::MAX, |(seeds, _)| seeds))
        .collect();
    counts.sort_unstable();
    counts
        .get(counts.len() / 2)
        .copied()
        .filter(|count| *count != u64::MAX)
}
