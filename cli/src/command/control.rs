//! Commands: sent, then asked for until whoever they are for has decided.

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, Zoned};
use porpoise_api::Code;
use serde_json::{Value, json};

use crate::args::{Answer, RunRef};
use crate::client::{Client, WAIT, encode};
use crate::failure::{Failure, REFUSED, UNREACHABLE, USAGE};
use crate::output::{Session, now};
use crate::view;

use super::find::{self, RunAt};
use super::{field, text};

/// How long a run has to decide.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

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
    let what = text(body, "command").replace('_', " ");
    settled(
        client,
        &at.path("/commands"),
        Verb::Post,
        body,
        "the run",
        &what,
    )
}

/// How a command is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Post,
    Put,
}

/// Sends a command to `path`, and asks `path/ID` until `whom` has decided.
pub(crate) fn settled(
    client: &Client,
    path: &str,
    verb: Verb,
    body: &Value,
    whom: &str,
    what: &str,
) -> Result<Value, Failure> {
    let wait = format!("?wait={}s", WAIT.as_secs());
    let mut command = match verb {
        Verb::Post => client.post(&format!("{path}{wait}"), body)?,
        Verb::Put => client.put(&format!("{path}{wait}"), body)?,
    };
    let commands = match verb {
        Verb::Post if path.ends_with("/commands") => path.to_owned(),
        Verb::Post | Verb::Put => format!("{path}/commands"),
    };
    let commands = commands.as_str();
    until_decided(client, commands, &mut command, whom, what)?;
    Ok(command)
}

/// Asks `commands/ID` until `whom` has decided on a command; a refusal is a failure.
pub(crate) fn until_decided(
    client: &Client,
    commands: &str,
    command: &mut Value,
    whom: &str,
    what: &str,
) -> Result<(), Failure> {
    let wait = format!("?wait={}s", WAIT.as_secs());
    let id = text(command, "command_id").to_owned();
    let until = now() + PATIENCE;
    loop {
        match text(command, "state") {
            "accepted" => return Ok(()),
            "refused" => {
                let reason = view::words(field(command, "reason"));
                return Err(
                    Failure::new(REFUSED, format!("{whom} refused to {what}")).cause(reason)
                );
            }
            _ if now() > until => {
                return Err(Failure::new(
                    UNREACHABLE,
                    format!("{whom} has not decided on command `{id}` yet"),
                )
                .coded(Code::Unavailable)
                .hint("it stays in its queue: nothing is lost, and giving it again does no harm"));
            }
            _ => *command = client.get(&format!("{commands}/{}{wait}", encode(&id)))?,
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

/// Answers what tasks ask.
pub(crate) fn answer(session: &Session, given: &Answer, word: &str) -> Result<u8, Failure> {
    let mut body = json!({"command": word});
    put_tasks(&mut body, &given.tasks.tasks);
    put(&mut body, "why", given.why.as_deref().map(Value::from));
    send(session, &given.tasks.run, &body)
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
    // the name of a zone is not to be passed over
    let is_named = given.contains('[');
    let named = is_named.then(|| given.parse::<Zoned>().ok()).flatten();
    let at = named.map(|zoned| zoned.timestamp());
    if let Some(at) = at.or_else(|| given.parse().ok().filter(|_| !is_named)) {
        return Ok(at);
    }
    let local = given.parse::<DateTime>().ok();
    let local = local.or_else(|| Some(given.parse::<Date>().ok()?.into()));
    let local = local.filter(|_| !is_named);
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
