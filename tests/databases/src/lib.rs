//! Real databases for tests: PostgreSQL and `MariaDB` of Debian's packages, on loopback, each with a folder of its own.
//!
//! [`Database::shared`] is one that answers: the one that a variable names, as `cargo xtask test` sets it, or else one
//! that this process starts and shares until its end. Tests make databases in it whose names no other test has. The
//! program `databases` installs and serves them; it stops when its standard input ends, and leaves nothing behind.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;

/// A sort of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgresql,
    /// `MariaDB`.
    Mariadb,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Postgresql, Self::Mariadb];

    /// What `databases serve` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mariadb => "mariadb",
        }
    }

    /// The variable that names one that runs already: `postgresql://USER:PASSWORD@127.0.0.1:5432`, say.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Postgresql => "PORPOISE_POSTGRESQL_URL",
            Self::Mariadb => "PORPOISE_MARIADB_URL",
        }
    }

    /// The package of Debian that has its server.
    pub const fn package(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mariadb => "mariadb-server-core",
        }
    }
}

/// A database that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Who may do everything.
    pub user: String,
    /// What proves it.
    pub password: String,
}

/// What this process has started and shares, until its end.
static STARTED: Mutex<Vec<(Engine, Database, Process)>> = Mutex::new(Vec::new());

impl Database {
    /// One that others use, too.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn shared(engine: Engine) -> anyhow::Result<Self> {
        if let Some(url) = std::env::var_os(engine.variable()).filter(|url| !url.is_empty()) {
            let url = url.to_str().context(engine.variable())?;
            return Self::of_url(url).with_context(|| format!("{}: {url}", engine.variable()));
        }
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, database, _)) = started.iter().find(|(other, _, _)| *other == engine) {
            return Ok(database.clone());
        }
        let (process, url) =
            Process::start(engine).with_context(|| format!("{} does not start", engine.name()))?;
        let database = Self::of_url(&url)?;
        started.push((engine, database.clone(), process));
        Ok(database)
    }

    fn of_url(url: &str) -> anyhow::Result<Self> {
        let (_, rest) = url.split_once("://").context("no scheme")?;
        let (who, place) = rest.rsplit_once('@').context("no user")?;
        let (user, password) = who.split_once(':').context("no password")?;
        let (_, port) = place
            .trim_end_matches('/')
            .rsplit_once(':')
            .context("no port")?;
        Ok(Self {
            port: port.parse()?,
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// `databases serve`, which stops when its standard input ends: when this is dropped, or this process is gone.
#[derive(Debug)]
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    fn start(engine: Engine) -> anyhow::Result<(Self, String)> {
        let program = porpoise_region::program("porpoise-databases", "databases")?;
        let mut child = Command::new(program)
            .args(["serve", engine.name()])
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
        let url = line.trim_end();
        if url.is_empty() {
            let mut said = String::new();
            errors.context("no errors")?.read_to_string(&mut said)?;
            anyhow::bail!("{}", said.trim_end());
        }
        Ok((process, url.to_owned()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.child.wait(); // an error would mean that it is gone
    }
}
