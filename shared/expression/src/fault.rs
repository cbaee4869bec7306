//! What can be wrong with a text when it is rendered.

use std::ops::Range;

use crate::date::DateError;

/// Why a text could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Names that neither the scope nor the built-ins know: each once, in the order of the text.
    #[error("no parameter is named {}", joined(.names, |name| format!("`{}`", name.name)))]
    Unknown {
        /// At least one.
        names: Vec<UnknownName>,
    },
    /// Values that refer to each other.
    #[error("parameters refer to each other in a circle: `{}`", .path.join(" -> "))]
    Circle {
        /// The names on the circle; the last one is the first one again.
        path: Vec<String>,
    },
    /// Date expressions that cannot be evaluated, in the order of the text.
    #[error("cannot evaluate {}", joined(.problems, ToString::to_string))]
    Dates {
        /// At least one.
        problems: Vec<DateProblem>,
    },
    /// Values would add more bytes to the text than is allowed.
    #[error("the values that the text refers to are larger than {limit} bytes together")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Values refer to values that refer to values, too many times.
    #[error("values refer to further values more than {limit} levels deep")]
    TooDeep {
        /// The limit in levels.
        limit: usize,
    },
}

/// A name that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The name; a very long one is cut off and ends with `…`.
    pub name: String,
    /// Where the `${...}` stands, in bytes, within the text of `within`.
    pub span: Range<usize>,
    /// The parameter in whose value the name is used; `None` for the rendered text itself.
    pub within: Option<String>,
}

/// A date expression that cannot be evaluated. Displays as ``$[yyyyl]`: ...``.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`$[{expression}]`: {error}")]
pub struct DateProblem {
    /// What stands between `$[` and `]` after `${...}` was replaced; a very long one is cut off.
    pub expression: String,
    /// What is wrong with it, and where.
    pub error: DateError,
}

/// `text`, or its beginning and `…` when it is longer than a message should repeat.
pub(crate) fn shortened(text: &str) -> String {
    const CHARS_SHOWN: usize = 255;
    match text.char_indices().nth(CHARS_SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

fn joined<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}
