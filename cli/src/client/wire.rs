//! Requests on their way: plain, or by TLS with the roots that this machine trusts.

use std::time::Duration;

use ureq::config::Config;
use ureq::http::{Request, Response, Uri};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, Connector as _, NextTimeout, TcpConnector,
};
use ureq::{Agent, Body};

use crate::failure::{Failure, UNREACHABLE, USAGE};

use super::signature::{Unsigned, host};
use porpoise_tls::{Tls, TlsError};

/// A way to servers.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Agent);

impl Wire {
    /// To the server at `url`, whose answers take so long at most. Roots are read only where they are needed.
    pub(crate) fn to(url: &str, patience: Duration) -> Result<Self, Failure> {
        Self::with(url, patience, None)
    }

    fn with(url: &str, patience: Duration, whole: Option<Duration>) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // what is secret goes to the address that was named, and nowhere else
            .max_redirects(0)
            .user_agent(concat!("porpoise-cli/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(patience))
            .timeout_recv_body(whole);
        if url.starts_with("https://") {
            let connector =
                ().chain(ConnectProxyConnector::default())
                    .chain(TcpConnector::default())
                    .chain(tls()?);
            let resolver = Names::default();
            return Ok(Self(Agent::with_parts(config.build(), connector, resolver)));
        }
        if url.starts_with("http://") {
            return Ok(Self(config.build().into()));
        }
        let message = format!("`{url}` is no address of a server");
        Err(Failure::new(USAGE, message).hint("it begins with `http://` or `https://`"))
    }

    /// The same, for answers that also have to end in time.
    pub(crate) fn patient(url: &str, patience: Duration) -> Result<Self, Failure> {
        Self::with(url, patience, Some(patience))
    }

    pub(crate) fn get(
        &self,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, ureq::Error> {
        let mut built = Request::builder().method("GET").uri(url);
        for (name, value) in headers {
            built = built.header(*name, *value);
        }
        self.0.run(built.body(())?)
    }

    pub(super) fn send(
        &self,
        request: Unsigned<'_>,
        more: &[(String, String)],
    ) -> Result<Response<Body>, ureq::Error> {
        let mut built = Request::builder().method(request.method).uri(request.url);
        for (name, value) in request.headers {
            built = built.header(*name, value);
        }
        for (name, value) in more {
            built = built.header(name, value);
        }
        if request.body.is_empty() {
            self.0.run(built.body(())?)
        } else {
            self.0.run(built.body(request.body)?)
        }
    }
}

/// Finds hosts by their names, and says so if there is none.
#[derive(Debug, Default)]
struct Names(DefaultResolver);

/// A name was looked up for nothing.
#[derive(Debug, thiserror::Error)]
#[error("there is no host `{name}`")]
struct NoHost {
    name: String,
    source: std::io::Error,
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.0.resolve(uri, config, timeout);
        found.map_err(|error| {
            if let ureq::Error::Io(source) = error {
                let name = uri.host().unwrap_or_default().to_owned();
                ureq::Error::Other(Box::new(NoHost { name, source }))
            } else {
                error
            }
        })
    }
}

/// TLS with the roots of this machine.
fn tls() -> Result<Tls, Failure> {
    let config = porpoise_tls::client_config().map_err(|error| match error {
        TlsError::NoRoots(why) => {
            let message = "this machine trusts no authority: no server can prove who it is";
            let failure = Failure::new(UNREACHABLE, message);
            let failure = why.into_iter().fold(failure, Failure::cause);
            failure
                .hint("install `ca-certificates`, or name a file of certificates in SSL_CERT_FILE")
        }
        TlsError::Setup(error) => Failure::broken("TLS cannot be set up", &error),
    })?;
    Ok(Tls::new(config))
}

/// Why there was no answer of the server at `url`, and what may help.
pub(super) fn unreachable(url: &str, error: &ureq::Error, otherwise: String) -> Failure {
    let name = host(url);
    let failure = |message: String| Failure::new(UNREACHABLE, message);
    if let Some((untrusted, because)) = certificate(error) {
        use rustls::CertificateError as E;
        let hint = if matches!(untrusted, E::UnknownIssuer) {
            "if a proxy or an authority of your own stands behind it, name the file of its certificate in SSL_CERT_FILE"
        } else if matches!(
            untrusted,
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. }
        ) {
            "look at the clock of this machine"
        } else {
            "what answers there is not the server that the address names: see `--url` and PORPOISE_URL"
        };
        let failure = failure(format!(
            "`{name}` has no certificate that this machine trusts"
        ));
        return failure.because(because).hint(hint);
    }
    if let ureq::Error::Other(other) = error
        && let Some(NoHost { name, source }) = other.downcast_ref()
    {
        let failure = failure(format!(
            "there is no host `{name}`, or no name server that knows it"
        ));
        return failure.because(source).hint(
            "see `--url` and PORPOISE_URL; `porpoise deploy` ends with the address of an API",
        );
    }
    let server = url.trim_end_matches("/v1");
    failure(format!("cannot reach the server at `{server}`"))
        .because(error)
        .hint(otherwise)
}

/// What is wrong with a certificate, if that is why there is no answer.
fn certificate(error: &ureq::Error) -> Option<(&rustls::CertificateError, &rustls::Error)> {
    let ureq::Error::Io(error) = error else {
        return None;
    };
    let error: &rustls::Error = error.get_ref()?.downcast_ref()?;
    let rustls::Error::InvalidCertificate(untrusted) = error else {
        return None;
    };
    Some((untrusted, error))
}
