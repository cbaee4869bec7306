//! A few nights; `cargo xtask night` has more.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use porpoise_night::{Mutant, Nightly, Outcome, night, night_with};

fn nightly() -> Option<Nightly> {
    let nightly = Nightly::read().unwrap();
    if nightly.is_none() {
        println!("SKIPPED: PORPOISE_DS_DATA names no folder with the night");
    }
    nightly
}

fn is_sound(outcome: &Outcome) {
    assert_eq!(outcome.violation, None, "seed {}", outcome.seed);
    assert!(outcome.jobs > 20 && outcome.reasons > 1_000, "{outcome:?}");
    let count = |fault: &str| {
        let counts = outcome
            .counts
            .iter()
            .filter(|(known, _, _)| *known == fault);
        counts.map(|(_, _, count)| count).sum::<u64>()
    };
    // what a night is for has happened in it
    for fault in [
        "killed before",
        "killed after",
        "failed after",
        "doubled",
        "lost",
    ] {
        assert!(
            count(fault) > 0,
            "seed {}: nothing was {fault}",
            outcome.seed
        );
    }
}

#[test]
fn nights_end_well_whatever_goes_wrong() {
    let Some(nightly) = nightly() else { return };
    for seed in [1, 3] {
        is_sound(&night(&nightly, seed, false).unwrap());
    }
}

#[test]
fn a_seed_is_the_same_night_again() {
    let Some(nightly) = nightly() else { return };
    let [one, other] = [1, 2].map(|_| night(&nightly, 1, false).unwrap());
    is_sound(&one);
    assert_eq!((one.hash, one.steps), (other.hash, other.steps));
    assert_eq!(one.counts, other.counts);
    assert_eq!(one.calls, other.calls);
}

#[test]
fn bugs_that_are_put_in_on_purpose_are_found_by_the_check_that_is_for_them() {
    let Some(nightly) = nightly() else { return };
    for mutant in Mutant::ALL {
        let outcome = night_with(&nightly, 1, false, Some(mutant)).unwrap();
        let found = outcome.violation.map(|violation| violation.invariant);
        assert_eq!(found, Some(mutant.found_as()), "{mutant:?}");
    }
}
