//! Speaks to a server over HTTP, or HTTPS. Answers are read leniently: a server may be newer than this binary.
//!
//! Start reading at [`Client::new`], then `access`: who asks is shown by a token, or by a signature as AWS wants it.

mod access;
mod credentials;
mod refusal;
mod signature;
mod wire;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use ureq::Body;
use ureq::http::Response;

use crate::config::{self, Config};
use crate::failure::{Failure, UNREACHABLE};
use crate::output::{note, now};

pub(crate) use access::Access;
pub(crate) use credentials::Keys;
pub(crate) use signature::Realm;

use refusal::refusal;
use signature::Unsigned;
pub(crate) use wire::Wire;
use wire::unreachable;

/// An answer may be held back for this long and a little more: a long poll.
pub(crate) const WAIT: Duration = Duration::from_secs(20);
/// The most of an answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
/// Items asked for at once.
const PAGE: usize = 500;
/// Who watches waits so long for a server that went away.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
/// Between two looks whether it is back.
const BETWEEN: Duration = Duration::from_millis(500);

/// A server, and the right to use it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    wire: Wire,
    base: Arc<Mutex<String>>,
    access: Access,
    /// The data directory of the server, where it was found by that: after a restart it may be at another port.
    found_in: Option<PathBuf>,
    /// Whether questions are asked again when the server goes away.
    patient: bool,
    /// Whether the server is this process: when it goes away, it does not come back.
    own: bool,
    /// What to do when it does not answer.
    otherwise: String,
}

