//! Walking a tree, reading it and marking what was read.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::{Content, Mark, NodeId, Step, Tree};
use crate::report::Rule;

/// Bytes of a key that a path shows as it is.
const KEY_BYTES_SHOWN: usize = 60;

/// A node in its tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) id: NodeId,
}

impl<'t> At<'t> {
    /// What it is; of a text that holds JSON, what that is.
    pub(crate) fn content(self) -> &'t Content {
        match self.raw() {
            Content::Embedded(inner) => self.tree.at(*inner).raw(),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::List(_)
            | Content::Object(_) => self.raw(),
        }
    }

    fn raw(self) -> &'t Content {
        self.tree
            .node(self.id)
            .map_or(&Content::Null, |node| &node.content)
    }

    /// The value of a key; none if it is absent.
    pub(crate) fn get(self, key: &str) -> Option<At<'t>> {
        match self.content() {
            Content::Object(entries) => entries.get(key).map(|id| self.tree.at(*id)),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Embedded(_)
            | Content::List(_) => None,
        }
    }

    /// The value of a key; none if it is absent or null.
    pub(crate) fn some(self, key: &str) -> Option<At<'t>> {
        self.get(key)
            .filter(|at| !matches!(at.content(), Content::Null))
    }

    /// The items of a list; nothing if it is none.
    pub(crate) fn items(self) -> impl Iterator<Item = At<'t>> {
        let items: &[NodeId] = match self.content() {
            Content::List(items) => items,
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Embedded(_)
            | Content::Object(_) => &[],
        };
        items.iter().map(move |id| self.tree.at(*id))
    }

    /// The entries of an object; nothing if it is none.
    pub(crate) fn entries(self) -> impl Iterator<Item = (&'t str, At<'t>)> {
        let entries = match self.content() {
            Content::Object(entries) => Some(entries),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Embedded(_)
            | Content::List(_) => None,
        };
        let entries = entries.into_iter().flatten();
        entries.map(move |(key, id)| (&**key, self.tree.at(*id)))
    }

    /// Whether it is a text that holds JSON.
    pub(crate) fn is_embedded(self) -> bool {
        matches!(self.raw(), Content::Embedded(_))
    }

    pub(crate) fn is_list(self) -> bool {
        matches!(self.content(), Content::List(_))
    }

    pub(crate) fn is_object(self) -> bool {
        matches!(self.content(), Content::Object(_))
    }

    /// The text, if it is one.
    pub(crate) fn text(self) -> Option<&'t str> {
        match self.raw() {
            Content::Text(text) => Some(text),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Embedded(_)
            | Content::List(_)
            | Content::Object(_) => None,
        }
    }

    /// The text of a scalar, numbers as they are written.
    pub(crate) fn scalar(self) -> Option<String> {
        match self.content() {
            Content::Text(text) => Some((**text).to_owned()),
            Content::Number(number) => Some(number.to_string()),
            Content::Bool(bool) => Some(bool.to_string()),
            Content::Null | Content::Embedded(_) | Content::List(_) | Content::Object(_) => None,
        }
    }

    /// True or false, also as a text.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.raw() {
            Content::Bool(bool) => Some(*bool),
            Content::Text(text) => text.trim().parse().ok(),
            Content::Null
            | Content::Number(_)
            | Content::Embedded(_)
            | Content::List(_)
            | Content::Object(_) => None,
        }
    }

    /// A whole number, also one that is written as a text.
    pub(crate) fn integer(self) -> Option<i64> {
        match self.raw() {
            Content::Number(number) => number.as_i64().or_else(|| whole(number)),
            Content::Text(text) => text.trim().parse().ok(),
            Content::Null
            | Content::Bool(_)
            | Content::Embedded(_)
            | Content::List(_)
            | Content::Object(_) => None,
        }
    }

    /// Null, an empty text, an empty list or an empty object.
    pub(crate) fn is_empty(self) -> bool {
        match self.content() {
            Content::Null => true,
            Content::Text(text) => text.is_empty(),
            Content::List(items) => items.is_empty(),
            Content::Object(entries) => entries.is_empty(),
            Content::Bool(_) | Content::Number(_) | Content::Embedded(_) => false,
        }
    }

    /// Holds nothing but empty values, however deep.
    pub(crate) fn is_hollow(self) -> bool {
        self.is_empty() || (!self.is_leaf() && self.children().all(Self::is_hollow))
    }

    pub(crate) fn is_leaf(self) -> bool {
        match self.raw() {
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => true,
            Content::List(items) => items.is_empty(),
            Content::Object(entries) => entries.is_empty(),
            Content::Embedded(_) => false,
        }
    }

    /// Whether the tree still holds it: the first value of a repeated key is not in its object any more.
    pub(super) fn is_attached(self) -> bool {
        let mut at = self;
        while let Some(parent) = at.parent() {
            let held = match (parent.raw(), at.step()) {
                (Content::Object(entries), Step::Key(key)) => entries.get(key) == Some(&at.id),
                _ => true,
            };
            if !held {
                return false;
            }
            at = parent;
        }
        true
    }

    pub(crate) fn children(self) -> Box<dyn Iterator<Item = At<'t>> + 't> {
        match self.raw() {
            Content::Embedded(inner) => Box::new(std::iter::once(self.tree.at(*inner))),
            Content::List(_) => Box::new(self.items()),
            Content::Object(_) => Box::new(self.entries().map(|(_, at)| at)),
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => {
                Box::new(std::iter::empty())
            }
        }
    }

    pub(crate) fn parent(self) -> Option<At<'t>> {
        let parent = self.tree.node(self.id)?.parent?;
        Some(self.tree.at(parent))
    }

    pub(crate) fn step(self) -> &'t Step {
        self.tree
            .node(self.id)
            .map_or(&Step::Root, |node| &node.step)
    }

    /// The key by which its object holds it.
    pub(crate) fn key(self) -> Option<&'t str> {
        match self.step() {
            Step::Key(key) => Some(key),
            Step::Inside => self.parent().and_then(Self::key),
            Step::Root | Step::Index(_) => None,
        }
    }

    pub(crate) fn mark(self) -> Mark {
        self.tree
            .node(self.id)
            .map_or(Mark::Used, |node| node.mark.get())
    }

    /// Marks every leaf below that nobody has looked at.
    ///
    /// What was made from a leaf of the file speaks for that leaf.
    pub(crate) fn mark_all(self, mark: Mark) {
        if self.is_leaf() {
            if self.mark() == Mark::Unseen
                && let Some(node) = self.tree.node(self.id)
            {
                node.mark.set(mark);
            }
            if self.is_made()
                && let Some(origin) = self.parent().filter(|at| at.is_leaf())
            {
                origin.mark_all(mark);
            }
            return;
        }
        self.children().for_each(|child| child.mark_all(mark));
    }

    pub(crate) fn used(self) -> Self {
        self.mark_all(Mark::Used);
        self
    }

    pub(crate) fn ignored(self, rule: Rule) {
        self.mark_all(Mark::Ignored(rule));
    }

    /// `[2].taskDefinitionList[5].taskParams.sql`; what is in a text that holds JSON goes on after it.
    pub(crate) fn path(self) -> String {
        self.path_with(|path, index| {
            let _ = write!(path, "[{index}]");
        })
    }

    /// The path without numbers: `[].taskDefinitionList[].taskParams.sql`.
    pub(crate) fn pattern(self) -> String {
        self.path_with(|path, _| path.push_str("[]"))
    }

    fn path_with(self, index: impl Fn(&mut String, usize)) -> String {
        let mut steps = Vec::new();
        let mut at = Some(self);
        while let Some(this) = at {
            steps.push(this.step());
            at = this.parent();
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root | Step::Inside => {}
                Step::Index(number) => index(&mut path, *number),
                Step::Key(key) => push_key(&mut path, key),
            }
        }
        path
    }

    /// The same, as a value.
    pub(crate) fn to_value(self) -> Value {
        match self.content() {
            Content::Null | Content::Embedded(_) => Value::Null,
            Content::Bool(bool) => Value::Bool(*bool),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String((**text).to_owned()),
            Content::List(_) => self.items().map(Self::to_value).collect(),
            Content::Object(_) => self
                .entries()
                .map(|(key, at)| (key.to_owned(), at.to_value()))
                .collect(),
        }
    }
}

fn push_key(path: &mut String, key: &str) {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
        && key.len() <= KEY_BYTES_SHOWN;
    if plain && path.is_empty() {
        path.push_str(key);
    } else if plain {
        let _ = write!(path, ".{key}");
    } else {
        let _ = write!(path, "[{:?}]", crate::fault::short(key));
    }
}

/// `3.0` as 3.
fn whole(number: &Number) -> Option<i64> {
    let float = number
        .as_f64()
        .filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
    format!("{float:.0}").parse().ok()
}
