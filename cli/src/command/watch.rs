//! Watches a run to its end: bars on a terminal, lines in a pipe.
//!
//! What is shown comes from the run's log, record by record: a look costs the same however many tasks there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use owo_colors::OwoColorize as _;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, WAIT};
use crate::failure::Failure;
use crate::output::{Session, duration, interactive, note, now};
use crate::view::{self, Run, Task};

use super::field;
use super::find::RunAt;

/// Running tasks that are shown at once.
const SHOWN_MAX: usize = 8;
/// Records asked for at once.
const RECORDS: usize = 500;
/// Between two looks, at least.
const BETWEEN: Duration = Duration::from_millis(50);

/// Shows what happens until the run is over; gives the run as it ended. `simulated` are the tasks that nothing runs for.
pub(crate) fn watch(
    session: &Session,
    client: &Client,
    at: &RunAt,
    simulated: BTreeSet<String>,
) -> Result<Value, Failure> {
    let client = &client.patient();
    let mut display = Display::new();
    let mut story = Story {
        simulated,
        ..Story::default()
    };
    let mut seen = 0;
    loop {
        let path = format!(
            "/facts?after={seen}&limit={RECORDS}&wait={}s",
            WAIT.as_secs()
        );
        let answer = client.get(&at.path(&path))?;
        let records = field(&answer, "items").as_array();
        let records: Vec<Record> = records.into_iter().flatten().map(view::read).collect();
        let lines: Vec<_> = records
            .iter()
            .flat_map(|record| story.tell(record))
            .collect();
        seen = records.last().map_or(seen, |last| last.sequence);
        let answer = client.get(&at.path(""))?;
        let run: Run = view::read(&answer);
        display.update(session, &run, &story, &lines);
        if view::is_over(&run.state) && run.sequence <= seen {
            display.finish(session, &left_out(client, at, &run)?);
            return Ok(answer);
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Waits until the run is over, and shows nothing; gives the run as it ended, or as it is at `until`.
pub(crate) fn wait(client: &Client, at: &RunAt, until: Timestamp) -> Result<Value, Failure> {
    let client = &client.patient();
    let mut seen = 0;
    loop {
        let left = until.duration_since(now()).as_secs();
        let wait = left.clamp(0, WAIT.as_secs().cast_signed());
        let path = format!("/facts?after={seen}&limit={RECORDS}&wait={wait}s");
        let answer = client.get(&at.path(&path))?;
        let records = field(&answer, "items").as_array();
        let last = records.and_then(|records| records.last());
        seen = last.map_or(seen, |last| view::read::<Record>(last).sequence);
        let answer = client.get(&at.path(""))?;
        let run: Run = view::read(&answer);
        if view::is_over(&run.state) && run.sequence <= seen || now() >= until {
            return Ok(answer);
        }
        std::thread::sleep(BETWEEN);
    }
}

/// Tasks that ended without a word of their own in the log: what happened above them decided.
fn left_out(client: &Client, at: &RunAt, run: &Run) -> Result<Vec<Line>, Failure> {
    let counts = view::counts(&run.counts);
    let quiet = ["upstream_failed", "skipped"];
    if !counts
        .iter()
        .any(|(state, _)| quiet.contains(&state.as_str()))
    {
        return Ok(Vec::new());
    }
    let tasks = client.list(&at.path("/tasks"), usize::MAX)?;
    let tasks = tasks.iter().map(view::read::<Task>);
    let quiet = tasks.filter(|task| quiet.contains(&task.state.as_str()));
    Ok(quiet
        .map(|task| Line {
            at: run.ended.unwrap_or_else(now),
            text: format!("{} {}", task.name, task.state),
            bad: false,
        })
        .collect())
}

/// A record of the run's log.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Record {
    sequence: u64,
    at: Timestamp,
    facts: Vec<Fact>,
}

/// What is shown of a fact.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fact {
    #[serde(rename = "type")]
    kind: String,
    tasks: Vec<String>,
    element: Option<u32>,
    state: Option<String>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    until: Option<Timestamp>,
    cause: Value,
    refused: Option<String>,
    text: Option<String>,
}

/// A line for people.
#[derive(Debug, PartialEq)]
struct Line {
    at: Timestamp,
    text: String,
    bad: bool,
}

/// What the records have told so far.
#[derive(Debug, Default)]
struct Story {
    /// Number of the latest attempt of each task.
    attempts: BTreeMap<String, u32>,
    /// What runs, and since when.
    running: BTreeMap<String, Timestamp>,
    /// What does nothing, as nothing here runs its kind.
    simulated: BTreeSet<String>,
}

impl Story {
    fn tell(&mut self, record: &Record) -> Vec<Line> {
        let lines = record.facts.iter().map(|fact| self.fact(fact, record.at));
        lines.flatten().collect()
    }

    fn fact(&mut self, fact: &Fact, at: Timestamp) -> Vec<Line> {
        let line = |at, text, bad| vec![Line { at, text, bad }];
        let Some(task) = fact.tasks.first() else {
            let bad = fact.kind == "stopping";
            let said = match fact.kind.as_str() {
                "paused" | "resumed" | "discarded" => format!("run {}", fact.kind),
                "gate_waiting" => "run waits for its turn".to_owned(),
                "turned" => format!(
                    "{} from the run above",
                    fact.text.as_deref().unwrap_or_default()
                ),
                "held" => format!("run held: {}", fact.text.as_deref().unwrap_or_default()),
                "released" => "run released".to_owned(),
                "stopping" => format!("run is stopped: {}", view::words(&fact.cause)),
                "commanded" => match &fact.refused {
                    Some(reason) => {
                        let what = fact.text.as_deref().unwrap_or_default();
                        format!("{what} refused: {reason}")
                    }
                    None => return Vec::new(),
                },
                _ => return Vec::new(),
            };
            return line(at, said, bad);
        };
        let name = match self.attempts.get(task) {
            None | Some(0 | 1) => task.clone(),
            Some(attempt) => format!("{task}#{attempt}"),
        };
        let name = match fact.element {
            Some(element) => format!("{name}[{element}]"),
            None => name,
        };
        let took = fact.started.zip(fact.ended);
        let took = took.map_or_else(String::new, |(started, ended)| {
            format!(" in {}", duration(ended.duration_since(started)))
        });
        match fact.kind.as_str() {
            "mapped" => {
                *self.attempts.entry(task.clone()).or_default() += 1;
                let over = fact.text.as_deref().unwrap_or_default();
                line(at, format!("{name} is mapped over {over}"), false)
            }
            "elements_started" => Vec::new(),
            "element_ended" => {
                let state = fact.state.as_deref().unwrap_or_default();
                let cause = view::words(&fact.cause);
                let cause = Some(cause).filter(|cause| !cause.is_empty());
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                let text = format!("{name} {state}{took}{cause}");
                line(fact.ended.unwrap_or(at), text, state != "succeeded")
            }
            "dispatched" => {
                for task in &fact.tasks {
                    *self.attempts.entry(task.clone()).or_default() += 1;
                }
                Vec::new()
            }
            "child_waiting" => line(
                at,
                format!("{name} waits: its run waits at its gate"),
                false,
            ),
            "child_paused" => line(at, format!("{name} waits: its run is paused"), false),
            "approved" | "declined" => line(at, format!("{name} {}", fact.kind), false),
            "awaits" => line(at, format!("{name} waits for other workflows"), false),
            "found" => {
                let found = fact.text.as_deref().unwrap_or_default();
                let told = (!found.is_empty()).then(|| format!("{name} found {found}"));
                told.map_or_else(Vec::new, |told| line(at, told, false))
            }
            "met" => line(at, format!("{name} succeeded"), false),
            "chose" => {
                let chose = fact.text.as_deref().unwrap_or_default();
                line(at, format!("{name} chose {chose}"), false)
            }
            "started" | "child_running" => {
                let since = fact.started.unwrap_or(at);
                self.running.entry(task.clone()).or_insert(since);
                line(since, format!("{name} running"), false)
            }
            "succeeded" => {
                self.running.remove(task);
                let took = if self.simulated.contains(task) {
                    " (simulated)".to_owned()
                } else {
                    took
                };
                line(
                    fact.ended.unwrap_or(at),
                    format!("{name} succeeded{took}"),
                    false,
                )
            }
            "failed" => {
                self.running.remove(task);
                let cause = view::words(&fact.cause);
                let next = if fact.until.is_some() {
                    ", up_for_retry"
                } else {
                    ""
                };
                let text = format!("{name} failed{took}: {cause}{next}");
                line(fact.ended.unwrap_or(at), text, true)
            }
            "canceled" => {
                self.running.remove(task);
                line(fact.ended.unwrap_or(at), format!("{name} canceled"), true)
            }
            "timed_out" => line(at, format!("{name} takes longer than its time-out"), true),
            // Each job is about to start for a moment: only what keeps it is told.
            "waiting" if fact.text.as_deref() == Some("starting") => Vec::new(),
            "held" | "released" | "waiting" | "rerun" => {
                let why = fact.text.as_deref().filter(|why| !why.is_empty());
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                let several = match fact.tasks.len() {
                    1 => task.clone(),
                    count => format!("{task} and {} more", count - 1),
                };
                line(at, format!("{several} {}{why}", fact.kind), false)
            }
            _ => Vec::new(),
        }
    }
}

/// How a run is shown.
#[derive(Debug)]
enum Display {
    Bars(Box<Bars>),
    Lines,
}

impl Display {
    fn new() -> Self {
        if interactive() {
            Self::Bars(Box::new(Bars::new()))
        } else {
            Self::Lines
        }
    }

    fn update(&mut self, session: &Session, run: &Run, story: &Story, lines: &[Line]) {
        match self {
            Self::Bars(bars) => bars.update(run, story, lines),
            Self::Lines => print(session, lines),
        }
    }

    fn finish(&mut self, session: &Session, lines: &[Line]) {
        match self {
            Self::Bars(bars) => bars.clear(),
            Self::Lines => print(session, lines),
        }
    }
}

fn print(session: &Session, lines: &[Line]) {
    for line in lines {
        note(&format!("{} {}", session.time(line.at), line.text));
    }
}

/// A bar over all tasks, and a line for each that runs.
#[derive(Debug)]
struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    running: BTreeMap<String, ProgressBar>,
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
        }
    }

    fn update(&mut self, run: &Run, story: &Story, lines: &[Line]) {
        for line in lines.iter().filter(|line| line.bad) {
            // A display that cannot be drawn is no failure of the run.
            let _ = self.all.println(line.text.red().to_string());
        }
        let counts = view::counts(&run.counts);
        let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
            let wanted = counts.iter().filter(|(state, _)| wanted(state));
            wanted.map(|(_, count)| count).sum()
        };
        self.total.set_length(sum(&|_| true));
        self.total.set_position(sum(&view::is_over));
        if let Some(begun) = run.started.or(run.created) {
            let elapsed = now().duration_since(begun).unsigned_abs();
            self.total.set_elapsed(elapsed);
        }
        let words: Vec<_> = counts
            .iter()
            .map(|(state, count)| format!("{count} {state}"))
            .collect();
        let held = [&run.hold, &run.reason].map(view::words);
        let held = held.into_iter().find(|words| !words.is_empty());
        let words = words.join(" · ");
        self.total
            .set_message(held.map_or(words.clone(), |held| format!("{words} ({held})")));
        self.show_running(story);
    }

    /// Those that have run the longest.
    fn show_running(&mut self, story: &Story) {
        let mut since: Vec<_> = story.running.iter().map(|(name, at)| (*at, name)).collect();
        since.sort();
        since.truncate(SHOWN_MAX);
        let shown: BTreeSet<&String> = since.iter().map(|(_, name)| *name).collect();
        self.running.retain(|name, bar| {
            let stays = shown.contains(name);
            if !stays {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            stays
        });
        for (at, name) in since {
            let all = &self.all;
            self.running.entry(name.clone()).or_insert_with(|| {
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style("  {spinner:.green} {msg} {elapsed}"));
                bar.set_message(name.clone());
                bar.set_elapsed(now().duration_since(at).unsigned_abs());
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
        let mut story = Story::default();
        let mut told = |fact: Value| -> Vec<String> {
            let record = json!({"sequence": 1, "at": "2026-03-01T00:00:00Z", "facts": [fact]});
            let lines = story.tell(&view::read(&record));
            lines.into_iter().map(|line| line.text).collect()
        };
        let times = |kind: &str| {
            json!({
                "type": kind, "tasks": ["load"], "cause": {"kind": "exit", "text": "exit(3)"},
                "started": "2026-03-01T00:00:00Z", "ended": "2026-03-01T00:00:02.5Z",
            })
        };
        let both = || json!({"type": "dispatched", "tasks": ["load", "check"]});
        assert!(told(both()).is_empty());
        assert_eq!(told(times("started")), ["load running"]);
        let mut retried = times("failed");
        retried["until"] = "2026-03-01T00:01:00Z".into();
        assert_eq!(
            told(retried),
            ["load failed in 2.5s: exit(3), up_for_retry"]
        );
        assert!(told(both()).is_empty());
        assert_eq!(told(times("failed")), ["load#2 failed in 2.5s: exit(3)"]);
        let waits = |why: &str| json!({"type": "waiting", "tasks": ["load"], "text": why});
        assert!(told(waits("starting")).is_empty());
        let why = "target: no quota";
        assert_eq!(told(waits(why)), ["load waiting: target: no quota"]);
        assert!(told(json!({"type": "done"})).is_empty());
        assert_eq!(told(json!({"type": "paused"})), ["run paused"]);
    }
}
