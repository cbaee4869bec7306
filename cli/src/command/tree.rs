//! Tasks as a tree: each once, below the last of those that it comes after.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use owo_colors::OwoColorize as _;

use crate::output::{Session, duration, now};
use crate::view::{self, ElementCounts, Task};

/// Forks of forks of forks stay in this column: a deep DAG does not run out of the window.
const DEPTH_MAX: usize = 8;
/// Names longer than this do not push what follows all names to the right.
const COLUMN_MAX: usize = 48;

/// The tree, a task a line. A chain stays in its column: only a fork indents.
pub(crate) fn tree(session: &Session, tasks: &[Task]) -> String {
    let at: BTreeMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .map(|(at, task)| (task.name.as_str(), at))
        .collect();
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for (index, task) in tasks.iter().enumerate() {
        let parent = task
            .upstream
            .iter()
            .filter_map(|name| at.get(name.as_str()))
            .max();
        children.entry(parent.copied()).or_default().push(index);
    }
    let mut rows = Vec::with_capacity(tasks.len());
    let mut stack: Vec<(usize, usize)> = below(&children, None, 0);
    while let Some((index, depth)) = stack.pop() {
        rows.extend(tasks.get(index).map(|task| (depth, task)));
        stack.extend(below(&children, Some(index), depth));
    }
    let widths = rows
        .iter()
        .map(|(depth, task)| 2 * depth + width(&task.name));
    let column = widths.max().unwrap_or(0).min(COLUMN_MAX);
    let mut text = String::new();
    for (depth, task) in rows {
        let after = match task.upstream.as_slice() {
            [] | [_] => String::new(),
            several => format!("  after {}", several.join(", "))
                .dimmed()
                .to_string(),
        };
        let _ = writeln!(
            text,
            "{}{}{after}",
            "  ".repeat(depth + 1),
            padded(session, task, column.saturating_sub(2 * depth))
        );
    }
    text
}

/// What comes below a task, the last first, with its depth.
fn below(
    children: &BTreeMap<Option<usize>, Vec<usize>>,
    parent: Option<usize>,
    depth: usize,
) -> Vec<(usize, usize)> {
    let below = children.get(&parent).map(Vec::as_slice).unwrap_or_default();
    let depth = if below.len() > 1 && parent.is_some() {
        DEPTH_MAX.min(depth + 1)
    } else {
        depth
    };
    below.iter().rev().map(|&child| (child, depth)).collect()
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// `✔ extract  succeeded  2026-03-01 02:30:00+01:00  0.3s  #2  exit code 3`
pub(crate) fn line(session: &Session, task: &Task) -> String {
    padded(session, task, 0)
}

/// The same, with what follows the name in a column of its own.
fn padded(session: &Session, task: &Task, column: usize) -> String {
    let took = task.started.map(|started| {
        let ended = if view::is_over(&task.state) {
            task.ended
        } else {
            None
        };
        duration(ended.unwrap_or_else(now).duration_since(started))
    });
    let (cause, reason) = (view::words(&task.cause), view::words(&task.reason));
    let below = task.child_run_id.as_deref();
    let below = below.filter(|run| !cause.contains(run) && !reason.contains(run));
    let parts = [
        format!(
            "{} {}{}",
            mark(&task.state),
            task.name,
            " ".repeat(column.saturating_sub(width(&task.name)))
        ),
        colored(&task.state),
        task.started.map(|at| session.time(at)).unwrap_or_default(),
        took.unwrap_or_default(),
        if task.attempt > 1 {
            format!("#{}", task.attempt)
        } else {
            String::new()
        },
        if task.simulated {
            task.kind_words().dimmed().to_string()
        } else {
            String::new()
        },
        cause,
        reason,
        child(below),
        elements(task.elements.as_ref()),
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("  ")
}

/// The run that a task or an attempt has made: `run 4xh…`
pub(crate) fn child(run: Option<&str>) -> String {
    run.map_or_else(String::new, |run| format!("run {run}"))
}

/// How far a mapped task or an attempt of it is.
pub(crate) fn elements(counts: Option<&ElementCounts>) -> String {
    counts.map_or_else(String::new, ElementCounts::words)
}

fn mark(state: &str) -> String {
    match state {
        "succeeded" => "✔".green().to_string(),
        "failed" | "upstream_failed" => "✘".red().to_string(),
        "canceled" | "canceling" => "■".yellow().to_string(),
        "skipped" => "»".dimmed().to_string(),
        "running" | "dispatched" => "▶".cyan().to_string(),
        _ => "·".to_owned(),
    }
}

/// A state in its colour.
pub(crate) fn colored(state: &str) -> String {
    match state {
        "succeeded" => state.green().to_string(),
        "failed" | "upstream_failed" => state.red().to_string(),
        "canceled" | "canceling" | "up_for_retry" | "paused" | "pausing" => {
            state.yellow().to_string()
        }
        "running" | "dispatched" => state.cyan().to_string(),
        _ => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_chain_stays_in_its_column_and_a_fork_indents() {
        let session = Session {
            json: false,
            config: Config::default(),
            zone: jiff::tz::TimeZone::UTC,
        };
        let task = |name: &str, upstream: &[&str]| -> Task {
            view::read(
                &json!({"name": name, "state": "pending", "upstream": upstream, "reason": "waits"}),
            )
        };
        let tasks = [
            task("a", &[]),
            task("b", &["a"]),
            task("c", &["b"]),
            task("d", &["b"]),
            task("e", &["d"]),
            task("f", &["c", "e"]),
        ];
        let text = anstream::adapter::strip_str(&tree(&session, &tasks)).to_string();
        insta::assert_snapshot!(text, @"
          · a    pending  waits
          · b    pending  waits
            · c  pending  waits
            · d  pending  waits
            · e  pending  waits
            · f  pending  waits  after c, e
        ");
    }
}
