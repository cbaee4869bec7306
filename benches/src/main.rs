//! Benchmarks: `cargo xtask bench [--json FILE]` prints what was measured in one run. Never a timed test.
//!
//! Start reading at `section`, which says what is measured and against which bar; `shape` has the workflows, `server`
//! the host in this process, `real` the server as a process of its own, `process` the loops without a server, `cost`
//! the meter, `engine` the core alone, `cloud` the control plane as it is deployed.
#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

mod cloud;
mod cost;
mod engine;
mod machine;
mod process;
mod real;
mod report;
mod section;
mod server;
mod shape;
mod stamp;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures the engine, the server, its processes and its costs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Args {
    /// Also write everything to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Of the bill, only these sections.
    #[arg(long, value_enum, value_delimiter = ',')]
    sections: Vec<section::BillSection>,
}

/// A part of the benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The engine alone.
    Engine,
    /// Runs of `noop` through the server.
    Noop,
    /// Runs of real processes.
    Processes,
    /// Write units, reads and effects.
    Cost,
    /// A run of 10,000 tasks.
    Large,
    /// Start and idling with 10,000 runs in the store.
    Idle,
    /// What a deployment on AWS costs.
    Bill,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let wanted = |part: &Part| args.only.is_empty() || args.only.contains(part);
    // Whatever is removed on the way slows down what is made next (ext4), so all of it goes at the end.
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut report = report::Report {
        cpus: machine::cpus(),
        ..report::Report::default()
    };
    for part in Part::value_variants().iter().filter(|part| wanted(part)) {
        let sub = dir.path().join(format!("{part:?}").to_lowercase());
        std::fs::create_dir(&sub)?;
        let measured = match part {
            Part::Engine => section::alone(&mut report),
            Part::Noop => section::noop(&mut report, &runtime, &sub),
            Part::Processes => section::processes(&mut report, &runtime, &sub),
            Part::Cost => section::cost(&mut report, &runtime),
            Part::Large => section::large(&mut report, &sub),
            Part::Idle => section::idle(&mut report, &runtime, &sub),
            Part::Bill => section::bill(&mut report, &args.sections),
        };
        match measured {
            Ok(table) => println!("\n{table}"),
            // The other parts are worth having all the same.
            Err(error) => report.bar(
                format!("{part:?}"),
                "is measured",
                format!("{error:#}"),
                false,
            ),
        }
    }
    println!("{}", report.table());
    if let Some(file) = args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
