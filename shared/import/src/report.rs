//! What became of the values of a file.

mod display;
mod html;
mod notes;
mod topic;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::Version;

pub use display::Full;
pub(crate) use notes::Notes;
pub use topic::{Level, Rule, Topic};

/// What differs, what was left behind, what to know. Shown, it groups its entries; [`Report::full`] lists each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the files.
    pub workflows: Vec<Summary>,
    /// Grouped by level and topic, then in the order of the file.
    pub entries: Vec<Entry>,
    /// How many further entries are not listed.
    pub more: usize,
    /// Leaves of the input: values that hold no others, those in texts that hold JSON included.
    pub leaves: usize,
    /// Of them, those that are in the result.
    pub used: usize,
    /// Of them, those that do not matter, by the rule that says why.
    pub ignored: BTreeMap<Rule, usize>,
    /// Of them, those that only the entries speak of.
    pub reported: usize,
}

/// A workflow in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name.
    pub workflow: String,
    /// The version of DolphinScheduler as whose it was read.
    #[serde(serialize_with = "as_text")]
    pub version: Version,
    /// The dialect of its expressions.
    pub dialect: String,
    /// The suggested name of its definition file.
    pub file_name: String,
    /// Its tasks.
    pub tasks: usize,
    /// Its edges.
    pub edges: usize,
    /// Tasks that have no executor here yet.
    pub external: usize,
}

/// One thing that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// How much it matters.
    pub level: Level,
    /// What sort of thing it is.
    pub topic: Topic,
    /// In which file, where several were imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// Of which workflow; none if it is the file's.
    pub workflow: Option<Arc<str>>,
    /// `[2].taskDefinitionList[5].taskParams.sql`
    pub path: String,
    /// What it is about, for counting: a task type, a pool, a field; empty if the topic says it all.
    pub subject: String,
    /// What happened; never holds the value of a parameter.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn as_text<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(version)
}

impl Report {
    /// Every entry, one a line.
    pub const fn full(&self) -> Full<'_> {
        Full(self)
    }

    /// Adds what was found out after the import, about a thing that has no place in the files.
    pub fn add(&mut self, topic: Topic, path: String, subject: String, message: String) {
        let entry = Entry {
            level: topic.level(),
            topic,
            file: None,
            workflow: None,
            path,
            subject,
            message,
            advice: topic.advice(),
        };
        let before = |other: &Entry| (other.level, other.topic) <= (entry.level, entry.topic);
        let at = self.entries.partition_point(before);
        self.entries.insert(at, entry);
    }

    /// The entries of a level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.level == level)
    }
}
