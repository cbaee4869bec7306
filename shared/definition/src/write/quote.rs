//! Texts as YAML scalars: plain where nobody could read them otherwise, else in quotes or as a block.

use std::fmt::Write as _;

use crate::tree::{Meaning, meaning};

/// A text on one line, in a form that means the same in brackets and as a key.
pub(super) fn inline(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    if text.chars().any(is_escaped) || !text.contains(['"', '\\']) {
        return double_quoted(text);
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether a text can stand without quotes, for readers of YAML 1.1 as well.
fn is_plain(text: &str) -> bool {
    let taken = ["yes", "no", "on", "off", "y", "n", "true", "false", "null"];
    let inner = |c: char| {
        c.is_alphanumeric()
            || matches!(
                c,
                '_' | '-' | '.' | '/' | '+' | '@' | '%' | '=' | ' ' | '(' | ')'
            )
    };
    text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '/'))
        // A dash that stands alone could begin an item.
        && !text.ends_with([' ', '-'])
        && !text.contains(" -")
        && text.chars().all(inner)
        && meaning(text) == Meaning::Text
        && !taken.contains(&text.to_ascii_lowercase().as_str())
}

/// What must not stand in a file as it is: what is not printable, what breaks lines, what hides or turns text.
fn is_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff)
}

fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        // Writing to a text cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            '\n' => write!(quoted, "\\n"),
            '\t' => write!(quoted, "\\t"),
            '\r' => write!(quoted, "\\r"),
            c if !is_escaped(c) => write!(quoted, "{c}"),
            c => match u32::from(c) {
                number @ ..=0xff => write!(quoted, "\\x{number:02x}"),
                number @ ..=0xffff => write!(quoted, "\\u{number:04x}"),
                number => write!(quoted, "\\U{number:08x}"),
            },
        };
    }
    quoted.push('"');
    quoted
}

/// The first line of a text as a literal block; `None` if it is better off in quotes.
pub(super) fn block_header(text: &str) -> Option<String> {
    let printable = |c: char| !is_escaped(c) || matches!(c, '\n' | '\t');
    if !text.contains('\n') || text.trim().is_empty() || !text.chars().all(printable) {
        return None;
    }
    // The first line tells the indentation, unless it begins with a blank itself.
    let indentation = if text.starts_with([' ', '\n', '\t']) {
        "2"
    } else {
        ""
    };
    let chomping = match text.strip_suffix('\n') {
        None => "-",
        Some(rest) if rest.ends_with('\n') => "+",
        Some(_) => "",
    };
    Some(format!("|{indentation}{chomping}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_only_where_it_matters() {
        for (text, written) in [
            ("extract", "extract"),
            ("依赖节点", "依赖节点"),
            ("a b", "a b"),
            ("null -", "\"null -\""),
            ("no", "\"no\""),
            ("5", "\"5\""),
            ("", "\"\""),
            ("a: b", "\"a: b\""),
            ("say \"hi\"", "'say \"hi\"'"),
            ("it's", "\"it's\""),
            ("a\tb", "\"a\\tb\""),
            ("\u{1b}\u{2028}", "\"\\x1b\\u2028\""),
        ] {
            assert_eq!(inline(text), written);
        }
    }

    #[test]
    fn blocks_say_how_they_begin_and_end() {
        for (text, header) in [
            ("a\nb\n", Some("|")),
            ("a\nb", Some("|-")),
            ("a\n\n", Some("|+")),
            ("  a\nb", Some("|2-")),
            ("a", None),
            ("a\r\nb", None),
            ("\n\n", None),
        ] {
            assert_eq!(block_header(text).as_deref(), header, "{text:?}");
        }
    }
}
