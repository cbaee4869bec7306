//! `cargo xtask night`: many nights, each from a seed.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use porpoise_night::{Nightly, Outcome, night};

/// Nights of 320 tasks while everything goes wrong.
#[derive(Debug, Parser)]
#[command(name = "night")]
struct Args {
    /// How many.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// The first.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Print so many of the last things that happened in a night that fails.
    #[arg(long, default_value_t = 0)]
    story: usize,
}

/// A night takes no longer, on a machine that does nothing else.
const SECONDS_MAX: u64 = 30;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let nightly = Nightly::read()?.context("PORPOISE_DS_DATA names no folder")?;
    let mut failed = 0_u64;
    for seed in args.from..args.from + args.seeds {
        let begun = now();
        let outcome = night(&nightly, seed, args.story > 0)?;
        let took = begun.elapsed();
        print(&outcome, took);
        if let Some(violation) = &outcome.violation {
            failed += 1;
            println!(
                "  {} after {} minutes: {}",
                violation.invariant, violation.minute, violation.what
            );
            let from = outcome.story.len().saturating_sub(args.story);
            outcome
                .story
                .iter()
                .skip(from)
                .for_each(|line| println!("{line}"));
        } else if took > Duration::from_secs(SECONDS_MAX) {
            println!("  it took longer than {SECONDS_MAX} seconds");
        }
    }
    println!("{} nights, {failed} failed", args.seeds);
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn print(outcome: &Outcome, took: Duration) {
    println!(
        "seed {}: {} after {} minutes, {} attempts, {} jobs, {} reasons (at most {} s behind), {} steps, {} faults of calls, {:.1} s",
        outcome.seed,
        outcome.state,
        outcome.minutes,
        outcome.attempts,
        outcome.jobs,
        outcome.reasons,
        outcome.behind,
        outcome.steps,
        outcome.faults,
        took.as_secs_f64(),
    );
}

#[expect(clippy::disallowed_methods, reason = "how long it really takes")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
