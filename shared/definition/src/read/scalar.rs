//! Texts, names, numbers, words and durations.

use std::time::Duration;

use porpoise_model::Name;
use serde::de::DeserializeOwned;

use super::context::{At, Reader};
use crate::duration;
use crate::fault::{FaultKind, quoted};
use crate::tree::{Meaning, NodeId, Scalar, View};
use crate::word::{self, Words};

impl<'t> Reader<'t> {
    pub(crate) fn scalar(&self, at: At<'_>) -> Option<Scalar<'t>> {
        match self.tree.view(at.node) {
            View::Scalar(scalar) => Some(scalar),
            View::List(_) | View::Map(_) => None,
        }
    }

    pub(crate) fn is_null(&self, at: At<'_>) -> bool {
        self.scalar(at).is_some_and(|scalar| scalar.is_null())
    }

    /// A text of at most `bytes_max` bytes. Numbers and booleans are the text that they are written as.
    pub(crate) fn text(&mut self, at: At<'_>, bytes_max: usize) -> Option<&'t str> {
        let Some(text) = self.scalar(at).and_then(|scalar| scalar.non_null()) else {
            let hint = self
                .is_null(at)
                .then(|| "write `\"\"` for an empty text".to_owned());
            self.wrong_shape(at, "a text", hint);
            return None;
        };
        if text.len() > bytes_max {
            self.fault(
                at,
                FaultKind::TooLarge,
                format!(
                    "the text has {} bytes, at most {bytes_max} are allowed",
                    text.len()
                ),
                None,
            );
            return None;
        }
        Some(text)
    }

    /// A text that becomes an argument or a variable of a process, where a NUL ends it.
    pub(crate) fn process_text(&mut self, at: At<'_>, bytes_max: usize) -> Option<&'t str> {
        let text = self.text(at, bytes_max)?;
        if text.contains('\0') {
            self.fault(
                at,
                FaultKind::BadValue,
                "a NUL character cannot reach a process",
                None,
            );
            return None;
        }
        Some(text)
    }

    pub(crate) fn name(&mut self, at: At<'_>) -> Option<Name> {
        let Some(text) = self.scalar(at).and_then(|scalar| scalar.non_null()) else {
            self.wrong_shape(at, "a name", None);
            return None;
        };
        self.name_of(at, text)
    }

    pub(crate) fn name_of(&mut self, at: At<'_>, text: &str) -> Option<Name> {
        match text.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                self.fault(at, FaultKind::BadName, error.to_string(), None);
                None
            }
        }
    }

    pub(crate) fn boolean(&mut self, at: At<'_>) -> Option<bool> {
        match self
            .scalar(at)
            .map(|scalar| (scalar.meaning(), scalar.text))
        {
            Some((Meaning::Bool(value), _)) => Some(value),
            Some((Meaning::Text, text)) => {
                let hint = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
                    "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
                    _ => None,
                };
                self.wrong_shape(at, "`true` or `false`", hint);
                None
            }
            Some((Meaning::Null | Meaning::Integer(_) | Meaning::Number, _)) | None => {
                self.wrong_shape(at, "`true` or `false`", None);
                None
            }
        }
    }

    /// A whole number within a range.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &mut self,
        at: At<'_>,
        (from, to): (i64, i64),
    ) -> Option<T> {
        match self
            .scalar(at)
            .map(|scalar| (scalar.meaning(), scalar.text))
        {
            Some((Meaning::Integer(number), _)) if (from..=to).contains(&number) => {
                T::try_from(number).ok()
            }
            Some((Meaning::Integer(_) | Meaning::Number, text)) => {
                self.fault(
                    at,
                    FaultKind::OutOfRange,
                    format!("{} is no whole number from {from} to {to}", quoted(text)),
                    None,
                );
                None
            }
            Some((Meaning::Null | Meaning::Bool(_) | Meaning::Text, _)) | None => {
                self.wrong_shape(at, "a whole number", None);
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, at: At<'_>) -> Option<Duration> {
        let Some(text) = self.scalar(at).and_then(|scalar| scalar.non_null()) else {
            self.wrong_shape(
                at,
                "a duration",
                Some("write it like `90s`, `5m`, `1h30m` or `2d`".into()),
            );
            return None;
        };
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                let hint = error.hint(text);
                self.fault(
                    at,
                    FaultKind::BadDuration,
                    format!("{} {error}", quoted(text)),
                    hint,
                );
                None
            }
        }
    }

    /// One of the words of an enumeration.
    pub(crate) fn word<T: DeserializeOwned>(&mut self, at: At<'_>, words: Words) -> Option<T> {
        let known = || words.iter().map(|(word, _)| *word);
        let all = || known().collect::<Vec<_>>().join(", ");
        let Some(text) = self.scalar(at).and_then(|scalar| scalar.non_null()) else {
            self.wrong_shape(at, "a word", Some(format!("one of: {}", all())));
            return None;
        };
        let read = if known().any(|word| word == text) {
            word::read(text)
        } else {
            None
        };
        if read.is_none() {
            let hint = self
                .suggester
                .hint(text, known())
                .unwrap_or_else(|| format!("one of: {}", all()));
            self.fault(
                at,
                FaultKind::BadValue,
                format!("{} is not known", quoted(text)),
                Some(hint),
            );
        }
        read
    }

    pub(crate) fn list(&mut self, at: At<'_>, hint: Option<String>) -> Option<&'t [NodeId]> {
        if let View::List(items) = self.tree.view(at.node) {
            return Some(items);
        }
        self.wrong_shape(at, "a list", hint);
        None
    }

    /// Whether there are at most `most` entries; a fault if not.
    pub(crate) fn at_most(&mut self, at: At<'_>, count: usize, most: usize) -> bool {
        if count > most {
            self.fault(
                at,
                FaultKind::TooLarge,
                format!("{count} entries, at most {most} are allowed"),
                None,
            );
        }
        count <= most
    }
}
