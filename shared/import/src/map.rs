//! From a tree to workflows: reads on after a fault, and marks what it used.

mod graph;
mod index;
mod kind;
mod output;
mod parameter;
mod reference;
mod scalar;
mod schedule;
mod task;
mod workflow;

use std::collections::BTreeMap;

use porpoise_model::Name;
use porpoise_model::limits::NAME_CHARS_MAX;
use porpoise_model::workflow::Workflow;

use crate::fault::{Problem, Problems, Spot};
use crate::json::{At, NodeId, Tree};
use crate::report::{Notes, Rule, Topic};
use index::Index;

/// The dialect of the workflows.
pub(crate) const DIALECT: &str = "dolphinscheduler/3.1";

/// Maps the workflows of one file.
#[derive(Debug)]
struct Mapper<'t> {
    project: &'t Name,
    problems: Problems,
    notes: Notes,
    index: Index<'t>,
}

/// Every workflow of a file, or every fault.
pub(crate) fn workflows(
    tree: &Tree,
    elements: &[NodeId],
    project: &Name,
) -> Result<(Vec<Workflow>, Notes), Problems> {
    let index = Index::of(tree, elements);
    let mut mapper = Mapper {
        project,
        problems: Problems::default(),
        notes: Notes::default(),
        index,
    };
    let mut workflows: Vec<Workflow> = Vec::new();
    let mut taken = Taken::new();
    for element in elements {
        let element = tree.at(*element);
        mapper.notes.workflow = None;
        let Some(mut workflow) = mapper.workflow(element) else {
            continue;
        };
        workflow.name = mapper.unique(element, &workflow.name, &mut taken);
        workflows.push(workflow);
    }
    mapper.notes.workflow = None;
    mapper.problems.into_result()?;
    Ok((workflows, mapper.notes))
}

impl<'t> Mapper<'t> {
    fn fault(&mut self, at: At<'_>, message: impl Into<String>, hint: Option<&str>) {
        self.problems.push(Problem {
            spot: spot(at),
            message: message.into(),
            hint: hint.map(Into::into),
        });
    }

    /// A name that no earlier workflow of the file has: `orders`, `orders (2)` …
    fn unique(&mut self, element: At<'t>, name: &Name, taken: &mut Taken) -> Name {
        let mut free = name.clone();
        // Numbers go on where the last workflow of this name stopped: a file of one name takes no longer.
        let mut number = taken.get(name).copied().unwrap_or(1);
        while taken.contains_key(&free) {
            number += 1;
            free = numbered(name, number);
        }
        if free != *name {
            taken.insert(name.clone(), number);
            let message = format!(
                "the file has an earlier workflow named `{name}`: this one is `{free}` now"
            );
            self.notes
                .add(element, Topic::Renamed, free.as_str(), message);
        }
        taken.insert(free.clone(), 1);
        free
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

fn numbered(name: &Name, number: usize) -> Name {
    let suffix = format!(" ({number})");
    let kept = NAME_CHARS_MAX.saturating_sub(suffix.chars().count());
    let stem: String = name.as_str().chars().take(kept).collect();
    format!("{}{suffix}", stem.trim_end())
        .parse()
        .unwrap_or_else(|_| name.clone())
}

/// The place of a node, or of the text that it is in.
fn spot(at: At<'_>) -> Spot {
    let mut of_file = at;
    while of_file.id.0 >= at.tree.of_file
        && let Some(parent) = of_file.parent()
    {
        of_file = parent;
    }
    Spot::Node {
        path: at.path(),
        of_file: of_file.id,
    }
}
