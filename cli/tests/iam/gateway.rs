//! What stands before an API on AWS: TLS, and callers whom IAM knows by their signatures. What it lets in goes to a real
//! server of this binary.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::signed::{self, Known};

/// The names that its certificate is for.
pub const NAMES: [&str; 3] = [
    "localhost",
    "a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com",
    "f6g7h8.lambda-url.us-east-1.on.aws",
];
/// Whoever is known.
pub const ADA: Known = Known {
    id: "ASIAADA",
    secret: "ada-s3cret/+",
    session: Some("ada-s3ssion=="),
};

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

/// What a gateway does.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Service and region that callers have to sign for.
    pub scope: (&'static str, &'static str),
    /// The server behind it: address and token.
    pub server: Option<(String, String)>,
    /// Whether whom it knows may call.
    pub allows: bool,
    /// Where it sends to instead of answering.
    pub sends_to: Option<String>,
    /// How far its clock is ahead.
    pub ahead: SignedDuration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            scope: ("execute-api", "eu-central-1"),
            server: None,
            allows: true,
            sends_to: None,
            ahead: SignedDuration::ZERO,
        }
    }
}

/// It listens until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    dir: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopped: Arc<AtomicBool>,
}

impl Gateway {
    pub fn open(rules: Rules) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (config, certificate) = tls(&format!("gateway at {port}"));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("authority.pem"), certificate).unwrap();
        let gateway = Self {
            address: listener.local_addr().unwrap(),
            dir,
            asked: Arc::default(),
            stopped: Arc::default(),
        };
        let (asked, stopped) = (Arc::clone(&gateway.asked), Arc::clone(&gateway.stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (rules, config, asked) =
                    (rules.clone(), Arc::clone(&config), Arc::clone(&asked));
                // what a client breaks off is no fault of the gateway
                thread::spawn(move || serve(stream.ok()?, config, &rules, &asked));
            }
        });
        gateway
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Its address as a proxy's.
    pub fn proxy(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The certificate that makes it trusted.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address); // wakes it
    }
}

/// A certificate that is made now, and its own authority.
fn tls(subject: &str) -> (Arc<ServerConfig>, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(NAMES.map(str::to_owned)).unwrap();
    let name = &mut parameters.distinguished_name;
    name.push(rcgen::DnType::CommonName, subject);
    let certificate = parameters.self_signed(&key).unwrap();
    let text = BASE64.encode(certificate.der());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (Arc::new(config), pem)
}

fn serve(
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    rules: &Rules,
    all: &Mutex<Vec<Asked>>,
) -> Option<()> {
    let mut first = [0];
    stream.peek(&mut first).ok()?;
    if first == *b"C" {
        // a proxy: whatever host is named, it is this one
        let asked = read(&mut BufReader::new(&stream))?;
        assert_eq!(asked.method, "CONNECT");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    }
    let stream = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    let mut stream = BufReader::new(stream);
    loop {
        let asked = read(&mut stream)?;
        all.lock().unwrap().push(asked.clone());
        let answer = answer(&asked, rules);
        stream.get_mut().write_all(&answer).ok()?;
        stream.get_mut().flush().ok()?;
    }
}

fn read(stream: &mut BufReader<impl Read>) -> Option<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked {
        method,
        target,
        headers,
        body,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "its clock is that of this machine, or ahead of it"
)]
fn answer(asked: &Asked, rules: &Rules) -> Vec<u8> {
    let now = Timestamp::now() + rules.ahead;
    if asked.target.starts_with("/?Action=GetCallerIdentity") {
        let region = rules.scope.1;
        return match signed::check(asked, &[ADA], ("sts", region)) {
            Ok(_) => response(
                200,
                now,
                &[],
                b"<Arn>arn:aws:sts::111122223333:assumed-role/Dev/ada</Arn>",
            ),
            Err(why) => {
                let error =
                    format!("<Error><Code>{why}</Code><Message>as AWS would say</Message></Error>");
                response(403, now, &[], error.as_bytes())
            }
        };
    }
    if let Some(location) = &rules.sends_to {
        return response(307, now, &[("location", location)], b"");
    }
    if let (Some((server, token)), Some(given)) =
        (&rules.server, asked.headers.get("authorization"))
        && *given == format!("Bearer {token}")
    {
        return pass(asked, server, token, now);
    }
    let forbidden = || response(403, now, &[], br#"{"message":"Forbidden"}"#);
    let Ok(at) = signed::check(asked, &[ADA], rules.scope) else {
        return forbidden();
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", at).unwrap();
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    if !rules.allows || now.duration_since(at).abs() > SignedDuration::from_mins(5) {
        return forbidden();
    }
    match &rules.server {
        Some((server, token)) => pass(asked, server, token, now),
        None => response(503, now, &[], br#"{"message":"Service Unavailable"}"#),
    }
}

/// To the server behind it.
fn pass(asked: &Asked, server: &str, token: &str, now: Timestamp) -> Vec<u8> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut request = ureq::http::Request::builder()
        .method(asked.method.as_str())
        .uri(format!("{server}{}", asked.target))
        .header("authorization", format!("Bearer {token}"));
    for name in ["content-type", "idempotency-key"] {
        if let Some(value) = asked.headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = if asked.body.is_empty() {
        agent.run(request.body(()).unwrap())
    } else {
        agent.run(request.body(&asked.body[..]).unwrap())
    };
    let mut answer = answer.unwrap();
    let body = answer.body_mut().read_to_vec().unwrap();
    let headers = answer.headers().iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| name.as_str().starts_with("x-"))
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    response(answer.status().as_u16(), now, &headers, &body)
}

fn response(status: u16, now: Timestamp, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let date = jiff::fmt::rfc2822::DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&now)
        .unwrap();
    let mut head = format!(
        "HTTP/1.1 {status} said\r\ndate: {date}\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// Whether nothing that is secret stands in a text.
pub fn tells_nothing(text: &str, data: &Path) -> bool {
    let token = std::fs::read_to_string(data.join("token")).unwrap_or_default();
    let secrets = [ADA.secret, ADA.session.unwrap(), "AWS4-HMAC", token.trim()];
    !secrets
        .iter()
        .any(|secret| !secret.is_empty() && text.contains(secret))
}
