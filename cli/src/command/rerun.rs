//! `rerun`: runs tasks of a run again, or tells which it would.

use serde_json::{Value, json};

use crate::args::Rerun;
use crate::failure::Failure;
use crate::output::{Session, lines};

use super::control::{decided, put_tasks};
use super::{field, find};

/// Previews or reruns.
pub(crate) fn rerun(session: &Session, args: &Rerun) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &args.run.run)?;
    let mut body = if args.from_failed {
        json!({"command": "rerun_failed"})
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
