//! SQLite, in this process.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use porpoise_model::ValueType;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, InterruptHandle, OpenFlags, ToSql};

use crate::bind::{Bound, Ready};
use crate::found::Found;

/// How long a statement waits for others that write.
const BUSY: Duration = Duration::from_mins(1);

pub(crate) struct Sqlite {
    connection: Arc<Mutex<Connection>>,
    interrupt: Arc<InterruptHandle>,
}

/// Ends the statement that is under way.
pub(crate) struct Canceler(Arc<InterruptHandle>);

impl Canceler {
    pub(crate) fn cancel(self) {
        self.0.interrupt();
    }
}

impl Sqlite {
    /// The file has to be there: a name that is misspelt would be an empty database.
    pub(crate) fn open(file: &Path) -> Result<Self, String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(file, flags);
        let connection = opened.map_err(|error| {
            if file.exists() {
                told(&error)
            } else {
                "there is no such file".to_owned()
            }
        })?;
        connection
            .busy_timeout(BUSY)
            .map_err(|error| told(&error))?;
        let interrupt = Arc::new(connection.get_interrupt_handle());
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            interrupt,
        })
    }

    pub(crate) fn canceler(&self) -> Canceler {
        Canceler(Arc::clone(&self.interrupt))
    }

    pub(crate) async fn run(&mut self, ready: &Ready, limit: usize) -> Result<Found, String> {
        let (connection, ready) = (Arc::clone(&self.connection), ready.clone());
        let ran = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            run(&connection, &ready, limit).map_err(|error| told(&error))
        });
        ran.await.map_err(|error| error.to_string())?
    }
}

fn run(connection: &Connection, ready: &Ready, limit: usize) -> rusqlite::Result<Found> {
    let mut statement = connection.prepare(&ready.text)?;
    let names = statement.column_names();
    let mut result = Found {
        columns: names.into_iter().map(str::to_owned).collect(),
        ..Found::default()
    };
    let values = rusqlite::params_from_iter(&ready.values);
    if !result.has_rows() {
        let changed = statement.execute(values)?;
        result.affected = u64::try_from(changed).unwrap_or_default();
        return Ok(result);
    }
    let count = result.columns.len();
    let mut rows = statement.query(values)?;
    while let Some(row) = rows.next()? {
        if result.rows.len() == limit {
            result.more = true;
            break;
        }
        let cells = (0..count).map(|index| row.get_ref(index).map(text));
        result.rows.push(cells.collect::<rusqlite::Result<_>>()?);
    }
    Ok(result)
}

impl ToSql for Bound {
    /// Numbers as such: SQLite compares what has no column by its own sort, and any text is more than any number.
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let Some(text) = &self.text else {
            return Ok(ToSqlOutput::Owned(Value::Null));
        };
        let number = match self.kind {
            ValueType::Integer | ValueType::Long => text.trim().parse().ok().map(Value::Integer),
            ValueType::Float | ValueType::Double => text.trim().parse().ok().map(Value::Real),
            ValueType::Boolean => match text.trim() {
                "true" => Some(Value::Integer(1)),
                "false" => Some(Value::Integer(0)),
                _ => None,
            },
            ValueType::Varchar
            | ValueType::Date
            | ValueType::Time
            | ValueType::Timestamp
            | ValueType::List
            | ValueType::File => None,
        };
        Ok(match number {
            Some(number) => ToSqlOutput::Owned(number),
            None => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(real(number)),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Some(hex(bytes)),
    }
}

/// The shortest text that reads back as the same number, and looks like one with a fraction.
pub(crate) fn real(number: f64) -> String {
    let text = format!("{number:?}");
    text.replace("inf", "Infinity")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let start = String::from("\\x");
    bytes.iter().fold(start, |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn told(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqliteFailure(code, Some(message)) = error {
        return format!("{message} (SQLite error {})", code.extended_code);
    }
    error.to_string()
}
