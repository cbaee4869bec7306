//! A component that runs, seen from the test that uses it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::Component;

/// What this process has started and shares, until its end.
static DYNAMODB: Mutex<Option<Server>> = Mutex::new(None);
static MINISTACK: Mutex<Option<Server>> = Mutex::new(None);

/// A DynamoDB Local that answers. Each clone keeps it alive.
#[derive(Debug, Clone)]
pub struct DynamoDbLocal(Server);

/// A ministack that answers. Each clone keeps it alive.
#[derive(Debug, Clone)]
pub struct Ministack(Server);

impl DynamoDbLocal {
    /// Starts one that nobody else uses, and that stops when the last clone is dropped. Takes three seconds and 400 MB.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Server::start(Component::DynamoDb, &[]).map(Self)
    }

    pub(crate) fn shared() -> anyhow::Result<Self> {
        Server::shared(Component::DynamoDb, &DYNAMODB).map(Self)
    }

    /// Where it answers, without a slash at the end. It takes any region and any credentials.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }
}

impl Ministack {
    /// Starts one that nobody else uses, and that stops when the last clone is dropped.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(Manner::default())
    }

    /// Starts one that behaves in this manner.
    ///
    /// # Errors
    /// If it is not installed or does not start.
    pub fn start_as(manner: Manner) -> anyhow::Result<Self> {
        let mut options: Vec<String> = Vec::new();
        if manner.auth {
            options.push("--auth".to_owned());
        }
        if let Some(url) = manner.functions_ask {
            options.push(format!("--functions-ask={url}"));
        }
        Server::start(Component::Ministack, &options).map(Self)
    }

    pub(crate) fn shared() -> anyhow::Result<Self> {
        Server::shared(Component::Ministack, &MINISTACK).map(Self)
    }

    /// Where it answers, without a slash at the end. It takes any region and any credentials.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }
}

/// How a ministack behaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manner {
    /// It checks signatures and policies, and refuses what no policy allows.
    pub auth: bool,
    /// Where functions that it runs find AWS; `None`: at itself.
    pub functions_ask: Option<String>,
}

#[derive(Debug, Clone)]
struct Server {
    endpoint: String,
    /// `None`: somebody else's.
    _process: Option<Arc<Process>>,
}

impl Server {
    fn shared(component: Component, ours: &Mutex<Option<Self>>) -> anyhow::Result<Self> {
        if let Some(url) = std::env::var_os(component.variable()).filter(|url| !url.is_empty()) {
            let url = url.to_str().context(component.variable())?;
            let endpoint = url.trim_end_matches('/').to_owned();
            return Ok(Self {
                endpoint,
                _process: None,
            });
        }
        let mut ours = ours.lock().unwrap_or_else(PoisonError::into_inner);
        let server = match ours.take() {
            Some(server) => server,
            None => Self::start(component, &[])?,
        };
        Ok(ours.insert(server).clone())
    }

    fn start(component: Component, options: &[String]) -> anyhow::Result<Self> {
        component.installed()?; // says so before anything is compiled
        let (process, endpoint) = Process::start(component, options)
            .with_context(|| format!("{} does not start", component.package()))?;
        Ok(Self {
            endpoint,
            _process: Some(Arc::new(process)),
        })
    }
}

/// `region serve`, which stops when its standard input ends: when this is dropped, or this process is gone.
#[derive(Debug)]
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    fn start(component: Component, options: &[String]) -> anyhow::Result<(Self, String)> {
        let mut child = Command::new(program("porpoise-region", "region")?)
            .args(["serve", component.name()])
            .args(options)
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
        let endpoint = line.trim_end();
        if endpoint.is_empty() {
            let mut said = String::new();
            errors.context("no errors")?.read_to_string(&mut said)?;
            anyhow::bail!("{}", said.trim_end());
        }
        Ok((process, endpoint.to_owned()))
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
