//! Nodes that are made: one form of file shown in the shape of another.
//!
//! Objects and lists that are made hold nodes of the file itself, which keep their places and their marks. A leaf that
//! is made either stands for a leaf of the file, and then what becomes of it becomes of that one, or for nothing.

use indexmap::IndexMap;
use serde_json::Value;

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

    /// A value of another tree, under a key.
    pub(crate) fn make_value(&mut self, within: NodeId, key: &str, value: Value) -> NodeId {
        let id = self.push(Some(within), Step::Key(key.into()));
        let content = self.content_of(id, value);
        self.set(id, content);
        id
    }

    fn content_of(&mut self, within: NodeId, value: Value) -> Content {
        match value {
            Value::Null => Content::Null,
            Value::Bool(bool) => Content::Bool(bool),
            Value::Number(number) => Content::Number(number),
            Value::String(text) => Content::Text(text.into()),
            Value::Array(items) => {
                let mut made = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let id = self.push(Some(within), Step::Index(index));
                    let content = self.content_of(id, item);
                    self.set(id, content);
                    made.push(id);
                }
                Content::List(made)
            }
            Value::Object(object) => {
                let entries = object.into_iter();
                let made = entries.map(|(key, value)| {
                    let id = self.make_value(within, &key, value);
                    (key.into(), id)
                });
                Content::Object(made.collect())
            }
        }
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
