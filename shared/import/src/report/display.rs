//! Reports for a terminal.

use std::fmt;

use indexmap::IndexMap;

use super::{Entry, Level, Report};

/// Subjects that a group shows.
const SUBJECTS_SHOWN: usize = 6;

/// Paths that a group shows.
const PATHS_SHOWN: usize = 2;

/// Every entry of a report, one a line.
#[derive(Debug, Clone, Copy)]
pub struct Full<'r>(pub(super) &'r Report);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(self, f)?;
        for level in Level::ALL {
            let mut groups: IndexMap<_, Vec<&Entry>> = IndexMap::new();
            for entry in self.of(level) {
                groups.entry(entry.topic).or_default().push(entry);
            }
            if !groups.is_empty() {
                writeln!(f, "\n{}", level.title())?;
            }
            for (topic, entries) in groups {
                write!(f, "  {:>5} × {}", entries.len(), topic.title())?;
                group(&entries, f)?;
                writeln!(f, "          → {}", topic.advice())?;
            }
        }
        tail(self, f)
    }
}

impl fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(self.0, f)?;
        for level in Level::ALL {
            let mut entries = self.0.of(level).peekable();
            if entries.peek().is_some() {
                writeln!(f, "\n{}", level.title())?;
            }
            for entry in entries {
                writeln!(f, "  {}: {}", place(entry), entry.message)?;
            }
        }
        tail(self.0, f)
    }
}

/// The path, behind its file where there are several.
pub(super) fn place(entry: &Entry) -> String {
    let path = &entry.path;
    match &entry.file {
        Some(file) if path.is_empty() => file.to_string(),
        Some(file) => format!("{file}:{path}"),
        None => path.clone(),
    }
}

fn head(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for summary in &report.workflows {
        let (tasks, edges) = (summary.tasks, summary.edges);
        write!(
            f,
            "{} → {}: {}, {}",
            summary.workflow,
            summary.file_name,
            count(tasks, "task"),
            count(edges, "edge")
        )?;
        if summary.external > 0 {
            write!(f, "; {} without an executor here", summary.external)?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// What the entries of a topic are about, most frequent first; if the topic says it all, where they are.
fn group(entries: &[&Entry], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut subjects: IndexMap<&str, usize> = IndexMap::new();
    for entry in entries {
        *subjects.entry(&entry.subject).or_default() += 1;
    }
    subjects.sort_by(|a, times_a, b, times_b| times_b.cmp(times_a).then(a.cmp(b)));
    let mut parts: Vec<String> = Vec::new();
    let only_empty = subjects.keys().all(|subject| subject.is_empty());
    if only_empty {
        parts.extend(entries.iter().take(PATHS_SHOWN).map(|entry| place(entry)));
    } else {
        let shown = subjects.iter().take(SUBJECTS_SHOWN);
        parts.extend(shown.map(|(subject, times)| match times {
            1 => (*subject).to_owned(),
            _ => format!("{subject} ({times})"),
        }));
    }
    let all = if only_empty {
        entries.len()
    } else {
        subjects.len()
    };
    if all > parts.len() {
        parts.push(format!("and {} more", all - parts.len()));
    }
    writeln!(f, ": {}", parts.join(", "))
}

fn tail(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if report.more > 0 {
        writeln!(f, "\n{} further entries are not listed", report.more)?;
    }
    let ignored: usize = report.ignored.values().sum();
    write!(
        f,
        "\n{} values: {} carried over, ",
        report.leaves, report.used
    )?;
    write!(
        f,
        "{ignored} of no consequence (copies, ids, defaults), {} only reported",
        report.reported
    )
}
