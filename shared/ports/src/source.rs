//! Data sources: targets that are databases, which statements are sent to from the place that serves them.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::target::{Fault, object, read};

/// PostgreSQL.
pub const POSTGRESQL: &str = "postgresql";
/// `MySQL` and `MariaDB`.
pub const MYSQL: &str = "mysql";
/// SQLite.
pub const SQLITE: &str = "sqlite";
/// The sorts of target that are data sources.
pub const KINDS: [&str; 3] = [POSTGRESQL, MYSQL, SQLITE];

/// A data source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// PostgreSQL.
    Postgresql(Server),
    /// `MySQL` and `MariaDB`.
    Mysql(Server),
    /// SQLite.
    Sqlite {
        /// The file of the database, by its whole path.
        file: PathBuf,
    },
}

/// A database behind a server.
///
/// ```json
/// {"host": "db.example.com", "port": 5432, "database": "sales", "user": "etl", "password": "${secret:sales-db}"}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port, if it is not the usual one.
    pub port: Option<u16>,
    /// The database that tables are in, if a task does not say.
    pub database: Option<String>,
    /// As whom statements run.
    pub user: String,
    /// A reference to the secret that proves it.
    pub password: Option<String>,
    /// Whether TLS is used; if nothing is said, for every host but this machine itself.
    pub tls: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    file: PathBuf,
}

impl Server {
    /// Whether TLS is used.
    pub fn uses_tls(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        let address = host.parse::<std::net::IpAddr>();
        let here = host.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.is_loopback());
        self.tls.unwrap_or(!here)
    }

    fn check(&self, faults: &mut Vec<Fault>) {
        for (name, text) in [("host", &self.host), ("user", &self.user)] {
            if text.trim().is_empty() {
                faults.push(Fault::new(name, "this is empty"));
            }
        }
        if self.host.contains(['/', '@', ' ']) {
            let message =
                "the name of a host or its address is expected, without anything around it";
            faults.push(Fault::new("host", message));
        }
        if self.port == Some(0) {
            faults.push(Fault::new("port", "no server listens on port 0"));
        }
        let password = self.password.as_deref();
        if password.is_some_and(|password| secret_of(password).is_none()) {
            // never repeated: it is likely to be the password itself
            let message = "a password stands nowhere but in the secret store of the place: write a reference to it, \
                           `${secret:NAME}`";
            faults.push(Fault::new("password", message));
        }
    }
}

impl Source {
    /// The data source that the settings of a target describe.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn read(kind: &str, settings: &str) -> Result<Self, Vec<Fault>> {
        let form = object(settings).map_err(|fault| vec![fault])?;
        let form = Value::Object(form);
        let server = |form| {
            let (server, mut faults) = read::<Server>(form);
            if let Some(server) = &server {
                server.check(&mut faults);
            }
            match server {
                Some(server) if faults.is_empty() => Ok(server),
                Some(_) | None => Err(faults),
            }
        };
        match kind {
            POSTGRESQL => server(form).map(Self::Postgresql),
            MYSQL => server(form).map(Self::Mysql),
            SQLITE => {
                let (file, mut faults) = read::<File>(form);
                let relative = file.as_ref().is_some_and(|file| !file.file.is_absolute());
                if relative {
                    let message =
                        "the whole path is needed: it is opened by whoever serves the place";
                    faults.push(Fault::new("file", message));
                }
                match file {
                    Some(File { file }) if faults.is_empty() => Ok(Self::Sqlite { file }),
                    Some(_) | None => Err(faults),
                }
            }
            other => {
                let known = KINDS.join(", ");
                let message = format!("`{other}` is no sort of data source: {known}");
                Err(vec![Fault::new("", message)])
            }
        }
    }

    /// The secret that proves who asks, if one is named.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Postgresql(server) | Self::Mysql(server) => {
                secret_of(server.password.as_deref()?)
            }
            Self::Sqlite { .. } => None,
        }
    }
}

/// For people: where it is, and nothing that proves anything.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, server) = match self {
            Self::Postgresql(server) => ("PostgreSQL", server),
            Self::Mysql(server) => ("MySQL", server),
            Self::Sqlite { file } => return write!(f, "SQLite {}", file.display()),
        };
        write!(f, "{kind} {}@{}", server.user, server.host)?;
        if let Some(port) = server.port {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

/// The name in `${secret:NAME}`, if it is that and nothing else.
fn secret_of(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${secret:")?.strip_suffix('}')?;
    (!name.is_empty() && !name.contains(['$', '{', '}'])).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(kind: &str, settings: &str) -> Vec<String> {
        let faults = Source::read(kind, settings).unwrap_err();
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn a_source_is_where_it_is_and_a_reference_to_what_proves_who_asks() {
        let settings = r#"{"host": "db", "user": "etl", "password": "${secret:sales-db}"}"#;
        let source = Source::read("postgresql", settings).unwrap();
        assert_eq!(source.secret(), Some("sales-db"));
        assert_eq!(source.to_string(), "PostgreSQL etl@db");
        let Source::Postgresql(server) = source else {
            panic!()
        };
        assert!(server.uses_tls());
        for (host, tls) in [
            ("127.0.0.1", false),
            ("[::1]", false),
            ("localhost", false),
            ("10.0.0.1", true),
        ] {
            let settings = format!(r#"{{"host": "{host}", "user": "etl"}}"#);
            let Source::Mysql(server) = Source::read("mysql", &settings).unwrap() else {
                panic!()
            };
            assert_eq!(server.uses_tls(), tls, "{host}");
        }
        let file = Source::read("sqlite", r#"{"file": "/data/a.db"}"#).unwrap();
        assert_eq!(
            (file.secret(), file.to_string().as_str()),
            (None, "SQLite /data/a.db")
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_and_no_password_is_repeated() {
        let settings = r#"{"host": "jdbc:mysql://db/x", "port": 0, "user": "", "password": "hunter22", "schema": "x"}"#;
        let said = faults("mysql", settings).join("\n");
        for wanted in [
            "`schema`",
            "`host`",
            "`port`",
            "`user`",
            "`password`",
            "${secret:NAME}",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
        assert!(!said.contains("hunter22"), "{said}");
        assert!(faults("sqlite", r#"{"file": "a.db"}"#)[0].contains("whole path"));
        assert!(faults("oracle", "{}")[0].contains("`oracle` is no sort"));
    }
}
