//! Nodes that are made: one form of file shown in the shape of another.
//!
//! Objects and lists that are made hold nodes of the file itself, which keep their places and their marks. A leaf that
//! is made either stands for a leaf of the file, and then what becomes of it becomes of that one, or for nothing.

use indexmap::IndexMap;

use super::{At, Content, NodeId, Step, Tree};

/// An object in the making.
#[derive(Debug, Default)]
pub(crate) struct Entries(IndexMap<Box<str>, NodeId>);

impl Entries {
    pub(crate) fn put(&mut self, key: &str, node: NodeId) {
        self.0.insert(key.into(), node);
    }

    /// The value of a key of an object, under a key of its own; nothing if it is not there.
    pub(crate) fn put_from(&mut self, key: &str, object: At<'_>, from: &str) {
        if let Some(at) = object.get(from) {
            self.put(key, at.id);
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }
}

impl Tree {
    /// From here on nodes are made.
    pub(crate) fn begin_making(&mut self) {
        self.given.get_or_insert(self.nodes.len());
    }

    pub(crate) fn make_object(&mut self, within: NodeId, entries: Entries) -> NodeId {
        self.make(within, Content::Object(entries.0))
    }

    pub(crate) fn make_list(&mut self, within: NodeId, items: Vec<NodeId>) -> NodeId {
        self.make(within, Content::List(items))
    }

    /// A text: in the place of `from` if that is a leaf of the file.
    pub(crate) fn make_text(&mut self, from: NodeId, text: impl Into<Box<str>>) -> NodeId {
        self.make(from, Content::Text(text.into()))
    }

    /// A whole number: in the place of `from` if that is a leaf of the file.
    pub(crate) fn make_number(&mut self, from: NodeId, number: i64) -> NodeId {
        self.make(from, Content::Number(number.into()))
    }

    fn make(&mut self, from: NodeId, content: Content) -> NodeId {
        let id = self.push(Some(from), Step::Inside);
        self.set(id, content);
        id
    }
}

impl At<'_> {
    /// Whether it is not of the file.
    pub(crate) fn is_made(self) -> bool {
        self.tree.given.is_some_and(|given| self.id.0 >= given)
    }
}
