//! PostgreSQL.

use std::error::Error as _;
use std::io;

use bytes::BytesMut;
use futures_util::TryStreamExt as _;
use porpoise_ports::source::Server;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::NoTls;
use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{CancelToken, Client, Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::bind::{Bound, Ready};
use crate::cell::{Unreadable, is_readable, text};
use crate::found::Found;
use crate::reason::Reason;
use crate::run::PATIENCE;

pub(crate) struct Postgres {
    client: Client,
    tls: Option<MakeRustlsConnect>,
}

/// Ends the statement that is under way, over a connection of its own.
pub(crate) struct Canceler {
    token: CancelToken,
    tls: Option<MakeRustlsConnect>,
}

impl Canceler {
    pub(crate) async fn cancel(self) {
        // what cannot be canceled ends by itself, or with its connection
        let _ = match self.tls {
            Some(tls) => self.token.cancel_query(tls).await,
            None => self.token.cancel_query(NoTls).await,
        };
    }
}

impl Postgres {
    #[expect(
        clippy::disallowed_methods,
        reason = "the connection is driven by a task of its own, in a process that does nothing else"
    )]
    pub(crate) async fn open(
        server: &Server,
        password: Option<&str>,
        database: Option<&str>,
    ) -> Result<Self, String> {
        let port = server.port.unwrap_or(5432);
        let mut config = Config::new();
        config
            .host(&server.host)
            .port(port)
            .user(&server.user)
            .application_name("porpoise")
            .connect_timeout(PATIENCE);
        if let Some(password) = password {
            config.password(password);
        }
        let database = database.or(server.database.as_deref());
        if let Some(database) = database {
            config.dbname(database);
        }
        if server.uses_tls() {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            let tls = porpoise_tls::client_config().map_err(|error| error.to_string())?;
            let tls = MakeRustlsConnect::new((*tls).clone());
            let (client, connection) = match config.connect(tls.clone()).await {
                Ok(opened) => opened,
                Err(error) => return Err(refused(&error, server, port, database).await),
            };
            tokio::spawn(connection);
            let tls = Some(tls);
            return Ok(Self { client, tls });
        }
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        let (client, connection) = match config.connect(NoTls).await {
            Ok(opened) => opened,
            Err(error) => return Err(refused(&error, server, port, database).await),
        };
        tokio::spawn(connection);
        Ok(Self { client, tls: None })
    }

    pub(crate) fn canceler(&self) -> Canceler {
        Canceler {
            token: self.client.cancel_token(),
            tls: self.tls.clone(),
        }
    }

    pub(crate) async fn run(&mut self, ready: &Ready, limit: usize) -> Result<Found, String> {
        let statement = self.client.prepare(&ready.text).await;
        let statement = statement.map_err(|error| told(&error))?;
        let columns = statement.columns();
        if let Some(odd) = columns.iter().find(|column| !is_readable(column.type_())) {
            let (name, kind) = (odd.name(), odd.type_().name());
            return Err(format!(
                "column `{name}` is of the type `{kind}`, which cannot be shown: select it as `{name}::text`"
            ));
        }
        let mut result = Found {
            columns: columns
                .iter()
                .map(|column| column.name().to_owned())
                .collect(),
            ..Found::default()
        };
        let rows = self.client.query_raw(&statement, &ready.values).await;
        let rows = rows.map_err(|error| told(&error))?;
        tokio::pin!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| told(&error))? {
            if result.rows.len() == limit {
                result.more = true;
                break;
            }
            result.rows.push(cells(&row)?);
        }
        result.affected = rows.rows_affected().unwrap_or_default();
        Ok(result)
    }
}

fn cells(row: &Row) -> Result<Vec<Option<String>>, String> {
    let cell = |index: usize| {
        let cell: Option<Cell> = row.try_get(index).map_err(|error| told(&error))?;
        Ok(cell.map(|cell| cell.0))
    };
    (0..row.len()).map(cell).collect()
}

/// A value as text.
struct Cell(String);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(
        kind: &Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(text(kind, raw).ok_or(Unreadable)?))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// As text, which the server reads as what it takes it for.
impl ToSql for Bound {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.text {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// Why there is no connection.
async fn refused(
    error: &tokio_postgres::Error,
    server: &Server,
    port: u16,
    database: Option<&str>,
) -> String {
    let said = told(error);
    let reason = match error.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            Reason::User
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => Reason::Database,
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Reason::Right,
        Some(_) => Reason::Other,
        None if said.contains("password missing") => Reason::NoPassword,
        None if said.contains("does not support TLS") => Reason::NoTls,
        None => {
            let mut cause = error.source();
            let mut found = Reason::Other;
            while let Some(source) = cause {
                if let Some(error) = source.downcast_ref::<io::Error>() {
                    found = Reason::of_socket(error, server, port).await;
                    break;
                }
                cause = source.source();
            }
            found
        }
    };
    reason.told(server, port, database, &said)
}

fn told(error: &tokio_postgres::Error) -> String {
    let Some(fault) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        return text;
    };
    let mut text = format!("{} (SQLSTATE {})", fault.message(), fault.code().code());
    let more = [("detail", fault.detail()), ("hint", fault.hint())];
    for (name, more) in more {
        if let Some(more) = more {
            text = format!("{text}; {name}: {more}");
        }
    }
    text
}
