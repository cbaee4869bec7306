//! A report in the making.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use porpoise_model::workflow::Kind;

use super::{Entry, Report, Summary, Topic};
use crate::ImportedWorkflow;
use crate::json::{At, Mark, Tree};

/// Entries that a report lists; further ones are counted.
const ENTRIES_MAX: usize = 100_000;

/// Collects entries.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Of which workflow the next entries are.
    pub(crate) workflow: Option<Arc<str>>,
    /// Of which file, by its number.
    pub(crate) file: usize,
    entries: Vec<((usize, usize), Entry)>,
    more: usize,
    /// What was said of nodes and holds no more.
    settled: BTreeSet<(usize, usize, Topic)>,
    /// The same, of one subject.
    settled_of: BTreeSet<(usize, usize, Topic, String)>,
}

impl Notes {
    /// An entry about a node. The node is not marked.
    pub(crate) fn add(
        &mut self,
        at: At<'_>,
        topic: Topic,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) {
        if self.entries.len() >= ENTRIES_MAX {
            self.more += 1;
            return;
        }
        let entry = Entry {
            level: topic.level(),
            topic,
            file: None,
            workflow: self.workflow.clone(),
            path: at.path(),
            subject: subject.into(),
            message: message.into(),
            advice: topic.advice(),
        };
        self.entries.push(((self.file, at.id.0), entry));
    }

    /// An entry about something beside the files.
    pub(crate) fn say(&mut self, path: String, topic: Topic, subject: String, message: String) {
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
        self.entries.push(((usize::MAX, self.entries.len()), entry));
    }

    /// What was said of a node under a topic holds no more: something else was made of it.
    pub(crate) fn settle(&mut self, at: At<'_>, topic: Topic) {
        self.settled.insert((self.file, at.id.0, topic));
    }

    /// The same, of what was said of one of the subjects in a node.
    pub(crate) fn settle_of(&mut self, at: At<'_>, topic: Topic, subject: String) {
        self.settled_of.insert((self.file, at.id.0, topic, subject));
    }

    /// An entry that speaks for all that nobody has looked at in the node.
    pub(crate) fn cover(
        &mut self,
        at: At<'_>,
        topic: Topic,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) {
        at.mark_all(Mark::Reported);
        self.add(at, topic, subject, message);
    }

    /// `files` are the names and the trees, in their order.
    pub(crate) fn into_report(
        mut self,
        files: &[(Arc<str>, &Tree)],
        workflows: &[ImportedWorkflow],
    ) -> Report {
        let settled = std::mem::take(&mut self.settled);
        let settled_of = std::mem::take(&mut self.settled_of);
        self.entries.retain(|((file, node), entry)| {
            let of_node = settled.contains(&(*file, *node, entry.topic));
            let of_subject = || {
                let one = (*file, *node, entry.topic, entry.subject.clone());
                !settled_of.is_empty() && settled_of.contains(&one)
            };
            !of_node && !of_subject()
        });
        self.entries
            .sort_by(|(at, a), (bt, b)| (a.level, a.topic, at).cmp(&(b.level, b.topic, bt)));
        // Where there is one file, nobody has to be told which.
        let file = |number: usize| files.get(number).filter(|_| files.len() > 1);
        let entries = self.entries.into_iter().map(|((number, _), entry)| Entry {
            file: file(number).map(|(name, _)| Arc::clone(name)),
            ..entry
        });
        let mut report = Report {
            workflows: workflows.iter().map(summary).collect(),
            entries: entries.collect(),
            more: self.more,
            leaves: 0,
            used: 0,
            ignored: BTreeMap::new(),
            reported: 0,
        };
        for leaf in files.iter().flat_map(|(_, tree)| tree.leaves()) {
            report.leaves += 1;
            match leaf.mark() {
                Mark::Used => report.used += 1,
                Mark::Ignored(rule) => *report.ignored.entry(rule).or_default() += 1,
                // The sweep leaves none unseen; if it did, the sum would show it.
                Mark::Unseen => {}
                Mark::Reported => report.reported += 1,
            }
        }
        report
    }
}

fn summary(imported: &ImportedWorkflow) -> Summary {
    let tasks = &imported.workflow.tasks;
    Summary {
        workflow: imported.workflow.name.to_string(),
        version: imported.version,
        dialect: imported.workflow.dialect.clone(),
        file_name: imported.file_name.clone(),
        tasks: tasks.len(),
        edges: tasks.iter().map(|task| task.after.len()).sum(),
        external: tasks
            .iter()
            .filter(|task| matches!(task.kind, Kind::External { .. }))
            .count(),
    }
}
