//! A million steps, the report's matrix without a zero, and the same seed twice.

use porpoise_simulation::{Profile, Totals, simulate, simulate_many};

const STEPS: u64 = 1_000_000;

#[test]
fn a_million_steps_violate_no_invariant_and_every_fault_hits_every_effect() {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut totals = Totals::default();
    let mut from = 1;
    while totals.steps < STEPS {
        add(&mut totals, simulate_many(from, 64, threads, |_| {}));
        from += 64;
    }
    // Only large DAGs have logs that outgrow their snapshots: a few more of those, and of the others.
    let large = |seed: &u64| Profile::of_seed(*seed) == Profile::LARGE;
    for seed in (from + 10_000..).filter(large) {
        if totals.matrix.missing().is_empty() {
            break;
        }
        add(&mut totals, simulate_many(seed, 1, 1, |_| {}));
        add(&mut totals, simulate_many(from, 10, threads, |_| {}));
        from += 10;
        assert!(totals.steps < 10 * STEPS, "not all faults hit\n{totals}");
    }
    println!("{totals}");
}

fn add(totals: &mut Totals, some: Totals) {
    let failures = some.failures.iter();
    let failures: Vec<_> = failures
        .map(|failure| (failure.seed, &failure.violation))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    totals.merge(some);
}

#[test]
fn a_seed_reproduces_every_event() {
    for seed in [3, 15, 63].into_iter().chain(100..120) {
        let profile = Profile::of_seed(seed);
        let (first, second) = (
            simulate(seed, profile, false),
            simulate(seed, profile, true),
        );
        assert_eq!(
            (first.steps, first.hash, first.violation),
            (second.steps, second.hash, second.violation),
            "seed {seed}"
        );
    }
}

#[test]
fn other_seeds_are_other_simulations() {
    let hash = |seed| simulate(seed, Profile::SMALL, false).hash;
    assert_ne!(hash(1), hash(2));
}
