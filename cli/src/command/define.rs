//! `check` and `apply`.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use porpoise_api::Code;
use porpoise_definition::{Checked, Faults, Note, read};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failure, REFUSED, USAGE};
use crate::output::{self, Session, note, print};

use super::find::project_path;
use super::text;

/// How the names of definition files end.
const ENDS: [&str; 3] = ["yaml", "yml", "json"];

/// Checks files here, without a server.
pub(crate) fn check(session: &Session, files: &[PathBuf]) -> Result<u8, Failure> {
    let (mut sound, mut faults, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for file in &of_folders(files)? {
        let name = file.display().to_string();
        match read(&name, &bytes(file)?) {
            Ok(checked) => sound.extend(checked),
            Err(found) => {
                listed.push(serde_json::to_value(&found).unwrap_or_default());
                faults.push(found.to_string());
                notes(&found.notes);
            }
        }
    }
    for checked in &sound {
        notes(&checked.notes);
    }
    let value = json!({
        "workflows": sound.iter().map(summary).collect::<Vec<_>>(),
        "faults": listed.iter().flat_map(|file| file.get("faults").and_then(Value::as_array).cloned().unwrap_or_default()).collect::<Vec<_>>(),
    });
    session.result(&value, || {
        output::lines(sound.iter().map(sound_line).chain(faults.iter().cloned()))
    });
    Ok(if faults.is_empty() { 0 } else { REFUSED })
}

fn summary(checked: &Checked) -> Value {
    let workflow = &checked.workflow;
    json!({
        "project": workflow.project.as_str(),
        "name": workflow.name.as_str(),
        "tasks": workflow.tasks.len(),
        "notes": checked.notes,
    })
}

fn sound_line(checked: &Checked) -> String {
    let workflow = &checked.workflow;
    let tasks = workflow.tasks.len();
    let plural = if tasks == 1 { "" } else { "s" };
    format!(
        "{}/{}: {tasks} task{plural}, no faults",
        workflow.project, workflow.name
    )
}

pub(crate) fn notes(notes: &[Note]) {
    for each in notes {
        note(&format!("note: {each}"));
    }
}

/// Stores the workflows of files, file by file: nothing of a file with a fault is stored.
pub(crate) fn apply(session: &Session, files: &[PathBuf]) -> Result<u8, Failure> {
    let client = session.client()?;
    let mut applied = Vec::new();
    for file in &of_folders(files)? {
        let bytes = bytes(file)?;
        applied.extend(apply_text(&client, &file.display().to_string(), &bytes)?);
    }
    session.result(&json!({ "workflows": applied }), || {
        applied.iter().map(applied_line).collect()
    });
    Ok(0)
}

/// Stores the workflows of a file: checked here first, where the file's name is known. A file may have workflows of
/// several projects.
pub(crate) fn apply_text(client: &Client, name: &str, bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let checked = read(name, bytes).map_err(|faults| faulty(name, &faults))?;
    let mut projects: BTreeMap<String, Vec<&Checked>> = BTreeMap::new();
    for each in &checked {
        notes(&each.notes);
        projects
            .entry(each.workflow.project.to_string())
            .or_default()
            .push(each);
    }
    let whole = projects.len() == 1;
    let mut applied = Vec::new();
    for (project, workflows) in projects {
        let path = format!("{}/workflows", project_path(&project));
        let answer = if whole {
            client.post_file(&path, bytes)?
        } else {
            let texts: Vec<_> = workflows
                .iter()
                .map(|each| porpoise_definition::write(&each.workflow))
                .collect();
            client.post_file(&path, texts.join("---\n").as_bytes())?
        };
        let answers = answer
            .as_array()
            .or_else(|| answer.get("workflows")?.as_array());
        for mut answer in answers.cloned().unwrap_or_default() {
            if let Some(fields) = answer.as_object_mut() {
                fields
                    .entry("project")
                    .or_insert_with(|| project.clone().into());
            }
            applied.push(answer);
        }
    }
    Ok(applied)
}

/// Every fault of a file, each with its place.
pub(crate) fn faulty(name: &str, faults: &Faults) -> Failure {
    let count = faults.faults.len() + faults.more;
    let plural = if count == 1 { "" } else { "s" };
    let message = format!("`{name}` has {count} fault{plural}; nothing of it was stored");
    Failure::new(REFUSED, message)
        .coded(Code::Faults)
        .cause(faults.to_string())
}

/// `retail/daily-sales: created`
fn applied_line(applied: &Value) -> String {
    let name = match text(applied, "name") {
        "" => text(applied, "workflow"),
        name => name,
    };
    let outcome = ["outcome", "result", "status", "change"]
        .iter()
        .map(|field| text(applied, field));
    let outcome = outcome
        .into_iter()
        .find(|word| !word.is_empty())
        .unwrap_or("stored");
    format!("{}/{name}: {outcome}\n", text(applied, "project"))
}

/// In the place of a folder the definition files that lie in it, by their names; those of folders below are others'.
fn of_folders(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut all = Vec::with_capacity(files.len());
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let failed = |error| {
            Failure::new(USAGE, format!("cannot read `{}`", file.display()))
                .coded(Code::File)
                .because(&error)
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(file).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let end = path.extension().and_then(|end| end.to_str());
            if end.is_some_and(|end| ENDS.contains(&end)) && path.is_file() {
                found.push(path);
            }
        }
        if found.is_empty() {
            let message = format!("no definition file lies in `{}`", file.display());
            let ends = ENDS.map(|end| format!(".{end}")).join(", ");
            let hint = format!("such files end in {ends}; folders in it are not looked into");
            return Err(Failure::new(USAGE, message).coded(Code::File).hint(hint));
        }
        found.sort();
        all.append(&mut found);
    }
    Ok(all)
}

/// The bytes of a file; `-` is standard input.
pub(crate) fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| {
        Failure::new(USAGE, format!("cannot read `{}`", file.display()))
            .coded(Code::File)
            .because(&error)
    })
}

/// What faults call a file.
pub(crate) fn called(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Says what was applied.
pub(crate) fn print_applied(applied: &[Value]) {
    print(&applied.iter().map(applied_line).collect::<String>());
}
