//! Parameters as the SDK writes them.

use crate::json::{Content, Entries, NodeId, Tree};

const TYPES: [&str; 11] = [
    "VARCHAR",
    "INTEGER",
    "LONG",
    "FLOAT",
    "DOUBLE",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "BOOLEAN",
    "LIST",
    "FILE",
];

/// Those of a workflow: all go in, all are texts.
pub(super) fn globals(tree: &mut Tree, map: NodeId) -> NodeId {
    let items = entries(tree, map)
        .into_iter()
        .map(|(name, value)| property(tree, map, &name, "IN", ("VARCHAR", value)))
        .collect();
    tree.make_list(map, items)
}

/// Those of a task, in one direction. The type is said, as in `LONG(3)`, or guessed.
pub(super) fn locals(tree: &mut Tree, map: NodeId, direction: &str) -> Vec<NodeId> {
    let mut items = Vec::new();
    for (name, value) in entries(tree, map) {
        let (kind, said) = match tree.at(value).content() {
            Content::Text(text) => match typed(text) {
                Some((kind, inner)) => (kind, Some(inner.to_owned())),
                None => ("VARCHAR", None),
            },
            Content::Bool(_) => ("BOOLEAN", None),
            Content::Number(number) if number.is_f64() => ("FLOAT", None),
            Content::Number(_) => ("INTEGER", None),
            Content::Null | Content::Embedded(_) | Content::List(_) | Content::Object(_) => {
                ("VARCHAR", None)
            }
        };
        let value = said.map_or(value, |said| tree.make_text(value, said));
        items.push(property(tree, map, &name, direction, (kind, value)));
    }
    items
}

fn entries(tree: &Tree, map: NodeId) -> Vec<(String, NodeId)> {
    let entries = tree.at(map).entries();
    entries.map(|(key, at)| (key.to_owned(), at.id)).collect()
}

fn property(
    tree: &mut Tree,
    map: NodeId,
    name: &str,
    direction: &str,
    (kind, value): (&str, NodeId),
) -> NodeId {
    let mut entries = Entries::default();
    for (key, text) in [("prop", name), ("direct", direction), ("type", kind)] {
        let node = tree.make_text(map, text);
        entries.put(key, node);
    }
    entries.put("value", value);
    tree.make_object(map, entries)
}

fn typed(text: &str) -> Option<(&'static str, &str)> {
    let (kind, rest) = text.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    let kind = TYPES.into_iter().find(|known| *known == kind)?;
    Some((kind, inner))
}
