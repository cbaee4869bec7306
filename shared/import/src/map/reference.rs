//! Codes by which tasks refer to other tasks and workflows.

use super::Mapper;
use crate::fault::short;
use crate::json::At;
use crate::report::Topic;

impl<'t> Mapper<'t> {
    /// Says what each code in the parameters stands for. `own` is the code of the workflow.
    pub(super) fn references(&mut self, at: At<'t>, own: Option<i64>) {
        if !at.is_leaf() {
            at.children().for_each(|child| self.references(child, own));
            return;
        }
        // A code stands alone or in a list: `nextNode` does both.
        let key = at.key().or_else(|| at.parent().and_then(At::key));
        let (Some(key), Some(code)) = (key, at.integer()) else {
            return;
        };
        match key {
            "nextNode" | "successNode" | "failedNode" => self.task_reference(at, own, code, key),
            "depTaskCode" => self.dependency(at, own, code),
            "processDefinitionCode" | "definitionCode" => {
                let name = self.index.workflow(code);
                self.reference(
                    at,
                    key,
                    code,
                    name.map(|name| format!("workflow `{}`", short(name))),
                );
            }
            _ => {}
        }
    }

    fn task_reference(&mut self, at: At<'t>, workflow: Option<i64>, code: i64, key: &str) {
        let name = workflow.and_then(|workflow| self.index.task(workflow, code));
        self.reference(
            at,
            key,
            code,
            name.map(|name| format!("task `{}`", short(name))),
        );
    }

    /// A task of this workflow, or of the one that stands beside the code. 0 and below are no tasks.
    fn dependency(&mut self, at: At<'t>, own: Option<i64>, code: i64) {
        if code <= 0 {
            return;
        }
        let other = at.parent().and_then(|item| item.get("definitionCode"));
        let workflow = other.map_or(own, At::integer);
        self.task_reference(at, workflow, code, "depTaskCode");
    }

    fn reference(&mut self, at: At<'t>, key: &str, code: i64, name: Option<String>) {
        if let Some(name) = name {
            let message = format!("code {code} is {name}");
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
