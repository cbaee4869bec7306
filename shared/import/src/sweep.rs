//! What the mapping left: defaults, unknown fields, and texts that look like secrets.

mod secret;

use porpoise_model::Name;

use crate::json::{At, Mark, NodeId, Tree};
use crate::report::{Notes, Rule, Topic};
use crate::version::{Detected, detect};
use crate::{Options, fault::short};

/// Looks at every leaf. `trailing` are texts with more in them than their JSON.
pub(crate) fn sweep(
    tree: &Tree,
    elements: &[NodeId],
    trailing: &[NodeId],
    options: &Options,
    notes: &mut Notes,
) {
    for id in trailing {
        let message = "there is text after the JSON that the text holds";
        notes.add(tree.at(*id), Topic::TrailingText, "", message);
    }
    for id in &tree.repeated {
        let message = "the key is there more than once: the last value counts";
        notes.add(tree.at(*id), Topic::Repeated, "", message);
    }
    for element in elements {
        let element = tree.at(*element);
        notes.workflow = name(element).map(|name| name.as_str().into());
        version(element, options, notes);
        secret::look(element, notes);
        unseen(element, notes);
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

fn version(element: At<'_>, options: &Options, notes: &mut Notes) {
    let said = options.from_version.is_some();
    let message = match detect(element) {
        Detected::Version(crate::Version::V3_1) => return,
        Detected::Version(other) => format!("it looks like {other} and was said to be of 3.1"),
        Detected::Unmarked | Detected::CreateRequest | Detected::Foreign(_) if said => return,
        Detected::Unmarked | Detected::CreateRequest | Detected::Foreign(_) => {
            "no key tells its version: it was read as 3.1".to_owned()
        }
    };
    notes.add(element, Topic::Version, "", message);
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
