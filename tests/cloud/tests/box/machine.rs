//! A machine that is not on AWS: the real `porpoise`, with the box for its server.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use porpoise_cloud::Cloud;

/// A folder that is somebody's home, and what `porpoise` is told there.
#[derive(Debug)]
pub(crate) struct Machine {
    dir: tempfile::TempDir,
    porpoise: PathBuf,
    url: String,
}

impl Machine {
    pub(crate) fn beside(cloud: &Cloud) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // a copy: somebody may build a new one while the test runs
        let porpoise = dir.path().join("porpoise");
        let built = porpoise_region::program("porpoise", "porpoise").unwrap();
        std::fs::copy(built, &porpoise).unwrap();
        Self {
            dir,
            porpoise,
            url: cloud.url(),
        }
    }

    /// A file of this machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A command with a clean environment. The door signs for whoever has any token.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.porpoise);
        command
            .args(words)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("PORPOISE_DATA", self.path("data"))
            .env("PORPOISE_URL", &self.url)
            .env("PORPOISE_TOKEN", "any")
            .stdin(Stdio::null());
        command
    }

    /// What a command says, and how it ends. The server is in this process: nothing of it may wait for that.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        tokio::task::block_in_place(|| self.command(words).output().unwrap())
    }

    /// Standard output of a command that must succeed.
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "{words:?}: {}\n{said}{told}",
            output.status
        );
        said
    }

    /// Starts something that stays; what it says goes to a file each.
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        let file = |name: &str| {
            let mut options = File::options();
            options.create(true).append(true);
            options.open(self.path(name)).unwrap()
        };
        let mut command = self.command(words);
        command.stdout(file("stdout")).stderr(file("stderr"));
        Running(command.spawn().unwrap())
    }

    /// What is in a file, or nothing.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

/// What one of the two streams has.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that is killed, with no time to tidy up, when it is dropped.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
