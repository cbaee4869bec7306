//! Clients: they submit runs and give commands without a break, whatever becomes of the server, and remember what they
//! were told.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::harness::Client;
use crate::workload::{Shape, Treatment};

/// A client submits as long as its open runs have fewer tasks than this in all.
const OPEN_TASKS: usize = 120;

/// A run that a client has submitted.
#[derive(Debug, Clone)]
pub struct Booked {
    pub id: String,
    /// Index of its shape.
    pub shape: usize,
    /// Under which it was submitted; none: the schedule made it.
    pub key: Option<String>,
    pub commands: Vec<Given>,
    /// Somebody tried to kill it.
    pub attacked: bool,
    /// Tasks of it were run again, once: a second time could come before the first has begun, and stop it.
    pub rerun: bool,
    /// It was over when it was last looked at.
    over: bool,
    /// What ends the pause or the hold that it is in.
    undo: Option<Value>,
}

impl Booked {
    pub fn new(id: String, shape: usize, key: Option<String>) -> Self {
        Self {
            id,
            shape,
            key,
            commands: Vec::new(),
            attacked: false,
            rerun: false,
            over: false,
            undo: None,
        }
    }
}

/// A command that was acknowledged.
#[derive(Debug, Clone)]
pub struct Given {
    pub id: String,
    pub word: String,
    /// `pending`, `accepted`, `refused`, as it was answered.
    pub answer: String,
}

/// What clients and the one who kills tell each other.
#[derive(Debug, Default)]
pub struct Signals {
    pub stop: AtomicBool,
    /// Runs that are open, as far as clients know.
    pub open: AtomicUsize,
    /// Requests that were sent again under their key after they had been answered.
    pub repeats: AtomicUsize,
}

/// One client, with the runs that it answers for.
#[derive(Debug)]
pub struct Load<'a> {
    pub runs: Vec<Booked>,
    name: String,
    client: Client,
    shapes: &'a [Shape],
    markers: String,
    signals: &'a Signals,
    chance: Chance,
    sent: u32,
}

impl<'a> Load<'a> {
    pub fn new(
        name: &str,
        client: Client,
        shapes: &'a [Shape],
        markers: String,
        signals: &'a Signals,
        seed: u64,
    ) -> Self {
        Self {
            runs: Vec::new(),
            name: name.to_owned(),
            client,
            shapes,
            markers,
            signals,
            chance: Chance::new(seed),
            sent: 0,
        }
    }

    /// Until it is told to stop; then what is paused or held is let go.
    pub fn work(mut self) -> Vec<Booked> {
        while !self.signals.stop.load(Ordering::Relaxed) {
            self.look();
            if self.open_tasks() < OPEN_TASKS {
                self.submit_some();
            }
            match self.chance.below(10) {
                0..=3 => self.command(),
                4 => self.repeat(),
                _ => {}
            }
            sleep(Duration::from_millis(self.chance.between(1, 40)));
        }
        for at in 0..self.runs.len() {
            self.undo(at);
        }
        self.runs
    }

    /// Submits a run of the shape of this name.
    pub fn submit(&mut self, name: &str) {
        let shape = self
            .shapes
            .iter()
            .position(|shape| shape.name == name)
            .unwrap();
        let key = self.key();
        let id = self.post_run(shape, &key);
        self.signals.open.fetch_add(1, Ordering::Relaxed);
        self.runs.push(Booked::new(id, shape, Some(key)));
    }

    fn submit_some(&mut self) {
        let sum = self.shapes.iter().map(|shape| shape.weight).sum();
        let mut drawn = self.chance.below(sum);
        let drawn = self.shapes.iter().find(|shape| {
            let found = drawn < shape.weight;
            drawn = drawn.saturating_sub(shape.weight);
            found
        });
        let name = drawn.unwrap().name;
        let count = if name == "small" { 20 } else { 1 };
        for _ in 0..count {
            self.submit(name);
        }
    }

    fn post_run(&self, shape: usize, key: &str) -> String {
        let path = format!("/workflows/{}/runs", self.shapes[shape].name);
        let body = json!({ "parameters": { "MARKERS": self.markers } });
        let (status, body) = self.client.post(&path, &body, key);
        assert_eq!(status, 202, "{path}: {body}");
        body["run_id"].as_str().unwrap().to_owned()
    }

    /// Sends a request again that was answered before, perhaps by a server that is gone.
    fn repeat(&self) {
        let Some(run) = self.runs.last() else { return };
        let again = self.post_run(run.shape, run.key.as_deref().unwrap_or_default());
        assert_eq!(again, run.id, "a repeated request made another run");
        self.signals.repeats.fetch_add(1, Ordering::Relaxed);
    }

