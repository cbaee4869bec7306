//! What is wrong with a file, and where.

use std::fmt;
use std::sync::Arc;

use porpoise_model::limits::FINDINGS_MAX;
use serde::Serialize;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, as the caller named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// `tasks.load.after[0]`; empty where the file cannot be read at all.
    pub path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)?;
        if self.path.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.path)
        }
    }
}

/// Something that makes a file unusable. Displays as ``FILE:2:8: tasks.b.after[0]: no task named `c` ``.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// For programs.
    pub kind: FaultKind,
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// What to do: ``did you mean `extract`?``
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Something that is allowed and perhaps not meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What it is.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The sort of a [`Fault`]; its word in JSON is in snake case and does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// Neither YAML nor JSON, or YAML beyond what definitions may use.
    Syntax,
    /// A limit of [`porpoise_model::limits`] is exceeded.
    TooLarge,
    /// A name, key or document is there twice.
    Duplicate,
    /// No field of that name.
    UnknownField,
    /// A field that has to be there is not.
    MissingField,
    /// Fields that exclude each other.
    Conflict,
    /// A list where a text belongs, and so on.
    WrongShape,
    /// No valid name.
    BadName,
    /// A text that does not mean what it should.
    BadValue,
    /// A value outside its range.
    OutOfRange,
    /// No valid duration.
    BadDuration,
    /// No valid cron expression.
    BadCron,
    /// No time zone of that name.
    BadTimeZone,
    /// No valid expression.
    BadExpression,
    /// A dependency on a task that is not there.
    UnknownTask,
    /// Tasks that wait for each other, or for themselves.
    Cycle,
    /// A parameter that is not there.
    UnknownParameter,
    /// An output that is not there, or not of a task upstream.
    UnknownOutput,
    /// A calendar that the project does not have.
    UnknownCalendar,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.place, &self.message, self.hint.as_deref())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, &self.place, &self.message, self.hint.as_deref())
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    place: &Place,
    message: &str,
    hint: Option<&str>,
) -> fmt::Result {
    write!(f, "{place}: {message}")?;
    hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
}

/// All faults of a file, in the order of the file. Displays as a line for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{}", lines(.faults, *.more))]
pub struct Faults {
    /// At least one, at most [`FINDINGS_MAX`].
    pub faults: Vec<Fault>,
    /// How many more there were.
    pub more: usize,
    /// What else was noticed.
    pub notes: Vec<Note>,
}

impl Faults {
    /// Just this one.
    pub fn of(fault: Fault) -> Self {
        Self {
            faults: vec![fault],
            more: 0,
            notes: Vec::new(),
        }
    }

    pub(crate) fn one(kind: FaultKind, place: Place, message: &str, hint: Option<String>) -> Self {
        Self::of(Fault {
            kind,
            place,
            message: message.to_owned(),
            hint,
        })
    }
}

fn lines(faults: &[Fault], more: usize) -> String {
    let mut lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more faults"));
    }
    lines.join("\n")
}

/// Collects what is found in a file, up to [`FINDINGS_MAX`] of each sort.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    faults: Vec<Fault>,
    more: usize,
    notes: Vec<Note>,
}

impl Findings {
    pub(crate) fn fault(&mut self, fault: impl FnOnce() -> Fault) {
        if self.faults.len() < FINDINGS_MAX {
            self.faults.push(fault());
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn note(&mut self, note: impl FnOnce() -> Note) {
        if self.notes.len() < FINDINGS_MAX {
            self.notes.push(note());
        }
    }

    /// How many faults there are by now.
    pub(crate) fn count(&self) -> usize {
        self.faults.len() + self.more
    }

    /// Takes the notes since the last call, in the order of the file.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        self.notes.sort_by(|a, b| a.place.cmp(&b.place));
        std::mem::take(&mut self.notes)
    }

    /// `value`, if there are no faults.
    pub(crate) fn into_result<T>(mut self, value: T, notes: Vec<Note>) -> Result<T, Faults> {
        if self.faults.is_empty() {
            return Ok(value);
        }
        self.faults.sort_by(|a, b| a.place.cmp(&b.place));
        Err(Faults {
            faults: self.faults,
            more: self.more,
            notes,
        })
    }
}

/// `text` as it can be shown in a message: in backticks, control characters escaped, shortened.
pub(crate) fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let mut shown: String = text.chars().take(CHARS_MAX).map(visible).collect();
    if text.chars().nth(CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A character, or its escape if a terminal would obey it or nobody could see it.
pub(crate) fn visible(c: char) -> String {
    let hidden = c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if hidden {
        c.escape_default().to_string()
    } else {
        c.to_string()
    }
}
