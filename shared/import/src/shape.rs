//! Every form of file in the shape of one: `processDefinition`, its relations, its tasks and its schedule.
//!
//! The nodes of the file stay what and where they are; only the objects around them are made.

mod old;
pub(crate) mod python;

use crate::fault::{Problem, Problems, Spot};
use crate::json::{Entries, NodeId, Tree};
use crate::version::{Form, Version, detect, foreign};

/// A workflow of a file.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    /// As it stands in the file.
    pub(crate) at: NodeId,
    /// In the one shape.
    pub(crate) shaped: NodeId,
    pub(crate) form: Form,
    /// As which it is read.
    pub(crate) version: Version,
    /// Whether somebody says so.
    pub(crate) is_said: bool,
    /// What its keys say, and whether they leave no doubt.
    pub(crate) looks: (Version, bool),
    /// Whether its schedule tells its real state: an export never does.
    pub(crate) is_state_known: bool,
}

/// Brings the elements of a file of JSON into the one shape. `said` is the version that somebody says wrote them.
pub(crate) fn shape(
    tree: &mut Tree,
    elements: &[NodeId],
    said: Option<Version>,
    problems: &mut Problems,
) -> Vec<Element> {
    let mut shaped = Vec::new();
    tree.begin_making();
    for id in elements {
        let at = tree.at(*id);
        let Some(form) = Form::of(at) else {
            let (message, hint) = foreign(at);
            problems.push(Problem {
                spot: Spot::of(at),
                message,
                hint: Some(hint.to_owned()),
            });
            continue;
        };
        let looks = detect(form, at);
        if let Some(problem) = contradiction(form, said, Spot::of(at)) {
            problems.push(problem);
        }
        let in_shape = match form {
            // Files of the SDK are no JSON.
            Form::Process | Form::Python => *id,
            Form::Workflow => renamed(tree, *id),
            Form::Create => created(tree, *id),
            Form::Old => old::shape(tree, *id, problems),
        };
        shaped.push(Element {
            at: *id,
            shaped: in_shape,
            form,
            version: said.unwrap_or(looks.0),
            is_said: said.is_some(),
            looks,
            is_state_known: false,
        });
    }
    shaped
}

/// No version of DolphinScheduler reads the form of another.
pub(crate) fn contradiction(form: Form, said: Option<Version>, spot: Spot) -> Option<Problem> {
    let said = said.filter(|said| !form.writers().contains(said))?;
    Some(Problem {
        spot,
        message: format!("this is {}, and is said to be of {said}", form.noun()),
        hint: Some("leave --from-version out, or say another".to_owned()),
    })
}

/// 3.3 renamed keys.
fn renamed(tree: &mut Tree, id: NodeId) -> NodeId {
    let at = tree.at(id);
    let mut entries = Entries::default();
    entries.put_from("processDefinition", at, "workflowDefinition");
    entries.put_from("processTaskRelationList", at, "workflowTaskRelationList");
    entries.put_from("taskDefinitionList", at, "taskDefinitionList");
    entries.put_from("schedule", at, "schedule");
    tree.make_object(id, entries)
}

/// A create request is its own definition.
fn created(tree: &mut Tree, id: NodeId) -> NodeId {
    let at = tree.at(id);
    let mut entries = Entries::default();
    entries.put("processDefinition", id);
    entries.put_from("processTaskRelationList", at, "taskRelationJson");
    entries.put_from("taskDefinitionList", at, "taskDefinitionJson");
    entries.put_from("schedule", at, "schedule");
    tree.make_object(id, entries)
}
