//! A file as a tree of nodes that know where they are and what became of them.

mod at;
mod make;
mod parse;
mod position;
mod yaml;

use std::cell::Cell;

use indexmap::IndexMap;
use serde_json::Number;

use crate::report::Rule;

pub(crate) use at::At;
pub(crate) use make::Entries;
pub(crate) use parse::{parse, text};
pub(crate) use position::{line_and_column, starts};
pub(crate) use yaml::parse as parse_yaml;

/// Bytes of a file. A workflow of 320 tasks takes 0.7 MB.
pub(crate) const FILE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Values in a file, those in texts that hold JSON included.
pub(crate) const NODES_MAX: usize = porpoise_model::limits::DEFINITION_NODES_MAX;
/// Levels of nesting. Less than definition files may have, so that what is kept whole fits into one.
pub(crate) const DEPTH_MAX: usize = porpoise_model::limits::DEFINITION_DEPTH_MAX - 8;

/// A node of the tree: its place in document order, those of embedded JSON after all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) usize);

/// A file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Nodes of the file itself: those from here on come from JSON in texts.
    pub(crate) of_file: usize,
    /// Keys that an object had twice, with the object; the last one counts.
    pub(crate) repeated: Vec<NodeId>,
    /// Nodes of the file and of JSON in its texts: those from here on were made, to show one form in another.
    given: Option<usize>,
    /// Lines and columns of the nodes, where the file is no JSON.
    pub(crate) places: Option<Vec<(usize, usize)>>,
}

#[derive(Debug)]
struct Node {
    parent: Option<NodeId>,
    step: Step,
    content: Content,
    mark: Cell<Mark>,
}

/// How one comes to a node from its parent.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Root,
    Key(Box<str>),
    Index(usize),
    /// From a text to the JSON that it holds.
    Inside,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Number(Number),
    Text(Box<str>),
    /// A text that holds JSON.
    Embedded(NodeId),
    List(Vec<NodeId>),
    Object(IndexMap<Box<str>, NodeId>),
}

/// What became of a leaf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nobody has looked at it.
    #[default]
    Unseen,
    /// It is in the result.
    Used,
    /// It does not matter.
    Ignored(Rule),
    /// An entry of the report covers it.
    Reported,
}

impl Tree {
    pub(crate) fn root(&self) -> At<'_> {
        self.at(NodeId(0))
    }

    pub(crate) fn at(&self, id: NodeId) -> At<'_> {
        At { tree: self, id }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Every leaf: values that hold no others.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = At<'_>> {
        (0..self.given.unwrap_or(self.nodes.len()))
            .map(|id| self.at(NodeId(id)))
            .filter(|at| at.is_leaf() && at.is_attached())
    }

    pub(crate) fn push(&mut self, parent: Option<NodeId>, step: Step) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node {
            parent,
            step,
            content: Content::Null,
            mark: Cell::default(),
        });
        id
    }

    pub(crate) fn set(&mut self, id: NodeId, content: Content) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.content = content;
        }
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }
}
