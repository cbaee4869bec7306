//! HTTP: a call, and what its answer has to be.

use std::time::Duration;

use indexmap::IndexMap;
use porpoise_model::http::{Http, Method};
use porpoise_model::limits::{DELAY_SECONDS_MAX, SCRIPT_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::Kind;
use serde_json::{Map, Value};

use super::Mapper;
use super::scalar::{Words, known_word};
use crate::json::At;
use crate::report::{Rule, Topic};

const METHODS: Words<Method> = &[
    ("GET", Method::Get),
    ("POST", Method::Post),
    ("HEAD", Method::Head),
    ("PUT", Method::Put),
    ("DELETE", Method::Delete),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Query,
    Body,
    Header,
}

const PLACES: Words<Place> = &[
    ("PARAMETER", Place::Query),
    ("BODY", Place::Body),
    ("HEADERS", Place::Header),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Usual,
    Status,
    Contains,
    Lacks,
}

const CHECKS: Words<Check> = &[
    ("STATUS_CODE_DEFAULT", Check::Usual),
    ("STATUS_CODE_CUSTOM", Check::Status),
    ("BODY_CONTAINS", Check::Contains),
    ("BODY_NOT_CONTAINS", Check::Lacks),
];

/// All that a task HTTP says of its call. Source: `HttpParameters` of the versions 1.3 to 3.2.
const KEYS: [&str; 8] = [
    "url",
    "httpMethod",
    "httpParams",
    "httpBody",
    "httpCheckCondition",
    "condition",
    "connectTimeout",
    "socketTimeout",
];
const KEYS_OF_PARAMS: [&str; 3] = ["prop", "httpParametersType", "value"];

impl<'t> Mapper<'t> {
    /// The call; `None` if it is none that could be made.
    pub(super) fn http(&mut self, params: At<'t>) -> Option<Kind> {
        let http = read(params)?;
        for (key, at) in params.entries() {
            match key {
                "localParams" => {}
                "condition"
                    if http.contains.is_none() && http.lacks.is_none() && is_usual(params) =>
                {
                    at.ignored(Rule::Off);
                }
                "httpParams" => self.http_params(at),
                _ if KEYS.contains(&key) => _ = at.used(),
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                _ => self.without_counterpart(key, at),
            }
        }
        Some(Kind::Http(Box::new(http)))
    }

    fn http_params(&mut self, list: At<'t>) {
        if list.is_leaf() {
            list.used();
        }
        for (key, at) in list.items().flat_map(At::entries) {
            if KEYS_OF_PARAMS.contains(&key) {
                at.used();
            } else if at.is_hollow() {
                at.ignored(Rule::Empty);
            } else {
                self.without_counterpart(key, at);
            }
        }
    }

    pub(super) fn without_counterpart(&mut self, key: &str, at: At<'t>) {
        let message = "the parameter has no counterpart";
        self.notes
            .cover(at, Topic::UnknownTaskParameter, key, message);
    }
}

fn is_usual(params: At<'_>) -> bool {
    let check = params.some("httpCheckCondition");
    check.is_none_or(|at| known_word(at, CHECKS) == Some(Check::Usual))
}

fn read(params: At<'_>) -> Option<Http> {
    let text = |key: &str| match params.some(key) {
        Some(at) => at.scalar(),
        None => Some(String::new()),
    };
    let known = |key: &str| params.some(key).filter(|at| !at.is_empty());
    let mut http = Http {
        url: text("url")?,
        method: match known("httpMethod") {
            Some(at) => known_word(at, METHODS)?,
            None => Method::Get,
        },
        connect_timeout: millis(params, "connectTimeout")?,
        timeout: millis(params, "socketTimeout")?,
        ..Http::default()
    };
    let lower = http.url.to_ascii_lowercase();
    let starts = ["http://", "https://", "${"];
    if http.url.len() > VALUE_BYTES_MAX || !starts.iter().any(|start| lower.starts_with(start)) {
        return None;
    }
    check(params, &mut http)?;
    send(params, &mut http)?;
    Some(http)
}

fn check(params: At<'_>, http: &mut Http) -> Option<()> {
    let condition = match params.some("condition") {
        Some(at) => at.scalar()?,
        None => String::new(),
    };
    let check = match params
        .some("httpCheckCondition")
        .filter(|at| !at.is_empty())
    {
        Some(at) => known_word(at, CHECKS)?,
        None => Check::Usual,
    };
    let any = || vec!["any".to_owned()];
    match check {
        Check::Usual => http.status = vec!["200".to_owned()],
        Check::Status => {
            let status = condition.trim().to_owned();
            let digits = status.len() == 3 && porpoise_model::http::is_status(&status);
            http.status = vec![(digits || status.contains("${")).then_some(status)?];
        }
        Check::Contains => (http.status, http.contains) = (any(), Some(condition)),
        Check::Lacks => (http.status, http.lacks) = (any(), Some(condition)),
    }
    let texts = [&http.contains, &http.lacks];
    let mut texts = texts.into_iter().flatten();
    texts
        .all(|text| text.len() <= VALUE_BYTES_MAX)
        .then_some(())
}

/// What is sent. A body is JSON, which DolphinScheduler always says it is.
fn send(params: At<'_>, http: &mut Http) -> Option<()> {
    let mut body = Map::new();
    for item in params.get("httpParams").into_iter().flat_map(At::items) {
        let name = item.get("prop")?.scalar().filter(|name| !name.is_empty())?;
        let value = match item.some("value") {
            Some(at) => at.scalar()?,
            None => String::new(),
        };
        let place = known_word(item.some("httpParametersType")?, PLACES)?;
        let twice = match place {
            Place::Query => http.query.insert(name, value).is_some(),
            Place::Header => http.headers.insert(name, value).is_some(),
            Place::Body => body.insert(name, Value::String(value)).is_some(),
        };
        if twice {
            return None;
        }
    }
    let text = match params.some("httpBody") {
        Some(at) => at.scalar()?,
        None => String::new(),
    };
    match (body.is_empty(), text.is_empty()) {
        (true, true) => {}
        (false, true) => http.json = Value::Object(body),
        (true, false) => {
            says_json(&mut http.headers);
            http.body = Some(text);
        }
        (false, false) => return None,
    }
    let body = http.body.as_ref().map_or(0, String::len);
    (body <= SCRIPT_BYTES_MAX).then_some(())
}

fn says_json(headers: &mut IndexMap<String, String>) {
    let said = headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case("content-type"));
    if !said {
        headers.insert("Content-Type".to_owned(), "application/json".to_owned());
    }
}

/// `None` if it is no time; 0 is none that is set.
#[expect(
    clippy::option_option,
    reason = "not a time, not there, there: three different things"
)]
fn millis(params: At<'_>, key: &str) -> Option<Option<Duration>> {
    let Some(at) = params.some(key).filter(|at| !at.is_empty()) else {
        return Some(None);
    };
    let millis = at
        .integer()
        .filter(|millis| *millis <= DELAY_SECONDS_MAX * 1000)?;
    let millis = u64::try_from(millis).ok()?;
    Some((millis > 0).then(|| Duration::from_millis(millis)))
}