/// A piece of a log.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) next: u64,
    pub(crate) end: bool,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, Failure> {
        let (url, access) = config.server()?;
        let found_in = match config.url {
            Some(_) => None,
            None => config.data().ok().map(PathBuf::from),
        };
        let otherwise = if url.starts_with("https://") {
            "see `--url` and PORPOISE_URL; behind a proxy, HTTPS_PROXY".to_owned()
        } else {
            format!("start one with `{}`", config.start_command())
        };
        let client = Self::at(&url, access, otherwise)?;
        Ok(Self { found_in, ..client })
    }

    /// A client of the server that this process is.
    pub(crate) fn own(url: &str, token: &str, start: &str) -> Result<Self, Failure> {
        let otherwise = format!("start one with `{start}`");
        Ok(Self {
            own: true,
            ..Self::at(url, Access::Token(token.to_owned()), otherwise)?
        })
    }

    /// The same for who watches: what is asked is asked again for a while when the server goes away, as it does when
    /// it is restarted.
    pub(crate) fn patient(&self) -> Self {
        Self {
            patient: !self.own,
            ..self.clone()
        }
    }

    /// A client of the server at `url`; `otherwise` is what to do when it does not answer.
    fn at(url: &str, access: Access, otherwise: String) -> Result<Self, Failure> {
        Ok(Self {
            wire: Wire::to(url, WAIT + Duration::from_secs(40))?,
            base: Arc::new(Mutex::new(format!("{url}/v1"))),
            access,
            found_in: None,
            patient: false,
            own: false,
            otherwise,
        })
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.asked(|| self.get_once(path))
    }

    /// Asks, and asks again for a while if the client is patient and the server away.
    fn asked<T>(&self, ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        let mut until = None;
        loop {
            let answer = ask();
            let away = answer
                .as_ref()
                .err()
                .filter(|failure| failure.exit == UNREACHABLE);
            let Some(failure) = away.filter(|_| self.patient) else {
                if until.is_some() && answer.is_ok() {
                    note("the server is back");
                }
                return answer;
            };
            let time = now();
            if until.is_none() {
                note(&format!("{}; waiting for it", failure.message));
            }
            if *until.get_or_insert(time + PATIENCE) < time {
                return answer;
            }
            std::thread::sleep(BETWEEN);
            self.find_again();
        }
    }

    /// A server that was found by its data directory may be at another port after a restart.
    pub(crate) fn find_again(&self) {
        if let Some(running) = self.found_in.as_deref().and_then(config::running) {
            *self.base.lock().unwrap_or_else(PoisonError::into_inner) =
                format!("{}/v1", running.url);
        }
    }

    fn get_once(&self, path: &str) -> Result<Value, Failure> {
        self.json("GET", path, &[], &[])
    }

    /// Sends a command that must take hold once, whoever repeats it.
    pub(crate) fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value, Failure> {
        let headers = [
            kind("application/json"),
            ("idempotency-key", key.to_owned()),
        ];
        self.json("POST", path, &headers, body.to_string().as_bytes())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.json(
            "POST",
            path,
            &[kind("application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Sends a definition file.
    pub(crate) fn post_file(&self, path: &str, bytes: &[u8]) -> Result<Value, Failure> {
        self.json("POST", path, &[kind("application/yaml")], bytes)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.json(
            "PUT",
            path,
            &[kind("application/json")],
            body.to_string().as_bytes(),
        )
    }

    /// Puts what a file holds.
    pub(crate) fn put_file(&self, path: &str, bytes: &[u8]) -> Result<Value, Failure> {
        self.json("PUT", path, &[kind("application/yaml")], bytes)
    }

    /// Changes what a file names.
    pub(crate) fn patch_file(&self, path: &str, bytes: &[u8]) -> Result<Value, Failure> {
        self.json("PATCH", path, &[kind("application/yaml")], bytes)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.json("DELETE", path, &[], &[])
    }

    /// All items of a list, page by page; at most `limit`.
    pub(crate) fn list(&self, path: &str, limit: usize) -> Result<Vec<Value>, Failure> {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        while items.len() < limit {
            let size = PAGE.min(limit - items.len());
            let joint = if path.contains('?') { '&' } else { '?' };
            let mut page = format!("{path}{joint}limit={size}");
            if let Some(cursor) = &cursor {
                page = format!("{page}&cursor={}", encode(cursor));
            }
            let (found, next) = page_of(self.get(&page)?);
            items.extend(found);
            let Some(next) = next else { break };
            cursor = Some(next);
        }
        items.truncate(limit);
        Ok(items)
    }

    /// A piece of a log, or why there is none (yet).
    pub(crate) fn log(&self, path: &str) -> Result<Result<Chunk, Failure>, Failure> {
        self.asked(|| self.log_once(path))
    }

    fn log_once(&self, path: &str) -> Result<Result<Chunk, Failure>, Failure> {
        let mut answer = self.answer("GET", path, &[], &[])?;
        if answer.status().as_u16() == 404 {
            return Ok(Err(refusal(&self.url(""), &self.access, &mut answer)));
        }
        if !answer.status().is_success() {
            return Err(refusal(&self.url(""), &self.access, &mut answer));
        }
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let (next, end) = (header("x-next-offset"), header("x-end"));
        let config = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = config
            .read_to_vec()
            .map_err(|error| self.unreachable(&error))?;
        Ok(Ok(Chunk {
            next: next.and_then(|next| next.parse().ok()).unwrap_or(0),
            end: end.is_some_and(|end| end == "true"),
            bytes,
        }))
    }

    /// Where the server is, for people.
    pub(crate) fn address(&self) -> String {
        self.url("")
    }

    fn url(&self, path: &str) -> String {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{base}{path}")
    }

    /// Whatever answers.
    fn answer(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Response<Body>, Failure> {
        let url = self.url(path);
        let request = Unsigned {
            method,
            url: &url,
            headers,
            body,
        };
        let shown = self.access.headers(request)?;
        let sent = self.wire.send(request, &shown);
        sent.map_err(|error| self.unreachable(&error))
    }

    fn json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> Result<Value, Failure> {
        let mut answer = self.answer(method, path, headers, body)?;
        if !answer.status().is_success() {
            return Err(refusal(&self.url(""), &self.access, &mut answer));
        }
        let config = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let text = config
            .read_to_string()
            .map_err(|error| self.unreachable(&error))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text)
            .map_err(|error| Failure::broken("the server's answer is no JSON", &error))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        unreachable(&self.url(""), error, self.otherwise.clone())
    }
}

fn kind(kind: &str) -> (&'static str, String) {
    ("content-type", kind.to_owned())
}

/// Items and the cursor of the next page.
fn page_of(answer: Value) -> (Vec<Value>, Option<String>) {
    match answer {
        Value::Array(items) => (items, None),
        Value::Object(mut fields) => {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            let next = ["next_cursor", "next", "cursor"]
                .iter()
                .find_map(|name| fields.get(*name).and_then(text));
            let items = fields
                .iter_mut()
                .find_map(|(_, value)| value.as_array_mut().map(std::mem::take));
            (items.unwrap_or_default(), next)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (Vec::new(), None),
    }
}

/// Percent-encodes what stands between two slashes, or in a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_fit_into_a_path() {
        assert_eq!(encode("依赖/a b.c"), "%E4%BE%9D%E8%B5%96%2Fa%20b.c");
    }

    #[test]
    fn a_page_is_read_with_or_without_an_envelope() {
        let (items, next) = page_of(serde_json::json!({"runs": [1, 2], "next_cursor": "c"}));
        assert_eq!((items.len(), next.as_deref()), (2, Some("c")));
        let (items, next) = page_of(serde_json::json!([1]));
        assert_eq!((items.len(), next), (1, None));
    }
}
