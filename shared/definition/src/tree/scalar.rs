//! Scalars of the core schema of YAML 1.2: `no` is a text, `0x1F` a number, `~` nothing.

use super::Style;

/// A text as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scalar<'t> {
    pub(crate) text: &'t str,
    pub(crate) style: Style,
}

/// What a scalar stands for. Source: YAML 1.2.2, section 10.3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    /// Fits 64 bits.
    Integer(i64),
    /// A number of another form.
    Number,
    Text,
}

impl<'t> Scalar<'t> {
    pub(crate) fn meaning(&self) -> Meaning {
        if self.style == Style::Plain {
            meaning(self.text)
        } else {
            Meaning::Text
        }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }

    pub(crate) fn is_null(&self) -> bool {
        self.meaning() == Meaning::Null
    }

    /// The text as written, unless it stands for nothing.
    pub(crate) fn non_null(&self) -> Option<&'t str> {
        (!self.is_null()).then_some(self.text)
    }

    pub(crate) fn noun(&self) -> &'static str {
        match self.meaning() {
            Meaning::Null => "nothing",
            Meaning::Bool(_) => "a boolean",
            Meaning::Integer(_) | Meaning::Number => "a number",
            Meaning::Text => "a text",
        }
    }
}

/// What a plain scalar stands for.
pub(crate) fn meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        _ => number(text),
    }
}

fn number(text: &str) -> Meaning {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().map_or(Meaning::Number, Meaning::Integer);
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|c| c.is_digit(radix))
        {
            return i64::from_str_radix(digits, radix).map_or(Meaning::Number, Meaning::Integer);
        }
    }
    if is_float(digits) {
        Meaning::Number
    } else {
        Meaning::Text
    }
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_the_core_schema_says() {
        for (text, expected) in [
            ("no", Meaning::Text),
            ("on", Meaning::Text),
            ("~", Meaning::Null),
            ("TRUE", Meaning::Bool(true)),
            ("-7", Meaning::Integer(-7)),
            ("007", Meaning::Integer(7)),
            ("0x1F", Meaning::Integer(31)),
            ("0o17", Meaning::Integer(15)),
            ("1_000", Meaning::Text),
            ("12:30", Meaning::Text),
            ("99999999999999999999", Meaning::Number),
            ("1e3", Meaning::Number),
            ("1.", Meaning::Number),
            (".5", Meaning::Number),
            (".", Meaning::Text),
            ("-", Meaning::Text),
            ("e5", Meaning::Text),
            ("1e", Meaning::Text),
            ("-.inf", Meaning::Number),
            ("2026-11-21", Meaning::Text),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }
}
