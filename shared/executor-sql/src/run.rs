//! The work of one attempt.

use std::future::Future;
use std::io::{self, Write};
use std::time::Duration;

use porpoise_model::Outputs;
use porpoise_model::job::Statement;
use porpoise_ports::source::Source;

use crate::bind::{Ready, ready};
use crate::found::Found;
use crate::mysql::Mysql;
use crate::postgres::Postgres;
use crate::split::Tongue;
use crate::sqlite::Sqlite;

/// Rows that are shown and handed on, unless the task says otherwise. As in DolphinScheduler.
const ROWS_SHOWN: u32 = 10;
/// Rows that are read, unless the task says otherwise. As in DolphinScheduler.
const ROWS_READ: u32 = 10_000;
/// How long a connection may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long a statement that is canceled may go on.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// What is to be done.
#[derive(Debug)]
pub struct Job<'a> {
    /// Where.
    pub source: &'a Source,
    /// What proves who asks.
    pub password: Option<&'a str>,
    /// Instead of the source's own.
    pub database: Option<&'a str>,
    /// Statements before it.
    pub before: &'a [Statement],
    /// The statement.
    pub statement: &'a Statement,
    /// Statements after it.
    pub after: &'a [Statement],
    /// So many rows are shown and handed on.
    pub rows: Option<u32>,
    /// So many rows are read.
    pub limit: Option<u32>,
    /// The outputs that are declared.
    pub outputs: &'a Outputs,
}

/// It did not come out well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be done as it is said: nothing was sent.
    #[error("{0}")]
    Impossible(String),
    /// The database said so, or could not be asked.
    #[error("{0}")]
    Failed(String),
    /// It was stopped.
    #[error("stopped")]
    Stopped,
    /// What is printed cannot be written.
    #[error("the log cannot be written")]
    Log(#[from] io::Error),
}

/// A connection.
pub(crate) enum Connection {
    Postgres(Postgres),
    Mysql(Mysql),
    Sqlite(Sqlite),
}

impl Connection {
    async fn open(job: &Job<'_>) -> Result<Self, String> {
        match job.source {
            Source::Postgresql(server) => {
                let opened = Postgres::open(server, job.password, job.database).await;
                opened.map(Self::Postgres)
            }
            Source::Mysql(server) => {
                let opened = Mysql::open(server, job.password, job.database).await;
                opened.map(Self::Mysql)
            }
            Source::Sqlite { file } => Sqlite::open(file).map(Self::Sqlite),
        }
    }

    async fn run(&mut self, ready: &Ready, limit: usize) -> Result<Found, String> {
        match self {
            Self::Postgres(connection) => connection.run(ready, limit).await,
            Self::Mysql(connection) => connection.run(ready, limit).await,
            Self::Sqlite(connection) => connection.run(ready, limit).await,
        }
    }

    /// What cancels the statement that is under way.
    fn canceler(&self) -> Canceler {
        match self {
            Self::Postgres(connection) => Canceler::Postgres(connection.canceler()),
            Self::Mysql(connection) => Canceler::Mysql(connection.canceler()),
            Self::Sqlite(connection) => Canceler::Sqlite(connection.canceler()),
        }
    }

    async fn close(self) {
        match self {
            Self::Postgres(_) | Self::Sqlite(_) => {}
            Self::Mysql(connection) => connection.close().await,
        }
    }
}

enum Canceler {
    Postgres(crate::postgres::Canceler),
    Mysql(crate::mysql::Canceler),
    Sqlite(crate::sqlite::Canceler),
}

impl Canceler {
    async fn cancel(self) {
        match self {
            Self::Postgres(canceler) => canceler.cancel().await,
            Self::Mysql(canceler) => canceler.cancel().await,
            Self::Sqlite(canceler) => canceler.cancel(),
        }
    }
}

/// Runs statements one after the other, prints what they came to, and gives what the last one that has rows found.
/// Ends early when `stop` is ready: what runs is canceled at the server then.
///
/// # Errors
/// The first that fails. Those before it have taken effect, unless they are in a transaction.
pub async fn run(
    job: &Job<'_>,
    stop: impl Future<Output = ()>,
    out: &mut dyn Write,
) -> Result<Outputs, Error> {
    let tongue = match job.source {
        Source::Postgresql(_) => Tongue::Postgresql,
        Source::Mysql(_) => Tongue::Mysql,
        Source::Sqlite { .. } => Tongue::Sqlite,
    };
    let around = |statements: &[Statement], name: &str| -> Result<Vec<Ready>, Error> {
        let ready = statements.iter().map(|one| ready(one, tongue));
        let all: Result<Vec<_>, String> = ready.collect();
        let all = all.map_err(|error| Error::Impossible(format!("`{name}`: {error}")))?;
        Ok(all.into_iter().flatten().collect())
    };
    let before = around(job.before, "before")?;
    let after = around(job.after, "after")?;
    let own = ready(job.statement, tongue).map_err(Error::Impossible)?;
    if own.is_empty() {
        return Err(Error::Impossible("there is no statement".to_owned()));
    }
    tokio::pin!(stop);
    writeln!(out, "connecting to {}", job.source)?;
    let opened = tokio::time::timeout(PATIENCE, Connection::open(job));
    let opened = tokio::select! {
        biased;
        () = &mut stop => return Err(Error::Stopped),
        opened = opened => opened,
    };
    let late = |_| Err(format!("there was no connection within {PATIENCE:?}"));
    let failed = |error: String| Error::Failed(format!("{}: {error}", job.source));
    let mut connection = opened.unwrap_or_else(late).map_err(failed)?;
    let mut found = Found::default();
    let mine = before.len()..before.len() + own.len();
    let all: Vec<&Ready> = before.iter().chain(&own).chain(&after).collect();
    let limit = usize::try_from(job.limit.unwrap_or(ROWS_READ)).unwrap_or(usize::MAX);
    let shown = usize::try_from(job.rows.unwrap_or(ROWS_SHOWN)).unwrap_or(usize::MAX);
    for (index, one) in all.iter().enumerate() {
        print(one, out)?;
        let canceler = connection.canceler();
        let ran = {
            let running = connection.run(one, limit);
            tokio::pin!(running);
            tokio::select! {
                biased;
                ran = &mut running => ran,
                () = &mut stop => {
                    canceler.cancel().await;
                    // so that it has ended at the server when this process is gone
                    let _ = tokio::time::timeout(CANCEL_PATIENCE, running).await;
                    return Err(Error::Stopped);
                }
            }
        };
        let result = ran.map_err(|error| {
            let which = if all.len() > 1 {
                format!("statement {} of {}: ", index + 1, all.len())
            } else {
                String::new()
            };
            Error::Failed(format!("{which}{error}"))
        })?;
        result.print(shown, out)?;
        if mine.contains(&index) && (result.has_rows() || !found.has_rows()) {
            found = result;
        }
    }
    connection.close().await;
    out.flush()?;
    Ok(found.outputs(job.outputs, shown))
}

/// The statement without its values, which may be large, and nobody's business.
fn print(ready: &Ready, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", ready.text.trim())?;
    match ready.values.len() {
        0 => Ok(()),
        1 => writeln!(out, "with 1 value"),
        count => writeln!(out, "with {count} values"),
    }
}
