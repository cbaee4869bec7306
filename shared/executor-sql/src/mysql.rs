//! `MySQL` and `MariaDB`.

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable as _;
use mysql_async::{
    Column, Conn, DriverError, Error, IoError, Opts, OptsBuilder, Params, QueryResult, Row,
    SslOpts, Value,
};
use porpoise_ports::source::Server;

use crate::bind::{Bound, Ready};
use crate::found::Found;
use crate::reason::Reason;
use crate::sqlite::hex;

/// Statements that cannot be prepared (`USE`, `LOCK TABLES` …). Source: the error reference of MySQL, 1295.
const UNPREPARABLE: u16 = 1295;

pub(crate) struct Mysql {
    connection: Conn,
    opts: Opts,
}

/// Ends the statement that is under way, over a connection of its own: the one that is busy hears nothing.
pub(crate) struct Canceler {
    opts: Opts,
    id: u32,
}

impl Canceler {
    pub(crate) async fn cancel(self) {
        // what cannot be canceled ends by itself, or with its connection
        if let Ok(mut connection) = Conn::new(self.opts).await {
            let _ = connection
                .query_drop(format!("KILL QUERY {}", self.id))
                .await;
            let _ = connection.disconnect().await;
        }
    }
}

impl Mysql {
    pub(crate) async fn open(
        server: &Server,
        password: Option<&str>,
        database: Option<&str>,
    ) -> Result<Self, String> {
        let database = database.or(server.database.as_deref());
        let port = server.port.unwrap_or(3306);
        let mut opts = OptsBuilder::default()
            .ip_or_hostname(server.host.clone())
            .tcp_port(port)
            .user(Some(server.user.clone()))
            .pass(password)
            .db_name(database)
            .prefer_socket(false)
            .secure_auth(true);
        if server.uses_tls() {
            opts = opts.ssl_opts(tls()?);
        }
        let opts = Opts::from(opts);
        match Conn::new(opts.clone()).await {
            Ok(connection) => Ok(Self { connection, opts }),
            Err(error) => {
                let reason = reason(&error, server, port, password).await;
                Err(reason.told(server, port, database, &told(&error)))
            }
        }
    }

    pub(crate) fn canceler(&self) -> Canceler {
        Canceler {
            opts: self.opts.clone(),
            id: self.connection.id(),
        }
    }

    pub(crate) async fn close(self) {
        let _ = self.connection.disconnect().await;
    }

    pub(crate) async fn run(&mut self, ready: &Ready, limit: usize) -> Result<Found, String> {
        if ready.values.is_empty() {
            // As texts of its own: the server formats what it knows best.
            let result = self.connection.query_iter(&ready.text).await;
            return read(result.map_err(|error| told(&error))?, limit).await;
        }
        let values = ready.values.iter().map(value).collect();
        let result = self
            .connection
            .exec_iter(&ready.text, Params::Positional(values))
            .await;
        let unpreparable = |error: &mysql_async::Error| matches!(error, mysql_async::Error::Server(error) if error.code == UNPREPARABLE);
        if result.as_ref().err().is_some_and(unpreparable) {
            return Err("values cannot be bound to a statement of this sort".to_owned());
        }
        read(result.map_err(|error| told(&error))?, limit).await
    }
}

/// Why there is no connection. Source: the error reference of `MySQL`.
async fn reason(error: &Error, server: &Server, port: u16, password: Option<&str>) -> Reason {
    match error {
        Error::Server(error) => match error.code {
            1045 | 1698 if password.is_none() => Reason::NoPassword,
            1045 | 1698 => Reason::User,
            1044 => Reason::Right,
            1049 => Reason::Database,
            _ => Reason::Other,
        },
        Error::Io(IoError::Io(error)) => Reason::of_socket(error, server, port).await,
        Error::Io(IoError::Tls(_)) => Reason::Certificate,
        Error::Driver(DriverError::NoClientSslFlagFromServer) => Reason::NoTls,
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => Reason::Other,
    }
}

/// With the roots of this machine, and no others.
fn tls() -> Result<SslOpts, String> {
    let roots = porpoise_tls::roots().map_err(|error| error.to_string())?;
    let roots = roots.into_iter().map(Into::into);
    Ok(SslOpts::default()
        .with_disable_built_in_roots(true)
        .with_root_certs(roots.collect()))
}

/// As texts: the server reads them as what stands beside them.
fn value(bound: &Bound) -> Value {
    match &bound.text {
        Some(text) if bound.kind == porpoise_model::ValueType::Boolean => match text.trim() {
            "true" => Value::Int(1),
            "false" => Value::Int(0),
            _ => Value::Bytes(text.clone().into_bytes()),
        },
        Some(text) => Value::Bytes(text.clone().into_bytes()),
        None => Value::NULL,
    }
}

/// The first set of rows; a call of a procedure may have several, and ends with an empty one.
async fn read<P: mysql_async::prelude::Protocol>(
    mut from: QueryResult<'_, '_, P>,
    limit: usize,
) -> Result<Found, String> {
    let mut result = Found {
        affected: from.affected_rows(),
        ..Found::default()
    };
    let columns = from.columns();
    let columns: &[Column] = columns.as_deref().unwrap_or_default();
    result.columns = columns
        .iter()
        .map(|column| column.name_str().into_owned())
        .collect();
    if result.has_rows() {
        while let Some(row) = from.next().await.map_err(|error| told(&error))? {
            if result.rows.len() == limit {
                result.more = true;
                break;
            }
            result.rows.push(cells(row));
        }
    }
    from.drop_result().await.map_err(|error| told(&error))?;
    Ok(result)
}

fn cells(row: Row) -> Vec<Option<String>> {
    let columns = row.columns();
    let values = row.unwrap();
    let cells = values.into_iter().zip(columns.iter());
    cells.map(|(value, column)| text(value, column)).collect()
}

fn text(value: Value, column: &Column) -> Option<String> {
    Some(match value {
        Value::NULL => return None,
        Value::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => hex(error.as_bytes()),
        },
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            if column.column_type() == ColumnType::MYSQL_TYPE_DATE {
                return Some(date);
            }
            let fraction = fraction(micros);
            format!("{date} {hour:02}:{minute:02}:{second:02}{fraction}")
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = days * 24 + u32::from(hours);
            let fraction = fraction(micros);
            format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
        }
    })
}

fn fraction(micros: u32) -> String {
    if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    }
}

fn told(error: &mysql_async::Error) -> String {
    if let mysql_async::Error::Server(error) = error {
        let (code, state) = (error.code, &error.state);
        return format!("{} (error {code}, SQLSTATE {state})", error.message);
    }
    error.to_string()
}
