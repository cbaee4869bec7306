//! Runs a component until standard input ends.
//!
//! It runs in namespaces of its own (`unshare` of util-linux): of processes, so that whatever it starts ends with it,
//! and for DynamoDB Local, which listens to every interface, of the network as well. `inside.rs` is what starts there.
//! Both halves stop when their standard input ends, so it does not matter which of them is killed, and how.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use porpoise_region::Component;

use crate::bridge;
use crate::inside::{LOG, SCRATCH};

/// How often it is asked whether it answers, and how long is waited in between: a minute.
const LOOKS_MAX: u32 = 1200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Somebody else may take the port that was free: another is tried.
const TRIES_MAX: u32 = 3;

/// Where DynamoDB Local listens in the network that it has for itself.
const DYNAMODB_PORT: u16 = 8000;

/// The account that ministack calls its own.
const ACCOUNT: &str = "000000000000";

/// How ministack is to behave.
#[derive(Debug)]
pub(crate) struct Manner {
    pub(crate) auth: bool,
    pub(crate) functions_ask: Option<String>,
}

/// `region serve`: prints one line, where it answers.
pub(crate) fn serve(component: Component, manner: &Manner) -> anyhow::Result<()> {
    let home = component.installed()?;
    let (ends, ended) = mpsc::channel();
    let input_ends = ends.clone();
    thread::spawn(move || {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        input_ends.send(())
    });
    let mut cell = Cell::start(component, &home, manner)?;
    println!("http://{}", cell.address);
    io::stdout().flush()?;
    cell.watch(ends)?;
    ended.recv()?;
    if let Some(status) = cell.stop()? {
        anyhow::bail!("{} ended by itself: {status}", component.package());
    }
    Ok(())
}

/// A component in its namespaces, and its folder.
struct Cell {
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// It ends when this does.
    input: Option<ChildStdin>,
    child: Option<Child>,
    watcher: Option<thread::JoinHandle<io::Result<std::process::ExitStatus>>>,
}

impl Cell {
    /// Starts it and waits until it answers.
    fn start(component: Component, home: &Path, manner: &Manner) -> anyhow::Result<Self> {
        let mut tried = 0;
        loop {
            tried += 1;
            let mut cell = Self::launch(component, home, manner)?;
            match cell.wait_for_answer() {
                Ok(()) => return Ok(cell),
                Err(error) if tried == TRIES_MAX || component == Component::DynamoDb => {
                    let log = fs::read(cell.folder.path().join(LOG)).unwrap_or_default();
                    let log = String::from_utf8_lossy(&log);
                    return Err(error.context(format!("what it said:\n{}", log.trim_end())));
                }
                Err(_) => _ = cell.stop(),
            }
        }
    }

    fn launch(component: Component, home: &Path, manner: &Manner) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("region-").tempdir()?;
        let scratch = folder.path().join(SCRATCH);
        fs::create_dir(&scratch)?;
        let (address, mut command) = match component {
            Component::DynamoDb => {
                let mut command = isolated(folder.path(), Some(DYNAMODB_PORT))?;
                dynamodb(&mut command, home);
                (bridge::outer(folder.path())?, command)
            }
            Component::Ministack => {
                let address = free_address()?;
                let mut command = isolated(folder.path(), None)?;
                ministack(&mut command, home, address, manner);
                (address, command)
            }
        };
        command.env("HOME", &scratch).env("TMPDIR", &scratch);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        command.stderr(fs::File::create(folder.path().join("errors"))?);
        let mut child = command.spawn().context("cannot start `unshare`")?;
        Ok(Self {
            address,
            folder,
            input: child.stdin.take(),
            child: Some(child),
            watcher: None,
        })
    }

    fn wait_for_answer(&mut self) -> anyhow::Result<()> {
        for _ in 0..LOOKS_MAX {
            let child = self.child.as_mut().context("it is stopped")?;
            if let Some(status) = child.try_wait()? {
                let errors = fs::read_to_string(self.folder.path().join("errors"))?;
                anyhow::bail!(
                    "it ended before it answered: {status}\n{}",
                    errors.trim_end()
                );
            }
            if answers(self.address) {
                return Ok(());
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        anyhow::bail!("it does not answer after {:?}", BETWEEN_LOOKS * LOOKS_MAX)
    }

    /// Has `ends` told when it ends by itself.
    fn watch(&mut self, ends: mpsc::Sender<()>) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it is stopped")?;
        self.watcher = Some(thread::spawn(move || {
            let status = child.wait();
            _ = ends.send(());
            status
        }));
        Ok(())
    }

    /// Stops it and waits until nothing of it is left. How it ended, if it had ended already.
    fn stop(&mut self) -> anyhow::Result<Option<std::process::ExitStatus>> {
        let watcher = self.watcher.take();
        let by_itself = watcher
            .as_ref()
            .is_some_and(thread::JoinHandle::is_finished);
        drop(self.input.take());
        let status = match (watcher, self.child.take()) {
            (Some(watcher), _) => Some(
                watcher
                    .join()
                    .map_err(|_| anyhow::anyhow!("bug: the watcher panicked"))??,
            ),
            (None, Some(mut child)) => Some(child.wait()?),
            (None, None) => None,
        };
        Ok(status.filter(|_| by_itself))
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        _ = self.stop(); // its folder goes after it
    }
}

/// `region inside`, in a namespace of processes, and with a bridge also of the network. Who is not root becomes so in
/// a namespace of users, where the machine allows that.
fn isolated(folder: &Path, bridge: Option<u16>) -> anyhow::Result<Command> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    if bridge.is_some() {
        command.arg("--net");
    }
    command.arg("--").arg(std::env::current_exe()?);
    command.arg("inside").arg(folder);
    if let Some(port) = bridge {
        command.arg(format!("--bridge={port}"));
    }
    command.arg("--");
    Ok(command)
}

fn dynamodb(command: &mut Command, home: &Path) {
    let mut libraries = OsString::from("-Djava.library.path=");
    libraries.push(home.join("DynamoDBLocal_lib"));
    command.env("DDB_LOCAL_TELEMETRY", "0");
    command.arg("java").arg("-Xmx512m").arg(libraries);
    command.arg("-jar").arg(home.join("DynamoDBLocal.jar"));
    command.args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port"]);
    command.arg(DYNAMODB_PORT.to_string());
}

fn ministack(command: &mut Command, home: &Path, address: SocketAddr, manner: &Manner) {
    let url = format!("http://{address}");
    command
        .arg(home.join("bin/python"))
        .args(["-m", "ministack"]);
    command.env("BIND_HOST", address.ip().to_string());
    command.env("GATEWAY_PORT", address.port().to_string());
    command.env("MINISTACK_ACCOUNT_ID", ACCOUNT);
    command.env("LAMBDA_EXECUTOR", "local");
    command.env("AUTH", manner.auth.to_string());
    // functions that it runs ask it, and nobody else
    command.env(
        "AWS_ENDPOINT_URL",
        manner.functions_ask.as_ref().unwrap_or(&url),
    );
}

/// A port of loopback that was free just now.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Whether something there speaks HTTP.
fn answers(address: SocketAddr) -> bool {
    let asked = || -> io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/")
    };
    asked().unwrap_or(false)
}
