//! Tasks that are other workflows: `SUB_PROCESS`, since 3.3 `SUB_WORKFLOW`.
//!
//! They become `workflow` where the files tell which one that is. Else they are kept whole.

use porpoise_model::workflow::{Kind, Task};
use porpoise_model::{Name, Value};

use super::Mapper;
use super::parameter::Parameters;
use crate::fault::short;
use crate::json::At;
use crate::report::{Rule, Topic};

/// What such tasks are called.
pub(super) const TYPES: [&str; 2] = ["SUB_PROCESS", "SUB_WORKFLOW"];
/// Keys that hold the code of the workflow.
const CODES: [&str; 3] = [
    "processDefinitionCode",
    "workflowDefinitionCode",
    "processDefinitionId",
];
/// Keys that hold its name.
const NAMES: [&str; 2] = ["processDefinitionName", "workflowDefinitionName"];

/// Whether a key holds the code or the name of the workflow.
pub(super) fn names_workflow(key: &str) -> bool {
    CODES.contains(&key) || NAMES.contains(&key)
}

/// Whether a name can stand in an expression.
pub(super) fn can_stand(name: &str) -> bool {
    !name.contains(['$', '{', '}'])
}

impl<'t> Mapper<'t> {
    /// The task as another workflow, if it is known which; what that hands on, the task hands on.
    /// One that runs itself is none: DolphinScheduler does not let it be saved.
    pub(super) fn child(
        &mut self,
        params: At<'t>,
        own: Option<i64>,
        parameters: &mut Parameters,
    ) -> Option<Kind> {
        let workflow = self.called(params, own)?;
        for (key, at) in params.entries() {
            match key {
                "localParams" => {}
                _ if names_workflow(key) => {
                    at.used();
                }
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                _ => self.notes.cover(
                    at,
                    Topic::UnknownTaskParameter,
                    key,
                    "the parameter has no counterpart",
                ),
            }
        }
        let outputs = self
            .index
            .outputs(self.project, &workflow)
            .unwrap_or_default();
        for (name, kind) in outputs {
            let output = parameters.outward.entry(name.clone());
            output.or_insert_with(|| Value {
                kind: *kind,
                text: String::new(),
            });
        }
        Some(Kind::Workflow {
            workflow,
            each: None,
        })
    }

    /// By its code, where the files have it, or by its name.
    pub(super) fn called(&mut self, params: At<'t>, own: Option<i64>) -> Option<Name> {
        let own = own.and_then(|own| self.index.workflow(own)).cloned();
        let code = CODES.iter().find_map(|key| Some((*key, params.get(key)?)));
        if let Some((key, at)) = code {
            let code = at.integer()?;
            // What is unknown is said when the task is kept whole.
            if !self.index.is_of(code, self.project) {
                return None; // nobody was asked for a right there
            }
            let name = self.index.workflow(code).cloned();
            let name = name.filter(|name| own.as_ref() != Some(name))?;
            let message = format!("code {code} is workflow `{}`", short(name.as_str()));
            self.notes.add(at, Topic::CodeReference, key, message);
            return Some(name);
        }
        let name = NAMES.iter().find_map(|key| params.get(key))?;
        let name = name.text()?.trim();
        let name = name.parse::<Name>().ok().filter(|_| can_stand(name))?;
        let known =
            self.index.outputs(self.project, &name).is_some() && own.as_ref() != Some(&name);
        known.then_some(name)
    }

    /// DolphinScheduler tries such a task once.
    pub(super) fn retried(&mut self, at: At<'t>, task: &Task) {
        if matches!(task.kind, Kind::Workflow { .. }) && task.retry.limit > 0 {
            let message = format!(
                "`{}` is tried again {} times, each time with a new run",
                short(task.name.as_str()),
                task.retry.limit
            );
            self.notes.add(at, Topic::ChildRetries, "", message);
        }
    }
}
