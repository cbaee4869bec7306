//! Tasks that run again, and edits of a run: these by names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use porpoise_engine::Plan;
use porpoise_engine::run::Edited;
use porpoise_model::workflow::{self, Kind, Test, Workflow};

use super::rule::Says;
use super::{Naive, Task, Then, Wrong};

impl Naive {
    pub(super) fn rerun(&mut self, tasks: impl Iterator<Item = u32>) {
        let (mut idle, was_over) = (Vec::new(), self.ended);
        for at in tasks {
            let task = &mut self.tasks[at as usize];
            if task.active {
                task.then = Some(Then::Rerun);
            } else {
                idle.push(at);
            }
        }
        self.reset(&idle);
        if was_over {
            self.ended = false;
            self.live = !self.serial;
        }
    }

    pub(super) fn reset(&mut self, tasks: &[u32]) {
        let plan = Arc::clone(&self.plan);
        for at in tasks {
            let task = &mut self.tasks[*at as usize];
            (task.end, task.ready, task.active) = (None, false, false);
            (task.could_not_run, task.picked) = (false, None);
            (task.left_out, task.awaits) = (false, false);
            task.free();
        }
        let mut again = tasks.to_vec();
        for below in tasks.iter().flat_map(|at| plan.downstream(*at)) {
            let says = self.evaluate(*below);
            let task = &mut self.tasks[*below as usize];
            if task.ready && task.end.is_none() && !task.active && !matches!(says, Says::Go) {
                (task.ready, task.awaits) = (false, false);
                task.free();
            }
            again.push(*below);
        }
        self.look(again);
    }

    /// The run goes on with another version: what did not change and ended stays, and numbers of attempts go on.
    pub(crate) fn edited(&mut self, edited: &Edited, plan: &Arc<Plan>) -> Result<(), Wrong> {
        let wrong = |what: String| Err(("edits-keep-what-did-not-change", what));
        if !self.ended || !self.entered {
            return wrong("a run is edited that is not over".to_owned());
        }
        let (before, after) = (
            Arc::clone(self.plan.workflow()),
            Arc::clone(plan.workflow()),
        );
        let again: BTreeSet<u32> = edited.tasks.iter().collect();
        let highest = self.tasks.iter().map(|task| task.attempts).max();
        self.highest = self.highest.max(highest.unwrap_or_default());
        let mut others = Vec::new();
        let mut tasks = Vec::new();
        for (at, now) in (0_u32..).zip(&after.tasks) {
            let was = before.tasks.iter().position(|task| task.name == now.name);
            let mut task = Task {
                attempts: self.highest,
                ..Task::default()
            };
            let mut stays = false;
            if let Some(was) = was {
                let old = &self.tasks[was];
                if was == at as usize {
                    task.attempts = old.attempts;
                }
                stays = old.left_out || canonical(&before, was) == canonical(&after, at as usize);
                if !again.contains(&at) {
                    (task.end, task.picked) = (old.end, old.picked);
                    (task.could_not_run, task.left_out) = (old.could_not_run, old.left_out);
                }
            }
            if !stays {
                others.push(at);
            }
            tasks.push(task);
        }
        for task in below(&after, others) {
            if !again.contains(&task) && !tasks[task as usize].left_out {
                return wrong(format!("task {task} changed, and does not run again"));
            }
        }
        self.tasks = tasks;
        self.plan = Arc::clone(plan);
        self.look(0..plan.len());
        (self.ended, self.live) = (false, !self.serial);
        Ok(())
    }
}

/// These tasks and all that come after them.
fn below(workflow: &Workflow, mut open: Vec<u32>) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    while let Some(task) = open.pop() {
        if found.insert(task) {
            let all = (0_u32..).zip(&workflow.tasks);
            open.extend(
                all.filter(|(_, it)| it.after.contains(&task))
                    .map(|it| it.0),
            );
        }
    }
    found
}

/// A task with names for indices, in an order that says nothing, and without what changes no result.
fn canonical(
    workflow: &Workflow,
    at: usize,
) -> (serde_json::Value, BTreeMap<&'static str, Vec<Vec<String>>>) {
    let mut task = workflow.tasks[at].clone();
    let names = |tasks: &[u32]| {
        let names = tasks
            .iter()
            .map(|at| workflow.tasks[*at as usize].name.to_string());
        let names: BTreeSet<String> = names.collect();
        names.into_iter().collect::<Vec<_>>()
    };
    let mut named = BTreeMap::from([("after", vec![names(&task.after)])]);
    named.insert(
        "branches",
        task.kind.branches().into_iter().map(names).collect(),
    );
    task.after.clear();
    match &mut task.kind {
        Kind::Switch { cases, otherwise } => {
            for case in cases {
                case.then.clear();
            }
            otherwise.iter_mut().for_each(Vec::clear);
        }
        Kind::Conditions {
            when,
            then,
            otherwise,
        } => {
            let looked_at: Vec<Vec<String>> = when.tasks().iter().map(|at| names(&[*at])).collect();
            named.insert("when", looked_at);
            without_tasks(when);
            then.clear();
            otherwise.clear();
        }
        _ => {}
    }
    let kept = workflow::Task::new(task.name.clone(), Kind::Noop);
    task.description.clear();
    task.labels.clear();
    (task.retry, task.timeout, task.delay) = (kept.retry, kept.timeout, kept.delay);
    (task.priority, task.pool) = (kept.priority, kept.pool);
    (serde_json::to_value(&task).expect("a task"), named)
}

fn without_tasks(test: &mut Test) {
    match test {
        Test::Task { task, .. } => *task = 0,
        Test::All(tests) | Test::Any(tests) => tests.iter_mut().for_each(without_tasks),
    }
}
