//! A workflow as a document: which fields are written, in which form, in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use porpoise_model::workflow::{PoolUse, Retry, Schedule, Task, Timeout, TimeoutAction, Workflow};
use porpoise_model::{Value, ValueType};
use serde::Serialize;

use super::emit::Document;
use super::kind;
use crate::read::{DIALECT_DEFAULT, of_plain};
use crate::{duration, word};

/// The entries of a map, without those at their defaults.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<(String, Document)>);

impl Entries {
    pub(super) fn put(&mut self, name: &str, document: Document) {
        self.0.push((name.to_owned(), document));
    }

    pub(super) fn some(&mut self, name: &str, document: Option<Document>) {
        if let Some(document) = document {
            self.put(name, document);
        }
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.put(name, Document::Text(text.to_owned()));
        }
    }

    fn word<T: Serialize + Default + PartialEq>(&mut self, name: &str, variant: &T) {
        if *variant != T::default() {
            self.put(name, Document::Bare(word::write(variant)));
        }
    }

    fn duration(&mut self, name: &str, duration: Duration) {
        if !duration.is_zero() {
            self.put(name, bare_duration(duration));
        }
    }

    fn map<'a, V: 'a>(
        &mut self,
        name: &str,
        entries: impl IntoIterator<Item = (&'a String, V)>,
        write: impl Fn(V) -> Document,
    ) {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(key, value)| (key.clone(), write(value)))
            .collect();
        if !entries.is_empty() {
            self.put(name, Document::Map(entries));
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    pub(super) fn done(self) -> Document {
        Document::Map(self.0)
    }
}

pub(super) fn of(workflow: &Workflow) -> Document {
    let mut entries = Entries::default();
    entries.text("workflow", workflow.name.as_str());
    entries.text("project", workflow.project.as_str());
    entries.text("description", &workflow.description);
    if workflow.dialect != DIALECT_DEFAULT {
        entries.text("dialect", &workflow.dialect);
    }
    entries.some("schedule", workflow.schedule.as_ref().map(schedule));
    entries.map("parameters", &workflow.parameters, parameter);
    entries.map("outputs", &workflow.outputs, parameter);
    entries.some("timeout", workflow.timeout.map(timeout));
    entries.word("on_failure", &workflow.on_failure);
    entries.word("concurrency", &workflow.concurrency);
    entries.word("priority", &workflow.priority);
    if !workflow.notify.is_empty() {
        let words = workflow.notify.iter();
        let words = words.map(|occasion| occasion.as_str().to_owned());
        entries.put("notify", Document::Texts(words.collect()));
    }
    labels(&mut entries, &workflow.labels);
    let tasks = workflow.tasks.iter();
    let tasks = tasks.map(|each| (each.name.to_string(), task(each, workflow)));
    entries.put("tasks", Document::Map(tasks.collect()));
    entries.done()
}

fn schedule(schedule: &Schedule) -> Document {
    let mut entries = Entries::default();
    entries.text("cron", &schedule.cron);
    entries.text("timezone", &schedule.timezone);
    entries.some(
        "start",
        schedule
            .start
            .map(|start| Document::Text(start.to_string())),
    );
    entries.some(
        "end",
        schedule.end.map(|end| Document::Text(end.to_string())),
    );
    entries.word("missed", &schedule.missed);
    if schedule.offline {
        entries.put("offline", Document::Bare("true".into()));
    }
    if let Some(calendar) = &schedule.calendar {
        entries.text("calendar", calendar.as_str());
    }
    entries.word("excluded", &schedule.excluded);
    entries.done()
}

fn task(task: &Task, workflow: &Workflow) -> Document {
    let mut entries = Entries::default();
    entries.text("description", &task.description);
    if !task.after.is_empty() {
        entries.put("after", names(workflow, &task.after));
    }
    if task.trigger != task.kind.usual_trigger().unwrap_or_default() {
        entries.put("trigger", Document::Bare(word::write(&task.trigger)));
    }
    if task.disabled {
        entries.put("disabled", Document::Bare("true".into()));
    }
    entries.map("parameters", &task.parameters, parameter);
    entries.map("env", &task.env, |text| Document::Text(text.clone()));
    entries.map("files", &task.files, |text| Document::Text(text.clone()));
    kind::write(&mut entries, &task.kind, &|tasks| names(workflow, tasks));
    outputs(&mut entries, &task.outputs);
    retry(&mut entries, &task.retry);
    entries.some("timeout", task.timeout.map(timeout));
    entries.duration("delay", task.delay);
    entries.word("priority", &task.priority);
    entries.some("pool", task.pool.as_ref().map(pool));
    entries.some("target", task.target.clone().map(Document::Text));
    labels(&mut entries, &task.labels);
    entries.done()
}

/// The names of tasks at these indices.
fn names(workflow: &Workflow, indices: &[u32]) -> Document {
    let name = |index: &u32| {
        let index = usize::try_from(*index).ok();
        let task = index.and_then(|index| workflow.tasks.get(index));
        task.map(|task| task.name.to_string())
    };
    Document::Texts(indices.iter().filter_map(name).collect())
}

/// A map of names to values.
pub(super) fn parameters(parameters: &BTreeMap<String, Value>) -> Document {
    let entries = parameters.iter();
    Document::Map(
        entries
            .map(|(name, value)| (name.clone(), parameter(value)))
            .collect(),
    )
}

/// The short form where it says the same.
fn parameter(value: &Value) -> Document {
    if value.kind == ValueType::Varchar {
        Document::Text(value.text.clone())
    } else if of_plain(&value.text) == *value {
        Document::Bare(value.text.clone())
    } else {
        typed(value)
    }
}

fn typed(value: &Value) -> Document {
    let mut entries = Entries::default();
    entries.word("type", &value.kind);
    entries.put("value", Document::Text(value.text.clone()));
    entries.done()
}

fn outputs(entries: &mut Entries, outputs: &IndexMap<String, Value>) {
    if !outputs.is_empty() && outputs.values().all(|value| *value == Value::default()) {
        entries.put(
            "outputs",
            Document::Texts(outputs.keys().cloned().collect()),
        );
        return;
    }
    entries.map("outputs", outputs, |value: &Value| {
        let mut output = Entries::default();
        output.word("type", &value.kind);
        output.text("value", &value.text);
        output.done()
    });
}

fn retry(entries: &mut Entries, retry: &Retry) {
    let short = Retry {
        limit: retry.limit,
        delay: retry.delay,
        ..Retry::default()
    };
    let limit = (retry.limit > 0).then(|| Document::Bare(retry.limit.to_string()));
    if *retry == short {
        entries.some("retries", limit);
        entries.duration("retry_delay", retry.delay);
        return;
    }
    let mut full = Entries::default();
    full.some("limit", limit);
    full.duration("delay", retry.delay);
    full.word("backoff", &retry.backoff);
    full.some("delay_max", retry.delay_max.map(bare_duration));
    if retry.jitter_percent > 0 {
        full.put(
            "jitter_percent",
            Document::Bare(retry.jitter_percent.to_string()),
        );
    }
    entries.put("retry", full.done());
}

fn timeout(timeout: Timeout) -> Document {
    match timeout.action {
        TimeoutAction::Fail => bare_duration(timeout.after),
        TimeoutAction::Warn => {
            let mut entries = Entries::default();
            entries.put("after", bare_duration(timeout.after));
            entries.word("action", &timeout.action);
            entries.done()
        }
    }
}

fn pool(pool: &PoolUse) -> Document {
    if pool.slots == 1 && pool.weight == 0 {
        return Document::Text(pool.name.to_string());
    }
    let mut entries = Entries::default();
    entries.text("name", pool.name.as_str());
    if pool.slots != 1 {
        entries.put("slots", Document::Bare(pool.slots.to_string()));
    }
    if pool.weight != 0 {
        entries.put("weight", Document::Bare(pool.weight.to_string()));
    }
    entries.done()
}

fn labels(entries: &mut Entries, labels: &BTreeMap<String, String>) {
    entries.map("labels", labels, |text: &String| {
        Document::Text(text.clone())
    });
}

pub(super) fn bare_duration(duration: Duration) -> Document {
    Document::Bare(duration::format(duration))
}
