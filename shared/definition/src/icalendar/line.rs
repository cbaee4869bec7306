//! Content lines: unfolded, and split into name, parameters and value (RFC 5545, section 3.1).

use super::{Wrong, short};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// In capitals.
    pub(super) name: String,
    /// Names in capitals, values without quotes.
    pub(super) parameters: Vec<(String, String)>,
    /// As written.
    pub(super) value: String,
    /// Where it begins, from 1.
    pub(super) number: usize,
}

impl Line {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        let found = parameters.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The lines of a text that are not empty. A line that begins with a blank goes on with the one before.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line, Wrong>> + '_ {
    let mut numbered = text.lines().zip(1..).peekable();
    std::iter::from_fn(move || {
        loop {
            let (first, number) = numbered.next()?;
            let mut whole = first.to_owned();
            let goes_on = |(line, _): &(&str, usize)| line.starts_with([' ', '\t']);
            while let Some((more, _)) = numbered.next_if(goes_on) {
                whole.push_str(more.get(1..).unwrap_or_default());
            }
            if !whole.trim().is_empty() {
                return Some(line(&whole, number));
            }
        }
    })
}

fn line(text: &str, number: usize) -> Result<Line, Wrong> {
    let none = || {
        let message = format!("`{}` is no line of an iCalendar file", short(text));
        Wrong::new(number, message).hint("a line is `NAME:VALUE`")
    };
    let mut pieces = Vec::new();
    let (mut piece, mut quoted) = (String::new(), false);
    let mut rest = text.chars();
    loop {
        match rest.next().ok_or_else(none)? {
            '"' => quoted = !quoted,
            ':' if !quoted => break,
            ';' if !quoted => pieces.push(std::mem::take(&mut piece)),
            other => piece.push(other),
        }
    }
    pieces.push(piece);
    let mut pieces = pieces.into_iter();
    let name = pieces
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_uppercase();
    let known = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(known) {
        return Err(none());
    }
    let parameter = |piece: String| {
        let (name, value) = piece.split_once('=')?;
        Some((name.trim().to_ascii_uppercase(), value.trim().to_owned()))
    };
    let parameters: Option<_> = pieces.map(parameter).collect();
    Ok(Line {
        name,
        parameters: parameters.ok_or_else(none)?,
        value: rest.as_str().to_owned(),
        number,
    })
}
