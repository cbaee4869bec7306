//! `cargo xtask night`: many nights, each from a seed.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use porpoise_night::{Manner, Mutant, Nightly, Outcome, Tally, in_a_box, night, night_with};

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
    /// Put bugs in on purpose, one after the other, and see that each is found.
    #[arg(long)]
    mutants: bool,
    /// Run one of them in the box, in real time: it has the folders of functions and of templates.
    #[arg(long = "box", requires_all = ["functions", "templates"])]
    in_box: bool,
    /// The folder with NAME/bootstrap.zip for each function.
    #[arg(long)]
    functions: Option<PathBuf>,
    /// The folder with the templates of the stacks.
    #[arg(long)]
    templates: Option<PathBuf>,
}

/// A night takes no longer, on a machine that does nothing else.
const SECONDS_MAX: u64 = 30;
/// In so many nights each thing that can go wrong has done so.
const NIGHTS_OF_ALL: u64 = 20;

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let (true, Some(functions), Some(templates)) =
        (args.in_box, args.functions.clone(), args.templates.clone())
    {
        let manner = Manner {
            functions,
            templates,
            seed: args.from,
        };
        return boxed(&manner);
    }
    let nightly = Nightly::read()?.context("PORPOISE_DS_DATA names no folder with the night")?;
    let well = if args.mutants {
        hunt(&nightly, &args)?
    } else {
        nights(&nightly, &args)?
    };
    Ok(ExitCode::from(u8::from(!well)))
}

/// Megabytes of memory that a function may have at its most.
const MEMORY_MIB_BAR: u64 = 64;

const REFUSED: &str = "requests refused by the documented rates";

/// A night in the box.
fn boxed(manner: &Manner) -> anyhow::Result<ExitCode> {
    let nightly = Nightly::read_for_real_time()?
        .context("PORPOISE_DS_DATA names no folder with the night")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let night = runtime.block_on(in_a_box(&nightly, manner))?;
    println!(
        "seed {}: {} after {:.0} s, {} attempts, {} jobs, {} reasons (at most {:.0} s behind), {} calls of functions\n",
        manner.seed,
        night.state,
        night.took.as_secs_f64(),
        night.attempts,
        night.jobs,
        night.reasons,
        night.behind.as_secs_f64(),
        night.calls,
    );
    println!("{:<48} {:>9}", "what went wrong", "times");
    let rows = [
        ("events of the service", night.posted.told),
        ("… lost", night.posted.lost),
        ("… twice", night.posted.doubled),
        ("… after a later one", night.posted.overtaken),
        (REFUSED, night.too_fast),
        ("functions killed", night.killed),
        ("answers cut off after the effect", night.cut),
    ];
    for (words, times) in rows {
        println!("{words:<48} {times:>9}");
    }
    println!(
        "\n{:<24} {:>16} {:>6}",
        "function", "peak memory MiB", "bar"
    );
    let mut large = false;
    for (function, kilobytes) in &night.peaks {
        let mib = kilobytes.div_ceil(1024);
        large |= mib >= MEMORY_MIB_BAR;
        println!("{function:<24} {mib:>16} {MEMORY_MIB_BAR:>6}");
    }
    match &night.violation {
        Some((invariant, what)) => println!("\n{invariant}: {what}"),
        None => println!("\nno invariant is broken"),
    }
    let never = rows.iter().filter(|(_, times)| *times == 0);
    let never: Vec<&str> = never.map(|(words, _)| *words).collect();
    if !never.is_empty() {
        println!("never happened: {}", never.join(", "));
    }
    // How fast jobs are started in real time is a matter of the machine.
    let complete = never.iter().all(|words| *words == REFUSED);
    let well = night.violation.is_none() && !large && complete && night.state == "succeeded";
    Ok(ExitCode::from(u8::from(!well)))
}

/// Whether all of them went well.
fn nights(nightly: &Nightly, args: &Args) -> anyhow::Result<bool> {
    let mut failed = 0_u64;
    let mut tally = Tally::default();
    for seed in args.from..args.from + args.seeds {
        let begun = now();
        let outcome = night(nightly, seed, args.story > 0)?;
        let took = begun.elapsed();
        print(&outcome, took);
        for failure in &outcome.failures {
            println!("  {failure}");
        }
        tally.add(&outcome);
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
    println!("\n{:<48} {:>9} {:>7}", "what went wrong", "times", "nights");
    for (words, times, nights) in tally.rows() {
        println!("{words:<48} {times:>9} {nights:>7}");
    }
    if let Some(memory) = peak_mib() {
        println!("\npeak memory of all of this, in one process: {memory} MiB");
    }
    let missing = tally.missing();
    let complete = missing.is_empty() || args.seeds < NIGHTS_OF_ALL;
    if !complete {
        println!("never happened: {}", missing.join(", "));
    }
    println!("{} nights, {failed} failed", args.seeds);
    Ok(failed == 0 && complete)
}

/// Whether each bug was found by the check that has to find it.
fn hunt(nightly: &Nightly, args: &Args) -> anyhow::Result<bool> {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        let outcome = night_with(nightly, args.from, false, Some(mutant))?;
        let found = outcome.violation.as_ref();
        let invariant = found.map_or("nothing", |found| found.invariant);
        let right = invariant == mutant.found_as();
        missed += u64::from(!right);
        println!(
            "{:<14} found as {invariant} after {} minutes{}",
            format!("{mutant:?}"),
            found.map_or(0, |found| found.minute),
            if right { "" } else { ": wrong" }
        );
    }
    println!("{} bugs, {missed} not found", Mutant::ALL.len());
    Ok(missed == 0)
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

/// The most memory that this process has had.
///
/// Source: proc(5), `VmHWM` of `/proc/self/status`.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes / 1024)
}

#[expect(clippy::disallowed_methods, reason = "how long it really takes")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
