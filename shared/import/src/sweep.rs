//! What the mapping left: defaults, unknown fields, and texts that look like secrets.

use crate::document::Document;
use crate::envelope;
use crate::fault::short;
use crate::json::{At, Mark, Tree};
use crate::mapping::List;
use crate::report::{Notes, Rule, Topic};
use crate::shape::Element;

/// Looks at every leaf of a file.
///
/// `names` are those of its workflows.
pub(crate) fn sweep<'n>(
    document: &Document<'_>,
    names: impl Iterator<Item = &'n str>,
    notes: &mut Notes,
) {
    let tree = &document.tree;
    if document.list == Some(List::Parameters) {
        envelope::unwrap(tree);
        for hidden in document.hidden.iter().flatten() {
            hidden.say(tree, notes);
        }
    } else if let Some(list) = document.list {
        let noun = list.noun();
        let message = format!("the file is a list of {noun}");
        notes.cover(tree.root(), Topic::Catalogue, noun, message);
    } else if document.elements.is_empty() {
        let message = "the file holds no workflow: nothing of it is carried over";
        notes.cover(tree.root(), Topic::OtherFile, "", message);
    }
    for id in &document.trailing {
        let message = "there is text after the JSON that the text holds";
        notes.add(tree.at(*id), Topic::TrailingText, "", message);
    }
    for id in &tree.repeated {
        let message = "the key is there more than once: the last value counts";
        notes.add(tree.at(*id), Topic::Repeated, "", message);
    }
    let elements = document.elements.iter().zip(&document.hidden);
    for ((element, hidden), name) in elements.zip(names) {
        notes.workflow = Some(name.into());
        version(tree, element, notes);
        for remark in &document.remarks {
            remark.say(tree, notes);
        }
        for hidden in hidden {
            hidden.say(tree, notes);
        }
        unseen(tree.at(element.at), notes);
        if element.is_state_known
            && let Some(schedule) = tree.at(element.shaped).get("schedule")
        {
            unseen(schedule, notes);
        }
    }
    notes.workflow = None;
    unseen(tree.root(), notes);
}

fn version(tree: &Tree, element: &Element, notes: &mut Notes) {
    let Element { version, looks, .. } = element;
    let (looks, is_sure) = looks;
    let message = match (element.is_said, is_sure) {
        (true, true) if looks != version => {
            format!("it looks like {looks} and was said to be of {version}")
        }
        (false, false) => format!("no key tells its version from others: it was read as {version}"),
        (_, _) => return,
    };
    notes.add(tree.at(element.at), Topic::Version, "", message);
}

/// Reports the largest parts of which nobody has looked at anything.
fn unseen(at: At<'_>, notes: &mut Notes) {
    if at.is_hollow() {
        at.ignored(Rule::Empty);
    } else if is_unseen(at) {
        let subject = short(&at.pattern());
        notes.cover(
            at,
            Topic::UnknownField,
            subject,
            "nobody knows this field here; it is left out",
        );
    } else {
        at.children().for_each(|child| unseen(child, notes));
    }
}

fn is_unseen(at: At<'_>) -> bool {
    if at.is_leaf() {
        at.mark() == Mark::Unseen
    } else {
        at.children().all(is_unseen)
    }
}
