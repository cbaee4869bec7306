//! The real server in a directory of its own, and clients that outlive it.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use ureq::Agent;

/// For how long a client tries again before it gives up: a server that does not come back is a finding.
const PATIENCE: Duration = Duration::from_mins(1);

/// A data directory, what the tasks write, and the server, which is killed when it is dropped.
#[derive(Debug)]
pub struct Site {
    dir: tempfile::TempDir,
    binary: PathBuf,
    server: Option<Child>,
    url: Arc<Mutex<String>>,
}

impl Site {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A copy: somebody may build a new one while the test runs.
        let binary = dir.path().join("porpoise");
        fs::copy(built(), &binary).unwrap();
        Self {
            dir,
            binary,
            server: None,
            url: Arc::default(),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The file to which every task appends.
    pub fn markers(&self) -> PathBuf {
        self.dir.path().join("markers")
    }

    /// Begins to start the server.
    pub fn launch(&mut self) {
        assert!(self.server.is_none(), "a server runs already");
        let mut command = Command::new(&self.binary);
        command
            .args(["up", "--port", "0", "--parallel", "32"])
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("PORPOISE_DATA", self.data())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.log());
        self.server = Some(command.spawn().unwrap());
    }

    /// Waits until the server says where it is.
    pub fn ready(&mut self) {
        let stdout = self.server.as_mut().unwrap().stdout.take().unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let Some(url) = url else {
            panic!("the server did not start; its log:\n{}", self.log_text());
        };
        let mut now = self.url.lock().unwrap_or_else(PoisonError::into_inner);
        url.clone_into(&mut now);
    }

    fn log(&self) -> File {
        let mut options = OpenOptions::new();
        let path = self.dir.path().join("server.log");
        options.create(true).append(true).open(path).unwrap()
    }

    /// What all servers here said on standard error.
    pub fn log_text(&self) -> String {
        fs::read_to_string(self.dir.path().join("server.log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Sends the server, and nobody else, a signal, and waits for its end.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut server = self.server.take().unwrap();
        kill_process(Pid::from_child(&server), signal).unwrap();
        server.wait().unwrap()
    }

    pub fn client(&self) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build();
        Client {
            agent: config.into(),
            url: Arc::clone(&self.url),
            token: self.data().join("token"),
        }
    }

    /// Keeps the directory for who wants to look into it, and says where it is.
    pub fn keep(&mut self) -> PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    /// Processes that belong to this site, the server left out.
    pub fn processes(&self) -> Vec<String> {
        let server = self.server.as_ref().map(Child::id);
        let here = self.dir.path();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let others = pids.filter(|pid| Some(*pid) != server && *pid != std::process::id());
        others.filter_map(|pid| belongs(pid, here)).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.end(Signal::KILL);
        }
    }
}

/// What a process is, if it is named after something in `dir` or works there. One that has ended is nobody's.
fn belongs(pid: u32, dir: &Path) -> Option<String> {
    let proc = Path::new("/proc").join(pid.to_string());
    let command = fs::read(proc.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let works = fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    let named = command.contains(&dir.display().to_string());
    (works || named).then(|| format!("{pid} {command}"))
}

/// The binary of the profile in which this test was built. It is built now if nobody did; if it is there, it is taken
/// as it is.
fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let binary = profile.join("porpoise");
    if !binary.exists() {
        let name = match profile.file_name().and_then(|name| name.to_str()) {
            None | Some("debug") => "dev",
            Some(name) => name,
        };
        let build = [
            "build",
            "-p",
            "porpoise",
            "--bin",
            "porpoise",
            "--profile",
            name,
        ];
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(build).status();
        let built = status.is_ok_and(|status| status.success()) && binary.exists();
        assert!(built, "no binary: run `cargo {}`", build.join(" "));
    }
    binary
}

/// Speaks to whichever server runs, and tries again until one answers.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    url: Arc<Mutex<String>>,
    token: PathBuf,
}

/// Status and body.
pub type Answer = (u16, Value);

impl Client {
    /// What must be there.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(path);
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub fn ask(&self, path: &str) -> Answer {
        self.until_answered(path, |url, token| {
            let request = self.agent.get(url).header("authorization", token);
            request.call()
        })
    }

    /// A request that may be repeated: it carries its key, or is idempotent anyway.
    pub fn post(&self, path: &str, body: &Value, key: &str) -> Answer {
        self.until_answered(path, |url, token| {
            let request = self.agent.post(url).header("authorization", token);
            request.header("idempotency-key", key).send_json(body)
        })
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.until_answered(path, |url, token| {
            let request = self.agent.put(url).header("authorization", token);
            request.send_json(body)
        })
    }

    /// All items of a list.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{joint}limit=500{cursor}"));
            items.append(page["items"].as_array_mut().unwrap());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    fn until_answered(
        &self,
        path: &str,
        send: impl Fn(&str, &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Answer {
        let begun = Instant::now();
        loop {
            let url = self
                .url
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let url = format!("{}/projects/{}{path}", url, crate::workload::PROJECT);
            let failed = match self.token().map(|token| send(&url, &token)) {
                Some(Ok(mut answer)) => {
                    let status = answer.status().as_u16();
                    match answer
                        .body_mut()
                        .with_config()
                        .limit(1 << 28)
                        .read_to_string()
                    {
                        Ok(text) if status < 500 => {
                            return (status, serde_json::from_str(&text).unwrap_or(Value::Null));
                        }
                        Ok(text) => text,
                        // The server died while it answered.
                        Err(error) => error.to_string(),
                    }
                }
                Some(Err(error)) => error.to_string(),
                None => "no token".to_owned(),
            };
            assert!(
                begun.elapsed() < PATIENCE,
                "no answer to {path} within {PATIENCE:?}: {failed}"
            );
            sleep(Duration::from_millis(5));
        }
    }

    fn token(&self) -> Option<String> {
        let token = fs::read_to_string(&self.token).ok()?;
        Some(format!("Bearer {}", token.trim()))
    }
}
