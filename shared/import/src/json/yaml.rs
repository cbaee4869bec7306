//! YAML as the same tree, within the same budgets. Aliases stand for the node that they repeat; `<<` merges.

use std::cell::Cell;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Content, DEPTH_MAX, FILE_BYTES_MAX, NODES_MAX, NodeId, Step, Tree};
use crate::fault::{Problem, Problems, Spot};

/// Characters that may begin a token and have not yet led to an event: this bounds what the scanner holds back.
const HELD_BACK_MAX: usize = 400_000;
/// Bytes of a line that begins with `%`.
const DIRECTIVE_BYTES_MAX: usize = 1_000;

/// The tree of a file.
pub(crate) fn parse(text: &str) -> Result<Tree, Problems> {
    let mut reader = Reader::default();
    let long = |line: &str| line.starts_with('%') && line.len() > DIRECTIVE_BYTES_MAX;
    if let Some(line) = text.split('\n').position(long) {
        reader.last = (line + 1, 1);
        return Err(reader.refused("a line that begins with `%` is too long"));
    }
    let held_back = Cell::new(0);
    let chars = text.chars().map_while(|c| {
        if !(c.is_alphanumeric() || matches!(c, ' ' | '\n')) {
            held_back.set(held_back.get() + 1);
        }
        (held_back.get() <= HELD_BACK_MAX).then_some(c)
    });
    let mut parser = Parser::new_from_iter(chars);
    loop {
        match parser.next_event() {
            _ if held_back.get() > HELD_BACK_MAX => {
                return Err(reader.refused("one value has too many marks"));
            }
            None | Some(Ok((Event::StreamEnd, _))) => return reader.finish(),
            Some(Ok((event, span))) => {
                reader.last = (span.start.line(), span.start.col() + 1);
                reader.event(event)?;
            }
            Some(Err(error)) => {
                reader.last = (error.marker().line(), error.marker().col() + 1);
                return Err(reader.refused(&format!("the file is no YAML: {}", error.info())));
            }
        }
        held_back.set(0);
    }
}

/// A list or map whose end has not come yet.
#[derive(Debug)]
struct Open {
    id: NodeId,
    anchor: usize,
    /// Of a map: the key whose value comes next.
    key: Option<Box<str>>,
    content: Content,
    /// Of a map: what `<<` brings.
    merged: Vec<NodeId>,
    size: Size,
}

/// How large a node is with its aliases written out.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
    height: usize,
}

#[derive(Debug)]
struct Reader {
    tree: Tree,
    places: Vec<(usize, usize)>,
    sizes: BTreeMap<NodeId, Size>,
    anchors: BTreeMap<usize, NodeId>,
    open: Vec<Open>,
    total: Size,
    last: (usize, usize),
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            tree: Tree::default(),
            places: Vec::new(),
            sizes: BTreeMap::new(),
            anchors: BTreeMap::new(),
            open: Vec::new(),
            total: Size::default(),
            last: (1, 1),
        }
    }
}

const MERGE: &str = "<<";

