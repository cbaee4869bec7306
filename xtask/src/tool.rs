//! What a part needs beside the Rust toolchain: from the package registries, into the cache outside the tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::machine;

/// A tool that cargo can install.
#[derive(Debug)]
pub(crate) struct Tool {
    /// Its package, which is also the name of its binary.
    package: &'static str,
    version: &'static str,
}

/// Audits dependencies: licences, sources, bans, advisories.
pub(crate) const CARGO_DENY: Tool = Tool {
    package: "cargo-deny",
    version: "0.20.2",
};

/// Runs libFuzzer.
pub(crate) const CARGO_FUZZ: Tool = Tool {
    package: "cargo-fuzz",
    version: "0.13.2",
};

impl Tool {
    /// The binary of exactly this version; compiled the first time that a machine asks for it.
    pub(crate) fn binary(&self) -> anyhow::Result<PathBuf> {
        let tools = machine::cache()?.join("tools");
        let home = tools.join(format!("{}-{}", self.package, self.version));
        let binary = home.join("bin").join(self.package);
        if !binary.is_file() {
            self.install(&home, &tools)?;
        }
        Ok(binary)
    }

    fn install(&self, home: &Path, tools: &Path) -> anyhow::Result<()> {
        let exact = format!("{}@{}", self.package, self.version);
        eprintln!("xtask: compiles {exact} into {}, once", home.display());
        let build = tools.join(format!("{}-build", self.package));
        let status = machine::cargo()
            .args(["install", "--locked", "--quiet", "--root"])
            .args([home.as_os_str(), exact.as_ref()])
            .env("CARGO_TARGET_DIR", &build)
            .status()
            .context("cannot start cargo")?;
        anyhow::ensure!(status.success(), "cannot install {exact}");
        std::fs::remove_dir_all(&build)
            .with_context(|| format!("cannot remove {}", build.display()))
    }
}

/// Whether nextest is there. It is not installed when it is not: compiling it takes longer than all that it saves.
pub(crate) fn has_nextest() -> bool {
    works(machine::cargo().args(["nextest", "--version"]))
}

/// Sees to Python, which tasks of kind `python` (one example, some tests) run. Without it only those fail, so that it
/// cannot be got is said and no error.
pub(crate) fn python() {
    if works(Command::new("python3").arg("--version")) {
        return;
    }
    eprintln!("xtask: there is no python3, which tasks of kind `python` need: asks apt-get for it");
    let as_root: [&[&str]; 2] = [&[], &["sudo", "-n"]];
    let installed = as_root.iter().any(|prefix| {
        apt_get(prefix, &["update"]) && apt_get(prefix, &["install", "--yes", "python3-minimal"])
    });
    if !installed {
        eprintln!(
            "xtask: WARNING: python3 could not be installed: tasks of kind `python` will FAIL"
        );
    }
}

fn apt_get(prefix: &[&str], args: &[&str]) -> bool {
    let words: Vec<&str> = [prefix, &["apt-get", "-qq"], args].concat();
    let Some((program, rest)) = words.split_first() else {
        return false;
    };
    works(Command::new(program).args(rest))
}

fn works(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
