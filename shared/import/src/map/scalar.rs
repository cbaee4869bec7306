//! Numbers, words, names and labels, read leniently: numbers may be texts, words may be numbers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use porpoise_model::limits::{DELAY_SECONDS_MAX, VALUE_BYTES_MAX};
use porpoise_model::{Name, name::ParseNameError};

use super::Mapper;
use crate::fault::short;
use crate::json::At;
use crate::report::{Rule, Topic};

/// The words of an enumeration, in the order of the numbers that databases and create calls use.
pub(crate) type Words<T> = &'static [(&'static str, T)];

/// The first part of labels that keep what has no field of its own.
pub(super) const LABEL: &str = "dolphinscheduler.";

impl Mapper<'_> {
    /// A whole number; `default` if it is absent, null or empty.
    pub(super) fn number(
        &mut self,
        object: At<'_>,
        key: &str,
        default: i64,
        range: RangeInclusive<i64>,
    ) -> i64 {
        let Some(at) = object.get(key).filter(|at| !at.is_empty()) else {
            return default;
        };
        match at.integer() {
            Some(number) if range.contains(&number) => {
                at.used();
                number
            }
            Some(number) => {
                let (from, to) = range.into_inner();
                self.fault(at, format!("{number} is out of range {from} to {to}"), None);
                default
            }
            None => {
                self.fault(at, "expected a whole number", None);
                default
            }
        }
    }

    /// Minutes, up to a year.
    pub(super) fn minutes(&mut self, object: At<'_>, key: &str, default: i64) -> Duration {
        let minutes = self.number(object, key, default, 0..=DELAY_SECONDS_MAX / 60);
        Duration::from_secs(u64::try_from(minutes).unwrap_or_default() * 60)
    }

    /// A word of an enumeration; the default, with an entry, if it is not known.
    pub(super) fn word<T: Copy>(
        &mut self,
        object: At<'_>,
        key: &str,
        words: Words<T>,
        default: T,
    ) -> T {
        let Some(at) = object.get(key).filter(|at| !at.is_empty()) else {
            return default;
        };
        if let Some(value) = known_word(at, words) {
            at.used();
            return value;
        }
        let shown = at
            .text()
            .map_or_else(|| "a value".to_owned(), |text| format!("`{}`", short(text)));
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let message = format!(
            "{shown} is none of {}: the default is taken",
            known.join(", ")
        );
        self.notes.cover(at, Topic::UnknownWord, key, message);
        default
    }

    /// The name of a workflow or task, cleaned of what no name may hold.
    pub(super) fn name(&mut self, object: At<'_>, key: &str) -> Option<Name> {
        let at = object.get(key).unwrap_or(object);
        let Some(text) = at.text() else {
            self.fault(at, format!("there is no `{key}`"), None);
            return None;
        };
        at.used();
        match text.parse::<Name>() {
            Ok(name) => {
                if name.as_str() != text {
                    self.renamed(at, &name, "its characters are composed");
                }
                Some(name)
            }
            Err(error) => {
                let cleaned = match error {
                    ParseNameError::Control(..) | ParseNameError::Blank => clean(text),
                    ParseNameError::Empty | ParseNameError::TooLong(_) => None,
                };
                match cleaned {
                    Some(name) => self.renamed(at, &name, &error.to_string()),
                    None => self.fault(at, error.to_string(), None),
                }
                clean(text).filter(|_| !matches!(error, ParseNameError::TooLong(_)))
            }
        }
    }

    fn renamed(&mut self, at: At<'_>, name: &Name, why: &str) {
        self.notes.add(
            at,
            Topic::Renamed,
            name.as_str(),
            format!("the name is `{name}` now: {why}"),
        );
    }

    /// Keeps a value as a label. Gives its text, unless it is absent or one of `defaults`.
    pub(super) fn label<'t>(
        &mut self,
        labels: &mut BTreeMap<String, String>,
        (object, key, label): (At<'t>, &str, &str),
        defaults: &[&str],
    ) -> Option<(At<'t>, String)> {
        let at = object.get(key).filter(|at| !at.is_empty())?;
        let text = plain(at)?;
        if defaults.contains(&text.as_str()) {
            at.ignored(Rule::Default);
            return None;
        }
        if text.len() > VALUE_BYTES_MAX {
            self.fault(
                at,
                format!("a label has at most {VALUE_BYTES_MAX} bytes"),
                None,
            );
            return None;
        }
        at.used();
        labels.insert(format!("{LABEL}{label}"), text.clone());
        Some((at, text))
    }
}

/// What a word, or the number of one, stands for. The node is not marked.
pub(crate) fn known_word<T: Copy>(at: At<'_>, words: Words<T>) -> Option<T> {
    let by_word = at.text().and_then(|text| {
        words
            .iter()
            .find(|(word, _)| word.eq_ignore_ascii_case(text.trim()))
    });
    let by_number = || words.get(usize::try_from(at.integer()?).ok()?);
    by_word.or_else(by_number).map(|(_, value)| *value)
}

/// The text of a scalar.
pub(super) fn plain(at: At<'_>) -> Option<String> {
    at.scalar()
}

/// What a workflow or task will be called, if that can be said.
pub(super) fn named(at: At<'_>) -> Option<Name> {
    let text = at.text()?;
    match text.parse::<Name>() {
        Ok(name) => Some(name),
        Err(ParseNameError::TooLong(_)) => None,
        Err(_) => clean(text),
    }
}

/// The text with blanks for every character that no name may hold.
fn clean(text: &str) -> Option<Name> {
    let cleaned: String = text
        .chars()
        .map(|c| match c.to_string().parse::<Name>() {
            Err(ParseNameError::Control(..)) => ' ',
            Ok(_) | Err(_) => c,
        })
        .collect();
    cleaned.trim().parse().ok()
}
