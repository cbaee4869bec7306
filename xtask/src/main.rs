//! `cargo xtask`: everything that a machine needs to build, run, check, test and measure Porpoise.
//!
//! `up` and `test` work on a machine that has a Rust toolchain and nothing else; what more a part needs, [`tool`] gets
//! from the package registries, pinned, into a cache outside the tree. What the programs themselves do is not here:
//! `up`, `simulate`, `golden`, `bill` and `bench` build one of them and hand over.
//!
//! Start reading at [`Task`].
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a tool for people says what it does"
)]

mod audit;
mod check;
mod cloud;
mod coldstart;
mod components;
mod functions;
mod fuzz;
mod infra;
mod machine;
mod pack;
mod program;
mod steps;
mod test;
mod tool;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Builds, runs, checks, tests and measures Porpoise.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the local server, load the examples, run one to the end, and serve until Ctrl-C.
    Up {
        /// Passed on to `porpoise up`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run every test, or those that match.
    Test {
        /// Passed on to the test runner: a part of names, or its options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Install the components that stand in for AWS in tests, where they are missing; `test` does so first.
    Components,
    /// Build the functions of Lambda as small as they get, and pack each as `target/lambda/NAME/bootstrap.zip`.
    Functions {
        /// What for. Tests here run `x86_64`; a deployment takes `arm64` unless told otherwise.
        #[arg(long, value_enum, default_value = "x86_64")]
        architecture: functions::Architecture,
        /// Start each 20 times, and compare size, start and memory with their bars.
        #[arg(long)]
        measure: bool,
        /// Pack what tests have compiled already instead, for components on this machine.
        #[arg(long, conflicts_with_all = ["architecture", "measure", "binaries"])]
        quick: bool,
        /// Take the binaries of this folder, which were built for that architecture before, instead of building them.
        #[arg(long, value_name = "DIR")]
        binaries: Option<PathBuf>,
    },
    /// The control plane on loopback.
    #[command(subcommand)]
    Cloud(Cloud),
    /// Do everything that CI does before the tests: format, lints, docs, audit, drift of generated files.
    Check,
    /// Check and test the infrastructure, and nothing else; `check` and `test` do so too.
    Infra,
    /// Audit the dependencies: licences, sources, bans, yanked versions, known vulnerabilities.
    Audit,
    /// Write the generated files again.
    Generate,
    /// Run the simulator: `--seeds N [--from SEED] [--mutants]`, or `--help`.
    #[command(disable_help_flag = true)]
    Simulate {
        /// Passed on to the simulator.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Print what a deployment on AWS costs, line by line: `[--json FILE]`.
    #[command(disable_help_flag = true)]
    Bill {
        /// Passed on to the benchmarks.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run nights of 320 tasks: `--seeds N [--from SEED] [--story LINES]`, `--mutants`, `--box`, or `--help`.
    #[command(disable_help_flag = true)]
    Night {
        /// Passed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Run the golden tables and import every file of a folder: `[--data DIR] [--json FILE]`, or `--help`.
    #[command(disable_help_flag = true)]
    Golden {
        /// Passed on.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Hand random files and texts to what reads those of strangers: `--seconds N` for each target.
    Fuzz(fuzz::Fuzz),
    /// Run the benchmarks: `[--json FILE]`.
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on to the benchmarks.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
enum Cloud {
    /// Build the functions, deploy them to components that stand in for AWS, and serve until Ctrl-C.
    Up {
        /// Passed on: `--port N`, `--no-auth`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Up { args } => program::up(args),
        Task::Test { args } => test::test(&args),
        Task::Components => components::install(),
        Task::Functions {
            architecture,
            measure,
            quick,
            binaries,
        } => {
            if quick {
                let folder = functions::quick(functions::Form::Quick)?;
                eprintln!("xtask: packed as {}/NAME/bootstrap.zip", folder.display());
                return Ok(());
            }
            functions::functions(architecture, measure, binaries.as_deref())
        }
        Task::Cloud(Cloud::Up { args }) => cloud::up(args),
        Task::Check => check::check(),
        Task::Infra => infra::infra(),
        Task::Audit => audit::audit(),
        Task::Generate => check::generate(),
        Task::Simulate { args } => program::simulate(args),
        Task::Bill { args } => program::bill(args),
        Task::Night { args } => program::night(args),
        Task::Golden { args } => program::golden(args),
        Task::Fuzz(args) => fuzz::fuzz(&args),
        Task::Bench { args } => program::bench(args),
    }
}
