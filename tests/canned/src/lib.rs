//! An HTTP server on loopback that answers from a script, and remembers what it was asked.
//!
//! For what no emulator of a service makes: throttles, half failures, outages, connections that are cut or that nobody
//! answers. What a service does when all is well is proved on the real thing, or on an emulator, and never here.
//!
//! One thread a connection, no runtime, requests with a content length only. Start reading at [`Canned::start`].

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The server. It listens until it is dropped.
#[derive(Debug)]
pub struct Canned {
    address: SocketAddr,
    endpoint: String,
    stopped: Arc<AtomicBool>,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `PUT` …
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Request {
    /// The body as text, which it has to be.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A whole response.
    Response {
        /// `200`, `503` …
        status: u16,
        /// Beside those of the connection.
        headers: Vec<(String, String)>,
        /// As it is sent.
        body: Vec<u8>,
    },
    /// The connection is closed without a word: what was asked may have taken effect.
    Cut,
    /// Nobody answers, and the connection stays open.
    Silence,
}

impl Answer {
    /// A response of JSON, as most services give it.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let kind = "application/x-amz-json-1.0".to_owned();
        Self::Response {
            status,
            headers: vec![("content-type".to_owned(), kind)],
            body: body.into().into_bytes(),
        }
    }

    /// An error of a service that speaks JSON.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"as the script says"}}"#);
        match Self::json(status, body) {
            Self::Response {
                status,
                mut headers,
                body,
            } => {
                headers.push(("x-amzn-errortype".to_owned(), code.to_owned()));
                Self::Response {
                    status,
                    headers,
                    body,
                }
            }
            other @ (Self::Cut | Self::Silence) => other,
        }
    }
}

impl Canned {
    /// Listens on a free port of loopback and asks `script` what becomes of each request.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start(script: impl FnMut(&Request) -> Answer + Send + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let canned = Self {
            address,
            endpoint: format!("http://{address}"),
            stopped: Arc::default(),
            requests: Arc::default(),
        };
        let (requests, stopped) = (Arc::clone(&canned.requests), Arc::clone(&canned.stopped));
        let script = Arc::new(Mutex::new(script));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let (requests, script) = (Arc::clone(&requests), Arc::clone(&script));
                // A connection that breaks is the client's affair, which sees it.
                thread::spawn(move || serve(&stream, &requests, &script));
            }
        });
        Ok(canned)
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What it was asked so far, in the order in which the requests were read.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.requests).clone()
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        // Wakes the thread that accepts; if that fails, it has ended already.
        let _woken = TcpStream::connect(self.address);
    }
}

/// An error with its causes, as a test looks for words in it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request after the other, until either side closes.
fn serve(
    stream: &TcpStream,
    requests: &Mutex<Vec<Request>>,
    script: &Mutex<impl FnMut(&Request) -> Answer>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        lock(requests).push(request.clone());
        let answer = (lock(script))(&request);
        match answer {
            Answer::Cut => return Ok(()),
            Answer::Silence => {
                // until the client hangs up
                io::copy(&mut reader, &mut io::sink())?;
                return Ok(());
            }
            Answer::Response {
                status,
                headers,
                body,
            } => writer.write_all(&response(status, &headers, &body))?,
        }
    }
    Ok(())
}

fn read(reader: &mut impl io::BufRead) -> io::Result<Option<Request>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (method, path) = (words.next(), words.next());
    let mut request = Request {
        method: method.unwrap_or_default().to_owned(),
        path: path.unwrap_or_default().to_owned(),
        headers: BTreeMap::new(),
        body: Vec::new(),
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        request.headers.insert(name, value.trim().to_owned());
    }
    let length = request.headers.get("content-length");
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut request.body)?;
    Ok(Some(request))
}

/// Head and body in one write: two would wait for each other's acknowledgement.
fn response(status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let headers = headers.iter();
    let headers: String = headers
        .map(|(name, value)| name.clone() + ": " + value + "\r\n")
        .collect();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} scripted\r\n{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
