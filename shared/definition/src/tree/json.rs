//! JSON (RFC 8259), several values one after the other allowed.
//!
//! YAML 1.2 reads most of JSON, but not escaped surrogates, not tabs between lines, and it holds whole collections
//! back; so JSON has a reader of its own.

use std::iter::Peekable;
use std::str::CharIndices;

use super::build::Builder;
use super::{Spot, Style, Tree, TreeError};

pub(super) fn parse(text: &str) -> Result<Tree, TreeError> {
    let mut reader = Reader {
        text,
        chars: text.char_indices().peekable(),
        spot: Spot { line: 1, column: 1 },
        builder: Builder::default(),
        open: Vec::new(),
    };
    reader.blank();
    while reader.peek().is_some() {
        reader.document()?;
        reader.blank();
    }
    Ok(reader.builder.finish())
}

#[derive(Debug)]
struct Reader<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    spot: Spot,
    builder: Builder,
    /// The closing brackets to come.
    open: Vec<char>,
}

impl Reader<'_> {
    /// A value with all that is in it, without recursion.
    fn document(&mut self) -> Result<(), TreeError> {
        self.value()?;
        while let Some(close) = self.open.last().copied() {
            self.blank();
            match self.peek() {
                Some(',') => {
                    self.next();
                    self.blank();
                    self.item(close)?;
                }
                Some(c) if c == close => self.close()?,
                _ => return Err(self.unexpected(&format!("`,` or `{close}`"))),
            }
        }
        Ok(())
    }

    fn item(&mut self, close: char) -> Result<(), TreeError> {
        if close == '}' {
            self.string()?;
            self.blank();
            if self.peek() != Some(':') {
                return Err(self.unexpected("`:`"));
            }
            self.next();
            self.blank();
        }
        self.value()
    }

    /// A scalar, or the beginning of a list or map up to its first value.
    fn value(&mut self) -> Result<(), TreeError> {
        match self.peek() {
            Some('"') => self.string(),
            Some('{') => self.start(true, '}'),
            Some('[') => self.start(false, ']'),
            Some('-' | '0'..='9' | 'a'..='z') => self.bare(),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn start(&mut self, map: bool, close: char) -> Result<(), TreeError> {
        self.builder.open(map, self.spot)?;
        self.next();
        self.open.push(close);
        self.blank();
        if self.peek() == Some(close) {
            return self.close();
        }
        // At most as deep as the builder allows.
        self.item(close)
    }

    fn close(&mut self) -> Result<(), TreeError> {
        self.next();
        self.open.pop();
        self.builder.close().map(drop)
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<(), TreeError> {
        let spot = self.spot;
        let start = self.offset();
        while matches!(
            self.peek(),
            Some('-' | '+' | '.' | '0'..='9' | 'a'..='z' | 'A'..='Z')
        ) {
            self.next();
        }
        let word = self.text.get(start..self.offset()).unwrap_or_default();
        if matches!(word, "true" | "false" | "null") || is_number(word) {
            self.builder.scalar(word, Style::Plain, spot).map(drop)
        } else {
            let word = crate::fault::quoted(word);
            Err(TreeError::syntax(
                spot,
                format!("this is not JSON: {word} is no value"),
            ))
        }
    }

    fn string(&mut self) -> Result<(), TreeError> {
        if self.peek() != Some('"') {
            return Err(self.unexpected("a text in double quotes"));
        }
        let spot = self.spot;
        self.next();
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return self.builder.scalar(&text, Style::Quoted, spot).map(drop),
                Some('\\') => text.push(self.escape()?),
                Some(c) if c >= ' ' => text.push(c),
                Some(_) | None => {
                    return Err(TreeError::syntax(
                        spot,
                        "this is not JSON: the text does not end on its line",
                    ));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, TreeError> {
        let spot = self.spot;
        let c = match self.next() {
            Some(c @ ('"' | '\\' | '/')) => Some(c),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('u') => self.code_point(),
            Some(_) | None => None,
        };
        c.ok_or_else(|| TreeError::syntax(spot, "this is not JSON: no valid escape"))
    }

    /// What follows `\u`: four digits, or two halves of a surrogate pair.
    fn code_point(&mut self) -> Option<char> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        (self.next()? == '\\' && self.next()? == 'u').then_some(())?;
        let second = self
            .four_digits()?
            .checked_sub(0xdc00)
            .filter(|low| *low < 0x400)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
    }

    fn four_digits(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |number, _| {
            Some(number * 16 + self.next()?.to_digit(16)?)
        })
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.next();
        }
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn offset(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn next(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        if c == '\n' {
            self.spot.line += 1;
            self.spot.column = 1;
        } else {
            self.spot.column += 1;
        }
        Some(c)
    }

    fn unexpected(&mut self, expected: &str) -> TreeError {
        let found = self.peek().map_or_else(
            || "the end of the file".to_owned(),
            |c| crate::fault::quoted(&c.to_string()),
        );
        TreeError::syntax(
            self.spot,
            format!("this is not JSON: expected {expected}, found {found}"),
        )
    }
}

/// Source: RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let leading_zero =
        digits.starts_with('0') && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    let dot_between_digits = digits.split_once('.').is_none_or(|(whole, fraction)| {
        whole.ends_with(|c: char| c.is_ascii_digit())
            && fraction.starts_with(|c: char| c.is_ascii_digit())
    });
    digits.starts_with(|c: char| c.is_ascii_digit())
        && !leading_zero
        && dot_between_digits
        && matches!(
            super::scalar::meaning(digits),
            super::scalar::Meaning::Integer(_) | super::scalar::Meaning::Number
        )
        && !digits.starts_with("0x")
        && !digits.starts_with("0o")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::View;

    fn text(json: &str) -> String {
        let tree = parse(json).unwrap();
        match tree.view(tree.documents[0]) {
            View::Scalar(scalar) => scalar.text.to_owned(),
            other @ (View::List(_) | View::Map(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn escapes_and_surrogates_are_read() {
        assert_eq!(text(r#" "\ud83d\ude00 \/ \u00e9\n" "#), "😀 / é\n");
        assert_eq!(text("-1.5e+3"), "-1.5e+3");
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for bad in [
            "{",
            "[1,]",
            "{\"a\" 1}",
            "\"a",
            "\"\\ud800x\"",
            "01",
            "nul",
            "[1 2]",
            "{a: 1}",
            "\"\t\"",
            "1.",
            "-",
            "0x1F",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let error = parse("{\n  \"é\": nil}").unwrap_err();
        assert_eq!((error.spot.line, error.spot.column), (2, 8));
    }

    #[test]
    fn deep_nesting_ends_in_a_fault() {
        assert!(parse(&"[".repeat(1_000_000)).unwrap_err().too_large);
    }

    proptest::proptest! {
        #[test]
        fn json_is_what_serde_says_it_is(text in r#"[\[\]{},: \n"a1.\-+eutrlsn\\0]{0,12}"#) {
            let ours = parse(&text).is_ok_and(|tree| tree.documents.len() == 1);
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok() || number_out_of_range(&text);
            proptest::prop_assert_eq!(ours, theirs);
        }
    }

    /// We keep a number's text, serde refuses what exceeds a double.
    fn number_out_of_range(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text)
            .is_err_and(|error| error.to_string().contains("out of range"))
            && parse(text).is_ok()
    }
}
