//! Files of the Python SDK: what its classes are called, and its keys, in the words of DolphinScheduler.

mod logic;
mod macros;
mod parameter;
mod task;

use std::collections::BTreeMap;

use super::{Element, contradiction};
use crate::fault::{Problem, Problems, Spot, line, short};
use crate::json::{At, Entries, Mark, NodeId, Tree};
use crate::report::{Notes, Rule, Topic};
use crate::version::{Form, detect};
use crate::{Input, Options};

/// The zone of schedules that name none, as the SDK is configured unless somebody changes it.
const ZONE: &str = "Asia/Shanghai";

/// Keys of a workflow.
const WORKFLOW: [(&str, &str); 12] = [
    ("name", "name"),
    ("description", "description"),
    ("executionType", "execution_type"),
    ("timeout", "timeout"),
    ("releaseState", "release_state"),
    ("project", "project"),
    ("tenantCode", "tenant"),
    ("workerGroup", "worker_group"),
    ("warningType", "warning_type"),
    ("warningGroupId", "warning_group_id"),
    ("onlineSchedule", "online_schedule"),
    ("version", "version"),
];

/// Brings a file of the SDK into the one shape.
#[derive(Debug)]
pub(crate) struct Python<'f> {
    input: Input<'f>,
    options: &'f Options,
    pub(crate) problems: Problems,
    pub(crate) remarks: Vec<Remark>,
    /// Bytes of other files that were read, and their paths.
    read: usize,
    pub(crate) paths: Vec<String>,
}

/// What is said of a node in the report.
#[derive(Debug)]
pub(crate) struct Remark {
    node: NodeId,
    topic: Topic,
    subject: String,
    message: String,
    covers: bool,
}

impl Remark {
    pub(crate) fn say(&self, tree: &Tree, notes: &mut Notes) {
        let at = tree.at(self.node);
        if self.covers {
            at.mark_all(Mark::Reported);
        }
        notes.add(at, self.topic, &self.subject, &self.message);
    }
}

impl<'f> Python<'f> {
    pub(crate) fn new(input: &Input<'f>, options: &'f Options) -> Self {
        Self {
            input: *input,
            options,
            problems: Problems::default(),
            remarks: Vec::new(),
            read: 0,
            paths: Vec::new(),
        }
    }

    pub(crate) fn is_workflow(tree: &Tree) -> bool {
        let root = tree.root();
        root.get("workflow").is_some() && root.get("tasks").is_some()
    }

    pub(crate) fn shape(&mut self, tree: &mut Tree) -> Option<Element> {
        let root = tree.root();
        let (workflow, tasks) = (root.get("workflow"), root.get("tasks"));
        let (Some(workflow), Some(tasks)) = (workflow.filter(|at| at.is_object()), tasks) else {
            let keys: Vec<_> = root.entries().map(|(key, _)| short(key)).take(12).collect();
            let message = format!(
                "this is no workflow of the Python SDK, which has `workflow` and `tasks`: its keys are {}",
                keys.join(", ")
            );
            self.fault(root, &line(&message));
            return None;
        };
        let said = self.options.from_version;
        if let Some(problem) = contradiction(Form::Python, said, Spot::of(root)) {
            self.problems.push(problem);
        }
        let (workflow, tasks) = (workflow.id, tasks.id);
        self.macros(tree, workflow);
        self.macros(tree, tasks);
        tree.begin_making();
        let (at, looks) = (tree.root().id, detect(Form::Python, tree.root()));
        let definition = self.definition(tree, workflow);
        let schedule = self.schedule(tree, workflow);
        let (tasks, relations) = self.tasks(tree, tasks);
        let mut entries = Entries::default();
        entries.put("processDefinition", definition);
        entries.put("taskDefinitionList", tasks);
        entries.put("processTaskRelationList", relations);
        if let Some(schedule) = schedule {
            entries.put("schedule", schedule);
        }
        let shaped = tree.make_object(at, entries);
        Some(Element {
            at,
            shaped,
            form: Form::Python,
            version: said.unwrap_or(looks.0),
            is_said: said.is_some(),
            looks,
            is_state_known: false,
        })
    }

    fn definition(&mut self, tree: &mut Tree, id: NodeId) -> NodeId {
        let mut entries = Entries::default();
        let at = tree.at(id);
        for (key, from) in WORKFLOW {
            entries.put_from(key, at, from);
        }
        at.get("user")
            .into_iter()
            .for_each(|at| at.ignored(Rule::Row));
        // To be submitted, or to be started as well: neither says what the workflow is.
        at.get("run")
            .into_iter()
            .for_each(|at| at.ignored(Rule::Unread));
        if let Some(files) = at.get("resource_list").filter(|at| !at.is_hollow()) {
            let message = "resource files that the SDK uploads are not there";
            self.remark(files, Topic::Resources, "", message, true);
        }
        if let Some(name) = text(tree, id, "name") {
            entries.put("name", name);
        }
        let param = tree.at(id).get("param").map(|at| at.id);
        if let Some(param) = param {
            let globals = parameter::globals(tree, param);
            entries.put("globalParams", globals);
        }
        tree.make_object(id, entries)
    }

