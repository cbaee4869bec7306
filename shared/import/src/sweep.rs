//! What the mapping left: defaults, unknown fields, and texts that look like secrets.

use porpoise_model::Name;

use crate::document::Document;
use crate::fault::short;
use crate::json::{At, Mark, Tree};
use crate::report::{Notes, Rule, Topic};
use crate::shape::Element;

/// Looks at every leaf of a file.
pub(crate) fn sweep(document: &Document<'_>, notes: &mut Notes) {
    let tree = &document.tree;
    for id in &document.trailing {
        let message = "there is text after the JSON that the text holds";
        notes.add(tree.at(*id), Topic::TrailingText, "", message);
    }
    for id in &tree.repeated {
        let message = "the key is there more than once: the last value counts";
        notes.add(tree.at(*id), Topic::Repeated, "", message);
    }
    for (element, hidden) in document.elements.iter().zip(&document.hidden) {
        notes.workflow = name(tree.at(element.shaped)).map(|name| name.as_str().into());
        version(tree, element, notes);
        for hidden in hidden {
            hidden.say(tree, notes);
        }
        unseen(tree.at(element.at), notes);
    }
    notes.workflow = None;
    unseen(tree.root(), notes);
}

fn name(element: At<'_>) -> Option<Name> {
    element
        .get("processDefinition")?
        .get("name")?
        .text()?
        .trim()
        .parse()
        .ok()
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
