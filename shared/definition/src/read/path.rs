//! The path of a value within a definition: `tasks.load.after[0]`.

use std::fmt;

use crate::fault::visible;

/// A path, as a list from the inside out; it is written out only for a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => write_key(f, key),
            Self::Key(parent, key) => {
                write!(f, "{parent}.")?;
                write_key(f, key)
            }
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A key, in quotes if it could be taken for something else, cut where it is longer than any name.
fn write_key(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    const CHARS_MAX: usize = 255;
    let bare = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) && key.chars().nth(CHARS_MAX).is_none() {
        return f.write_str(key);
    }
    f.write_str("\"")?;
    for c in key.chars().take(CHARS_MAX) {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            _ => f.write_str(&visible(c))?,
        }
    }
    if key.chars().nth(CHARS_MAX).is_some() {
        f.write_str("…")?;
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_the_definition() {
        let tasks = Path::Key(&Path::Root, "tasks");
        let task = Path::Key(&tasks, "依赖节点");
        let after = Path::Key(&task, "after");
        assert_eq!(
            Path::Index(&after, 0).to_string(),
            "tasks.依赖节点.after[0]"
        );
        let odd = Path::Key(&tasks, "a.\"b\"\u{1b}[0m");
        assert_eq!(odd.to_string(), "tasks.\"a.\\\"b\\\"\\u{1b}[0m\"");
    }
}