    fn schedule(&mut self, tree: &mut Tree, id: NodeId) -> Option<NodeId> {
        let at = tree.at(id);
        let cron = at.some("schedule")?;
        let mut entries = Entries::default();
        entries.put("crontab", cron.id);
        entries.put_from("startTime", at, "start_time");
        entries.put_from("endTime", at, "end_time");
        entries.put_from("timezoneId", at, "timezone");
        if !entries.has("timezoneId") {
            let zone = self.options.timezone.clone();
            let zone = zone.unwrap_or_else(|| ZONE.to_owned());
            let message = format!("the times of the schedule are read in `{}`", short(&zone));
            self.remark(cron, Topic::TimeZone, &short(&zone), &message, false);
            let zone = tree.make_text(id, zone);
            entries.put("timezoneId", zone);
        }
        Some(tree.make_object(id, entries))
    }

    fn tasks(&mut self, tree: &mut Tree, id: NodeId) -> (NodeId, NodeId) {
        let tasks: Vec<_> = tree.at(id).items().map(|at| at.id).collect();
        let mut places = BTreeMap::new();
        for (task, number) in tasks.iter().zip(1..) {
            let name = tree.at(*task).get("name").and_then(At::scalar);
            if let Some(name) = name {
                places.entry(name).or_insert(number);
            }
        }
        let mut made = Vec::with_capacity(tasks.len());
        // Where each edge begins and ends, and the leaf that says so.
        let mut edges: Vec<logic::Edge> = Vec::new();
        for (task, number) in tasks.into_iter().zip(1..) {
            let shaped = task::task(tree, task, number);
            made.push(shaped.node);
            for edge in shaped.edges {
                self.edge(tree, edge, number, &places, &mut edges);
            }
        }
        let relations = relations(tree, id, &edges, made.len());
        (tree.make_list(id, made), relations)
    }

    /// An edge between the task and another one, by the name of that.
    fn edge(
        &mut self,
        tree: &Tree,
        (leaf, is_before): (NodeId, bool),
        own: i64,
        places: &BTreeMap<String, i64>,
        edges: &mut Vec<logic::Edge>,
    ) {
        let at = tree.at(leaf);
        let Some(name) = at.scalar().filter(|name| !name.is_empty()) else {
            return;
        };
        match places.get(&name) {
            Some(other) if is_before => edges.push((*other, own, leaf)),
            Some(other) => edges.push((own, *other, leaf)),
            None => {
                let message = format!("no task of this workflow is named `{}`", short(&name));
                self.fault(at, &message);
            }
        }
    }

    fn fault(&mut self, at: At<'_>, message: &str) {
        self.problems.push(Problem {
            spot: Spot::of(at),
            message: message.to_owned(),
            hint: None,
        });
    }

    fn remark(&mut self, at: At<'_>, topic: Topic, subject: &str, message: &str, covers: bool) {
        self.remarks.push(Remark {
            node: at.id,
            topic,
            subject: subject.to_owned(),
            message: message.to_owned(),
            covers,
        });
    }
}

/// The text of a name, which may be written as a number.
fn text(tree: &mut Tree, object: NodeId, key: &str) -> Option<NodeId> {
    let at = tree.at(object).get(key)?;
    let (id, text) = (at.id, at.scalar().filter(|_| at.text().is_none())?);
    Some(tree.make_text(id, text))
}

/// The edges, and root edges for tasks that none leads to.
fn relations(tree: &mut Tree, id: NodeId, edges: &[logic::Edge], tasks: usize) -> NodeId {
    let mut made = Vec::new();
    let mut relation = |tree: &mut Tree, from: i64, to: i64, leaf: NodeId| {
        let mut entries = Entries::default();
        let pre = tree.make_number(leaf, from);
        entries.put("preTaskCode", pre);
        let post = tree.make_number(leaf, to);
        entries.put("postTaskCode", post);
        made.push(tree.make_object(id, entries));
    };
    for (from, to, leaf) in edges {
        relation(tree, *from, *to, *leaf);
    }
    for number in (1..).take(tasks) {
        if edges.iter().all(|(_, to, _)| *to != number) {
            relation(tree, 0, number, id);
        }
    }
    tree.make_list(id, made)
}
