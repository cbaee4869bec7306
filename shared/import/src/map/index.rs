//! What the codes of the files stand for.

use std::collections::BTreeMap;

use porpoise_model::Name;

use super::{File, scalar};
use crate::json::At;

/// Names by code. Codes of workflows and of tasks are separate: one number may be both.
#[derive(Debug, Default)]
pub(super) struct Index<'t> {
    workflows: BTreeMap<i64, &'t Name>,
    /// The projects that a mapping file names for workflows that no file holds.
    owners: BTreeMap<i64, &'t Name>,
    /// By workflow and task.
    tasks: BTreeMap<(i64, i64), Name>,
}

impl<'t> Index<'t> {
    /// `names` are what the workflows will be called; `foreign` are workflows that no file holds.
    pub(super) fn of(
        files: &[File<'t>],
        names: &'t [Vec<Option<Name>>],
        foreign: &'t BTreeMap<i64, (Option<Name>, Name)>,
    ) -> Self {
        let mut index = Self::default();
        for ((tree, elements), names) in files.iter().zip(names) {
            for (element, name) in elements.iter().zip(names) {
                let element = tree.at(element.shaped);
                let definition = element.get("processDefinition");
                let code = definition.and_then(|at| at.get("code")?.integer());
                let (Some(code), Some(name)) = (code, name) else {
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
        }
        for (code, (project, name)) in foreign {
            index.workflows.entry(*code).or_insert(name);
            if let Some(project) = project {
                index.owners.entry(*code).or_insert(project);
            }
        }
        index
    }

    pub(super) fn workflow(&self, code: i64) -> Option<&'t Name> {
        self.workflows.get(&code).copied()
    }

    /// The project here of a workflow that no file holds, if a mapping file names it.
    pub(super) fn owner(&self, code: i64) -> Option<&'t Name> {
        self.owners.get(&code).copied()
    }

    pub(super) fn task(&self, workflow: i64, task: i64) -> Option<&Name> {
        self.tasks.get(&(workflow, task))
    }
}

fn named(at: At<'_>) -> Option<(i64, Name)> {
    Some((at.get("code")?.integer()?, scalar::named(at.get("name")?)?))
}
