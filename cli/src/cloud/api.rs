//! The API of a deployment, asked by `curl`, which signs as IAM wants it and speaks TLS.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::client::Keys;

use super::finding::Finding;
use super::stack::text;

/// This binary's version, and the one that functions should have.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// A bearer of a token.
    Token(String),
    /// Somebody whom IAM knows, in a region.
    Keys { keys: Keys, region: String },
}

/// Looks whether the API answers, in which version, and whether it knows the caller.
pub(super) fn examine(url: &str, caller: Option<&Caller>) -> Vec<Finding> {
    let url = url.trim_end_matches('/').trim_end_matches("/v1");
    let object = format!("api {url}");
    let (status, body) = match get(&format!("{url}/v1/version"), caller) {
        Ok(answer) => answer,
        Err(why) => return vec![Finding::wrong(object, why).mend("docs/runbook.md#the-api-fails")],
    };
    let refused = |says: String| {
        let finding = Finding::wrong(&object, says);
        vec![finding.mend("let the caller `execute-api:Invoke`, or give `--token` where tokens of an issuer are asked for")]
    };
    match status {
        200 => {}
        401 | 403 => {
            return refused(format!(
                "it does not let the caller in: {status} {}",
                body.trim()
            ));
        }
        _ => {
            let finding = Finding::wrong(object, format!("it answers {status} {}", body.trim()));
            return vec![finding.mend("docs/runbook.md#the-api-fails")];
        }
    }
    let answer: Value = serde_json::from_str(&body).unwrap_or_default();
    let version = text(&answer, "version");
    if text(&answer, "name") != "porpoise" || version.is_empty() {
        let says = format!("what answers there is not Porpoise: {}", body.trim());
        return vec![Finding::wrong(object, says).mend("see `--url`")];
    }
    let mut findings = vec![if version == VERSION {
        Finding::well(&object, format!("it answers, in version {version}"))
    } else {
        let says = format!("its version is {version}, this program's {VERSION}");
        Finding::wrong(&object, says)
            .mend("porpoise deploy, with the functions of the same release")
    }];
    match get(&format!("{url}/v1/projects?limit=1"), caller) {
        Ok((200, _)) => {}
        Ok((401 | 403, body)) => {
            let says = format!("it does not know the caller: {}", body.trim());
            findings.push(
                Finding::wrong(&object, says).mend("give `--token`, or credentials that it knows"),
            );
        }
        Ok((status, body)) => {
            let says = format!("projects cannot be listed: {status} {}", body.trim());
            findings.push(Finding::wrong(&object, says).mend("docs/runbook.md#the-api-fails"));
        }
        Err(why) => findings.push(Finding::wrong(&object, why)),
    }
    findings
}

/// Status and body of an answer.
fn get(url: &str, caller: Option<&Caller>) -> Result<(u16, String), String> {
    let mut command = Command::new("curl");
    // what is secret is told on standard input: arguments can be seen by everybody
    command.args(["--silent", "--show-error", "--max-time", "30"]);
    command.args(["--write-out", "\n%{http_code}", "--config", "-", url]);
    let missing = |error| format!("`curl` does not start: {error}");
    let child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        let told = input.write_all(options(url, caller).as_bytes());
        told.map_err(missing)?;
    }
    let output = child.wait_with_output().map_err(missing)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("it cannot be reached: {}", said.trim()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let (body, status) = text.rsplit_once('\n').unwrap_or(("", &text));
    Ok((status.parse().unwrap_or_default(), body.to_owned()))
}

/// Who asks, as a configuration of curl.
fn options(url: &str, caller: Option<&Caller>) -> String {
    let mut options = String::new();
    match caller {
        None => {}
        Some(Caller::Token(token)) => {
            let _ = writeln!(options, "header = \"authorization: Bearer {token}\"");
        }
        Some(Caller::Keys { keys, region }) => {
            let service = if url.contains(".lambda-url.") {
                "lambda"
            } else {
                "execute-api"
            };
            let _ = writeln!(options, "aws-sigv4 = \"aws:amz:{region}:{service}\"");
            let _ = writeln!(options, "user = \"{}:{}\"", keys.id, keys.secret);
            if let Some(session) = &keys.session {
                let _ = writeln!(options, "header = \"x-amz-security-token: {session}\"");
            }
        }
    }
    options
}
