//! Commands to a run: sent, then asked for until the run has decided.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::args::RunRef;
use crate::client::{Client, encode};
use crate::failure::{Failure, REFUSED, UNREACHABLE, USAGE};
use crate::output::{Session, now};
use crate::view;

use super::find::{self, RunAt};
use super::{field, text};

/// How long a run has to decide.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(10);

/// Sends a command and prints what became of it.
pub(crate) fn send(session: &Session, run: &RunRef, body: &Value) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &run.run)?;
    let outcome = decided(&client, &at, body)?;
    session.result(&outcome, || format!("{}: {}\n", at.id, told(body)));
    Ok(0)
}

/// `pause`, `hold extract, load`
fn told(body: &Value) -> String {
    let command = text(body, "command").replace('_', " ");
    let tasks = field(body, "tasks").as_array().into_iter().flatten();
    let tasks: Vec<_> = tasks.filter_map(Value::as_str).collect();
    if tasks.is_empty() {
        format!("{command} accepted")
    } else {
        format!("{command} accepted for {}", tasks.join(", "))
    }
}

/// Sends a command and waits until the run has decided; a refusal is a failure.
pub(crate) fn decided(client: &Client, at: &RunAt, body: &Value) -> Result<Value, Failure> {
    let sent = client.post(&at.path("/commands"), body)?;
    let id = text(&sent, "command_id").to_owned();
    let path = at.path(&format!("/commands/{}", encode(&id)));
    let until = now() + PATIENCE;
    loop {
        let command = client.get(&path)?;
        let state = ["state", "status", "outcome"]
            .iter()
            .map(|name| text(&command, name))
            .find(|text| !text.is_empty());
        match state {
            Some("accepted") => return Ok(command),
            Some("refused") => {
                let reason = view::words(field(&command, "reason"));
                return Err(Failure::new(
                    REFUSED,
                    format!(
                        "the run refused to {}",
                        text(body, "command").replace('_', " ")
                    ),
                )
                .cause(reason));
            }
            _ if now() > until => {
                return Err(Failure::new(
                    UNREACHABLE,
                    format!("the run has not decided on command `{id}` yet"),
                )
                .hint("it stays in its queue: `porpoise show` tells what became of it"));
            }
            _ => std::thread::sleep(BETWEEN),
        }
    }
}

/// Holds tasks or the run.
pub(crate) fn hold(
    session: &Session,
    run: &RunRef,
    tasks: &[String],
    why: Option<&str>,
    until: Option<&str>,
) -> Result<u8, Failure> {
    let mut body = json!({"command": "hold"});
    put_tasks(&mut body, tasks);
    put(&mut body, "why", why.map(Value::from));
    let until = until.map(|until| instant(session, until)).transpose()?;
    put(
        &mut body,
        "until",
        until.map(|until| until.to_string().into()),
    );
    send(session, run, &body)
}

/// Names of tasks, where there are any.
pub(crate) fn put_tasks(body: &mut Value, tasks: &[String]) {
    put(body, "tasks", (!tasks.is_empty()).then(|| tasks.into()));
}

pub(crate) fn put(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (body.as_object_mut(), value) {
        fields.insert(name.to_owned(), value);
    }
}

/// An instant: with an offset, as a local date or time, or as a duration from now.
pub(crate) fn instant(session: &Session, given: &str) -> Result<Timestamp, Failure> {
    if let Ok(at) = given.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = given.parse::<DateTime>().ok();
    let local = local.or_else(|| Some(given.parse::<Date>().ok()?.into()));
    if let Some(zoned) = local.and_then(|local: DateTime| local.to_zoned(session.zone.clone()).ok())
    {
        return Ok(zoned.timestamp());
    }
    let later = given
        .parse::<SignedDuration>()
        .ok()
        .and_then(|wait| now().checked_add(wait).ok());
    later.ok_or_else(|| {
        Failure::new(USAGE, format!("`{given}` is no time")).hint(
            "write `2026-03-01`, `2026-03-01T06:00`, `2026-03-01T06:00+01:00`, or `2h` from now",
        )
    })
}
