//! Answers that say no: of the server, of a gateway before it, or of something else altogether.

use serde::Deserialize;
use serde_json::Value;
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode};

use porpoise_api::Code;

use crate::failure::{BROKEN, Failure, REFUSED, UNREACHABLE};

use super::access::Access;

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

/// What the server at `url` refused, and why.
pub(super) fn refusal(url: &str, access: &Access, answer: &mut Response<Body>) -> Failure {
    let status = answer.status();
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    let problem = serde_json::from_str::<Problem>(&text).unwrap_or_default();
    let failure = if problem.code.is_none() && problem.title.is_empty() && problem.faults.is_empty()
    {
        foreign(url, access, answer, &text)
    } else {
        ours(status, problem)
    };
    Failure {
        status: Some(status.as_u16()),
        ..failure
    }
}

/// Something else answered than a server of Porpoise: most likely the gateway before one.
fn foreign(url: &str, access: &Access, answer: &Response<Body>, text: &str) -> Failure {
    let status = answer.status();
    let said = said(status, text);
    let server = url.trim_end_matches("/v1");
    if status.is_redirection() {
        let to = header(answer.headers(), "location").unwrap_or("elsewhere");
        let message = format!("the server at `{server}` sends to `{to}`");
        return Failure::new(UNREACHABLE, message)
            .hint("nothing was sent there; if it is the right address, give it with `--url`");
    }
    match (status.as_u16(), access) {
        (401 | 403, Access::Iam(signer)) => {
            let dated = header(answer.headers(), "date");
            let dated = dated.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            signer.denied(url, dated.map(|date| date.timestamp()), &said)
        }
        (401 | 403, Access::Token(_)) => {
            Failure::new(REFUSED, format!("the gateway at `{server}` does not take the token"))
                .coded(Code::NoToken)
                .cause(said)
                .hint("an API on AWS takes tokens of its issuer, if one was chosen; without `--token` and PORPOISE_TOKEN it is asked with credentials of AWS")
        }
        (429, _) => Failure::new(UNREACHABLE, "the API is asked more often than it answers")
            .cause(said)
            .hint("ask again after a moment; `api.requestsPerSecond` in the settings of the deployment is the limit"),
        (500..=599, _) => Failure::new(UNREACHABLE, format!("the API at `{server}` fails"))
            .cause(said)
            .hint("docs/runbook.md, \"The API fails\""),
        _ => Failure::new(
            UNREACHABLE,
            format!("what answers there is no Porpoise server: {said}"),
        )
        .hint("see `--url` and PORPOISE_URL"),
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `403 Forbidden: Forbidden`, as far as a gateway says more than its status.
fn said(status: StatusCode, text: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let message = ["message", "Message"]
        .iter()
        .find_map(|name| answer.get(*name)?.as_str());
    match message {
        Some(message) if Some(message) != status.canonical_reason() => {
            format!("{status}: {message}")
        }
        _ => status.to_string(),
    }
}

/// The server understood and says no.
fn ours(status: StatusCode, problem: Problem) -> Failure {
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
    let path = |fault: &Value| Some(fault.get("path")?.as_str()?.to_owned());
    let paths = problem.faults.iter().filter_map(path).collect();
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
        paths,
        ..Failure::default()
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_a_gateway_says_is_told_once() {
        let forbidden = StatusCode::FORBIDDEN;
        assert_eq!(
            said(forbidden, r#"{"message":"Forbidden"}"#),
            "403 Forbidden"
        );
        let text = r#"{"Message":"Signature expired"}"#;
        assert_eq!(said(forbidden, text), "403 Forbidden: Signature expired");
        assert_eq!(said(forbidden, "<html>"), "403 Forbidden");
    }
}
