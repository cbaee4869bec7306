//! A piece of the text that knows where it stands.

use std::ops::Range;

use crate::fault::{CronFault, Field};

/// At most this many characters of a faulty piece are repeated in a message.
const QUOTED_CHARS_MAX: usize = 40;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'t> {
    pub(crate) text: &'t str,
    /// Byte offset within the whole text.
    pub(crate) start: usize,
}

impl<'t> Token<'t> {
    /// The pieces between blanks.
    pub(crate) fn words(self) -> impl Iterator<Item = Token<'t>> {
        self.split(|c| c.is_ascii_whitespace())
            .filter(|word| !word.text.is_empty())
    }

    /// The pieces between separators, empty ones included.
    pub(crate) fn split(self, separator: fn(char) -> bool) -> impl Iterator<Item = Token<'t>> {
        let mut start = self.start;
        self.text.split(separator).map(move |text| {
            let piece = Token { text, start };
            start += text.len() + 1; // separators are ASCII
            piece
        })
    }

    /// What stands before and after the first `separator`, which must be ASCII.
    pub(crate) fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let start = self.start + before.len() + 1;
        Some((
            Token {
                text: before,
                ..self
            },
            Token { text: after, start },
        ))
    }

    /// What follows the ASCII letter `letter`, of either case.
    pub(crate) fn after_letter(self, letter: char) -> Option<Self> {
        let first = self.text.chars().next()?;
        let text = self.text.strip_prefix(first)?;
        first.eq_ignore_ascii_case(&letter).then_some(Token {
            text,
            start: self.start + 1,
        })
    }

    /// What precedes the final ASCII letter `letter`, of either case.
    pub(crate) fn before_letter(self, letter: char) -> Option<Self> {
        let last = self.text.chars().next_back()?;
        let text = self.text.strip_suffix(last)?;
        last.eq_ignore_ascii_case(&letter)
            .then_some(Token { text, ..self })
    }

    pub(crate) fn span(self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(crate) fn fault(self, field: Field, message: impl Into<String>) -> CronFault {
        CronFault {
            field,
            span: self.span(),
            message: message.into(),
        }
    }

    /// The text in backticks, cut short if long.
    pub(crate) fn quoted(self) -> String {
        let mut kept: String = self.text.chars().take(QUOTED_CHARS_MAX).collect();
        if kept.len() < self.text.len() {
            kept.push('…');
        }
        format!("`{kept}`")
    }
}
