//! Real databases for tests: PostgreSQL and `MariaDB` of Debian's packages, on loopback, each with a folder of its own.
//!
//! [`Database::shared`] is one that answers: the one that a variable names, as `cargo xtask test` sets it, or else one
//! that this process starts and shares until its end. Tests make databases in it whose names no other test has. The
//! program `databases` installs and serves them; it stops when its standard input ends, and leaves nothing behind.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use porpoise_region::Process;

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

/// A database that answers, without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Who may do everything.
    pub user: String,
    /// What proves it.
    pub password: String,
}

/// A database with TLS and without, which nobody else uses. It stops when this is dropped.
#[derive(Debug)]
pub struct WithTls {
    /// Where it answers.
    pub database: Database,
    /// The file of the authority that vouches for its certificate.
    pub authority: PathBuf,
    _process: Process,
}

impl WithTls {
    /// Starts one.
    ///
    /// # Errors
    /// It is not installed, or does not start.
    pub fn start(engine: Engine) -> anyhow::Result<Self> {
        let (process, said) = start(engine, &["--tls"])?;
        let (url, authority) = said
            .split_once("?authority=")
            .with_context(|| format!("no authority: {said}"))?;
        Ok(Self {
            database: Database::of_url(url)?,
            authority: PathBuf::from(authority),
            _process: process,
        })
    }
}

fn start(engine: Engine, options: &[&str]) -> anyhow::Result<(Process, String)> {
    let arguments = [&["serve", engine.name()], options].concat();
    Process::start("porpoise-databases", "databases", &arguments)
        .with_context(|| format!("{} does not start", engine.name()))
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
        let (process, url) = start(engine, &[])?;
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
