//! Many simulations: on all cores, one on a thread at a time, summed up.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::fault::Matrix;
use crate::sim::{Outcome, simulate};
use crate::workload::Profile;

/// Sizes of workflows, as the report groups them: up to so many tasks.
const SIZES: [u64; 8] = [1, 3, 10, 30, 100, 300, 1_000, u64::MAX];
/// Failures that are kept; the rest are counted.
const FAILURES_MAX: usize = 20;

/// What many simulations came to.
#[derive(Debug, Clone, Default)]
pub struct Totals {
    /// Simulations.
    pub seeds: u64,
    /// Simulated events.
    pub steps: u64,
    /// Records that were written.
    pub records: u64,
    /// Facts in them.
    pub facts: u64,
    /// Runs that were created.
    pub runs: u64,
    /// Jobs that were started.
    pub jobs: u64,
    /// Virtual time, in microseconds.
    pub time: i64,
    /// Simulations by the size of their largest workflow.
    pub sizes: [u64; SIZES.len()],
    /// How often each fault hit each effect.
    pub matrix: Matrix,
    /// Simulations in which an invariant did not hold.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<Outcome>,
}

impl Totals {
    /// Adds a simulation.
    pub fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.steps += outcome.steps;
        self.records += outcome.records;
        self.facts += outcome.facts;
        self.runs += outcome.runs as u64;
        self.jobs += outcome.jobs as u64;
        self.time += outcome.time;
        self.matrix.add(&outcome.matrix);
        let size = SIZES.iter().position(|most| outcome.largest <= *most);
        self.sizes[size.unwrap_or(0)] += 1;
        if outcome.violation.is_some() {
            self.failed += 1;
            if self.failures.len() < FAILURES_MAX {
                self.failures.push(outcome);
            }
        }
    }

    /// Adds what others came to.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.records += other.records;
        self.facts += other.facts;
        self.runs += other.runs;
        self.jobs += other.jobs;
        self.time += other.time;
        self.failed += other.failed;
        self.matrix.add(&other.matrix);
        let sizes = self.sizes.iter_mut().zip(other.sizes);
        sizes.for_each(|(mine, theirs)| *mine += theirs);
        self.failures.extend(other.failures);
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.time / 3_600_000_000;
        writeln!(
            f,
            "seeds {}, steps {}, records {}, facts {}, runs {}, jobs {}, virtual hours {hours}",
            self.seeds, self.steps, self.records, self.facts, self.runs, self.jobs
        )?;
        write!(f, "simulations by tasks of their largest workflow:")?;
        for (most, count) in SIZES.iter().zip(self.sizes) {
            match *most {
                u64::MAX => write!(f, "  more: {count}")?,
                most => write!(f, "  ≤{most}: {count}")?,
            }
        }
        write!(f, "\n\n{}\n", self.matrix)?;
        let missing = self.matrix.missing();
        if missing.is_empty() {
            write!(f, "\nevery fault hit every effect that it can hit")
        } else {
            write!(f, "\nnever happened: {missing:?}")
        }
    }
}

/// Runs simulations `from` to `from + seeds`, on `threads` threads, each seed with its own profile. `seen` is called
/// now and then with what there is.
///
/// # Panics
/// When a thread cannot be started.
pub fn simulate_many(
    from: u64,
    seeds: u64,
    threads: usize,
    seen: impl Fn(&Totals) + Sync,
) -> Totals {
    let next = AtomicU64::new(from);
    let totals = Mutex::new(Totals::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from.saturating_add(seeds) {
                        return;
                    }
                    let outcome = simulate(seed, Profile::of_seed(seed), false);
                    let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
                    totals.add(outcome);
                    seen(&totals);
                }
            });
        }
    });
    totals.into_inner().unwrap_or_else(PoisonError::into_inner)
}
