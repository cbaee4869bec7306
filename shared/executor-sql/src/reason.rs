//! Why there is no connection. What people do about each reason is something else, so each has words of its own; what the
//! server or the system said comes behind them. No password is in any: drivers and servers never repeat it.

use std::io;

use porpoise_ports::source::Server;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The host's name is nobody's.
    Host,
    /// The host answers, and nothing listens.
    Port,
    /// There is no way to the host.
    Way,
    /// Nothing answers.
    Silence,
    /// The server takes neither the user nor the password, and does not say which.
    User,
    /// The server wants a password.
    NoPassword,
    /// The user may not use the database.
    Right,
    /// The database is not there.
    Database,
    /// The server has no TLS.
    NoTls,
    /// The server's certificate proves nothing here.
    Certificate,
    /// Anything else.
    Other,
}

const NO_WAY: [io::ErrorKind; 3] = [
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::NetworkUnreachable,
    io::ErrorKind::NetworkDown,
];

impl Reason {
    /// What an error of a socket means, and of TLS, which comes as one.
    pub(crate) async fn of_socket(error: &io::Error, server: &Server, port: u16) -> Self {
        let kind = error.kind();
        if kind == io::ErrorKind::ConnectionRefused {
            return Self::Port;
        }
        if kind == io::ErrorKind::TimedOut {
            return Self::Silence;
        }
        if NO_WAY.contains(&kind) {
            return Self::Way;
        }
        let said = error.to_string();
        if said.contains("certificate") {
            return Self::Certificate;
        }
        // resolvers have no error of their own
        let host = server.host.trim_matches(['[', ']']);
        let found = tokio::net::lookup_host((host, port)).await;
        if found.is_ok_and(|mut found| found.next().is_some()) {
            Self::Other
        } else {
            Self::Host
        }
    }

    /// The reason, with what was said.
    pub(crate) fn told(
        self,
        server: &Server,
        port: u16,
        database: Option<&str>,
        said: &str,
    ) -> String {
        let (host, user) = (&server.host, &server.user);
        let database = database.unwrap_or_default();
        let why = match self {
            Self::Host => format!("there is no host `{host}`: its name cannot be resolved"),
            Self::Port => format!("nothing listens on port {port} of `{host}`"),
            Self::Way => format!("`{host}` cannot be reached from here"),
            Self::Silence => format!("`{host}` does not answer on port {port}"),
            Self::User => {
                format!("user `{user}` is not known there, or the password is not that user's")
            }
            Self::NoPassword => {
                format!("the server wants a password of `{user}`, and the target names none")
            }
            Self::Right => format!("user `{user}` may not use the database `{database}`"),
            Self::Database if database.is_empty() => {
                format!("there is no database of the name of user `{user}`, and none is set")
            }
            Self::Database => format!("there is no database `{database}`"),
            Self::NoTls => format!(
                "`{host}` speaks no TLS: set `tls` to false only where nobody can listen in between"
            ),
            Self::Certificate => format!(
                "the certificate of `{host}` proves nothing here: add its authority to those of this machine, or name it \
                 in SSL_CERT_FILE"
            ),
            Self::Other => return said.to_owned(),
        };
        format!("{why} ({said})")
    }
}
