//! Codes by which tasks refer to other tasks and workflows: names take their place.

use porpoise_model::Name;
use serde_json::{Map, Value};

use super::Mapper;
use crate::fault::short;
use crate::json::At;
use crate::report::Topic;

/// Keys that hold the code of a workflow, and those that hold its name instead.
const OF_WORKFLOWS: [(&str, &str); 4] = [
    ("processDefinitionCode", "processDefinitionName"),
    ("workflowDefinitionCode", "workflowDefinitionName"),
    ("definitionCode", "definitionName"),
    ("processDefinitionId", "processDefinitionName"),
];
const TASK: (&str, &str) = ("depTaskCode", "depTaskName");
/// The project of the workflow that stands beside it.
const PROJECT: (&str, &str) = ("projectCode", "projectName");
/// Keys that hold codes of tasks, one or a list, and in 1.x names.
const OF_TASKS: [&str; 3] = ["nextNode", "successNode", "failedNode"];

impl<'t> Mapper<'t> {
    /// The parameters with names instead of codes, where the files tell them. `own` is the code of the workflow.
    pub(super) fn named(&mut self, at: At<'t>, own: Option<i64>) -> Value {
        if at.is_list() {
            return at.items().map(|item| self.named(item, own)).collect();
        }
        if !at.is_object() {
            return at.to_value();
        }
        let mut object = Map::new();
        for (key, value) in at.entries() {
            let (key, value) = self.entry(at, key, value, own);
            object.insert(key.to_owned(), value);
        }
        Value::Object(object)
    }

    fn entry<'k>(
        &mut self,
        object: At<'t>,
        key: &'k str,
        at: At<'t>,
        own: Option<i64>,
    ) -> (&'k str, Value) {
        if OF_TASKS.contains(&key) {
            return (key, self.tasks_named(at, key, own));
        }
        if key == PROJECT.0
            && let Some(code) = object.get("definitionCode").and_then(At::integer)
            && let Some(owner) = self.index.owner(code)
        {
            return (PROJECT.1, Value::String(owner.to_string()));
        }
        let workflow = OF_WORKFLOWS.iter().find(|(code, _)| *code == key);
        let Some((_, name)) = workflow.or_else(|| (key == TASK.0).then_some(&TASK)) else {
            return (key, self.named(at, own));
        };
        let known = at.integer().and_then(|code| {
            let found = if workflow.is_some() {
                self.workflow_named(at, key, code)
            } else {
                // A task of this workflow, or of the one that stands beside the code.
                let of = object.get("definitionCode").map_or(own, At::integer);
                self.task_named(at, key, of, code)
            };
            found.filter(|_| object.get(name).is_none())
        });
        match known {
            Some(found) => (*name, Value::String(found.to_string())),
            None => (key, at.to_value()),
        }
    }

    fn tasks_named(&mut self, at: At<'t>, key: &str, own: Option<i64>) -> Value {
        if at.is_list() {
            let items = at.items();
            return items.map(|item| self.tasks_named(item, key, own)).collect();
        }
        let named = at
            .integer()
            .and_then(|code| self.task_named(at, key, own, code));
        named.map_or_else(|| at.to_value(), |name| Value::String(name.to_string()))
    }

    /// 0 and below are no tasks.
    fn task_named(
        &mut self,
        at: At<'t>,
        key: &str,
        workflow: Option<i64>,
        code: i64,
    ) -> Option<Name> {
        if code <= 0 {
            return None;
        }
        let name = workflow.and_then(|workflow| self.index.task(workflow, code));
        let name = name.cloned();
        self.said(at, key, code, "task", name.as_ref());
        name
    }

    fn workflow_named(&mut self, at: At<'t>, key: &str, code: i64) -> Option<Name> {
        let name = self.index.workflow(code).cloned();
        self.said(at, key, code, "workflow", name.as_ref());
        name
    }

    fn said(&mut self, at: At<'t>, key: &str, code: i64, noun: &str, name: Option<&Name>) {
        if let Some(name) = name {
            let message = format!("code {code} is {noun} `{}`", short(name.as_str()));
            self.notes.add(at, Topic::CodeReference, key, message);
        } else {
            let message = format!("code {code} is not in this file");
            self.notes.add(
                at,
                Topic::UnknownReference,
                format!("{key} {code}"),
                message,
            );
        }
    }
}
