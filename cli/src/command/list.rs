//! `workflows`, `runs`, `pools` and `pool`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::args::Runs;
use crate::client::{Client, encode};
use crate::failure::Failure;
use crate::output::{Session, duration, now, table};
use crate::view::{self, Run};

use super::control::{Verb, settled};
use super::entity::{POOL, in_project};
use super::find::{self, project_path};
use super::{field, text};

/// Lists workflows with their versions and schedules.
pub(crate) fn workflows(session: &Session) -> Result<u8, Failure> {
    let client = session.client()?;
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for project in find::projects(session, &client)? {
        let switched = switched(&client, &project)?;
        for workflow in client.list(&format!("{}/workflows", project_path(&project)), usize::MAX)? {
            let schedule = switched.get(text(&workflow, "name")).copied();
            rows.push(vec![
                format!("{project}/{}", text(&workflow, "name")),
                number(&workflow, &["number", "version_number"]),
                number(&workflow, &["tasks", "task_count"]),
                schedule.unwrap_or_default().to_owned(),
            ]);
            all.push(in_project(workflow, &project));
        }
    }
    session.result(&json!({ "workflows": all }), || {
        table(&["WORKFLOW", "VERSION", "TASKS", "SCHEDULE"], &rows)
    });
    Ok(0)
}

/// The schedules of a project, by workflow: `online` or `offline`.
fn switched(client: &Client, project: &str) -> Result<BTreeMap<String, &'static str>, Failure> {
    let schedules = client.list(&format!("{}/schedules", project_path(project)), usize::MAX)?;
    let state = |schedule: &Value| match field(schedule, "online").as_bool() {
        Some(true) => "online",
        Some(false) | None => "offline",
    };
    let name = |schedule: &Value| text(schedule, "workflow").to_owned();
    Ok(schedules
        .iter()
        .map(|each| (name(each), state(each)))
        .collect())
}

/// The first of these fields that is a number, also one level down in `version` or `current`.
fn number(value: &Value, names: &[&str]) -> String {
    let inner = ["version", "current"]
        .into_iter()
        .filter_map(|name| value.get(name));
    let found = std::iter::once(value)
        .chain(inner)
        .find_map(|value| names.iter().find_map(|name| field(value, name).as_u64()));
    found.map_or_else(String::new, |number| number.to_string())
}

/// Lists runs, the latest first.
pub(crate) fn runs(session: &Session, args: &Runs) -> Result<u8, Failure> {
    let client = session.client()?;
    let mut filter = String::new();
    let mut projects = find::projects(session, &client)?;
    if let Some(workflow) = &args.workflow {
        let (project, name) = find::workflow(session, &client, workflow)?;
        projects = vec![project];
        filter = format!("?workflow={}", encode(&name));
    }
    if let Some(state) = &args.state {
        let joint = if filter.is_empty() { '?' } else { '&' };
        filter = format!("{filter}{joint}state={}", encode(state));
    }
    let mut found = Vec::new();
    for project in projects {
        let runs = client.list(
            &format!("{}/runs{filter}", project_path(&project)),
            args.limit,
        )?;
        found.extend(
            runs.into_iter()
                .map(|run| (view::read::<Run>(&run), in_project(run, &project))),
        );
    }
    found.sort_by_key(|(run, _)| std::cmp::Reverse(run.created));
    found.truncate(args.limit);
    let rows: Vec<_> = found
        .iter()
        .map(|(run, value)| run_row(session, run, value))
        .collect();
    let all: Vec<_> = found.iter().map(|(_, value)| value).collect();
    session.result(&json!({ "runs": all }), || {
        table(&["RUN", "WORKFLOW", "STATE", "CREATED", "TOOK"], &rows)
    });
    Ok(0)
}

fn run_row(session: &Session, run: &Run, value: &Value) -> Vec<String> {
    let begun = run.started.or(run.created);
    let took = begun.map(|begun| duration(run.ended.unwrap_or_else(now).duration_since(begun)));
    let known = run.ended.is_some() || !view::is_over(&run.state);
    vec![
        run.id.clone(),
        format!("{}/{}", text(value, "project"), run.workflow),
        run.state.clone(),
        run.created.map(|at| session.time(at)).unwrap_or_default(),
        took.filter(|_| known).unwrap_or_default(),
    ]
}

/// Lists pools.
pub(crate) fn pools(session: &Session) -> Result<u8, Failure> {
    let client = session.client()?;
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for project in find::projects(session, &client)? {
        for pool in client.list(&POOL.all(&project), usize::MAX)? {
            rows.push(vec![
                format!("{project}/{}", text(&pool, "name")),
                count(&pool, &["slots", "size"]),
                count(&pool, &["used", "taken", "held", "holders"]),
                count(&pool, &["waiting", "line"]),
            ]);
            all.push(in_project(pool, &project));
        }
    }
    session.result(&json!({ "pools": all }), || {
        table(&["POOL", "SLOTS", "USED", "WAITING"], &rows)
    });
    Ok(0)
}

/// The first of these fields as a number; of a list its length.
fn count(value: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| match field(value, name) {
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => Some(items.len().to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => None,
    });
    found.unwrap_or_default()
}

/// Shows a pool, or sets its slots or lets somebody go first before that.
pub(crate) fn pool(
    session: &Session,
    given: &str,
    slots: Option<u32>,
    grant: Option<&[String]>,
) -> Result<u8, Failure> {
    let client = session.client()?;
    let (project, name) = POOL.named(session, &client, given)?;
    let path = POOL.one(&project, &name);
    if let Some(slots) = slots {
        let body = json!({ "slots": slots });
        settled(&client, &path, Verb::Put, &body, "the pool", "be resized")?;
    }
    if let Some([run, task]) = grant {
        let run = find::run(session, &client, run)?;
        let body = json!({ "command": "grant", "run": run.id, "task": task });
        let path = format!("{path}/commands");
        settled(&client, &path, Verb::Post, &body, "the pool", "grant that")?;
    }
    let pool = in_project(client.get(&path)?, &project);
    session.result(&pool, || pool_text(&pool, &name));
    Ok(0)
}

fn pool_text(pool: &Value, name: &str) -> String {
    let head = format!(
        "{}/{name}: {} slots\n",
        text(pool, "project"),
        count(pool, &["slots", "size"])
    );
    let list = |title: &str, names: &[&str]| {
        let found = names.iter().find_map(|name| field(pool, name).as_array());
        let entries = found.into_iter().flatten();
        let lines = entries.map(|entry| {
            let state = text(entry, "state");
            format!(
                "  {title} {} {} {state}",
                text(entry, "run"),
                text(entry, "task")
            )
            .trim_end()
            .to_owned()
                + "\n"
        });
        lines.collect::<String>()
    };
    head + &list("held by", &["holders"]) + &list("waits", &["line", "waiting"])
}
