//! The workflows of a file, whatever they are wrapped in.

use crate::fault::{Problem, Problems, Spot};
use crate::json::{At, NodeId, Tree};
use crate::report::Rule;

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

fn error_code(at: At<'_>) -> Option<i64> {
    let is_answer = at.get("msg").is_some() && at.get("processDefinition").is_none();
    let code = at.get("code").filter(|_| is_answer).and_then(At::integer);
    code.filter(|code| *code != 0)
}

/// What an answer holds, if this is one.
fn wrapped(at: At<'_>) -> Option<At<'_>> {
    if at.get("processDefinition").is_some() {
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

const OF_ANSWER: [&str; 9] = [
    "code",
    "msg",
    "success",
    "failed",
    "total",
    "totalPage",
    "pageSize",
    "currentPage",
    "pageNo",
];

/// Texts that hold JSON.
const OF_DEFINITION: [&str; 2] = ["globalParams", "locations"];

/// Reads the JSON in texts. Gives those after which further text follows.
pub(crate) fn expand(tree: &mut Tree, elements: &[NodeId]) -> Result<Vec<NodeId>, Problems> {
    let mut problems = Problems::default();
    let mut trailing = Vec::new();
    for id in texts(tree, elements) {
        match tree.expand(id) {
            Ok(false) => {}
            Ok(true) => trailing.push(id),
            Err(error) => {
                let spot = Spot::Node {
                    path: tree.at(id).path(),
                    of_file: id,
                };
                let message = format!("the text holds no JSON: {error}");
                problems.push(Problem {
                    spot,
                    message,
                    hint: None,
                });
            }
        }
    }
    problems.into_result()?;
    Ok(trailing)
}

fn texts(tree: &Tree, elements: &[NodeId]) -> Vec<NodeId> {
    let mut texts = Vec::new();
    for element in elements {
        let element = tree.at(*element);
        let definition = element.get("processDefinition");
        texts.extend(OF_DEFINITION.iter().filter_map(|key| definition?.get(key)));
        let tasks = element
            .get("taskDefinitionList")
            .into_iter()
            .flat_map(At::items);
        texts.extend(tasks.filter_map(|task| task.get("taskParams")));
    }
    texts.retain(|at| at.text().is_some_and(|text| !text.trim().is_empty()));
    texts.into_iter().map(|at| at.id).collect()
}
