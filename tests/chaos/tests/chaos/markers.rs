//! The evidence: what the tasks themselves wrote, in the order in which they wrote it.

use std::collections::BTreeMap;
use std::path::Path;

/// A line of the file of markers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub run: String,
    pub task: String,
    pub attempt: u32,
    pub pid: u32,
    /// The exit code of an end; none: a beginning.
    pub code: Option<i32>,
}

/// All lines. Every task appends to one file, so that their places in it are the order of what happened, whatever
/// clocks say.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    pub marks: Vec<Mark>,
    /// Lines that are none.
    pub damaged: Vec<String>,
}

/// The marks of one attempt: places in the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    pub begins: Vec<usize>,
    pub ends: Vec<usize>,
}

/// Attempts of the tasks of one run.
pub type Tasks = BTreeMap<String, BTreeMap<u32, Attempt>>;

impl Journal {
    pub fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(path).unwrap_or_default())
    }

    pub fn parse(text: &str) -> Self {
        let mut journal = Self::default();
        for line in text.split_inclusive('\n') {
            match parse(line) {
                Some(mark) => journal.marks.push(mark),
                None => journal.damaged.push(line.to_owned()),
            }
        }
        journal
    }

    /// By run.
    pub fn runs(&self) -> BTreeMap<String, Tasks> {
        let mut runs: BTreeMap<String, Tasks> = BTreeMap::new();
        for (at, mark) in self.marks.iter().enumerate() {
            let tasks = runs.entry(mark.run.clone()).or_default();
            let attempts = tasks.entry(mark.task.clone()).or_default();
            let attempt = attempts.entry(mark.attempt).or_default();
            match mark.code {
                None => attempt.begins.push(at),
                Some(_) => attempt.ends.push(at),
            }
        }
        runs
    }

    /// Attempts that have begun and not ended.
    pub fn in_flight(&self) -> usize {
        let runs = self.runs();
        let attempts = runs
            .values()
            .flat_map(Tasks::values)
            .flat_map(BTreeMap::values);
        attempts.filter(|attempt| attempt.ends.is_empty()).count()
    }
}

/// `begin RUN TASK ATTEMPT PID`, `end RUN TASK ATTEMPT PID CODE`.
fn parse(line: &str) -> Option<Mark> {
    let mut words = line.strip_suffix('\n')?.split(' ');
    let word = words.next()?;
    let mut mark = Mark {
        run: words.next()?.to_owned(),
        task: words.next()?.to_owned(),
        attempt: words.next()?.parse().ok()?,
        pid: words.next()?.parse().ok()?,
        code: None,
    };
    match word {
        "begin" => {}
        "end" => mark.code = Some(words.next()?.parse().ok()?),
        _ => return None,
    }
    words.next().is_none().then_some(mark)
}
