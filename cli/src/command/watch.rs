//! Watches a run to its end: bars on a terminal, lines in a pipe.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use owo_colors::OwoColorize as _;
use serde_json::Value;

use crate::client::{Client, WAIT};
use crate::failure::Failure;
use crate::output::{Session, duration, interactive, note, now};
use crate::view::{self, Run, Task};

use super::field;
use super::find::RunAt;

/// Running tasks that are shown at once.
const SHOWN_MAX: usize = 8;
/// Between two looks, at least.
const BETWEEN: Duration = Duration::from_millis(50);
/// Looks take at most this part of the time: a large run is looked at less often.
const SHARE: u32 = 5;

/// Shows what happens until the run is over; gives the run as it ended.
pub(crate) fn watch(session: &Session, client: &Client, at: &RunAt) -> Result<Value, Failure> {
    let mut display = Display::new();
    let mut seen = 0;
    loop {
        let begun = now();
        let answer = client.get(&at.path(""))?;
        let run: Run = view::read(&answer);
        let tasks = client.list(&at.path("/tasks"), usize::MAX)?;
        let tasks: Vec<Task> = tasks.iter().map(view::read).collect();
        display.update(session, &run, &tasks);
        if view::is_over(&run.state) {
            display.finish();
            return Ok(answer);
        }
        seen = seen.max(run.sequence);
        let took = now().duration_since(begun).unsigned_abs();
        std::thread::sleep(BETWEEN.max(took * SHARE));
        seen = moved(client, at, seen)?;
    }
}

/// Waits until the log has grown past `seen`; gives how far it goes.
fn moved(client: &Client, at: &RunAt, seen: u64) -> Result<u64, Failure> {
    let wait = WAIT.as_secs();
    let records = client.get(&at.path(&format!("/facts?after={seen}&limit=100&wait={wait}s")))?;
    let records = records.as_array().or_else(|| {
        let lists = ["items", "records", "facts"];
        lists
            .iter()
            .find_map(|name| field(&records, name).as_array())
    });
    let sequences = records
        .into_iter()
        .flatten()
        .filter_map(|record| field(record, "sequence").as_u64());
    Ok(sequences.max().unwrap_or(seen))
}

/// How a run is shown.
#[derive(Debug)]
enum Display {
    Bars(Box<Bars>),
    Lines(Changes),
}

impl Display {
    fn new() -> Self {
        if interactive() {
            Self::Bars(Box::new(Bars::new()))
        } else {
            Self::Lines(Changes::default())
        }
    }

    fn update(&mut self, session: &Session, run: &Run, tasks: &[Task]) {
        match self {
            Self::Bars(bars) => bars.update(run, tasks),
            Self::Lines(changes) => changes.lines(tasks).iter().for_each(|(at, line)| {
                note(&format!("{} {line}", session.time(*at)));
            }),
        }
    }

    fn finish(&mut self) {
        match self {
            Self::Bars(bars) => bars.clear(),
            Self::Lines(_) => {}
        }
    }
}

/// What was told of each task: its state and attempt.
#[derive(Debug, Default)]
struct Changes(BTreeMap<String, (String, u32)>);

impl Changes {
    /// A line for each task that has moved, oldest first.
    fn lines(&mut self, tasks: &[Task]) -> Vec<(jiff::Timestamp, String)> {
        let mut lines = Vec::new();
        for task in tasks {
            let now_is = (task.state.clone(), task.attempt);
            if self.0.get(&task.name) == Some(&now_is) {
                continue;
            }
            self.0.insert(task.name.clone(), now_is);
            if let Some(line) = line(task) {
                let at = task
                    .ended
                    .filter(|_| view::is_over(&task.state))
                    .or(task.started);
                lines.push((at.unwrap_or_else(now), line));
            }
        }
        lines.sort();
        lines
    }
}

