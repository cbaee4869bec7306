//! From a tree to workflows: reads on after a fault, and marks what it used.

mod blocking;
mod branch;
mod child;
mod dependent;
mod dynamic;
mod graph;
mod http;
mod index;
mod kind;
mod output;
mod parameter;
mod procedure;
mod reference;
mod scalar;
mod schedule;
mod sql;
mod task;
mod variable;
mod workflow;

use std::collections::BTreeMap;

use jiff::civil::Date;
use porpoise_model::Name;
use porpoise_model::limits::NAME_CHARS_MAX;
use porpoise_model::workflow::Workflow;

use crate::Options;
use crate::fault::{Problem, Problems, Spot};
use crate::json::{At, Tree};
use crate::report::{Notes, Rule, Topic};
use crate::shape::Element;
use crate::version::Version;
use index::Index;
pub(crate) use kind::is_logic;
pub(crate) use parameter::TYPES;
pub(crate) use scalar::known_word;
pub(crate) use sql::target_of_source;

/// Maps the workflows of some files.
#[derive(Debug)]
struct Mapper<'t> {
    project: &'t Name,
    /// What the project of the workflow is called there, if the file tells.
    there: Option<Name>,
    /// The zone of schedules that name none.
    zone: Option<&'t str>,
    /// The day on which schedules begin to fire here.
    switch_date: Option<Date>,
    /// As what the workflow is read that is being mapped.
    version: Version,
    /// Whether its schedule tells its real state.
    is_state_known: bool,
    problems: Problems,
    notes: Notes,
    index: Index<'t>,
}

/// A file and its workflows.
pub(crate) type File<'t> = (&'t Tree, &'t [Element]);

/// The workflows of a file, in its order.
pub(crate) type Mapped = Vec<(Version, Workflow)>;

/// Every workflow of every file, or the faults of each file.
pub(crate) fn workflows(
    files: &[File<'_>],
    owners: &Owners,
    options: &Options,
    foreign: &BTreeMap<i64, (Option<Name>, Name)>,
) -> Result<(Vec<Mapped>, Notes), Vec<Problems>> {
    let names = names(files, owners);
    let mut mapper = Mapper {
        project: &owners.default,
        there: None,
        zone: options.timezone.as_deref(),
        switch_date: options.switch_date,
        version: Version::V3_1,
        problems: Problems::default(),
        notes: Notes::default(),
        is_state_known: false,
        index: Index::of(files, &names, owners, foreign),
    };
    let mut all = Vec::new();
    let mut problems = Vec::new();
    for (number, ((tree, elements), names)) in files.iter().zip(&names).enumerate() {
        mapper.notes.file = number;
        let mut mapped = Mapped::new();
        for (element, name) in elements.iter().zip(names) {
            mapper.notes.workflow = name.as_ref().map(|name| name.as_str().into());
            mapper.version = element.version;
            mapper.is_state_known = element.is_state_known;
            let at = tree.at(element.shaped);
            mapper.project = owners.of(at);
            mapper.there = project_there(at);
            let Some(mut workflow) = mapper.workflow(at, element.form) else {
                continue;
            };
            if let Some(name) = name.as_ref().filter(|name| **name != workflow.name) {
                mapper.renumbered(tree.at(element.at), &workflow.name, name);
                workflow.name = name.clone();
            }
            mapped.push((element.version, workflow));
        }
        all.push(mapped);
        problems.push(std::mem::take(&mut mapper.problems));
    }
    mapper.notes.workflow = None;
    if problems.iter().all(Problems::is_empty) {
        Ok((all, mapper.notes))
    } else {
        Err(problems)
    }
}

/// The projects that are to own workflows.
#[derive(Debug)]
pub(crate) struct Owners {
    /// Where nothing else is known.
    pub(crate) default: Name,
    /// By the code that the project has there.
    pub(crate) by_code: BTreeMap<i64, Name>,
}

impl Owners {
    fn of(&self, element: At<'_>) -> &Name {
        let definition = element.get("processDefinition");
        let code = definition.and_then(|at| at.get("projectCode")?.integer());
        self.of_code(code).unwrap_or(&self.default)
    }

    /// Who owns what a project has there, if that is known of the project.
    pub(crate) fn of_code(&self, code: Option<i64>) -> Option<&Name> {
        self.by_code.get(&code?)
    }
}

/// Exports of 1.x and files of the SDK name the project.
fn project_there(element: At<'_>) -> Option<Name> {
    let definition = element.get("processDefinition")?;
    let names = ["projectName", "project"];
    let named = names.iter().find_map(|key| definition.get(key))?;
    scalar::named(named)
}

/// What each workflow will be called: no two of a project alike.
fn names(files: &[File<'_>], owners: &Owners) -> Vec<Vec<Option<Name>>> {
    let mut taken: BTreeMap<&Name, Taken> = BTreeMap::new();
    let of_file = |(tree, elements): &File<'_>| {
        let mut name = |element: &Element| {
            let element = tree.at(element.shaped);
            let definition = element.get("processDefinition")?;
            let name = scalar::named(definition.get("name")?)?;
            let taken = taken.entry(owners.of(element)).or_default();
            Some(unique(&name, taken))
        };
        elements.iter().map(&mut name).collect()
    };
    let mut of_file = of_file;
    files.iter().map(&mut of_file).collect()
}

impl<'t> Mapper<'t> {
    fn fault(&mut self, at: At<'_>, message: impl Into<String>, hint: Option<&str>) {
        self.problems.push(Problem {
            spot: Spot::of(at),
            message: message.into(),
            hint: hint.map(Into::into),
        });
    }

    fn renumbered(&mut self, element: At<'t>, name: &Name, free: &Name) {
        let message =
            format!("the file has an earlier workflow named `{name}`: this one is `{free}` now");
        self.notes
            .add(element, Topic::Renamed, free.as_str(), message);
    }

    /// Fields that do not matter, by the rule that says why.
    fn ignore(object: At<'_>, rules: &[(Rule, &[&str])]) {
        for (rule, keys) in rules {
            keys.iter()
                .filter_map(|key| object.get(key))
                .for_each(|at| at.ignored(*rule));
        }
    }
}

/// Names of workflows, with the last number that each was given.
type Taken = BTreeMap<Name, usize>;

/// A name that no earlier workflow has: `orders`, `orders (2)` …
fn unique(name: &Name, taken: &mut Taken) -> Name {
    let mut free = name.clone();
    // Numbers go on where the last workflow of this name stopped: many of one name take no longer.
    let mut number = taken.get(name).copied().unwrap_or(1);
    while taken.contains_key(&free) {
        number += 1;
        free = numbered(name, number);
    }
    if free != *name {
        taken.insert(name.clone(), number);
    }
    taken.insert(free.clone(), 1);
    free
}

fn numbered(name: &Name, number: usize) -> Name {
    let suffix = format!(" ({number})");
    let kept = NAME_CHARS_MAX.saturating_sub(suffix.chars().count());
    let stem: String = name.as_str().chars().take(kept).collect();
    format!("{}{suffix}", stem.trim_end())
        .parse()
        .unwrap_or_else(|_| name.clone())
}