impl Reader {
    fn event(&mut self, event: Event<'_>) -> Result<(), Problems> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                self.scalar(&text, plain, anchor)
            }
            Event::SequenceStart(anchor, _) => self.start(Content::List(Vec::new()), anchor),
            Event::MappingStart(anchor, _) => self.start(Content::Object(IndexMap::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(id) = self.anchors.get(&anchor).copied() else {
                    return Err(self.refused("an alias stands for something that is complete"));
                };
                let size = self.sizes.get(&id).copied().unwrap_or_default();
                self.attach(id, size)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, anchor: usize) -> Result<(), Problems> {
        if let Some(Open {
            key: key @ None,
            content: Content::Object(_),
            ..
        }) = self.open.last_mut()
        {
            *key = Some(text.into());
            return Ok(());
        }
        let id = self.node()?;
        let content = if plain {
            scalar(text)
        } else {
            Content::Text(text.into())
        };
        self.tree.set(id, content);
        let size = Size {
            nodes: 1,
            bytes: text.len(),
            height: 0,
        };
        self.complete(id, anchor, size)
    }

    fn start(&mut self, content: Content, anchor: usize) -> Result<(), Problems> {
        if let Some(Open {
            key: None,
            content: Content::Object(_),
            ..
        }) = self.open.last()
        {
            return Err(self.refused("a key is a text, not a list or a map"));
        }
        let id = self.node()?;
        self.open.push(Open {
            id,
            anchor,
            key: None,
            content,
            merged: Vec::new(),
            size: Size {
                nodes: 1,
                ..Size::default()
            },
        });
        self.within_depth(0)
    }

    fn end(&mut self) -> Result<(), Problems> {
        let Some(mut open) = self.open.pop() else {
            return Ok(());
        };
        if let Content::Object(entries) = &mut open.content {
            for id in open.merged {
                let Some(Content::Object(others)) = self.tree.node(id).map(|node| &node.content)
                else {
                    return Err(self.refused("`<<` takes maps"));
                };
                for (key, value) in others {
                    entries.entry(key.clone()).or_insert(*value);
                }
            }
        }
        self.tree.set(open.id, open.content);
        open.size.height += 1;
        self.complete(open.id, open.anchor, open.size)
    }

    /// A node whose way from its parent is known.
    fn node(&mut self) -> Result<NodeId, Problems> {
        if self.tree.len() >= NODES_MAX {
            return Err(self.refused(&format!("the file holds more than {NODES_MAX} values")));
        }
        let step = match self.open.last() {
            None if self.tree.len() > 0 => {
                return Err(self.refused("the file holds more than one document"));
            }
            None => Step::Root,
            Some(Open { key: Some(key), .. }) => Step::Key(key.clone()),
            Some(Open {
                content: Content::List(items),
                ..
            }) => Step::Index(items.len()),
            Some(_) => Step::Inside,
        };
        self.places.push(self.last);
        Ok(self.tree.push(self.open.last().map(|open| open.id), step))
    }

    fn complete(&mut self, id: NodeId, anchor: usize, size: Size) -> Result<(), Problems> {
        self.sizes.insert(id, size);
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        self.attach(id, size)
    }

    /// Puts a node that is complete into what it is in.
    fn attach(&mut self, id: NodeId, size: Size) -> Result<(), Problems> {
        self.total.nodes += size.nodes;
        self.total.bytes += size.bytes;
        // What nests is counted at each of its levels: that is at most the depth times what there is.
        if self.total.nodes > NODES_MAX || self.total.bytes > FILE_BYTES_MAX {
            return Err(self.refused("the file is too large with its aliases written out"));
        }
        self.within_depth(size.height)?;
        let Some(open) = self.open.last_mut() else {
            return Ok(());
        };
        open.size.nodes += size.nodes;
        open.size.bytes += size.bytes;
        open.size.height = open.size.height.max(size.height);
        match (&mut open.content, open.key.take()) {
            (Content::List(items), _) => items.push(id),
            (Content::Object(_), Some(key)) if &*key == MERGE => {
                match self.tree.node(id).map(|node| &node.content) {
                    Some(Content::List(items)) => open.merged.extend(items),
                    _ => open.merged.push(id),
                }
            }
            (Content::Object(entries), Some(key)) => {
                if entries.insert(key, id).is_some() {
                    self.tree.repeated.push(id);
                }
            }
            _ => return Err(self.refused("a key is a text, not an alias")),
        }
        Ok(())
    }

    fn within_depth(&self, height: usize) -> Result<(), Problems> {
        if self.open.len() + height > DEPTH_MAX {
            let message = format!("the file is nested deeper than {DEPTH_MAX} levels");
            return Err(self.refused(&message));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tree, Problems> {
        if self.tree.len() == 0 {
            return Err(self.refused("the file is empty"));
        }
        self.tree.of_file = self.tree.len();
        self.tree.places = Some(self.places);
        Ok(self.tree)
    }

    fn refused(&self, message: &str) -> Problems {
        let (line, column) = self.last;
        Problems::from(Problem {
            spot: Spot::At {
                line: line.max(1),
                column,
            },
            message: crate::fault::line(message),
            hint: None,
        })
    }
}

/// What a plain scalar stands for, in the core schema.
fn scalar(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Content::Null,
        "true" | "True" | "TRUE" => return Content::Bool(true),
        "false" | "False" | "FALSE" => return Content::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    if number {
        if let Ok(number) = text.parse::<i64>() {
            return Content::Number(number.into());
        }
        let float = text.parse().ok().and_then(serde_json::Number::from_f64);
        // Only what is written as it would be printed: `1.10` is a version.
        if let Some(float) = float.filter(|float| float.to_string() == text) {
            return Content::Number(float);
        }
    }
    Content::Text(text.into())
}
