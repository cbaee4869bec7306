//! What the server says: the facts of a run, folded once more with the tables of the engine, and held against the
//! journal of the tasks.

use std::collections::BTreeMap;

use porpoise_engine::run::tasks::Phase;
use porpoise_engine::run::transition::{RunEvent, TaskEvent, run_next, task_next};
use porpoise_model::RunState;
use serde_json::Value;

use crate::checks::Known;
use crate::markers::Tasks;
use crate::workload::{EXIT, End, Task};

/// What the facts say of a run.
#[derive(Debug)]
pub struct Log<'a> {
    known: Known<'a>,
    state: Option<RunState>,
    tasks: BTreeMap<String, Folded>,
    /// Commands that were decided: how often, and whether they were accepted.
    pub commands: BTreeMap<String, (usize, bool)>,
    pub faults: Vec<String>,
}

#[derive(Debug)]
struct Folded {
    phase: Phase,
    /// What follows when its job has stopped.
    then: Option<String>,
    attempts: Vec<Outcome>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Open,
    Succeeded,
    Failed,
    Canceled,
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

impl<'a> Log<'a> {
    /// Folds records, oldest first.
    pub fn of(known: Known<'a>, records: &[Value]) -> Self {
        let fresh = |task: &Task| {
            let folded = Folded {
                phase: Phase::Pending,
                then: None,
                attempts: Vec::new(),
            };
            (task.name.clone(), folded)
        };
        let mut log = Self {
            known,
            state: None,
            tasks: known.shape.tasks.iter().map(fresh).collect(),
            commands: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (at, record) in records.iter().enumerate() {
            if record["sequence"].as_u64() != Some(at as u64 + 1) {
                log.faults.push(format!("record {} is not there", at + 1));
            }
            for fact in record["facts"].as_array().into_iter().flatten() {
                log.fold(fact);
            }
        }
        log
    }

    fn fault(&mut self, fact: &Value, why: &str) {
        self.faults.push(format!("{why}: {fact}"));
    }

    fn fold(&mut self, fact: &Value) {
        let word = fact["type"].as_str().unwrap_or_default();
        match word {
            "created" if self.state.is_none() => self.state = Some(RunState::Queued),
            "begun" if !self.known.shape.serial => self.turn(fact, RunEvent::Admitted),
            "admitted" => self.turn(fact, RunEvent::Admitted),
            "pausing" => self.turn(fact, RunEvent::PauseAsked),
            "paused" => self.turn(fact, RunEvent::Paused),
            "resumed" => self.turn(fact, RunEvent::Resumed),
            "stopping" => self.stop(fact),
            "ended" => self.end(fact),
            "commanded" => self.decided(fact),
            "begun" | "gate_waiting" | "left_gate" | "slots_asked" | "slots_queued"
            | "slots_granted" | "slot_freed" | "accepted" | "waiting" | "held" | "released"
            | "done" => {}
            "dispatched" | "started" | "succeeded" | "failed" | "canceled" | "cancel_asked"
            | "rerun" | "recovered" => {
                for task in texts(&fact["tasks"]) {
                    self.task(&task, word, fact);
                }
                let again = matches!(word, "rerun" | "recovered");
                if again && self.state.is_some_and(RunState::is_terminal) {
                    self.turn(fact, RunEvent::Reopened);
                }
            }
            _ => self.fault(fact, "nobody asked for this"),
        }
    }

    fn turn(&mut self, fact: &Value, event: RunEvent) {
        match self.state.and_then(|state| run_next(state, event)) {
            Some(next) => self.state = Some(next),
            None => self.fault(
                fact,
                &format!("a run that is {:?} cannot do this", self.state),
            ),
        }
    }

    fn stop(&mut self, fact: &Value) {
        self.turn(fact, RunEvent::CancelAsked);
        for task in self.tasks.values_mut() {
            if let Some(next) = task_next(task.phase, TaskEvent::CancelAsked) {
                task.phase = next;
                task.then = Some("cancel".to_owned());
            } else if task.phase != Phase::Canceling && !task.phase.is_terminal() {
                task.phase = Phase::Canceled;
            }
        }
    }

    fn end(&mut self, fact: &Value) {
        let event = match fact["state"].as_str() {
            Some("succeeded") => RunEvent::Succeeded,
            Some("canceled") => RunEvent::Canceled,
            _ => RunEvent::Failed,
        };
        self.turn(fact, event);
        let open = |task: &Folded| task.attempts.last() == Some(&Outcome::Open);
        if self.tasks.values().any(open) {
            self.fault(fact, "a run ended before its attempts");
        }
    }

    fn decided(&mut self, fact: &Value) {
        let id = fact["command_id"].as_str().unwrap_or_default().to_owned();
        let (times, accepted) = self.commands.entry(id).or_default();
        *times += 1;
        *accepted = fact["refused"].is_null();
        if *times > 1 {
            self.fault(fact, "a command took hold twice");
        }
    }

    fn task(&mut self, name: &str, word: &str, fact: &Value) {
        if word == "dispatched" && !self.may_start(name) {
            self.fault(
                fact,
                &format!("{name} does not wait for what it comes after"),
            );
        }
        let Some(task) = self.tasks.get_mut(name) else {
            return self.fault(fact, "there is no such task");
        };
        if let Err(why) = task.fold(word, fact) {
            let phase = task.phase;
            self.fault(fact, &format!("{name}, {phase:?}: {why}"));
        }
    }

    /// Whether its trigger rule holds.
    fn may_start(&self, name: &str) -> bool {
        let shape = self.known.shape;
        let Some(task) = shape.find(name) else {
            return false;
        };
        let ends = shape.ends();
        task.after.iter().all(|at| {
            let folded = &self.tasks[&shape.tasks[*at].name];
            match folded.phase {
                Phase::Succeeded => true,
                Phase::Failed | Phase::Canceled => task.in_any_case,
                // No fact tells that a task cannot run: it follows from the others.
                Phase::Pending => task.in_any_case && ends[*at] == End::UpstreamFailed,
                _ => false,
            }
        })
    }

    /// Everything that the server says and the tasks do not, and the other way round.
    pub fn against(&self, marks: &Tasks) -> Vec<String> {
        let mut faults = Vec::new();
        let nothing = BTreeMap::new();
        for task in self.known.shape.tasks.iter().filter(|task| !task.silent) {
            let said = &self.tasks[&task.name].attempts;
            let left = marks.get(&task.name).unwrap_or(&nothing);
            for (number, outcome) in (1..).zip(said) {
                let attempt = left.get(&number).cloned().unwrap_or_default();
                let whole = (attempt.begins.len(), attempt.ends.len()) == (1, 1);
                let fits = match outcome {
                    Outcome::Succeeded | Outcome::Failed => whole,
                    Outcome::Canceled => attempt.begins.len() <= 1,
                    Outcome::Open => false,
                };
                if !fits {
                    faults.push(format!(
                        "{}#{number} {outcome:?}, its marks: {attempt:?}",
                        task.name
                    ));
                }
            }
            if left.keys().any(|number| *number as usize > said.len()) {
                let (said, left) = (said.len(), left.keys());
                faults.push(format!(
                    "{}: {said} attempts dispatched, {left:?} ran",
                    task.name
                ));
            }
        }
        faults
    }

    /// Everything in which the answers of the API (the run, and its tasks) differ from what the facts make of it.
    pub fn against_answers(&self, run: &Value, tasks: &[Value], records: usize) -> Vec<String> {
        let mut faults = Vec::new();
        let state = self.state.map(RunState::as_str);
        if run["state"].as_str() != state || run["sequence"].as_u64() != Some(records as u64) {
            faults.push(format!(
                "{records} records make it {state:?}, the API says {run}"
            ));
        }
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (told, (task, end)) in tasks
            .iter()
            .zip(self.known.shape.tasks.iter().zip(self.known.shape.ends()))
        {
            let folded = &self.tasks[&task.name];
            let state = match (folded.phase, end) {
                (Phase::Pending, End::UpstreamFailed) => "upstream_failed",
                (phase, _) => phase.state().as_str(),
            };
            *counts.entry(state).or_default() += 1;
            let same = told["name"] == task.name.as_str()
                && told["state"] == state
                && told["attempt"].as_u64() == Some(folded.attempts.len() as u64);
            if !same {
                faults.push(format!(
                    "{} is {state}, {:?}; the API says {told}",
                    task.name, folded.attempts
                ));
            }
        }
        if tasks.len() != self.tasks.len() || run["counts"] != serde_json::json!(counts) {
            faults.push(format!(
                "tasks are {counts:?}, the API says {}",
                run["counts"]
            ));
        }
        faults
    }

    /// The state in which the run is.
    pub fn state(&self) -> Option<RunState> {
        self.state
    }

    /// How many attempts were dispatched.
    pub fn attempts(&self) -> usize {
        self.tasks.values().map(|task| task.attempts.len()).sum()
    }
}

impl Folded {
    fn turn(&mut self, event: TaskEvent) -> Result<(), String> {
        let next = task_next(self.phase, event);
        self.phase = next.ok_or_else(|| format!("{event:?} is no arrow from here"))?;
        Ok(())
    }

