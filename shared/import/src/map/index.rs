//! What the codes of a file stand for.

use std::collections::BTreeMap;

use crate::json::{At, NodeId, Tree};

/// Names by code. Codes of workflows and of tasks are separate: one number may be both.
#[derive(Debug, Default)]
pub(super) struct Index<'t> {
    workflows: BTreeMap<i64, &'t str>,
    /// By workflow and task.
    tasks: BTreeMap<(i64, i64), &'t str>,
}

impl<'t> Index<'t> {
    pub(super) fn of(tree: &'t Tree, elements: &[NodeId]) -> Self {
        let mut index = Self::default();
        for element in elements {
            let element = tree.at(*element);
            let Some((code, name)) = element.get("processDefinition").and_then(named) else {
                continue;
            };
            index.workflows.entry(code).or_insert(name);
            let tasks = element
                .get("taskDefinitionList")
                .into_iter()
                .flat_map(At::items);
            for (task, name) in tasks.filter_map(named) {
                index.tasks.entry((code, task)).or_insert(name);
            }
        }
        index
    }

    pub(super) fn workflow(&self, code: i64) -> Option<&'t str> {
        self.workflows.get(&code).copied()
    }

    pub(super) fn task(&self, workflow: i64, task: i64) -> Option<&'t str> {
        self.tasks.get(&(workflow, task)).copied()
    }
}

fn named(at: At<'_>) -> Option<(i64, &str)> {
    Some((at.get("code")?.integer()?, at.get("name")?.text()?))
}
