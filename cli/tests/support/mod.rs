//! A server of the real binary in a directory of its own, and commands to it.

pub mod attempts;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const PORPOISE: &str = env!("CARGO_BIN_EXE_porpoise");

/// A data directory and a working directory; a server is killed when it is dropped.
#[derive(Debug)]
pub struct Place {
    dir: tempfile::TempDir,
    server: Option<Child>,
}

impl Place {
    pub fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            server: None,
        };
        std::fs::create_dir(place.work()).unwrap();
        place
    }

    /// With a server that is ready.
    pub fn up() -> Self {
        let mut place = Self::new();
        place.start();
        place
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Writes a file into the working directory.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A command of the binary with a clean environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PORPOISE);
        command
            .args(arguments)
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("TZ", "Europe/Berlin")
            .env("HOME", self.dir.path())
            .env("PORPOISE_DATA", self.data())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON result of a command that must succeed.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.ok(&arguments)).unwrap()
    }

    /// Starts the server and waits until it says where it is; gives that line.
    pub fn start(&mut self) -> String {
        self.start_with(&[])
    }

    /// The same, with these variables in its environment.
    pub fn start_with(&mut self, variables: &[(&str, &Path)]) -> String {
        assert!(self.server.is_none(), "a server runs already");
        let mut server = self
            .command(&["up", "--port", "0"])
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = server.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        self.server = Some(server);
        line
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Sends a signal to the server and waits for its end.
    pub fn stop(&mut self, signal: rustix::process::Signal) -> std::process::ExitStatus {
        let mut server = self.server.take().unwrap();
        let pid = rustix::process::Pid::from_child(&server);
        rustix::process::kill_process(pid, signal).unwrap();
        server.wait().unwrap()
    }

    /// Waits until a run or one of its tasks is in a state.
    pub fn wait_for(&self, run: &str, task: Option<&str>, state: &str) -> serde_json::Value {
        let arguments: Vec<_> = ["show", run].into_iter().chain(task).collect();
        let begun = Instant::now();
        loop {
            let shown = self.json(&arguments);
            if shown["state"] == state {
                return shown;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "not {state}: {shown}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// What differs from one execution to the next, replaced; columns by single spaces.
pub fn masked(text: &str, place: &Path) -> String {
    let text = text.replace(&place.display().to_string(), "DATA");
    let line = |line: &str| {
        line.split_whitespace()
            .map(mask)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let text = text.lines().map(line).collect::<Vec<_>>().join("\n");
    text.replace("DATE CLOCK", "TIME")
}

fn mask(word: &str) -> String {
    let bare = word.trim_end_matches([':', ';', ',']);
    let end = &word[bare.len()..];
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let id = bare.len() == 26
        && bare
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    let hash = bare.len() == 12
        && bare.bytes().any(|byte| byte.is_ascii_digit())
        && bare
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    let number = bare.trim_end_matches(['m', 's', 'h']);
    let duration = number.len() < bare.len() && digits(&number.replace(['.', 'm', 'h'], ""));
    let date = bare.len() == 10 && bare.matches('-').count() == 2 && digits(&bare.replace('-', ""));
    let clock = bare.len() == 14 && bare.matches(':').count() == 3;
    let masked = if id {
        "RUN"
    } else if hash {
        "HASH"
    } else if duration {
        "TOOK"
    } else if date {
        "DATE"
    } else if clock {
        "CLOCK"
    } else if bare.starts_with("http://127.0.0.1:") {
        "URL"
    } else {
        bare
    };
    format!("{masked}{end}")
}