/// ``load#2 failed in 0.3s: exit code 3``; nothing for states that say only that the task waits.
fn line(task: &Task) -> Option<String> {
    let state = task.state.as_str();
    if matches!(state, "pending" | "queued" | "dispatched") {
        return None;
    }
    let name = match task.attempt {
        0 | 1 => task.name.clone(),
        attempt => format!("{}#{attempt}", task.name),
    };
    let took = match (task.started, task.ended) {
        (Some(started), Some(ended)) if view::is_over(state) => {
            format!(" in {}", duration(ended.duration_since(started)))
        }
        _ => String::new(),
    };
    let cause = [view::words(&task.cause), view::words(&task.reason)];
    let cause: Vec<_> = cause
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect();
    let cause = if cause.is_empty() || state == "succeeded" {
        String::new()
    } else {
        format!(": {}", cause.join("; "))
    };
    Some(format!("{name} {state}{took}{cause}"))
}

/// A bar over all tasks, and a line for each that runs.
#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    running: BTreeMap<String, ProgressBar>,
    changes: Changes,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(0));
        total.set_style(style("{bar:30.cyan/blue} {pos}/{len} {elapsed} {msg}"));
        total.enable_steady_tick(Duration::from_millis(100));
        Self {
            all,
            total,
            running: BTreeMap::new(),
            changes: Changes::default(),
        }
    }

    fn update(&mut self, run: &Run, tasks: &[Task]) {
        for (_, line) in self.changes.lines(tasks) {
            let bad = line.contains(" failed")
                || line.contains(" canceled")
                || line.contains(" up_for_retry");
            // A display that cannot be drawn is no failure of the run.
            let _ = if bad {
                self.all.println(line.red().to_string())
            } else {
                Ok(())
            };
        }
        let over = tasks
            .iter()
            .filter(|task| view::is_over(&task.state))
            .count();
        self.total
            .set_length(u64::try_from(tasks.len()).unwrap_or(0));
        self.total.set_position(u64::try_from(over).unwrap_or(0));
        if let Some(begun) = run.started.or(run.created) {
            let elapsed = now().duration_since(begun).unsigned_abs();
            self.total.set_elapsed(elapsed);
        }
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for task in tasks {
            *counts.entry(&task.state).or_default() += 1;
        }
        let counts: Vec<_> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        self.total.set_message(counts.join(" · "));
        self.show_running(tasks);
    }

    fn show_running(&mut self, tasks: &[Task]) {
        let running = || {
            tasks
                .iter()
                .filter(|task| task.state == "running")
                .take(SHOWN_MAX)
        };
        let gone = |name: &String| running().all(|task| task.name != *name);
        self.running.retain(|name, bar| {
            let gone = gone(name);
            if gone {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            !gone
        });
        for task in running() {
            let all = &self.all;
            self.running.entry(task.name.clone()).or_insert_with(|| {
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style("  {spinner:.green} {msg} {elapsed}"));
                bar.set_message(task.name.clone());
                if let Some(started) = task.started {
                    bar.set_elapsed(now().duration_since(started).unsigned_abs());
                }
                bar.enable_steady_tick(Duration::from_millis(100));
                bar
            });
        }
    }

    fn clear(&mut self) {
        for bar in self.running.values() {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
        let _ = self.all.clear();
    }
}

/// The templates are constants: one that is wrong falls back to the default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_change_of_a_task_is_told_once() {
        let mut changes = Changes::default();
        let task = |state: &str, attempt: u32, cause: &str| -> Vec<Task> {
            vec![view::read(&json!({
                "name": "load", "state": state, "attempt": attempt, "cause": cause,
                "started": "2026-03-01T00:00:00Z", "ended": "2026-03-01T00:00:02.5Z",
            }))]
        };
        let mut told = |tasks: Vec<Task>| -> Vec<String> {
            changes
                .lines(&tasks)
                .into_iter()
                .map(|(_, line)| line)
                .collect()
        };
        assert!(told(task("queued", 0, "")).is_empty());
        assert_eq!(told(task("running", 1, "")), ["load running"]);
        assert!(told(task("running", 1, "")).is_empty());
        assert_eq!(
            told(task("up_for_retry", 1, "exit code 3")),
            ["load up_for_retry: exit code 3"]
        );
        assert_eq!(
            told(task("failed", 2, "exit code 3")),
            ["load#2 failed in 2.5s: exit code 3"]
        );
    }
}
