//! Values of a condition, and how JavaScript compares them.

use std::cmp::Ordering;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
    Bool(bool),
    Null,
}

impl Value {
    /// ECMA-262, 7.1.2.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Bool(value) => *value,
            Self::Null => false,
        }
    }

    /// ECMA-262, 7.1.4.
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Text(text) => number_of_text(text),
            Self::Bool(value) => f64::from(u8::from(*value)),
            Self::Null => 0.0,
        }
    }

    /// ECMA-262, 7.1.17.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => text_of_number(*number),
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Null => "null".to_owned(),
        }
    }

    /// `===`. ECMA-262, 7.2.14.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            #[expect(clippy::float_cmp, reason = "the language compares numbers exactly")]
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Null, Self::Null) => true,
            (Self::Number(_) | Self::Text(_) | Self::Bool(_) | Self::Null, _) => false,
        }
    }

    /// `==`. ECMA-262, 7.2.13: of different types, both are read as numbers; nothing but null equals null.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => self.is_same(other),
            (Self::Text(_), Self::Text(_)) => self.is_same(other),
            (Self::Number(_) | Self::Text(_) | Self::Bool(_), _) => {
                Self::Number(self.number()).is_same(&Self::Number(other.number()))
            }
        }
    }

    /// `<` and its like. ECMA-262, 7.2.12: two texts by their UTF-16 code units, all else as numbers; `None` if one is
    /// no number.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => {
                Some(one.encode_utf16().cmp(other.encode_utf16()))
            }
            (Self::Number(_) | Self::Text(_) | Self::Bool(_) | Self::Null, _) => {
                self.number().partial_cmp(&other.number())
            }
        }
    }
}

/// A number as it is written in a condition: `12`, `.5`, `1e3`, `0x1F`.
pub(super) fn number_of_literal(text: &str) -> Option<f64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal(digits);
    }
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    let number = text.parse().ok();
    number.filter(|_| text.chars().all(plain))
}

/// A text as a number; what is none is NaN. ECMA-262, 7.1.4.1.
fn number_of_text(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits == "Infinity" {
        return sign * f64::INFINITY;
    }
    let signed = digits.len() != text.len();
    let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
    if !starts || (signed && hexadecimal) {
        return f64::NAN;
    }
    number_of_literal(digits).map_or(f64::NAN, |number| sign * number)
}

/// Beyond 53 bits the digits that do not fit are lost, as they are in JavaScript.
fn hexadecimal(digits: &str) -> Option<f64> {
    let mut number = (!digits.is_empty()).then_some(0.0)?;
    for digit in digits.chars() {
        number = f64::from(digit.to_digit(16)?) + 16.0 * number;
    }
    Some(number)
}

/// ECMA-262, 6.1.6.1.20.
fn text_of_number(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let infinity = if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        };
        return infinity.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&number.abs()) {
        return number.to_string();
    }
    // `1e21` there is `1e+21`.
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
        Some(_) | None => text,
    }
}
