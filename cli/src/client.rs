//! Speaks to a server over HTTP. Answers are read leniently: a server may be newer than this binary.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::config::{self, Config};
use crate::failure::{BROKEN, Failure, REFUSED, UNREACHABLE};
use crate::output::{note, now};

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
    agent: Agent,
    base: Arc<Mutex<String>>,
    token: String,
    /// The data directory of the server, where it was found by that: after a restart it may be at another port.
    found_in: Option<PathBuf>,
    /// Whether questions are asked again when the server goes away.
    patient: bool,
    /// Whether the server is this process: when it goes away, it does not come back.
    own: bool,
    /// The command that starts such a server.
    start: String,
}

/// RFC 9457, with our additions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: Option<String>,
    title: String,
    detail: String,
    hint: Option<String>,
    faults: Vec<Value>,
    more: usize,
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
        let (url, token) = config.server()?;
        let found_in = match config.url {
            Some(_) => None,
            None => config.data().ok().map(PathBuf::from),
        };
        let client = Self::at(&url, &token, config.start_command());
        Ok(Self { found_in, ..client })
    }

    /// A client of the server that this process is.
    pub(crate) fn own(url: &str, token: &str, start: String) -> Self {
        Self {
            own: true,
            ..Self::at(url, token, start)
        }
    }

    /// The same for who watches: what is asked is asked again for a while when the server goes away, as it does when
    /// it is restarted.
    pub(crate) fn patient(&self) -> Self {
        Self {
            patient: !self.own,
            ..self.clone()
        }
    }

    /// A client of the server at `url`; `start` is the command that starts one.
    fn at(url: &str, token: &str, start: String) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("porpoise-cli/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(WAIT + Duration::from_secs(40)))
            .build();
        Self {
            agent: agent.into(),
            base: Arc::new(Mutex::new(format!("{url}/v1"))),
            token: token.to_owned(),
            found_in: None,
            patient: false,
            own: false,
            start,
        }
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

    fn find_again(&self) {
        if let Some(running) = self.found_in.as_deref().and_then(config::running) {
            *self.base.lock().unwrap_or_else(PoisonError::into_inner) =
                format!("{}/v1", running.url);
        }
    }

    fn get_once(&self, path: &str) -> Result<Value, Failure> {
        let request = self.agent.get(self.url(path));
        let sent = request.header("authorization", self.bearer()).call();
        self.json(sent)
    }

    /// Sends a command that must take hold once, whoever repeats it.
    pub(crate) fn post_once(&self, path: &str, body: &Value, key: &str) -> Result<Value, Failure> {
        let request = self
            .agent
            .post(self.url(path))
            .header("idempotency-key", key);
        let sent = request
            .header("authorization", self.bearer())
            .send_json(body);
        self.json(sent)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.post(self.url(path));
        let sent = request
            .header("authorization", self.bearer())
            .send_json(body);
        self.json(sent)
    }

    /// Sends a definition file.
    pub(crate) fn post_file(&self, path: &str, bytes: &[u8]) -> Result<Value, Failure> {
        let request = self
            .agent
            .post(self.url(path))
            .header("content-type", "application/yaml");
        let sent = request.header("authorization", self.bearer()).send(bytes);
        self.json(sent)
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self.agent.put(self.url(path));
        let sent = request
            .header("authorization", self.bearer())
            .send_json(body);
        self.json(sent)
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

    /// A piece of a log; `None` if there is none (yet).
    pub(crate) fn log(&self, path: &str) -> Result<Option<Chunk>, Failure> {
        self.asked(|| self.log_once(path))
    }

    fn log_once(&self, path: &str) -> Result<Option<Chunk>, Failure> {
        let request = self.agent.get(self.url(path));
        let sent = request.header("authorization", self.bearer()).call();
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        if answer.status().as_u16() == 404 {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(refusal(&mut answer));
        }
        let header = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let (next, end) = (header("x-next-offset"), header("x-end"));
        let config = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let bytes = config
            .read_to_vec()
            .map_err(|error| self.unreachable(&error))?;
        Ok(Some(Chunk {
            next: next.and_then(|next| next.parse().ok()).unwrap_or(0),
            end: end.is_some_and(|end| end == "true"),
            bytes,
        }))
    }

    fn url(&self, path: &str) -> String {
        let base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        format!("{base}{path}")
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn json(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<Value, Failure> {
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            return Err(refusal(&mut answer));
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
        let server = self.url("");
        let server = server.trim_end_matches("/v1");
        Failure::new(
            UNREACHABLE,
            format!("cannot reach the server at `{server}`"),
        )
        .because(error)
        .hint(format!("start one with `{}`", self.start))
    }
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

/// The server understood and says no.
fn refusal(answer: &mut Response<Body>) -> Failure {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let Ok(problem) = serde_json::from_str::<Problem>(&text) else {
        let message = format!("what answers there is no Porpoise server: {status}");
        return Failure {
            status: Some(status.as_u16()),
            ..Failure::new(UNREACHABLE, message).hint("see `--url` and PORPOISE_URL")
        };
    };
    let exit = match status.as_u16() {
        500 | 501 => BROKEN,
        502..=504 => UNREACHABLE,
        _ => REFUSED,
    };
    let (message, detail) = if problem.title.is_empty() {
        (problem.detail, String::new())
    } else {
        (problem.title, problem.detail)
    };
    let mut causes: Vec<_> = problem.faults.iter().map(fault).collect();
    if causes.is_empty() && !detail.is_empty() {
        causes.push(detail);
    }
    if problem.more > 0 {
        causes.push(format!("and {} more faults", problem.more));
    }
    let hint = problem.hint.or_else(|| {
        (status.as_u16() == 401)
            .then(|| "the token is the one of another server: see `--token`".to_owned())
    });
    Failure {
        code: problem.code,
        message,
        causes,
        hint,
        exit,
        status: Some(status.as_u16()),
    }
}

/// ``daily.yaml:2:8: tasks.b.after[0]: no task named `c`; did you mean `b`?``
fn fault(fault: &Value) -> String {
    if let Some(text) = fault.as_str() {
        return text.to_owned();
    }
    let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| fault.get(name).and_then(Value::as_u64);
    let mut line = text("file").to_owned();
    for at in ["line", "column"].into_iter().filter_map(number) {
        line = format!("{line}:{at}");
    }
    for part in [text("path"), text("message")] {
        if !part.is_empty() {
            line = if line.is_empty() {
                part.to_owned()
            } else {
                format!("{line}: {part}")
            };
        }
    }
    match text("hint") {
        "" => line,
        hint => format!("{line}; {hint}"),
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
    fn faults_read_like_those_of_a_compiler() {
        let value = serde_json::json!({
            "file": "a.yaml", "line": 2, "column": 8, "path": "tasks.b", "message": "no task", "hint": "did you mean `c`?"
        });
        assert_eq!(
            fault(&value),
            "a.yaml:2:8: tasks.b: no task; did you mean `c`?"
        );
        assert_eq!(fault(&serde_json::json!({"message": "bad"})), "bad");
    }

    #[test]
    fn a_page_is_read_with_or_without_an_envelope() {
        let (items, next) = page_of(serde_json::json!({"runs": [1, 2], "next_cursor": "c"}));
        assert_eq!((items.len(), next.as_deref()), (2, Some("c")));
        let (items, next) = page_of(serde_json::json!([1]));
        assert_eq!((items.len(), next), (1, None));
    }
}
