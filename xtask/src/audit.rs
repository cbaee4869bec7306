//! The audit of the dependencies: what `deny.toml` says, yanked versions, known vulnerabilities.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::steps::Steps;
use crate::{machine, tool};

/// The name of the folder of the advisory database begins so.
const DATABASE_PREFIX: &str = "advisory-db-";

/// `cargo xtask audit`.
pub(crate) fn audit() -> anyhow::Result<()> {
    let mut steps = Steps::default();
    self::steps(&mut steps);
    steps.finish()
}

/// The steps of the audit. Advisories are checked when their database is there or can be fetched; a machine that
/// reaches nothing but the package registries says loudly that it did not check them.
pub(crate) fn steps(steps: &mut Steps) {
    match yanked() {
        Ok(mut command) => _ = steps.run("yanked versions", &mut command),
        Err(error) => steps.fail("yanked versions", &error),
    }
    match (tool::CARGO_DENY.binary(), machine::root()) {
        (Ok(deny), Ok(root)) => denied(steps, &deny, &root),
        (Err(error), _) | (_, Err(error)) => steps.fail("cargo-deny", &error),
    }
}

fn denied(steps: &mut Steps, deny: &Path, root: &Path) {
    let manifest = root.join("Cargo.toml");
    let deny = || {
        let mut command = Command::new(deny);
        command.arg("--locked").arg("--manifest-path");
        command.arg(&manifest).env("GIT_TERMINAL_PROMPT", "0");
        command
    };
    let rules = ["bans", "licenses", "sources"];
    let mut check = deny();
    check.args(["check", "--hide-inclusion-graph"]).args(rules);
    steps.run("bans, licences and sources", &mut check);

    let fetched = deny().args(["fetch", "db"]).stderr(Stdio::null()).status();
    if fetched.is_ok_and(|status| status.success()) || has_database() {
        let mut check = deny();
        check.args(["--offline", "check", "advisories"]); // the database is as new as this machine can have it
        steps.run("advisories", &mut check);
    } else {
        eprintln!(
            "\nxtask: WARNING: the advisory database cannot be fetched and is not on this machine:"
        );
        eprintln!("xtask: WARNING: known vulnerabilities were NOT CHECKED");
    }
}

/// Whether an earlier fetch left the database where cargo-deny keeps it.
fn has_database() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let entries = home.and_then(|home| home.join("advisory-dbs").read_dir().ok());
    entries.is_some_and(|entries| {
        let mut names = entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with(DATABASE_PREFIX))
    })
}

/// A call of cargo that fails when a version in `Cargo.lock` was yanked. Cargo resolves to a yanked version only if a
/// lock file holds it already: so it is asked for exactly our versions, without the lock file.
fn yanked() -> anyhow::Result<Command> {
    let lock = machine::root()?.join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).context("cannot read Cargo.lock")?;
    let folder = machine::cache()?.join("yanked");
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("src/lib.rs"), "")?;
    std::fs::write(folder.join("Cargo.toml"), exact_manifest(&lock))?;
    match std::fs::remove_file(folder.join("Cargo.lock")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut command = machine::cargo();
    command.args(["generate-lockfile", "--quiet", "--manifest-path"]);
    command.arg(folder.join("Cargo.toml"));
    Ok(command)
}

/// A manifest that asks for each package of a registry in `lock`, at its version and no other.
fn exact_manifest(lock: &str) -> String {
    let mut manifest = String::from(
        "[workspace]\n[package]\nname = \"yanked\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\n",
    );
    let packages = lock.split("[[package]]").skip(1);
    for (index, package) in packages.enumerate() {
        let field = |name: &str| {
            let mut lines = package.lines();
            lines.find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(" = ")?
                    .trim()
                    .split('"')
                    .nth(1)
            })
        };
        if let (Some(name), Some(version), Some(_)) =
            (field("name"), field("version"), field("source"))
        {
            _ = writeln!(
                manifest,
                "p{index} = {{ package = \"{name}\", version = \"={version}\", default-features = false }}"
            );
        }
    }
    manifest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_package_of_a_registry_is_asked_for_at_its_version() {
        let lock = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n\n[[package]]\nname = \"syn\"\n\
                    version = \"2.0.1\"\nsource = \"registry+x\"\nchecksum = \"y\"\n";
        let manifest = exact_manifest(lock);
        let wanted = r#"p1 = { package = "syn", version = "=2.0.1", default-features = false }"#;
        assert!(
            manifest.ends_with(&format!("[dependencies]\n{wanted}\n")),
            "{manifest}"
        );
    }
}
