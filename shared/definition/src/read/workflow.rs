//! A document as a workflow.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use porpoise_expression::Dialect;
use porpoise_model::Name;
use porpoise_model::limits::{
    DEFINITION_EXPANDED_BYTES_MAX, DEFINITION_NODES_MAX, ENTRIES_MAX, SCRIPT_BYTES_MAX, TASKS_MAX,
    VALUE_BYTES_MAX,
};
use porpoise_model::workflow::{Occasion, STORED_FORM, Task, Workflow};

use super::branch::Branches;
use super::context::{At, Entry, Fields, Here, Reader};
use super::reference::{Known, Texts};
use super::task::Defaults;
use crate::fault::FaultKind;
use crate::fields::WORKFLOW;
use crate::tree::NodeId;
use crate::word;

/// The project of a workflow that names none.
pub(crate) const PROJECT_DEFAULT: &str = "default";

impl<'t> Reader<'t> {
    /// The workflow of a document, if nothing in it is at fault.
    pub(crate) fn workflow(&mut self, at: At<'_>) -> Option<Workflow> {
        let faults = self.findings.count();
        self.texts = Texts::default();
        let fields = self.object(at, &WORKFLOW)?;
        let dialect = match fields.get("dialect") {
            None => Some(Dialect::Porpoise1),
            Some(at) => self.dialect(at),
        };
        self.strict = dialect.is_none_or(Dialect::is_native);
        let project = match fields.get("project") {
            None => PROJECT_DEFAULT.parse().ok(),
            Some(at) => self.name(at),
        };
        let name = fields.get("workflow").and_then(|at| self.name(at));
        self.own_name.clone_from(&name);
        let description = fields
            .get("description")
            .and_then(|at| self.text(at, SCRIPT_BYTES_MAX));
        let schedule = fields.get("schedule").and_then(|at| self.schedule(at));
        let parameters = fields
            .get("parameters")
            .and_then(|at| self.parameters(at, None))
            .unwrap_or_default();
        let outputs = fields.get("outputs").and_then(|at| self.results(at));
        let timeout = fields.get("timeout").and_then(|at| self.timeout(at));
        let on_failure = fields
            .get("on_failure")
            .and_then(|at| self.word(at, word::FAILURE_STRATEGIES));
        let concurrency = fields
            .get("concurrency")
            .and_then(|at| self.word(at, word::CONCURRENCIES));
        let priority = fields
            .get("priority")
            .and_then(|at| self.word(at, word::PRIORITIES));
        let notify = fields.get("notify").map(|at| self.occasions(at));
        let labels = fields.get("labels").and_then(|at| self.labels(at));
        let tasks = self.tasks(&fields, &parameters);
        if self.findings.count() > faults {
            return None;
        }
        Some(Workflow {
            form: STORED_FORM,
            project: project?,
            name: name?,
            description: description.unwrap_or_default().to_owned(),
            dialect: dialect?.as_str().to_owned(),
            schedule,
            parameters,
            outputs: outputs.unwrap_or_default(),
            timeout,
            on_failure: on_failure.unwrap_or_default(),
            concurrency: concurrency.unwrap_or_default(),
            priority: priority.unwrap_or_default(),
            notify: notify.unwrap_or_default(),
            labels: labels.unwrap_or_default(),
            tasks: tasks.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Said twice is said once.
    fn occasions(&mut self, at: At<'_>) -> BTreeSet<Occasion> {
        let hint = "write `[failed, task_failed]`".to_owned();
        let items = self.list(at, Some(hint)).unwrap_or_default();
        if !self.at_most(at, items.len(), ENTRIES_MAX) {
            return BTreeSet::new();
        }
        let items = items.iter().enumerate();
        items
            .filter_map(|(index, item)| self.word(at.index(index, *item), word::OCCASIONS))
            .collect()
    }

    fn dialect(&mut self, at: At<'_>) -> Option<Dialect> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        if let Ok(dialect) = text.parse() {
            return Some(dialect);
        }
        let known = || Dialect::ALL.iter().map(|dialect| dialect.as_str());
        let hint = self.suggester.hint(text, known());
        let hint =
            hint.unwrap_or_else(|| format!("one of: {}", known().collect::<Vec<_>>().join(", ")));
        let message = format!("no dialect named {}", crate::fault::quoted(text));
        self.fault(at, FaultKind::BadValue, message, Some(hint));
        None
    }

    /// The tasks with their edges, and all references checked.
    fn tasks(
        &mut self,
        fields: &Fields<'_>,
        parameters: &IndexMap<String, porpoise_model::Value>,
    ) -> Vec<Option<Task>> {
        let defaults_at = fields.get("defaults");
        let defaults = defaults_at.map(|at| self.defaults(at)).unwrap_or_default();
        let Some(at) = fields.get("tasks") else {
            return Vec::new();
        };
        let entries = self.entries(at).unwrap_or_default();
        if entries.is_empty() {
            if self.tree.view(at.node).noun() == "a map" {
                self.fault(
                    at,
                    FaultKind::MissingField,
                    "a workflow has at least one task",
                    None,
                );
            }
            return Vec::new();
        }
        if entries.len() > TASKS_MAX {
            self.fault(
                at,
                FaultKind::TooLarge,
                format!("{} tasks, at most {TASKS_MAX} are allowed", entries.len()),
                None,
            );
            return Vec::new();
        }
        if let Some(defaults_at) = defaults_at
            && !self.copies_fit(defaults_at, entries.len())
        {
            return Vec::new();
        }
        self.tasks_of(at, &entries, &defaults, parameters)
    }

    /// Defaults are copied to every task: together they stay within the budget of a file.
    fn copies_fit(&mut self, at: At<'_>, tasks: usize) -> bool {
        let size = self.tree.size(at.node);
        let fit = size.bytes.saturating_mul(tasks) <= DEFINITION_EXPANDED_BYTES_MAX
            && size.nodes.saturating_mul(tasks) <= DEFINITION_NODES_MAX;
        if !fit {
            let message = format!("too much to copy to each of {tasks} tasks");
            self.fault(
                at,
                FaultKind::TooLarge,
                message,
                Some("use parameters of the workflow".into()),
            );
        }
        fit
    }

    fn tasks_of(
        &mut self,
        at: At<'_>,
        entries: &[Entry<'t>],
        defaults: &Defaults,
        parameters: &IndexMap<String, porpoise_model::Value>,
    ) -> Vec<Option<Task>> {
        let mut names: IndexMap<Name, u32> = IndexMap::with_capacity(entries.len());
        let mut tasks = Vec::with_capacity(entries.len());
        let mut lists: Vec<(&str, Option<NodeId>)> = Vec::with_capacity(entries.len());
        let mut own = Vec::with_capacity(entries.len());
        for (index, entry) in (0_u32..).zip(entries) {
            let name = self.name_of(at.key(entry.name, entry.key), entry.name);
            if let Some(name) = &name {
                self.remember(at, name, index, entry, entries, &mut names);
            }
            own.push(name);
        }
        self.branches = Branches::default();
        for ((index, entry), name) in (0_u32..).zip(entries).zip(own) {
            let here = Here {
                index,
                names: &names,
            };
            let read = self.task(at.key(entry.name, entry.value), name, here, defaults);
            tasks.push(read.task);
            lists.push((entry.name, read.after));
        }
        let mut edges = self.edges(at, &names, &lists);
        self.branches_are_edges(&names, &edges);
        self.references(Known {
            names: &names,
            tasks: &tasks,
            parameters,
            edges: &edges,
        });
        for (task, after) in tasks.iter_mut().zip(edges.after.iter_mut()) {
            if let Some(task) = task {
                task.after = std::mem::take(after);
            }
        }
        tasks
    }

    /// Keeps a task's name. Names that look the same are the same, however they are composed.
    fn remember(
        &mut self,
        at: At<'_>,
        name: &Name,
        index: u32,
        entry: &Entry<'_>,
        entries: &[Entry<'_>],
        names: &mut IndexMap<Name, u32>,
    ) {
        let Some(first) = names.insert(name.clone(), index) else {
            return;
        };
        let first = entries.get(super::order::at(first));
        // The very same text has been reported as a key.
        if let Some(first) = first.filter(|first| first.name != entry.name) {
            self.duplicate(at, entry.name, first.key, entry.key);
        }
    }
}