    fn fold(&mut self, word: &str, fact: &Value) -> Result<(), String> {
        match word {
            "dispatched" => {
                // That it is ready is no fact.
                if self.phase == Phase::Pending {
                    self.turn(TaskEvent::Ready)?;
                }
                self.turn(TaskEvent::Dispatched)?;
                self.attempts.push(Outcome::Open);
                Ok(())
            }
            "started" => self.turn(TaskEvent::Started),
            "succeeded" => self.close(Outcome::Succeeded, TaskEvent::Succeeded),
            "canceled" => self.close(Outcome::Canceled, TaskEvent::Canceled),
            "failed" => self.failed(fact),
            "cancel_asked" => {
                self.then = fact["then"].as_str().map(str::to_owned);
                self.turn(TaskEvent::CancelAsked)
            }
            // Of a task that never ran: it stays where it is.
            _ if self.phase == Phase::Pending => Ok(()),
            _ => self.turn(TaskEvent::Reset),
        }
    }

    fn failed(&mut self, fact: &Value) -> Result<(), String> {
        let cause = &fact["cause"];
        let stopped = self.then.is_some();
        if !stopped && (cause["kind"] != "exit" || cause["code"] != EXIT) {
            return Err("it was not the task that failed".to_owned());
        }
        let event = if fact["until"].is_null() {
            TaskEvent::Failed
        } else {
            TaskEvent::Retrying
        };
        self.close(Outcome::Failed, event)
    }

    /// The attempt is over, and stays as it is.
    fn close(&mut self, outcome: Outcome, event: TaskEvent) -> Result<(), String> {
        match self.attempts.last_mut() {
            Some(open) if *open == Outcome::Open => *open = outcome,
            _ => return Err("no attempt is open".to_owned()),
        }
        match self.then.take().as_deref() {
            // What is stopped while it ends well has ended well.
            Some("cancel") if outcome != Outcome::Succeeded => self.turn(TaskEvent::Canceled),
            Some("rerun") => self.turn(TaskEvent::Reset),
            _ => self.turn(event),
        }
    }
}
