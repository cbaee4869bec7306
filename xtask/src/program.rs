//! The programs of the workspace, built and handed over to.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;

use crate::cloud::Parts;
use crate::functions::Form;
use crate::{components, functions, machine, tool};

/// The profile of the server that `up` starts. What it takes from nothing, on 2 cores, has to stay below 6 minutes.
const UP_PROFILE: &str = "release";

/// The main job: the local server with the examples loaded and one of them run to its end.
pub(crate) fn up(args: Vec<OsString>) -> anyhow::Result<()> {
    tool::python();
    let mut run = cargo_run("porpoise", UP_PROFILE);
    run.args(["--", "up", "--examples"]).args(args);
    hand_over(run)
}

/// The simulator. Mutants are compiled in only when they are asked for.
pub(crate) fn simulate(args: Vec<OsString>) -> anyhow::Result<()> {
    let mut run = cargo_run("porpoise-simulation", "sim");
    run.args(["--bin", "simulate"]);
    if args.iter().any(|arg| arg == "--mutants") {
        run.args(["--features", "mutants"]);
    }
    run.arg("--").args(args);
    hand_over(run)
}

/// Nights. In the box, with what that is made of.
pub(crate) fn night(args: Vec<OsString>) -> anyhow::Result<()> {
    let mut run = built("night")?;
    if let Some(folder) = machine::exports()? {
        run.env(machine::DATA_VARIABLE, folder);
    }
    if args.iter().any(|arg| arg == "--box") {
        components::install()?;
        let parts = Parts::make(Form::Quick)?;
        run.arg("--functions").arg(parts.functions);
        run.arg("--templates").arg(parts.templates);
    }
    run.args(args);
    hand_over(run)
}

/// The golden tables, and the import of every file of the folder.
pub(crate) fn golden(args: Vec<OsString>) -> anyhow::Result<()> {
    let mut run = built("golden")?;
    if let Some(folder) = machine::exports()? {
        run.arg("--data").arg(folder);
    }
    run.args(args);
    hand_over(run)
}

/// The benchmarks, as release builds. They start the server and its wrapper as processes of their own.
pub(crate) fn bench(args: Vec<OsString>) -> anyhow::Result<()> {
    let mut build = machine::cargo();
    build.args(["build", "--package", "porpoise", "--profile", "release"]);
    let built = build.status().context("cannot start cargo")?;
    anyhow::ensure!(built.success(), "the server cannot be built");
    let mut run = cargo_run("porpoise-benches", "release");
    run.arg("--").args(args);
    hand_over(run)
}

/// The part of the benchmarks that tells what a deployment costs: it needs no server. What functions compute is measured,
/// so that it has to be a release build.
pub(crate) fn bill(args: Vec<OsString>) -> anyhow::Result<()> {
    let mut run = cargo_run("porpoise-benches", "release");
    run.args(["--", "--only", "bill"]).args(args);
    hand_over(run)
}

/// A program of the workspace as tests have it, built now. The whole workspace is named so that what others wrote has
/// the same features as there, and is not compiled again.
pub(crate) fn built(name: &str) -> anyhow::Result<Command> {
    build(&[name])?;
    Ok(Command::new(path(name)?))
}

/// Builds programs as tests have them.
pub(crate) fn build(names: &[&str]) -> anyhow::Result<()> {
    let mut build = machine::cargo();
    build.args(["build", "--locked", "--workspace"]);
    build.args(names.iter().flat_map(|name| ["--bin", *name]));
    let built = build.status().context("cannot start cargo")?;
    anyhow::ensure!(built.success(), "cannot build {}", names.join(", "));
    Ok(())
}

/// Where a program is that was built so.
pub(crate) fn path(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::path::absolute(
        functions::target()?.join("debug").join(name),
    )?)
}

fn cargo_run(package: &str, profile: &str) -> Command {
    let mut run = machine::cargo();
    run.args(["run", "--package", package, "--profile", profile]);
    run
}

/// Becomes the command: Ctrl-C reaches it alone, and its exit code is ours.
pub(crate) fn hand_over(mut command: Command) -> anyhow::Result<()> {
    Err(command.exec()).context("cannot start it")
}
