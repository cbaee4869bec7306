//! `simulate`: as many seeds as one wants, on all cores. `cargo xtask simulate` calls it.
#![expect(clippy::print_stdout, reason = "the report is what it is for")]

use std::io::IsTerminal;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use porpoise_simulation::{Outcome, Profile, Totals, simulate, simulate_many};

/// Runs the application over simulated ports: each seed is one simulation, which it reproduces exactly.
#[derive(Debug, Parser)]
struct Args {
    /// How many simulations.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Threads; one for each core if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// How many lines of its story to print of each simulation in which an invariant does not hold; of a single seed
    /// the story is printed whatever becomes of it.
    #[arg(long, default_value_t = 0)]
    story: usize,
    /// Also says how many seeds it takes to find each of the bugs that are put in on purpose.
    #[arg(long)]
    mutants: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let threads = args
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get));
    let progress = progress(args.seeds);
    let totals = simulate_many(args.from, args.seeds, threads, |totals| {
        progress.set_position(totals.seeds);
        if totals.seeds % 16 == 0 {
            progress.set_message(format!("{} steps, {} failed", totals.steps, totals.failed));
        }
    });
    progress.finish_and_clear();
    println!("{totals}");
    let millis = progress.elapsed().as_millis().max(1);
    let speed = u128::from(totals.steps) * 1_000 / millis;
    println!("{speed} steps/s on {threads} threads");
    if args.seeds == 1 && args.story > 0 && totals.failed == 0 {
        let outcome = simulate(args.from, Profile::of_seed(args.from), true);
        print_story(&outcome, args.story);
    }
    report(&totals, args.story);
    let found = !args.mutants || hunt_all();
    if totals.failed == 0 && found {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn progress(seeds: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(seeds), ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(seeds);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} seeds, {msg}, {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn report(totals: &Totals, story: usize) {
    if totals.failed == 0 {
        println!("no invariant was violated");
        return;
    }
    println!("\n{} simulations failed:", totals.failed);
    for failure in &totals.failures {
        if story > 0 {
            let again = simulate(failure.seed, Profile::of_seed(failure.seed), true);
            print_story(&again, story);
        }
        let Some(violation) = &failure.violation else {
            continue;
        };
        println!(
            "seed {} at {:.6} s: {}: {}\n    reproduce: cargo xtask simulate --from {} --seeds 1 --story 100",
            failure.seed,
            Duration::from_micros(violation.at.unsigned_abs()).as_secs_f64(),
            violation.invariant,
            violation.what,
            failure.seed,
        );
    }
}

fn print_story(outcome: &Outcome, lines: usize) {
    let skipped = outcome.story.len().saturating_sub(lines);
    for line in outcome.story.iter().skip(skipped) {
        println!("{line}");
    }
}

#[cfg(feature = "mutants")]
fn hunt_all() -> bool {
    use porpoise_engine::mutant::Mutant;
    println!(
        "\nseeds until a bug that is put in on purpose is found, median of 9 starting points:"
    );
    let mut found = true;
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
        if let Some(seeds) = porpoise_simulation::mutants::median(mutant, 9, 3_000) {
            println!("{name:<30}{seeds:>6}");
        } else {
            found = false;
            println!("{name:<30}  not found within 3,000");
        }
    }
    found
}

#[cfg(not(feature = "mutants"))]
fn hunt_all() -> bool {
    println!("\nmutants are not compiled in: build with `--features mutants`");
    false
}
