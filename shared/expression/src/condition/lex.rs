//! The tokens of a condition.

use std::ops::Range;

use super::ConditionFault;
use crate::scan::{self, inside, part};

/// A token, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) what: What,
    pub(super) span: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Number(f64),
    /// A text in quotes: what stands in it, and the names in it, in order.
    Text(Vec<Part>),
    /// `${name}`.
    Name(String),
    True,
    False,
    Null,
    Sign(&'static str),
}

/// A part of a text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Plain(String),
    Name(String),
}

/// Longer ones first, so that `==` is not taken for the start of `===`.
const SIGNS: [&str; 18] = [
    "===", "!==", "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "+", "-", "*", "/",
    "%",
];

/// The tokens of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionFault> {
    let names = scan::parameters(text);
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let token = token(text, at, next, &names)?;
        at = token.span.end;
        tokens.push(token);
    }
    Ok(tokens)
}

fn token(
    text: &str,
    at: usize,
    next: char,
    names: &[Range<usize>],
) -> Result<Token, ConditionFault> {
    if let Some(span) = name_at(names, at) {
        let name = inside(part(text, span.clone())).to_owned();
        return Ok(Token {
            what: What::Name(name),
            span: span.clone(),
        });
    }
    let rest = part(text, at..text.len());
    if next == '"' || next == '\'' {
        return quoted(text, at, next, names);
    }
    if next.is_ascii_digit() || next == '.' {
        return number(rest, at);
    }
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok(Token {
            what: What::Sign(sign),
            span: at..at + sign.len(),
        });
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    let length = length.max(next.len_utf8());
    let span = at..at + length;
    let what = match part(text, span.clone()) {
        "true" => What::True,
        "false" => What::False,
        "null" | "undefined" => What::Null,
        word => return Err(fault(word_fault(word), span)),
    };
    Ok(Token { what, span })
}

/// The name that begins there. They are in order.
fn name_at(names: &[Range<usize>], at: usize) -> Option<&Range<usize>> {
    let found = names.binary_search_by_key(&at, |span| span.start);
    found.ok().and_then(|index| names.get(index))
}

fn word_fault(word: &str) -> String {
    if word == "=" {
        return "`=` compares nothing: write `==`".to_owned();
    }
    match word.trim_start_matches('$') {
        "" => format!("`{word}` means nothing here: write a name as `${{name}}`"),
        name if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            format!(
                "`{word}` is no value: write `${{{name}}}` for a parameter, `'{name}'` for a text"
            )
        }
        _ => format!("`{word}` means nothing here"),
    }
}

fn number(rest: &str, at: usize) -> Result<Token, ConditionFault> {
    let is_part = |(position, c): (usize, char)| {
        let sign_of_exponent = (c == '+' || c == '-')
            && rest
                .get(..position)
                .is_some_and(|before| before.ends_with(['e', 'E']) && !before.starts_with("0x"));
        c.is_ascii_alphanumeric() || c == '.' || sign_of_exponent
    };
    let length: usize = rest
        .char_indices()
        .take_while(|each| is_part(*each))
        .map(|(_, c)| c.len_utf8())
        .sum();
    let span = at..at + length.max(1);
    let written = part(rest, 0..length);
    super::value::number_of_literal(written).map_or_else(
        || Err(fault(format!("`{written}` is no number"), span.clone())),
        |number| {
            Ok(Token {
                what: What::Number(number),
                span: span.clone(),
            })
        },
    )
}

/// A text in quotes. Names in it are replaced, as DolphinScheduler does before anything is read.
fn quoted(
    text: &str,
    start: usize,
    quote: char,
    names: &[Range<usize>],
) -> Result<Token, ConditionFault> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut at = start + 1;
    while let Some(next) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if let Some(span) = name_at(names, at) {
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain)));
            }
            parts.push(Part::Name(inside(part(text, span.clone())).to_owned()));
            at = span.end;
            continue;
        }
        at += next.len_utf8();
        if next == quote {
            if !plain.is_empty() {
                parts.push(Part::Plain(plain));
            }
            return Ok(Token {
                what: What::Text(parts),
                span: start..at,
            });
        }
        if next == '\\' {
            let escaped = text.get(at..).and_then(|rest| rest.chars().next());
            let Some(escaped) = escaped else { break };
            at += escaped.len_utf8();
            plain.push(match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            });
        } else {
            plain.push(next);
        }
    }
    let message = format!("the text that begins with {quote} does not end");
    Err(fault(message, start..text.len()))
}

pub(super) const fn fault(message: String, span: Range<usize>) -> ConditionFault {
    ConditionFault { message, span }
}
