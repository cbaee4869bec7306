//! A program of the workspace that serves something until its standard input ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context;

/// It stops when its standard input ends: when this is dropped, or this process is gone, however it ended.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    /// Starts one, and waits for the line with which it says where it answers.
    ///
    /// # Errors
    /// It cannot be built or started, or ends at once; the error is what it wrote to its standard error.
    pub fn start(package: &str, name: &str, args: &[&str]) -> anyhow::Result<(Self, String)> {
        let mut child = Command::new(program(package, name)?)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()) // nothing outlives a test that holds its output
            .process_group(0) // Ctrl-C is for the test
            .spawn()?;
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        let input = child.stdin.take();
        let process = Self { child, input };
        let mut line = String::new();
        BufReader::new(output.context("no output")?).read_line(&mut line)?;
        let place = line.trim_end();
        if place.is_empty() {
            let mut said = String::new();
            errors.context("no errors")?.read_to_string(&mut said)?;
            anyhow::bail!("{}", said.trim_end());
        }
        Ok((process, place.to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.child.wait(); // an error would mean that it is gone
    }
}

/// A program of the workspace, of the profile in which this program was built. It is built now if nobody did; if it is
/// there, it is taken as it is.
///
/// # Errors
/// It cannot be built; the error says which command shows why.
pub fn program(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe().context("cannot tell which program this is")?;
    let folder = here.parent().context("a program without a folder")?;
    // tests are in a folder of their own, programs are not
    let profile = if folder.ends_with("deps") {
        folder.parent()
    } else {
        Some(folder)
    };
    let profile = profile.context("this is no test that cargo built")?;
    let program = profile.join(name);
    if !program.is_file() {
        let profile = match profile.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => "dev",
            Some(name) => name,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", package]);
        build.args(["--bin", name, "--profile", profile]);
        let built = build.stdin(Stdio::null()).status();
        anyhow::ensure!(
            built.is_ok_and(|status| status.success()) && program.is_file(),
            "cannot build it: `cargo build --package {package} --bin {name} --profile {profile}` shows why"
        );
    }
    Ok(program)
}
