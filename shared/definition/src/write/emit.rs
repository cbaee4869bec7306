//! A document as YAML in block style, two spaces a level.

use super::quote;

/// A list of texts no longer than this stays on one line.
const LINE_CHARS_MAX: usize = 90;
/// A longer key gets a line of its own: YAML looks for the colon of others within 1,024 characters.
const KEY_BYTES_MAX: usize = 200;

/// What is written.
#[derive(Debug)]
pub(super) enum Document {
    /// A text, in whatever form reads back as that text.
    Text(String),
    /// A number, a word, a duration: as it is.
    Bare(String),
    /// Texts, on one line where they fit.
    Texts(Vec<String>),
    List(Vec<Document>),
    Map(Vec<(String, Document)>),
}

pub(super) fn emit(document: &Document) -> String {
    let mut out = String::new();
    node(&mut out, document, 0);
    out
}

/// Writes lists and maps as lines that are indented by `level`.
fn node(out: &mut String, document: &Document, level: usize) {
    match document {
        Document::Map(entries) => {
            for (key, value) in entries {
                indent(out, level);
                entry(out, key, value, level);
            }
        }
        Document::List(items) => {
            for item in items {
                indent(out, level);
                out.push('-');
                item_value(out, item, level);
            }
        }
        Document::Texts(texts) => {
            for text in texts {
                indent(out, level);
                out.push('-');
                scalar(out, text, level);
            }
        }
        Document::Text(_) | Document::Bare(_) => value(out, document, level),
    }
}

fn entry(out: &mut String, key: &str, document: &Document, level: usize) {
    let written = quote::inline(key);
    if written.len() > KEY_BYTES_MAX {
        out.push_str("? ");
        out.push_str(&written);
        out.push('\n');
        indent(out, level);
    } else {
        out.push_str(&written);
    }
    out.push(':');
    value(out, document, level);
}

/// Writes what follows a colon or a dash, from the blank to the end of its last line.
fn value(out: &mut String, document: &Document, level: usize) {
    match document {
        Document::Text(text) => scalar(out, text, level),
        Document::Bare(text) => {
            out.push(' ');
            out.push_str(text);
            out.push('\n');
        }
        Document::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Document::List(items) if items.is_empty() => out.push_str(" []\n"),
        Document::Texts(texts) => {
            let line = line(texts);
            if line.chars().count() <= LINE_CHARS_MAX {
                out.push_str(&line);
            } else {
                out.push('\n');
                node(out, document, level + 1);
            }
        }
        Document::Map(_) | Document::List(_) => {
            out.push('\n');
            node(out, document, level + 1);
        }
    }
}

/// A map within a list begins on the line of its dash.
fn item_value(out: &mut String, document: &Document, level: usize) {
    match document {
        Document::Map(entries) if !entries.is_empty() => {
            for (position, (key, value)) in entries.iter().enumerate() {
                if position == 0 {
                    out.push(' ');
                } else {
                    indent(out, level + 1);
                }
                entry(out, key, value, level + 1);
            }
        }
        Document::Text(_)
        | Document::Bare(_)
        | Document::Texts(_)
        | Document::List(_)
        | Document::Map(_) => {
            value(out, document, level);
        }
    }
}

fn line(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quote::inline(text)).collect();
    format!(" [{}]\n", texts.join(", "))
}

fn scalar(out: &mut String, text: &str, level: usize) {
    out.push(' ');
    let Some(header) = quote::block_header(text) else {
        out.push_str(&quote::inline(text));
        out.push('\n');
        return;
    };
    out.push_str(&header);
    out.push('\n');
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            indent(out, level + 1);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn indent(out: &mut String, level: usize) {
    out.extend(std::iter::repeat_n("  ", level));
}
