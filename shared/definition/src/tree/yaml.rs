//! YAML 1.2, from the events of `saphyr-parser`.

use std::cell::Cell;
use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::build::Builder;
use super::{NodeId, Spot, Style, Tree, TreeError, count};

/// Characters that may begin a token and have not yet led to an event. The scanner holds back the tokens of a
/// collection in brackets until it knows whether it is a key; this bounds what it may hold.
const HELD_BACK_MAX: usize = 400_000;
/// Bytes of a line that begins with `%`.
const DIRECTIVE_BYTES_MAX: usize = 1_000;

pub(super) fn parse(text: &str) -> Result<Tree, TreeError> {
    refuse_long_directives(text)?;
    let held_back = Cell::new(0);
    let chars = text.chars().map_while(|c| {
        if !(c.is_alphanumeric() || matches!(c, ' ' | '\n')) {
            held_back.set(held_back.get() + 1);
        }
        (held_back.get() <= HELD_BACK_MAX).then_some(c)
    });
    let mut parser = Parser::new_from_iter(chars);
    let mut reader = Reader::default();
    loop {
        let before = held_back.get();
        match parser.next_event() {
            _ if held_back.get() > HELD_BACK_MAX => return Err(reader.held_back()),
            None | Some(Ok((Event::StreamEnd, _))) => return Ok(reader.builder.finish()),
            Some(Ok((event, span))) => {
                reader.last = spot(span.start);
                reader.event(event)?;
            }
            Some(Err(error)) => return Err(syntax(&error)),
        }
        debug_assert!(before <= HELD_BACK_MAX);
        held_back.set(0);
    }
}

fn refuse_long_directives(text: &str) -> Result<(), TreeError> {
    let long = |line: &str| line.starts_with('%') && line.len() > DIRECTIVE_BYTES_MAX;
    match text.split('\n').position(long) {
        None => Ok(()),
        Some(line) => Err(TreeError::too_large(
            Spot {
                line: count(line + 1),
                column: 1,
            },
            format!("a line that begins with `%` has at most {DIRECTIVE_BYTES_MAX} bytes"),
        )),
    }
}

fn syntax(error: &saphyr_parser::ScanError) -> TreeError {
    let error_spot = spot(*error.marker());
    let fault = TreeError::syntax(error_spot, format!("this is not YAML: {}", error.info()));
    if error.info().contains("tab") {
        fault.with_hint("indent with spaces, not with tabs")
    } else {
        fault
    }
}

fn spot(marker: Marker) -> Spot {
    Spot {
        line: count(marker.line()),
        column: count(marker.col() + 1),
    }
}

#[derive(Debug)]
struct Reader {
    builder: Builder,
    /// Complete nodes by their anchor.
    anchors: BTreeMap<usize, NodeId>,
    /// The anchors (0: none) of the lists and maps that are open.
    open: Vec<usize>,
    last: Spot,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            builder: Builder::default(),
            anchors: BTreeMap::new(),
            open: Vec::new(),
            last: Spot { line: 1, column: 1 },
        }
    }
}

impl Reader {
    fn event(&mut self, event: Event<'_>) -> Result<(), TreeError> {
        let spot = self.last;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let style = self.style(style, tag.as_deref())?;
                let node = self.builder.scalar(&text, style, spot)?;
                self.anchored(anchor, Some(node));
            }
            Event::SequenceStart(anchor, tag) => self.start(false, anchor, tag.as_deref())?,
            Event::MappingStart(anchor, tag) => self.start(true, anchor, tag.as_deref())?,
            Event::SequenceEnd | Event::MappingEnd => {
                let node = self.builder.close()?;
                let anchor = self.open.pop().unwrap_or_default();
                self.anchored(anchor, node);
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(TreeError::syntax(
                        spot,
                        "an alias stands for something complete, not for what it is a part of",
                    ));
                };
                self.builder.alias(*node, spot)?;
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn start(&mut self, map: bool, anchor: usize, tag: Option<&Tag>) -> Result<(), TreeError> {
        let word = if map { "map" } else { "seq" };
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == word) => {
                Err(self.refused(tag))
            }
            Some(_) | None => {
                self.open.push(anchor);
                self.builder.open(map, self.last)
            }
        }
    }

    fn anchored(&mut self, anchor: usize, node: Option<NodeId>) {
        if let (1.., Some(node)) = (anchor, node) {
            self.anchors.insert(anchor, node);
        }
    }

    fn style(&self, style: ScalarStyle, tag: Option<&Tag>) -> Result<Style, TreeError> {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        match tag {
            None => Ok(style),
            // `!!str 5` is a text; where it stands cannot be told within the tag's span.
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Style::Folded),
            Some(tag) => Err(self.refused(tag)),
        }
    }

    fn refused(&self, tag: &Tag) -> TreeError {
        let tag = crate::fault::quoted(&tag.to_string());
        TreeError::syntax(self.last, format!("the tag {tag} has no meaning here"))
    }

    fn held_back(&self) -> TreeError {
        TreeError::too_large(
            self.last,
            format!("more than {HELD_BACK_MAX} marks in one value that follows here"),
        )
        .with_hint("write long lists as lines that begin with `-`")
    }
}
