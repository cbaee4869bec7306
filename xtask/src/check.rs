//! What has to hold before the tests: `cargo xtask check`.

use std::process::Command;

use crate::steps::Steps;
use crate::{audit, infra, machine};

/// A file that a test makes and compares with what is checked in.
#[derive(Debug)]
struct Generated {
    path: &'static str,
    package: &'static str,
    test: &'static str,
    /// The variable that makes it write the file instead.
    update: &'static str,
}

const GENERATED: &[Generated] = &[
    Generated {
        path: "docs/schema/workflow.schema.json",
        package: "porpoise-definition",
        test: "documents::the_checked_in_schema_is_that_of_the_reader",
        update: "UPDATE_SCHEMA",
    },
    Generated {
        path: "docs/openapi.json",
        package: "porpoise-api",
        test: "openapi::the_checked_in_document_is_that_of_the_routes",
        update: "UPDATE_OPENAPI",
    },
    Generated {
        path: "docs/errors/README.md",
        package: "porpoise-api",
        test: "error_pages::the_index_of_the_pages_is_complete",
        update: "UPDATE_ERRORS",
    },
];

/// Runs all of it, also after a failure, and names what failed. Whether files that tests make are as checked in, those
/// tests say.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    steps.run("format", &mut cargo(&["fmt", "--all", "--check"]));
    let lints = ["--", "-D", "warnings"];
    let mut clippy = cargo(&["clippy", "--locked", "--workspace", "--all-targets"]);
    steps.run("lints", clippy.args(lints));
    // the workspace is named so that what others wrote has the same features as above
    let mut mutants = cargo(&["clippy", "--locked", "--workspace"]);
    mutants.args(["--features", "porpoise-simulation/mutants"]);
    mutants.args(["--bin", "simulate", "--test", "mutants"]);
    steps.run("lints of the bugs on purpose", mutants.args(lints));
    let mut docs = cargo(&["doc", "--locked", "--workspace", "--no-deps"]);
    steps.run("docs", docs.env("RUSTDOCFLAGS", "-D warnings"));
    audit::steps(&mut steps);
    infra::check(&mut steps);
    steps.finish()
}

/// Writes the generated files again.
pub(crate) fn generate() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    for file in GENERATED {
        steps.run(file.path, file.command().env(file.update, "1"));
    }
    infra::generate(&mut steps);
    steps.finish()
}

impl Generated {
    /// Runs its test.
    fn command(&self) -> Command {
        let mut test = cargo(&["test", "--locked", "--quiet", "--package", self.package]);
        test.args(["--test", "all", "--", "--exact", self.test]);
        test
    }
}

fn cargo(args: &[&str]) -> Command {
    let mut cargo = machine::cargo();
    cargo.args(args);
    cargo
}
