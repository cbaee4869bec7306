//! The functions of Lambda: built small, packed, measured against their bars.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::{coldstart, machine, pack};

/// The functions, each a package `porpoise-function-NAME` with a binary NAME.
const FUNCTIONS: [&str; 5] = ["api", "dispatcher", "poller", "stepper", "trigger"];

/// How they are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As they are shipped.
    Small,
    /// As fast as they compile, for components on this machine; with the features that tests have.
    Quick,
    /// The same, together with everything that tests compile, so that nothing is compiled twice.
    QuickWithTests,
}

impl Form {
    /// The profile, and the folder below that of the target that it builds into.
    const fn profile(self) -> (&'static str, &'static str) {
        match self {
            Self::Small => ("small", "small"),
            Self::Quick | Self::QuickWithTests => ("dev", "debug"),
        }
    }
}

/// What they are built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Architecture {
    /// This machine's, if that is one: what tests run.
    #[value(name = "x86_64")]
    X86_64,
    /// What deployments take unless told otherwise. Needs its target in the toolchain, and a linker for it.
    Arm64,
}

impl Architecture {
    const fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// As AWS calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    fn is_here(self) -> bool {
        match self {
            Self::X86_64 => cfg!(target_arch = "x86_64"),
            Self::Arm64 => cfg!(target_arch = "aarch64"),
        }
    }
}

/// The folder below that of the target that the zips are packed into, each in a folder with the name of its function.
/// Binaries have the same names, so that none may be built there.
const PACKED: &str = "lambda";

/// Bytes of a zip.
const ZIP_BYTES_BAR: u64 = 6_000_000;
/// Milliseconds from its start to its first poll, the median of many.
const INIT_MS_BAR: f64 = 30.0;
/// Kilobytes of memory at its most.
const MEMORY_KB_BAR: u64 = 64 * 1024;

/// `cargo xtask functions`: builds and packs all of them; with `measure`, compares them with their bars. Those that lie
/// in a folder of `binaries` are not built.
pub(crate) fn functions(
    architecture: Architecture,
    measure: bool,
    binaries: Option<&Path>,
) -> anyhow::Result<()> {
    let built = match binaries {
        Some(folder) => FUNCTIONS.map(|name| (name, folder.join(name))).to_vec(),
        None => build(architecture, Form::Small)?,
    };
    let folder = target()?.join(PACKED);
    println!("{:<11} {:>10} {:>10}", "function", "zip kB", "bar");
    let mut broken = Vec::new();
    for (name, binary) in &built {
        let bytes = pack::pack(binary, &zip(&folder, name), pack::SMALLEST)?;
        let kilobytes = |bytes: u64| bytes / 1000;
        println!(
            "{name:<11} {:>10} {:>10}",
            kilobytes(bytes),
            kilobytes(ZIP_BYTES_BAR)
        );
        if bytes >= ZIP_BYTES_BAR {
            broken.push(format!("zip of {name}"));
        }
    }
    // what `porpoise deploy` compares with its settings: a function for other processors does not start
    std::fs::write(folder.join("architecture"), architecture.name())?;
    eprintln!("xtask: packed as {}/NAME/bootstrap.zip", folder.display());
    if measure {
        anyhow::ensure!(
            architecture.is_here(),
            "functions of another architecture can't be started here"
        );
        broken.extend(measured(&built)?);
    }
    anyhow::ensure!(broken.is_empty(), "above the bar: {}", broken.join(", "));
    Ok(())
}

/// Builds and packs all of them for components on this machine; the folder with NAME/bootstrap.zip.
pub(crate) fn quick(form: Form) -> anyhow::Result<PathBuf> {
    let architecture = if Architecture::Arm64.is_here() {
        Architecture::Arm64
    } else {
        Architecture::X86_64
    };
    let folder = target()?.join("cloud").join("functions");
    for (name, binary) in build(architecture, form)? {
        let zip = zip(&folder, name);
        if pack::is_packed(&binary, &zip) {
            continue;
        }
        let stripped = zip.with_extension("bin");
        pack::strip(&binary, &stripped)?;
        pack::pack(&stripped, &zip, pack::FASTEST)?;
        std::fs::remove_file(&stripped)?;
    }
    Ok(folder.canonicalize()?)
}

fn zip(folder: &Path, name: &str) -> PathBuf {
    folder.join(name).join("bootstrap.zip")
}

/// Starts each many times; what is above its bar.
fn measured(built: &[(&str, PathBuf)]) -> anyhow::Result<Vec<String>> {
    let mut broken = Vec::new();
    println!(
        "\n{:<11} {:>16} {:>6} {:>16} {:>6}",
        "function", "first poll ms", "bar", "peak memory MB", "bar"
    );
    for (name, binary) in built {
        let start = coldstart::measure(name, binary)?;
        println!(
            "{name:<11} {:>16.1} {INIT_MS_BAR:>6.0} {:>16.1} {:>6}",
            start.millis,
            start.memory_mb(),
            MEMORY_KB_BAR / 1024
        );
        if start.millis >= INIT_MS_BAR {
            broken.push(format!("first poll of {name}"));
        }
        if start.kilobytes >= MEMORY_KB_BAR {
            broken.push(format!("memory of {name}"));
        }
    }
    Ok(broken)
}

/// The binaries, by the name of their function.
fn build(architecture: Architecture, form: Form) -> anyhow::Result<Vec<(&'static str, PathBuf)>> {
    let (profile, below) = form.profile();
    let mut build = machine::cargo();
    build.args(["build", "--locked", "--profile", profile]);
    match form {
        Form::Small => {
            build.args(FUNCTIONS.map(|name| format!("--package=porpoise-function-{name}")));
        }
        Form::Quick => {
            build.arg("--workspace");
            build.args(FUNCTIONS.map(|name| format!("--bin={name}")));
        }
        Form::QuickWithTests => {
            build.args(["--workspace", "--lib", "--bins", "--tests", "--examples"]);
        }
    }
    let mut folder = target()?;
    if !architecture.is_here() {
        // never let a build install a target by itself
        build.args(["--target", architecture.target()]);
        folder.push(architecture.target());
    }
    run(&mut build)?;
    let folder = folder.join(below);
    let built = FUNCTIONS.map(|name| (name, folder.join(name)));
    Ok(built.to_vec())
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().context("cannot start cargo")?;
    anyhow::ensure!(status.success(), "the functions cannot be built");
    Ok(())
}

/// The folder that cargo builds in.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        return Ok(PathBuf::from(folder));
    }
    machine::root().map(|root| Path::join(&root, "target"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_binary_is_built_where_a_folder_of_a_zip_has_its_name() {
        for form in [Form::Small, Form::Quick, Form::QuickWithTests] {
            assert_ne!(form.profile().1, PACKED);
        }
    }
}
