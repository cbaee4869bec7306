//! A file as nodes with places, whatever its notation.
//!
//! Nodes lie in one list and refer to each other by position; an alias is one more reference to the same node. Each
//! node knows how large it is with all of its aliases written out, so budgets hold without anything being written out.

mod build;
mod json;
mod scalar;
mod yaml;

pub(crate) use scalar::{Meaning, Scalar, meaning};

use std::ops::Range;

use porpoise_model::limits::{
    DEFINITION_BYTES_MAX, DEFINITION_DEPTH_MAX, DEFINITION_EXPANDED_BYTES_MAX, DEFINITION_NODES_MAX,
};

/// The position of a node in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(u32);

/// The documents of a file.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// Of lists their items; of maps keys and values in turn.
    children: Vec<NodeId>,
    texts: String,
    /// The root of each document.
    pub(crate) documents: Vec<NodeId>,
}

#[derive(Debug, Clone)]
struct Node {
    content: Content,
    spot: Spot,
    size: Size,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar { text: Range<u32>, style: Style },
    List(Range<u32>),
    Map(Range<u32>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    /// In quotes.
    Quoted,
    /// As a block whose lines are kept.
    Literal,
    /// As text whose place in the file cannot be told character by character.
    Folded,
}

/// A line and a column, from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// How large a node is with its aliases written out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) nodes: usize,
    pub(crate) bytes: usize,
    /// Levels of lists and maps, itself included.
    depth: usize,
}

/// What a node is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'t> {
    Scalar(Scalar<'t>),
    List(&'t [NodeId]),
    /// Keys and values in turn.
    Map(&'t [NodeId]),
}

impl View<'_> {
    /// The words for it in messages.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Scalar(scalar) => scalar.noun(),
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Why a file is no tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeError {
    pub(crate) too_large: bool,
    pub(crate) spot: Spot,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl TreeError {
    fn syntax(spot: Spot, message: impl Into<String>) -> Self {
        Self {
            too_large: false,
            spot,
            message: message.into(),
            hint: None,
        }
    }

    fn too_large(spot: Spot, message: impl Into<String>) -> Self {
        Self {
            too_large: true,
            ..Self::syntax(spot, message)
        }
    }

    fn with_hint(self, hint: &str) -> Self {
        Self {
            hint: Some(hint.to_owned()),
            ..self
        }
    }
}

/// Reads a file. JSON is what is named `.json`, and what starts with a brace and reads as JSON.
pub(crate) fn parse(file_name: &str, bytes: &[u8]) -> Result<Tree, TreeError> {
    let start = Spot { line: 1, column: 1 };
    if bytes.len() > DEFINITION_BYTES_MAX {
        return Err(TreeError::too_large(
            start,
            format!(
                "the file has {} bytes, at most {DEFINITION_BYTES_MAX} are read",
                bytes.len()
            ),
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let spot = spot_after(&String::from_utf8_lossy(before));
        TreeError::syntax(spot, "the file is not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_control_characters(text)?;
    let named_json = std::path::Path::new(file_name)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    if named_json {
        return json::parse(text);
    }
    if text.trim_start().starts_with('{')
        && let Ok(tree) = json::parse(text)
    {
        return Ok(tree);
    }
    yaml::parse(text)
}

/// YAML's printable characters (1.2.2, rule 1) may stand in a file; others only as escapes in quotes.
fn refuse_control_characters(text: &str) -> Result<(), TreeError> {
    let bad = |c: char| matches!(c, '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}');
    match text.char_indices().find(|(_, c)| bad(*c)) {
        None => Ok(()),
        Some((at, c)) => {
            let spot = spot_after(text.get(..at).unwrap_or_default());
            let number = u32::from(c);
            Err(
                TreeError::syntax(spot, format!("control character U+{number:04X}"))
                    .with_hint("write it as an escape in a double-quoted text"),
            )
        }
    }
}

/// The place behind `text`.
fn spot_after(text: &str) -> Spot {
    let lines = text.matches('\n').count();
    let last = text.rsplit('\n').next().unwrap_or_default();
    Spot {
        line: count(lines + 1),
        column: count(last.chars().count() + 1),
    }
}

/// Sizes within a file fit 32 bits.
fn count(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn span(range: &Range<u32>) -> Range<usize> {
    size(range.start)..size(range.end)
}

impl Tree {
    pub(crate) fn view(&self, id: NodeId) -> View<'_> {
        match self.node(id).map(|node| &node.content) {
            Some(Content::List(range)) => View::List(self.slice(range)),
            Some(Content::Map(range)) => View::Map(self.slice(range)),
            Some(Content::Scalar { text, style }) => View::Scalar(Scalar {
                text: self.texts.get(span(text)).unwrap_or_default(),
                style: *style,
            }),
            None => View::Scalar(Scalar {
                text: "",
                style: Style::Plain,
            }),
        }
    }

    pub(crate) fn spot(&self, id: NodeId) -> Spot {
        self.node(id)
            .map_or(Spot { line: 1, column: 1 }, |node| node.spot)
    }

    /// The place of the byte at `offset` of a scalar's text, as near as its style allows.
    pub(crate) fn spot_within(&self, id: NodeId, offset: usize) -> Spot {
        let spot = self.spot(id);
        let View::Scalar(scalar) = self.view(id) else {
            return spot;
        };
        let before = scalar.text.get(..offset).unwrap_or_default();
        let lines = before.matches('\n').count();
        let column = count(
            before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .chars()
                .count(),
        );
        match scalar.style {
            Style::Plain if lines == 0 => spot.right(column),
            Style::Quoted if lines == 0 => spot.right(column + 1),
            Style::Literal => Spot {
                line: spot.line + count(lines),
                column: spot.column + column,
            },
            Style::Plain | Style::Quoted | Style::Folded => spot,
        }
    }

    pub(crate) fn size(&self, id: NodeId) -> Size {
        self.node(id).map_or_else(Size::default, |node| node.size)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(size(id.0))
    }

    fn slice(&self, range: &Range<u32>) -> &[NodeId] {
        self.children.get(span(range)).unwrap_or_default()
    }
}

impl Spot {
    fn right(self, columns: u32) -> Self {
        Self {
            column: self.column + columns,
            ..self
        }
    }
}

/// Refuses what exceeds a budget.
fn within_budget(spot: Spot, total: Size) -> Result<(), TreeError> {
    if total.nodes > DEFINITION_NODES_MAX {
        return Err(TreeError::too_large(
            spot,
            format!("more than {DEFINITION_NODES_MAX} values, aliases written out"),
        ));
    }
    if total.bytes > DEFINITION_EXPANDED_BYTES_MAX {
        return Err(TreeError::too_large(
            spot,
            format!("more than {DEFINITION_EXPANDED_BYTES_MAX} bytes, aliases written out"),
        ));
    }
    if total.depth > DEFINITION_DEPTH_MAX {
        return Err(TreeError::too_large(
            spot,
            format!("more than {DEFINITION_DEPTH_MAX} levels of nesting"),
        ));
    }
    Ok(())
}
