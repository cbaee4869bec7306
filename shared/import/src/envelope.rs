//! The workflows of a file, whatever they are wrapped in.

use crate::fault::{Problem, Problems, Spot};
use crate::json::{At, NodeId, Tree};
use crate::report::Rule;
use crate::version::Form;

/// Where the REST API keeps what it answers.
const WRAPPINGS: [&str; 2] = ["data", "totalList"];

/// The elements of a file: a list of workflows, one workflow, or either in an answer of the REST API.
pub(crate) fn elements(tree: &Tree) -> Result<Vec<NodeId>, Problems> {
    let mut at = tree.root();
    if let Some(code) = error_code(at) {
        let message = format!("this is an answer of the REST API that reports the error {code}");
        return Err(Problems::one(Some("fetch it again"), message));
    }
    while let Some(inner) = wrapped(at) {
        at = inner;
    }
    let elements: Vec<_> = if at.is_list() {
        at.items().map(|item| item.id).collect()
    } else {
        vec![at.id]
    };
    if elements.is_empty() {
        return Err(Problems::one(
            None,
            "there is no workflow in this file".to_owned(),
        ));
    }
    mark_wrapping(tree.root(), at);
    Ok(elements)
}

/// Marks what an answer of the REST API wraps a list in.
pub(crate) fn unwrap(tree: &Tree) {
    let mut at = tree.root();
    while let Some(inner) = wrapped(at) {
        at = inner;
    }
    mark_wrapping(tree.root(), at);
}

/// Whether a file holds nothing at all, or is an answer that does.
pub(crate) fn is_nothing(tree: &Tree) -> bool {
    let root = tree.root();
    let mut at = root;
    while let Some(inner) = wrapped(at) {
        at = inner;
    }
    root.is_hollow() || (error_code(root).is_none() && at.id != root.id && at.is_hollow())
}

fn error_code(at: At<'_>) -> Option<i64> {
    let is_answer = at.get("msg").is_some() && Form::of(at).is_none();
    let code = at.get("code").filter(|_| is_answer).and_then(At::integer);
    code.filter(|code| *code != 0)
}

/// What an answer holds, if this is one.
fn wrapped(at: At<'_>) -> Option<At<'_>> {
    if Form::of(at).is_some() {
        return None;
    }
    let inner = WRAPPINGS.iter().find_map(|key| at.get(key));
    inner.filter(|inner| inner.is_list() || inner.is_object())
}

/// Codes, messages and page numbers around the workflows.
fn mark_wrapping(root: At<'_>, inner: At<'_>) {
    let mut at = root;
    while at.id != inner.id {
        let next = wrapped(at);
        let others = at
            .entries()
            .filter(|(_, other)| next.is_none_or(|next| next.id != other.id));
        others
            .filter(|(key, _)| OF_ANSWER.contains(key))
            .for_each(|(_, other)| other.ignored(Rule::Answer));
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
}

const OF_ANSWER: [&str; 11] = [
    "code",
    "msg",
    "success",
    "failed",
    "total",
    "totalPage",
    "pageSize",
    "currentPage",
    "pageNo",
    "start",
    "dataList",
];

/// Texts of an element that hold JSON, and those of its definition and its tasks.
const OF_ELEMENT: [&str; 9] = [
    "processDefinitionJson",
    "processDefinitionLocations",
    "processDefinitionConnects",
    "connects",
    "taskDefinitionJson",
    "taskRelationJson",
    "globalParams",
    "locations",
    "schedule",
];
const DEFINITIONS: [&str; 3] = [
    "processDefinition",
    "workflowDefinition",
    "processDefinitionJson",
];
const OF_DEFINITION: [&str; 2] = ["globalParams", "locations"];
const TASKS: [&str; 3] = ["taskDefinitionList", "taskDefinitionJson", "tasks"];
const OF_TASK: [&str; 2] = ["taskParams", "params"];

/// Reads the JSON in texts. Gives those after which further text follows.
pub(crate) fn expand(tree: &mut Tree, elements: &[NodeId], problems: &mut Problems) -> Vec<NodeId> {
    let mut trailing = Vec::new();
    let known = |id: &&NodeId| Form::of(tree.at(**id)).is_some();
    let elements: Vec<_> = elements.iter().filter(known).copied().collect();
    // What is in a text may hold further texts.
    for texts in [of_elements, of_definitions, of_tasks] {
        for id in texts(tree, &elements) {
            match tree.expand(id) {
                Ok(false) => {}
                Ok(true) => trailing.push(id),
                Err(error) => problems.push(Problem {
                    spot: Spot::of(tree.at(id)),
                    message: format!("the text holds no JSON: {error}"),
                    hint: None,
                }),
            }
        }
    }
    trailing
}

fn of_elements(tree: &Tree, elements: &[NodeId]) -> Vec<NodeId> {
    let elements = elements.iter().map(|element| tree.at(*element));
    filled(elements.flat_map(|element| values(element, &OF_ELEMENT)))
}

fn of_definitions(tree: &Tree, elements: &[NodeId]) -> Vec<NodeId> {
    let elements = elements.iter().map(|element| tree.at(*element));
    let definitions = elements.flat_map(|element| values(element, &DEFINITIONS));
    filled(definitions.flat_map(|definition| values(definition, &OF_DEFINITION)))
}

fn of_tasks(tree: &Tree, elements: &[NodeId]) -> Vec<NodeId> {
    let elements = elements.iter().map(|element| tree.at(*element));
    let holders =
        elements.flat_map(|element| std::iter::once(element).chain(values(element, &DEFINITIONS)));
    let tasks = holders
        .flat_map(|holder| values(holder, &TASKS))
        .flat_map(At::items);
    filled(tasks.flat_map(|task| values(task, &OF_TASK)))
}

fn values<'t>(at: At<'t>, keys: &[&str]) -> Vec<At<'t>> {
    keys.iter().filter_map(|key| at.get(key)).collect()
}

fn filled<'t>(texts: impl Iterator<Item = At<'t>>) -> Vec<NodeId> {
    let filled = texts.filter(|at| at.text().is_some_and(|text| !text.trim().is_empty()));
    filled.map(|at| at.id).collect()
}
