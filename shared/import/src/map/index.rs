//! What the codes of the files stand for.

use std::collections::BTreeMap;

use porpoise_model::{Name, ValueType};

use super::child::can_stand;
use super::parameter::{DIRECTIONS, Direction, TYPES};
use super::scalar::known_word;
use super::{File, Owners, scalar};
use crate::json::At;

/// Names with their types.
type HandedUp = Vec<(String, ValueType)>;

/// Names by code. Codes of workflows and of tasks are separate: one number may be both.
#[derive(Debug, Default)]
pub(super) struct Index<'t> {
    workflows: BTreeMap<i64, &'t Name>,
    /// The projects that a mapping file names for workflows that no file holds.
    owners: BTreeMap<i64, &'t Name>,
    /// By workflow and task.
    tasks: BTreeMap<(i64, i64), Name>,
    /// The projects of workflows that the files hold.
    homes: BTreeMap<i64, &'t Name>,
    /// What workflows hand to those above them, by project and name.
    outputs: BTreeMap<&'t Name, BTreeMap<&'t Name, HandedUp>>,
}

impl<'t> Index<'t> {
    /// `names` are what the workflows will be called; `foreign` are workflows that no file holds.
    pub(super) fn of(
        files: &[File<'t>],
        names: &'t [Vec<Option<Name>>],
        owners: &'t Owners,
        foreign: &'t BTreeMap<i64, (Option<Name>, Name)>,
    ) -> Self {
        let mut index = Self::default();
        for ((tree, elements), names) in files.iter().zip(names) {
            for (element, name) in elements.iter().zip(names) {
                let element = tree.at(element.shaped);
                let definition = element.get("processDefinition");
                let code = definition.and_then(|at| at.get("code")?.integer());
                if let (Some(definition), Some(name)) = (definition, name) {
                    let of_project = index.outputs.entry(owners.of(element)).or_default();
                    of_project.insert(name, handed_up(definition));
                }
                let (Some(code), Some(name)) = (code, name) else {
                    continue;
                };
                index.workflows.entry(code).or_insert(name);
                index.homes.entry(code).or_insert(owners.of(element));
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

    /// The project here of a workflow, if files or a mapping file tell.
    pub(super) fn home(&self, code: i64) -> Option<&'t Name> {
        let home = self.homes.get(&code).or_else(|| self.owners.get(&code));
        home.copied()
    }

    /// Whether a workflow is of this project here; one of which nothing else is known is.
    pub(super) fn is_of(&self, code: i64, project: &Name) -> bool {
        self.home(code).is_none_or(|home| home == project)
    }

    /// What the workflow of this name hands on; `None` if the files have none of that name in the project.
    pub(super) fn outputs(&self, project: &Name, name: &Name) -> Option<&[(String, ValueType)]> {
        self.outputs.get(project)?.get(name).map(Vec::as_slice)
    }

    /// Whether the files have a workflow of this name in the project.
    pub(super) fn has(&self, project: &Name, workflow: &Name) -> bool {
        self.outputs(project, workflow).is_some()
    }

    pub(super) fn task(&self, workflow: i64, task: i64) -> Option<&Name> {
        self.tasks.get(&(workflow, task))
    }
}

/// The OUT parameters of a workflow.
fn handed_up(definition: At<'_>) -> HandedUp {
    let globals = definition.get("globalParams").into_iter();
    let out = globals.flat_map(At::items).filter_map(|at| {
        let is_out = known_word(at.get("direct")?, DIRECTIONS) == Some(Direction::Out);
        let name = at.get("prop")?.text()?.trim().parse::<Name>().ok()?;
        let kind = at.get("type").and_then(|at| known_word(at, TYPES));
        let name = Some(name.to_string()).filter(|name| is_out && can_stand(name))?;
        Some((name, kind.unwrap_or_default()))
    });
    out.collect()
}

fn named(at: At<'_>) -> Option<(i64, Name)> {
    Some((at.get("code")?.integer()?, scalar::named(at.get("name")?)?))
}
