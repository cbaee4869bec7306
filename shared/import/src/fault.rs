//! Why a file was refused, and where.

use std::fmt;

use porpoise_model::limits::FINDINGS_MAX;
use serde::Serialize;

use crate::json::{At, NodeId, starts};

/// Every fault of a file, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", lines(self))]
pub struct ImportFaults {
    /// The file, as the caller named it.
    pub file: String,
    /// At least one.
    pub faults: Vec<ImportFault>,
    /// How many further ones are not listed.
    pub more: usize,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportFault {
    /// Where in the file.
    pub position: Position,
    /// `[2].taskDefinitionList[5].name`; empty where it is the file as a whole.
    pub path: String,
    /// What is wrong; never holds the value of a parameter.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A place in a text; of a value inside a text that holds JSON, where that text begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for ImportFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{line}:{column}: ")?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

fn lines(faults: &ImportFaults) -> String {
    let mut lines: Vec<_> = faults
        .faults
        .iter()
        .map(|fault| format!("{}:{fault}", faults.file))
        .collect();
    if faults.more > 0 {
        lines.push(format!("{}: and {} more faults", faults.file, faults.more));
    }
    lines.join("\n")
}

/// Where a problem is, before lines are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    Start,
    At {
        line: usize,
        column: usize,
    },
    /// A node: its path, and the node of the file itself that it is or that it is in.
    Node {
        path: String,
        of_file: NodeId,
    },
}

impl Spot {
    /// The place of a node, or of the text or object that it is in.
    pub(crate) fn of(at: At<'_>) -> Self {
        let mut of_file = at;
        while of_file.id.0 >= at.tree.of_file
            && let Some(parent) = of_file.parent()
        {
            of_file = parent;
        }
        Self::Node {
            path: at.path(),
            of_file: of_file.id,
        }
    }
}

/// A fault, before lines are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) spot: Spot,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The faults of a file, before lines are counted.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    problems: Vec<Problem>,
    more: usize,
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            more: 0,
        }
    }
}

impl Problems {
    pub(crate) fn one(hint: Option<&str>, message: String) -> Self {
        Self::from(Problem {
            spot: Spot::Start,
            message,
            hint: hint.map(Into::into),
        })
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        if self.problems.len() < FINDINGS_MAX {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Counts the lines, unless the places of the nodes are known.
    pub(crate) fn locate(
        &self,
        file: &str,
        text: &str,
        places: Option<&[(usize, usize)]>,
    ) -> ImportFaults {
        let with_nodes = self
            .problems
            .iter()
            .any(|problem| matches!(problem.spot, Spot::Node { .. }));
        let starts = if with_nodes && places.is_none() {
            starts(text)
        } else {
            Vec::new()
        };
        let mut faults: Vec<_> = self
            .problems
            .iter()
            .map(|problem| located(problem, text, &starts, places))
            .collect();
        faults.sort_by_key(|fault| fault.position);
        ImportFaults {
            file: file.to_owned(),
            faults,
            more: self.more,
        }
    }
}

fn located(
    problem: &Problem,
    text: &str,
    starts: &[usize],
    places: Option<&[(usize, usize)]>,
) -> ImportFault {
    let (line, column, path) = match &problem.spot {
        Spot::Start => (1, 1, String::new()),
        Spot::At { line, column } => (*line, *column, String::new()),
        Spot::Node { path, of_file } => {
            let known = places.and_then(|places| places.get(of_file.0).copied());
            let (line, column) = known.unwrap_or_else(|| {
                let byte = starts.get(of_file.0).copied().unwrap_or_default();
                crate::json::line_and_column(text, byte)
            });
            (line, column, path.clone())
        }
    };
    let position = Position { line, column };
    ImportFault {
        position,
        path,
        message: problem.message.clone(),
        hint: problem.hint.clone(),
    }
}

/// A text that somebody else wrote, fit for one line of a message: no control characters, at most 60 characters.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text
        .chars()
        .map(|c| if visible(c) { c } else { '\u{fffd}' })
        .take(60)
        .collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}

/// A message that may quote a file, on one line.
pub(crate) fn line(text: &str) -> String {
    let chars = text.chars().take(300);
    chars
        .map(|c| if visible(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Neither a control character nor one that turns or breaks a line.
fn visible(c: char) -> bool {
    c == ' ' || c.to_string().parse::<porpoise_model::Name>().is_ok()
}
