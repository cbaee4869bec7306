//! `target`: lists, shows and sets where tasks execute that do more than the server's own machine can.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use porpoise_ports::Ids as _;
use serde_json::{Map, Value, json};

use crate::args::Target;
use crate::client::Client;
use crate::failure::{Failure, REFUSED, RUN_FAILED, USAGE};
use crate::host::OsIds;
use crate::output::{Session, duration, note, now, table};
use crate::view::{self, Run};

use super::control::decided;
use super::define::bytes;
use super::entity::{TARGET, in_project};
use super::find::{self, RunAt};
use super::{field, text, watch};

/// What the server says of a target and nobody sets.
const SAID: [&str; 4] = ["project", "revision", "changed_by", "changed_at"];

/// Carries out one of the commands.
pub(crate) fn target(session: &Session, command: &Target) -> Result<u8, Failure> {
    let client = session.client()?;
    match command {
        Target::List => list(session, &client),
        Target::Show { target } => show(session, &client, target),
        Target::Test { target, wait } => test(session, &client, target, *wait),
        Target::Put { file, name } => put(session, &client, file, name.as_deref()),
    }
}

fn list(session: &Session, client: &Client) -> Result<u8, Failure> {
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for project in find::projects(session, client)? {
        for target in client.list(&TARGET.all(&project), usize::MAX)? {
            rows.push(vec![
                format!("{project}/{}", text(&target, "name")),
                text(&target, "kind").to_owned(),
                text(&target, "place").to_owned(),
                kinds(&target),
            ]);
            all.push(in_project(target, &project));
        }
    }
    session.result(&json!({ "targets": all }), || {
        table(&["TARGET", "KIND", "PLACE", "DEFAULT FOR"], &rows)
    });
    Ok(0)
}

fn show(session: &Session, client: &Client, given: &str) -> Result<u8, Failure> {
    let (project, name) = TARGET.named(session, client, given)?;
    let target = in_project(client.get(&TARGET.one(&project, &name))?, &project);
    session.result(&target, || shown(session, &target));
    Ok(0)
}

/// Starts a connection test and waits for what it comes to.
fn test(
    session: &Session,
    client: &Client,
    given: &str,
    patience: SignedDuration,
) -> Result<u8, Failure> {
    let (project, name) = TARGET.named(session, client, given)?;
    let key = format!("cli-{:032x}", OsIds::default().fresh());
    let test = format!("{}/test", TARGET.one(&project, &name));
    let started = client.post_once(&test, &json!({}), &key)?;
    let at = RunAt {
        id: text(&started, "run_id").to_owned(),
        project,
    };
    note(&format!(
        "run {} of {} connects; Ctrl-C stops waiting, not the run",
        at.id, at.project
    ));
    let until = now().checked_add(patience).unwrap_or(Timestamp::MAX);
    let mut run: Run = view::read(&watch::wait(client, &at, until)?);
    let mut why = None;
    if !view::is_over(&run.state) {
        let task = client.get(&at.path("/tasks/connect"))?;
        // nobody needs the answer any more
        match decided(client, &at, &json!({"command": "kill"})) {
            Ok(_) => {
                let target = client.get(&TARGET.one(&at.project, &name))?;
                why = Some(unanswered(&task, text(&target, "served_by"), patience));
                run = view::read(&client.get(&at.path(""))?);
            }
            // it was over by then
            Err(_) => run = view::read(&watch::wait(client, &at, now())?),
        }
    }
    let task = client.get(&at.path("/tasks/connect"))?;
    let version = text(field(&task, "outputs"), "version");
    let answers = run.state == "succeeded";
    let why = why.unwrap_or_else(|| {
        let cause = view::words(field(&task, "cause"));
        if cause.is_empty() {
            run.state.clone()
        } else {
            cause
        }
    });
    let told = json!({
        "target": format!("{}/{name}", at.project), "run_id": at.id, "state": run.state, "version": version,
        "cause": field(&task, "cause"), "why": (!answers).then_some(&why),
    });
    session.result(&told, || {
        let what = if answers {
            format!("answers: {version}")
        } else {
            format!("does not answer: {why}")
        };
        format!("{}/{name} {what}\n", at.project)
    });
    Ok(if answers { 0 } else { RUN_FAILED })
}

/// Why there is no answer in time.
fn unanswered(task: &Value, place: &str, patience: SignedDuration) -> String {
    let patience = duration(patience);
    if !text(task, "started").is_empty() {
        format!("it has not within {patience}")
    } else if place.starts_with("site.") {
        format!("nobody at `{place}` has fetched the test within {patience}: is its agent running?")
    } else {
        let reason = view::words(field(task, "reason"));
        let reason = if reason.is_empty() {
            String::new()
        } else {
            format!(": {reason}")
        };
        format!("the test has not begun within {patience}{reason}")
    }
}

/// Makes or changes a target. What `show --json` prints may be given as it is.
fn put(session: &Session, client: &Client, file: &Path, name: Option<&str>) -> Result<u8, Failure> {
    let mut fields = read(file)?;
    let within = fields.get("project").and_then(Value::as_str);
    let within = within.map(str::to_owned);
    let stands = fields.remove("name");
    let stands = stands.as_ref().and_then(Value::as_str);
    let Some(given) = name.or(stands) else {
        let message = format!("`{}` does not say which target it is", file.display());
        return Err(
            Failure::new(USAGE, message).hint("write `\"name\": \"…\"` into it, or give `--name`")
        );
    };
    let (project, name) = match within.filter(|_| session.config.project.is_none()) {
        Some(project) if !given.contains('/') => (project, given.to_owned()),
        _ => TARGET.named(session, client, given)?,
    };
    for said in SAID {
        fields.remove(said);
    }
    let stored = client.put(&TARGET.one(&project, &name), &Value::Object(fields))?;
    let stored = in_project(stored, &project);
    session.result(&stored, || {
        let revision = field(&stored, "revision");
        format!("{project}/{name}: revision {revision}\n")
    });
    Ok(0)
}

fn read(file: &Path) -> Result<Map<String, Value>, Failure> {
    let fault = |why: String| {
        let message = format!("`{}` holds no target", file.display());
        Failure::new(REFUSED, message)
            .cause(why)
            .hint("docs/targets.md shows some; `porpoise target show NAME --json` prints one")
    };
    match serde_json::from_slice(&bytes(file)?) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(fault("it is no JSON object".to_owned())),
        Err(error) => Err(fault(error.to_string())),
    }
}

fn kinds(target: &Value) -> String {
    let kinds = field(target, "default_for")
        .as_array()
        .into_iter()
        .flatten();
    let kinds: Vec<_> = kinds.filter_map(Value::as_str).collect();
    kinds.join(", ")
}

fn shown(session: &Session, target: &Value) -> String {
    let role = field(target, "role");
    let changed = format!(
        "revision {}, {}",
        field(target, "revision"),
        session.time_of(text(target, "changed_at"))
    );
    let lines = [
        ("kind", text(target, "kind").to_owned()),
        ("place", text(target, "place").to_owned()),
        ("served by", text(target, "served_by").to_owned()),
        ("role", text(role, "arn").to_owned()),
        ("default for", kinds(target)),
        ("settings", field(target, "settings").to_string()),
        ("changed", changed),
    ];
    let lines = lines.iter().filter(|(_, value)| !value.is_empty());
    let lines = lines.map(|(name, value)| format!("  {name:<11}  {value}\n"));
    let name = format!("{}/{}\n", text(target, "project"), text(target, "name"));
    name + &lines.collect::<String>()
}
