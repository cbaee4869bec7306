//! `rerun`: runs tasks of a run again, or tells which it would.

use std::fmt::Write as _;
use std::path::Path;

use porpoise_api::Code;
use porpoise_definition::read;
use porpoise_ports::Ids as _;
use serde_json::{Value, json};

use crate::args::Rerun;
use crate::client::{Client, WAIT};
use crate::failure::{Failure, REFUSED};
use crate::host::OsIds;
use crate::output::{Session, lines};

use super::control::{decided, put, put_tasks, until_decided};
use super::find::RunAt;
use super::{define, field, find, text};

/// Previews or reruns.
pub(crate) fn rerun(session: &Session, args: &Rerun) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &args.run.run)?;
    if let Some(file) = &args.edit {
        return edit(session, &client, &at, args, file);
    }
    let mut body = if args.from_failed {
        json!({"command": "rerun_failed"})
    } else if args.all {
        json!({"command": "rerun_all"})
    } else {
        json!({"command": "rerun", "downstream": args.downstream, "upstream": args.upstream})
    };
    put_tasks(&mut body, &args.tasks);
    let preview = client.post(&at.path("/rerun-preview"), &body)?;
    let names = names(&preview);
    if args.preview {
        session.result(&preview, || lines(&names));
        return Ok(0);
    }
    let outcome = decided(&client, &at, &body)?;
    session.result(&outcome, || {
        format!("{}: runs again: {}\n", at.id, names.join(", "))
    });
    Ok(0)
}

/// Has a finished run go on with the definition in a file.
fn edit(
    session: &Session,
    client: &Client,
    at: &RunAt,
    args: &Rerun,
    file: &Path,
) -> Result<u8, Failure> {
    let body = edit_body(args, file)?;
    if args.preview {
        let preview = client.post(&at.path("/edit"), &body)?;
        session.result(&preview, || lines(names(&preview)));
        return Ok(0);
    }
    let path = format!("{}?wait={}s", at.path("/edit"), WAIT.as_secs());
    // The same command is never taken twice, should the request be repeated on its way.
    let key = format!("cli-{:032x}", OsIds::default().fresh());
    let mut answer = client.post_once(&path, &body, &key)?;
    let mut command = answer.clone();
    until_decided(
        client,
        &at.path("/commands"),
        &mut command,
        "the run",
        "be edited",
    )?;
    put(&mut answer, "state", Some("accepted".into()));
    session.result(&answer, || told(at, &answer));
    Ok(0)
}

/// Checked here first, where the file's name is known.
fn edit_body(args: &Rerun, file: &Path) -> Result<Value, Failure> {
    let (name, bytes) = (file.display().to_string(), define::bytes(file)?);
    let checked = read(&name, &bytes).map_err(|faults| define::faulty(&name, &faults))?;
    for each in &checked {
        define::notes(&each.notes);
    }
    let definition = String::from_utf8(bytes).map_err(|error| {
        Failure::new(REFUSED, format!("`{name}` is no text"))
            .coded(Code::Faults)
            .because(&error)
    })?;
    let only = args.all || !args.tasks.is_empty();
    let mut body = json!({
        "definition": definition,
        "file": name,
        "command": if only { "rerun" } else { "rerun_failed" },
        "downstream": args.downstream,
        "upstream": args.upstream,
        "write_back": args.write_back,
        "force": args.force,
        "check": args.preview,
    });
    put_tasks(&mut body, &args.tasks);
    Ok(body)
}

/// What runs again, what is gone, and what became of the workflow.
fn told(at: &RunAt, answer: &Value) -> String {
    let names = |list: &str| {
        let names = field(answer, list).as_array().into_iter().flatten();
        let names: Vec<_> = names.filter_map(Value::as_str).collect();
        names.join(", ")
    };
    let version: String = text(answer, "version").chars().take(12).collect();
    let mut told = format!("{}: has version {version} now\n", at.id);
    for (what, names) in [("runs again", names("tasks")), ("gone", names("gone"))] {
        if !names.is_empty() {
            let _ = writeln!(told, "{}: {what}: {names}", at.id);
        }
    }
    if field(answer, "written_back") == &Value::Bool(true) {
        let _ = writeln!(told, "{}: its workflow has that version, too", at.id);
    }
    told
}

/// The tasks of a preview: texts, or objects with a name.
fn names(preview: &Value) -> Vec<String> {
    let lists = ["tasks", "run", "items"];
    let tasks = preview.as_array().or_else(|| {
        lists
            .iter()
            .find_map(|list| field(preview, list).as_array())
    });
    let name = |task: &Value| {
        let name = task.as_str().or_else(|| field(task, "name").as_str())?;
        Some(name.to_owned())
    };
    tasks.into_iter().flatten().filter_map(name).collect()
}
