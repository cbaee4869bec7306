//! Porpoise on one machine: the local server and the command line.
//!
//! Start reading at [`host`], the loops that stand in for what AWS does in the cloud; then `server`, which puts the
//! HTTP API before them; then `args`, which lists the commands, and `command`, where each has its module. Commands
//! speak to a server over HTTP and know nothing of its store.
//!
//! Left out on purpose: rules (the engine's), routes (`porpoise-api`), the wrapper around a job's process
//! (`porpoise-executor-local`; this binary only starts it, before anything else).

mod agent;
mod args;
mod client;
mod cloud;
mod command;
mod config;
mod failure;
pub mod host;
mod output;
mod server;
mod view;
mod work;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

/// What the wrapper of an attempt is called on the command line of this binary.
pub(crate) const ATTEMPT: &str = "__attempt";

/// What the program is called that does jobs which are no programs by themselves. A wrapper starts it.
const WORK: &str = "__work";

/// Everything that the binary does.
pub fn main() -> ExitCode {
    // A wrapper is started for every attempt: before anything that costs time.
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next();
    if let Some(word @ (ATTEMPT | WORK)) = first.as_deref().and_then(OsStr::to_str) {
        return match arguments.next() {
            Some(dir) if word == ATTEMPT => attempt(Path::new(&dir)),
            Some(dir) => work::run(Path::new(&dir)),
            None => ExitCode::from(failure::USAGE),
        };
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors, and go to stdout.
            let code = if error.use_stderr() {
                failure::USAGE
            } else {
                0
            };
            failure::print_usage(&error);
            return ExitCode::from(code);
        }
    };
    let session = output::Session::new(&args.common);
    match command::run(&session, args.command) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure.print(session.json);
            ExitCode::from(failure.exit)
        }
    }
}

/// Wraps the process of an attempt.
fn attempt(dir: &Path) -> ExitCode {
    let program = std::env::current_exe().ok();
    let helper: Vec<_> = program
        .map(|program| vec![program.into_os_string(), WORK.into()])
        .unwrap_or_default();
    porpoise_executor_local::wrapper::run(dir, &helper)
}
