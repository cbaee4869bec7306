//! The components that stand in for AWS: `porpoise-region` installs and runs them, here they are had for a run.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::Context;

use crate::machine;

/// Which program serves a component, what it calls it, and the variable that tells tests where it answers.
const SERVERS: [(&str, &str, &str); 4] = [
    ("region", "dynamodb", "PORPOISE_DYNAMODB_URL"),
    ("region", "ministack", "PORPOISE_MINISTACK_URL"),
    ("databases", "postgresql", "PORPOISE_POSTGRESQL_URL"),
    ("databases", "mariadb", "PORPOISE_MARIADB_URL"),
];

/// `cargo xtask components`: installs what is missing.
pub(crate) fn install() -> anyhow::Result<()> {
    let mut all = true;
    for name in ["region", "databases"] {
        let status = program(name, &["install"]).status();
        all &= status.context("cannot start cargo")?.success();
    }
    anyhow::ensure!(all, "not every component could be installed");
    Ok(())
}

/// One server of each component, for a run of tests. They stop when this is dropped, and also when this process is
/// killed: their standard input ends with it.
#[derive(Debug)]
pub(crate) struct Servers(Vec<Server>);

impl Servers {
    /// Starts those that no variable names yet, at once, and waits until they answer.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let missing = SERVERS.into_iter().filter(|(_, _, variable)| {
            std::env::var_os(variable).is_none_or(|address| address.is_empty())
        });
        let started: Vec<Starting> = missing
            .map(|(by, name, variable)| Starting::launch(by, name, variable))
            .collect::<anyhow::Result<_>>()?;
        let servers = started.into_iter().map(Starting::wait);
        Ok(Self(servers.collect::<anyhow::Result<_>>()?))
    }

    /// Tells a command where they answer.
    pub(crate) fn tell(&self, command: &mut Command) {
        for server in &self.0 {
            command.env(server.variable, &server.address);
        }
    }
}

#[derive(Debug)]
struct Server {
    variable: &'static str,
    address: String,
    _process: Process,
}

/// A server that has not said yet where it answers.
struct Starting {
    name: &'static str,
    variable: &'static str,
    process: Process,
}

impl Starting {
    fn launch(by: &str, name: &'static str, variable: &'static str) -> anyhow::Result<Self> {
        let mut serve = program(by, &["serve", name]);
        serve.stdin(Stdio::piped()).stdout(Stdio::piped());
        serve.process_group(0); // Ctrl-C is for the tests
        let mut child = serve.spawn().context("cannot start cargo")?;
        let input = child.stdin.take();
        Ok(Self {
            name,
            variable,
            process: Process { child, input },
        })
    }

    fn wait(mut self) -> anyhow::Result<Server> {
        let output = self.process.child.stdout.take().context("no output")?;
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address)?;
        let address = address.trim_end().to_owned();
        anyhow::ensure!(!address.is_empty(), "`{}` does not start", self.name);
        eprintln!("xtask: {} answers at {address}", self.name);
        Ok(Server {
            variable: self.variable,
            address,
            _process: self.process,
        })
    }
}

/// What stops when its input ends.
#[derive(Debug)]
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.child.wait(); // an error would mean that it is gone
    }
}

/// The program of `tests/region` or `tests/databases`. Cargo becomes it, so that its input is ours.
fn program(name: &str, args: &[&str]) -> Command {
    let package = format!("porpoise-{name}");
    let mut run = machine::cargo();
    run.args(["run", "--locked", "--quiet"]);
    run.args(["--package", &package, "--bin", name, "--"]);
    run.args(args);
    run
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_server_answers_where_tests_are_told_until_it_is_dropped() {
        let server = Starting::launch("region", "ministack", "URL")
            .unwrap()
            .wait()
            .unwrap();
        let servers = Servers(vec![server]);
        let mut command = Command::new("true");
        servers.tell(&mut command);
        let (_, url) = command.get_envs().find(|(name, _)| *name == "URL").unwrap();
        let url = url.and_then(|url| url.to_str()).unwrap().to_owned();
        let address = url.strip_prefix("http://").unwrap();
        TcpStream::connect(address).unwrap();
        drop(servers);
        TcpStream::connect(address).unwrap_err();
    }

    #[test]
    fn a_server_that_cannot_start_is_an_error() {
        let starting = Starting::launch("region", "nothing", "URL").unwrap();
        let error = starting.wait().unwrap_err();
        assert_eq!(error.to_string(), "`nothing` does not start");
    }
}
