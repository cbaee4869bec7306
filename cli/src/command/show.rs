//! `show`: a run as a tree of its tasks, or a task with its attempts.

use std::fmt::Write as _;

use serde_json::Value;

use crate::args::RunRef;
use crate::client::{Client, encode};
use crate::failure::Failure;
use crate::output::{Session, duration, now};
use crate::view::{self, Attempt, Edit, Element, Run, Task};

use super::find::{self, RunAt};
use super::{text, tree};

/// Shows a run, or a task of it.
pub(crate) fn show(session: &Session, run: &RunRef, task: Option<&str>) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &run.run)?;
    match task {
        Some(task) => show_task(session, &client, &at, task),
        None => show_run(session, &client, &at),
    }
}

/// Prints the definition that a run has, as a file.
pub(crate) fn definition(session: &Session, run: &RunRef) -> Result<u8, Failure> {
    let client = session.client()?;
    let at = find::run(session, &client, &run.run)?;
    let answer = client.get(&at.path("/definition"))?;
    session.result(&answer, || text(&answer, "definition").to_owned());
    Ok(0)
}

fn show_run(session: &Session, client: &Client, at: &RunAt) -> Result<u8, Failure> {
    let mut answer = client.get(&at.path(""))?;
    let tasks = client.list(&at.path("/tasks"), usize::MAX)?;
    let run: Run = view::read(&answer);
    let views: Vec<Task> = tasks.iter().map(view::read).collect();
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("task_instances".to_owned(), Value::Array(tasks));
    }
    session.result(&answer, || {
        format!(
            "{}{}",
            run_text(session, at, &run, &views),
            tree::tree(session, &views)
        )
    });
    Ok(0)
}

fn run_text(session: &Session, at: &RunAt, run: &Run, tasks: &[Task]) -> String {
    let mut text = format!(
        "{} {}/{} {}\n",
        run.id,
        at.project,
        run.workflow,
        tree::colored(&run.state)
    );
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<13}{value}");
        }
    };
    line("trigger", trigger_text(run));
    line(
        "logical date",
        run.logical_date
            .as_deref()
            .map(|date| session.time_of(date))
            .unwrap_or_default(),
    );
    line(
        "created",
        run.created.map(|at| session.time(at)).unwrap_or_default(),
    );
    if let Some(begun) = run.started.or(run.created) {
        let took = run.ended.unwrap_or_else(now).duration_since(begun);
        line("took", duration(took));
    }
    let parameters: Vec<_> = run
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", parameter(value)))
        .collect();
    line("parameters", parameters.join(" "));
    for edit in &run.edits {
        line("edited", edit_text(session, edit));
    }
    line("simulated", simulated_text(tasks));
    for (name, value) in [
        ("cause", &run.cause),
        ("reason", &run.reason),
        ("hold", &run.hold),
    ] {
        line(name, view::words(value));
    }
    text
}

/// `2026-03-01 00:00:00+01:00 by ada (cli): version 1a2b3c4d5e6f to 9f8e7d6c5b4a, written back`
fn edit_text(session: &Session, edit: &Edit) -> String {
    let short = |version: &str| version.chars().take(12).collect::<String>();
    format!(
        "{} by {} ({}): version {} to {}{}",
        edit.at.map(|at| session.time(at)).unwrap_or_default(),
        edit.actor.principal,
        edit.actor.via,
        short(&edit.before),
        short(&edit.version),
        if edit.written_back {
            ", written back"
        } else {
            ""
        }
    )
}

/// `parent, run 4xh…`
fn trigger_text(run: &Run) -> String {
    let word = view::words(&run.trigger);
    match &run.parent {
        None => word,
        Some(above) => {
            let element = above.element.map(|number| format!(", element {number}"));
            format!(
                "{word}, run {}{}",
                above.run_id,
                element.unwrap_or_default()
            )
        }
    }
}

/// `141 tasks did nothing, as nothing here runs their kinds: spark 68, sql 73`
fn simulated_text(tasks: &[Task]) -> String {
    view::simulated(tasks).map_or_else(String::new, |(count, kinds)| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} task{plural} did nothing, as nothing here runs these kinds: {kinds}")
    })
}

fn parameter(value: &Value) -> String {
    let value = value
        .get("text")
        .or_else(|| value.get("value"))
        .unwrap_or(value);
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn show_task(session: &Session, client: &Client, at: &RunAt, name: &str) -> Result<u8, Failure> {
    let answer = client.get(&at.path(&format!("/tasks/{}", encode(name))))?;
    let task: Task = view::read(&answer);
    session.result(&answer, || {
        let mut text = format!("{}\n", tree::line(session, &task));
        for (name, value) in [
            ("kind", task.kind_words()),
            ("after", task.upstream.join(", ")),
        ] {
            if !value.is_empty() {
                let _ = writeln!(text, "  {name:<8}{value}");
            }
        }
        for attempt in &task.attempts {
            let _ = writeln!(text, "  {}", attempt_line(session, attempt));
        }
        for element in &task.started_elements {
            let _ = writeln!(text, "    {}", element_line(session, element));
        }
        text
    });
    Ok(0)
}

/// `#2 failed 2026-03-01 00:00:00+01:00 0.3s exit code 3`
fn attempt_line(session: &Session, attempt: &Attempt) -> String {
    let at = attempt.started.or(attempt.dispatched);
    let took = attempt
        .started
        .zip(attempt.ended)
        .map(|(started, ended)| duration(ended.duration_since(started)));
    let parts = [
        format!("#{}", attempt.number),
        tree::colored(&attempt.state),
        at.map(|at| session.time(at)).unwrap_or_default(),
        took.unwrap_or_default(),
        view::words(&attempt.cause),
        tree::child(attempt.child_run_id.as_deref()),
        tree::elements(attempt.elements.as_ref()),
    ];
    joined(parts)
}

/// `3  day=1 region=eu  failed  2026-03-01 00:00:00+01:00  0.3s  exit code 3  run 4xh…`
fn element_line(session: &Session, element: &Element) -> String {
    let values = element.parameters.iter();
    let values: Vec<_> = values
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let times = element.started.zip(element.ended);
    let took = times.map(|(started, ended)| duration(ended.duration_since(started)));
    let cause = view::words(&element.cause);
    let run = Some(element.run_id.as_str()).filter(|run| !cause.contains(run));
    joined([
        element.number.to_string(),
        values.join(" "),
        tree::colored(&element.state),
        element
            .started
            .map(|at| session.time(at))
            .unwrap_or_default(),
        took.unwrap_or_default(),
        cause,
        tree::child(run),
    ])
}

fn joined<const N: usize>(parts: [String; N]) -> String {
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("  ")
}
