//! `cargo xtask test`: every test of the workspace.

use std::ffi::OsString;
use std::process::Command;

use crate::cloud::Parts;
use crate::components::{self, Servers};
use crate::functions::Form;
use crate::steps::Steps;
use crate::{infra, machine, tool};

/// Runs every test, or those that `filter` lets through. First the examples in the docs and the hunt for bugs on
/// purpose, which is another build of the core; then all else is compiled, as it is shipped, and the infrastructure
/// tested with it; last, so that its summary closes the output, the rest. Nextest runs them where it is installed, else
/// `cargo test`. With a filter, there are no examples and no infrastructure.
///
/// The components that stand in for AWS, and the parts of the box, are there during those; without them, the tests that
/// need one fail and say so.
pub(crate) fn test(filter: &[OsString]) -> anyhow::Result<()> {
    tool::python();
    let runner = Runner::of_this_machine(filter)?;
    let mut steps = Steps::default();
    let installed = components::install();
    if filter.is_empty() {
        let mut docs = machine::cargo();
        docs.args(["test", "--locked", "--quiet", "--workspace", "--doc"]);
        steps.run("examples in the docs", &mut docs);
    }
    // the workspace is named so that what others wrote is compiled once, with the same features, for all of this
    let bugs = "porpoise-simulation/mutants";
    let hunt = ["--workspace", "--features", bugs, "--test", "mutants"];
    steps.run("bugs on purpose", &mut runner.command("test", &hunt));
    let all = ["--workspace", "--lib", "--bins", "--tests", "--examples"];
    let mut tests = runner.command("test", &all);
    let servers = installed.and_then(|()| Servers::start());
    let parts = Parts::make(Form::QuickWithTests); // compiles everything: what comes after finds it
    match &servers {
        Ok(servers) => servers.tell(&mut tests),
        Err(error) => steps.fail("components", error),
    }
    match &parts {
        Ok(parts) => parts.tell(&mut tests),
        Err(error) => steps.fail("parts of the box", error),
    }
    if let (Ok(servers), Ok(parts), true) = (&servers, &parts, filter.is_empty()) {
        infra::test(&mut steps, servers, &parts.program);
    }
    steps.run("tests", &mut tests);
    drop(servers);
    steps.finish()
}

/// What runs tests on this machine.
#[derive(Debug)]
struct Runner {
    nextest: bool,
    exports: Option<OsString>,
    filter: Vec<OsString>,
}

impl Runner {
    fn of_this_machine(filter: &[OsString]) -> anyhow::Result<Self> {
        Ok(Self {
            nextest: tool::has_nextest(),
            exports: machine::exports()?.map(Into::into),
            filter: filter.to_vec(),
        })
    }

    fn command(&self, profile: &str, targets: &[&str]) -> Command {
        let mut command = machine::cargo();
        if self.nextest {
            command.args(["nextest", "run", "--locked", "--cargo-profile", profile]);
            command.args(
                machine::is_ci()
                    .then_some(["--profile", "ci"])
                    .into_iter()
                    .flatten(),
            );
            if !self.filter.is_empty() {
                command.args(["--no-tests", "pass"]); // it may fit only the other of the two calls
            }
        } else {
            command.args(["test", "--locked", "--no-fail-fast", "--profile", profile]);
        }
        command.args(targets).args(&self.filter);
        if let Some(folder) = &self.exports {
            command.env(machine::DATA_VARIABLE, folder);
        }
        command
    }
}