    fn key(&mut self) -> String {
        self.sent += 1;
        format!("{}-{}", self.name, self.sent)
    }

    fn open_tasks(&self) -> usize {
        let open = self.runs.iter().filter(|run| !run.over);
        open.map(|run| self.shapes[run.shape].tasks.len()).sum()
    }

    /// Looks at some of the runs that are thought to be open.
    fn look(&mut self) {
        let open = (0..self.runs.len()).filter(|at| !self.runs[*at].over);
        let open: Vec<usize> = open.collect();
        for _ in 0..open.len().min(4) {
            let at = *self.chance.pick(&open);
            let state = self.client.get(&format!("/runs/{}", self.runs[at].id));
            let over = is_over(&state);
            if over && !self.runs[at].over {
                self.signals.open.fetch_sub(1, Ordering::Relaxed);
            }
            self.runs[at].over = over;
        }
    }

    /// Gives some command to some run, or ends what an earlier one began.
    fn command(&mut self) {
        if self.runs.is_empty() {
            return;
        }
        // Late runs are more likely to be open.
        let recent = self.runs.len().saturating_sub(12);
        let from = if self.chance.percent(80) { recent } else { 0 };
        let at = from + self.chance.index(self.runs.len() - from);
        if self.runs[at].undo.is_some() {
            return self.undo(at);
        }
        let shape = &self.shapes[self.runs[at].shape];
        match shape.treatment {
            Treatment::LetAlone => {}
            Treatment::Kill => {
                self.runs[at].attacked = true;
                self.give(at, &json!({ "command": "kill" }));
            }
            Treatment::Steer if self.runs[at].over => self.rerun(at),
            Treatment::Steer => self.hinder(at),
        }
    }

    fn hinder(&mut self, at: usize) {
        let shape = &self.shapes[self.runs[at].shape];
        let task = &self.chance.pick(&shape.tasks).name;
        let (command, undo) = match self.chance.below(3) {
            0 => (
                json!({ "command": "pause" }),
                json!({ "command": "resume" }),
            ),
            1 => (
                json!({ "command": "hold", "why": "chaos" }),
                json!({ "command": "release" }),
            ),
            _ => (
                json!({ "command": "hold", "tasks": [task], "why": "chaos" }),
                json!({ "command": "release", "tasks": [task] }),
            ),
        };
        self.give(at, &command);
        self.runs[at].undo = Some(undo);
    }

    fn undo(&mut self, at: usize) {
        if let Some(undo) = self.runs[at].undo.take() {
            self.give(at, &undo);
        }
    }

    fn rerun(&mut self, at: usize) {
        let shape = &self.shapes[self.runs[at].shape];
        if self.runs[at].rerun || shape.name == "layered" {
            return;
        }
        let task = &self.chance.pick(&shape.tasks).name;
        let command = if shape.name == "doomed" && self.chance.percent(50) {
            json!({ "command": "rerun_failed" })
        } else {
            json!({ "command": "rerun", "tasks": [task], "downstream": true })
        };
        self.runs[at].rerun = true;
        self.runs[at].over = false;
        self.signals.open.fetch_add(1, Ordering::Relaxed);
        self.give(at, &command);
    }

    /// Gives a command until it is acknowledged, and now and then once more after that.
    fn give(&mut self, at: usize, command: &Value) {
        let wait = if self.chance.percent(50) {
            "?wait=2s"
        } else {
            ""
        };
        let path = format!("/runs/{}/commands{wait}", self.runs[at].id);
        let key = self.key();
        let (status, body) = self.client.post(&path, command, &key);
        assert_eq!(status, 202, "{command}: {body}");
        let given = Given {
            id: body["command_id"].as_str().unwrap().to_owned(),
            word: command["command"].as_str().unwrap().to_owned(),
            answer: body["state"].as_str().unwrap().to_owned(),
        };
        if self.chance.percent(20) {
            let (_, again) = self.client.post(&path, command, &key);
            assert_eq!(again["command_id"], body["command_id"], "{command}");
            self.signals.repeats.fetch_add(1, Ordering::Relaxed);
        }
        self.runs[at].commands.push(given);
    }
}

/// Whether a run as the API shows it has ended.
pub fn is_over(run: &Value) -> bool {
    matches!(
        run["state"].as_str(),
        Some("succeeded" | "failed" | "canceled")
    )
}
