//! What a mapping file says, put into a workflow.

use std::collections::BTreeSet;

use porpoise_model::Name;
use porpoise_model::workflow::{Kind, Task, Workflow};
use serde_json::Value;

use super::read::nearest;
use super::{Catalogue, Entry, Mapping, Met, Plan, Section};
use crate::fault::short;
use crate::json::Tree;
use crate::report::{Notes, Topic};

/// What the keys of labels begin with that keep what has no field of its own.
const SERVICE_ACCOUNT: &str = "service-account";
const ALERT_GROUP: &str = "alert-group";
/// A word that is longer names nothing that is near.
const SUGGESTED_CHARS_MAX: usize = 100;

/// Which tasks a target is given to first: what says more about a task wins.
const TARGETS: [Section; 4] = [
    Section::DataSources,
    Section::Clusters,
    Section::Queues,
    Section::WorkerGroups,
];

/// What was put in place, for the steps after an import.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Entries of the mapping file that something used.
    pub(crate) used: BTreeSet<(Section, String)>,
    /// Slots of pools, with their projects.
    pub(crate) pools: std::collections::BTreeMap<String, u32>,
}

/// Puts into a workflow what the mapping says of what it names.
pub(crate) fn apply(
    workflow: &mut Workflow,
    met: &[Met],
    tree: &Tree,
    mapping: &Mapping,
    catalogue: &Catalogue,
    notes: &mut Notes,
    applied: &mut Applied,
) {
    let found = |met| Some((met, mapping.get(Met::section(met), Met::key(met))?));
    let entries: Vec<(&Met, &Entry)> = met.iter().filter_map(found).collect();
    for (met, _) in &entries {
        applied.used.insert((met.section, met.key.clone()));
    }
    let mut hand = Hand {
        tree,
        catalogue,
        notes,
        applied,
    };
    for (met, entry) in entries.iter().filter(|(met, _)| met.task.is_none()) {
        hand.of_workflow(workflow, met, entry);
    }
    let project = workflow.project.to_string();
    for (index, task) in workflow.tasks.iter_mut().enumerate() {
        let of_task = |(met, _): &&(&Met, &Entry)| met.task == Some(index);
        let entries: Vec<_> = entries.iter().filter(of_task).copied().collect();
        hand.target(task, &entries);
        for (met, entry) in entries {
            hand.of_task(task, &project, met, entry);
        }
    }
}

/// Says which entries of the mapping file nothing used.
pub(crate) fn unused(mapping: &Mapping, plan: &Plan, applied: &Applied, notes: &mut Notes) {
    for (section, key) in mapping.entries.keys() {
        if applied.used.contains(&(*section, key.clone())) {
            continue;
        }
        let met = plan
            .things()
            .iter()
            .filter(|thing| thing.section == *section);
        let is_short = key.chars().count() <= SUGGESTED_CHARS_MAX;
        let near = is_short
            .then(|| nearest(key, met.map(|thing| &*thing.key)))
            .flatten();
        let near = near.map(|near| format!("; did you mean `{}`?", short(near)));
        let (noun, key) = (section.noun(), short(key));
        let message = format!("nothing uses {noun} `{key}`{}", near.unwrap_or_default());
        let path = format!("{}.{key}", section.key());
        notes.say(path, Topic::MappingUnused, format!("{noun} {key}"), message);
    }
}

impl Met {
    const fn section(&self) -> Section {
        self.section
    }

    fn key(&self) -> &str {
        &self.key
    }

    /// `worker group etl`
    fn shown(&self) -> String {
        format!("{} {}", self.section.noun(), short(&self.key))
    }
}

#[derive(Debug)]
struct Hand<'a> {
    tree: &'a Tree,
    catalogue: &'a Catalogue,
    notes: &'a mut Notes,
    applied: &'a mut Applied,
}

impl Hand<'_> {
    /// Something is in place.
    fn done(&mut self, met: &Met, what: &str, settles: Option<Topic>) {
        let at = self.tree.at(met.node);
        if let Some(topic) = settles {
            self.notes.settle(at, topic);
        }
        let subject = format!("{}: {what}", met.shown());
        let message = format!("{} is {what} here, by the mapping file", met.shown());
        self.notes.add(at, Topic::Mapped, subject, message);
    }

    /// Something is said and does nothing yet.
    fn later(&mut self, met: &Met, why: &str) {
        let message = format!("the mapping file says what {} is: {why}", met.shown());
        let at = self.tree.at(met.node);
        self.notes
            .add(at, Topic::MappingWithoutEffect, met.shown(), message);
    }

    fn of_workflow(&mut self, workflow: &mut Workflow, met: &Met, entry: &Entry) {
        match met.section {
            Section::Tenants => {
                let said = entry.service_account.as_ref();
                self.label(workflow, met, (SERVICE_ACCOUNT, said), Topic::Tenant);
            }
            Section::AlertGroups => {
                let said = entry.label.as_ref();
                self.label(workflow, met, (ALERT_GROUP, said), Topic::Alerts);
            }
            Section::WorkerGroups if entry.target.is_some() => {
                self.later(
                    met,
                    "tasks keep their own targets, those of a schedule are labels",
                );
            }
            Section::Environments if !entry.env.is_empty() => {
                self.later(
                    met,
                    "tasks keep their own variables, those of a schedule are labels",
                );
            }
            Section::WorkerGroups
            | Section::Environments
            | Section::Clusters
            | Section::Queues
            | Section::DataSources
            | Section::Resources
            | Section::Udfs
            | Section::TaskGroups
            | Section::Workflows => {}
        }
    }

    fn label(
        &mut self,
        workflow: &mut Workflow,
        met: &Met,
        (key, said): (&str, Option<&String>),
        topic: Topic,
    ) {
        let Some(said) = said else { return };
        if let Some(other) = workflow.labels.get(key).filter(|other| *other != said) {
            let why = format!("the label `{key}` is `{}` already", short(other));
            return self.later(met, &why);
        }
        workflow.labels.insert(key.to_owned(), said.clone());
        let what = format!("{} (a label `{key}`)", short(said));
        self.done(met, &what, Some(topic));
    }

    /// The target of a task is said by its data source, its cluster, its queue or its worker group, in this order.
    fn target(&mut self, task: &mut Task, entries: &[(&Met, &Entry)]) {
        let of = |section| {
            let of = entries
                .iter()
                .filter(move |(met, _)| met.section == section);
            of.filter_map(|(met, entry)| Some((*met, entry.target.as_ref()?)))
        };
        for (met, target) in TARGETS.into_iter().flat_map(of) {
            if has_no_job(task) {
                let is_worker_group = met.section == Section::WorkerGroups;
                // which worker such a task was on never mattered
                if !is_worker_group {
                    self.later(met, "the task has no job, and so no target");
                }
                continue;
            }
            let others = of(Section::DataSources).any(|(other, _)| other.key != met.key);
            if met.section == Section::DataSources && others {
                self.later(
                    met,
                    "a task of several data sources runs on one target: name that in its definition",
                );
                continue;
            }
            let topic = if met.section == Section::DataSources {
                // the name that stood for it until somebody says what it is
                let stand_in = crate::map::target_of_source(&met.key);
                task.target = task.target.take().filter(|other| *other != stand_in);
                Topic::DataSource
            } else {
                Topic::WorkerGroup
            };
            match &task.target {
                None => {
                    task.target = Some(target.to_string());
                    self.done(met, &format!("target {target}"), Some(topic));
                }
                Some(other) if other == target.as_str() => {
                    self.done(met, &format!("target {target}"), Some(topic));
                }
                // the order of what says more is no news for each task
                Some(other) => {
                    let at = self.tree.at(met.node);
                    self.notes.settle(at, Topic::WorkerGroup);
                    let shown = met.shown();
                    let message = format!(
                        "target {other} wins over that of {shown}, which says less of the task"
                    );
                    self.notes
                        .add(at, Topic::Mapped, format!("{shown}: overruled"), message);
                }
            }
        }
    }

    fn of_task(&mut self, task: &mut Task, project: &str, met: &Met, entry: &Entry) {
        match met.section {
            Section::WorkerGroups | Section::Clusters | Section::Queues | Section::DataSources => {}
            Section::Environments => self.env(task, met, entry),
            Section::Resources => self.resource(task, met, entry),
            Section::Udfs => {
                if entry.address.is_some() {
                    self.later(met, "functions of Hive are not added to statements yet: `create function` there");
                }
            }
            Section::TaskGroups => self.pool(task, project, met, entry),
            Section::AlertGroups => {
                if let Some(label) = &entry.label {
                    task.labels.insert(ALERT_GROUP.to_owned(), label.clone());
                    let what = format!("{} (a label `{ALERT_GROUP}`)", short(label));
                    self.done(met, &what, None);
                }
            }
            Section::Tenants => {}
            Section::Workflows => {
                if let Some((project, name)) = &entry.workflow {
                    let project = project.as_ref().map(|project| format!("{project}/"));
                    let what = format!("{}{name}", project.unwrap_or_default());
                    self.done(met, &what, Some(Topic::UnknownReference));
                }
            }
        }
    }

    fn env(&mut self, task: &mut Task, met: &Met, entry: &Entry) {
        if entry.env.is_empty() {
            return;
        }
        if has_no_job(task) {
            self.notes
                .settle(self.tree.at(met.node), Topic::Environment);
            return;
        }
        // a variable that the task sets already stays
        for (name, value) in &entry.env {
            task.env
                .entry(name.clone())
                .or_insert_with(|| value.clone());
        }
        let count = entry.env.len();
        let plural = if count == 1 { "" } else { "s" };
        self.done(
            met,
            &format!("{count} variable{plural}"),
            Some(Topic::Environment),
        );
    }

    fn pool(&mut self, task: &mut Task, project: &str, met: &Met, entry: &Entry) {
        let Some(pool) = &mut task.pool else { return };
        if let Some(name) = &entry.pool {
            pool.name = name.clone();
        }
        let (name, slots) = (pool.name.clone(), entry.slots);
        if entry.pool.is_none() && slots.is_none() {
            return;
        }
        if let Some(slots) = slots {
            self.applied
                .pools
                .insert(format!("{project}/{name}"), slots);
        }
        let what = match slots {
            Some(1) => format!("pool {name} of 1 slot"),
            Some(slots) => format!("pool {name} of {slots} slots"),
            None => format!("pool {name}"),
        };
        // without its slots, what there is to say about them stays
        self.done(met, &what, slots.map(|_| Topic::TaskGroup));
    }

    fn resource(&mut self, task: &mut Task, met: &Met, entry: &Entry) {
        let Some(address) = &entry.address else {
            return;
        };
        if task.kind.has_folder() {
            return self.file(task, met, address);
        }
        let Kind::External { parameters, .. } = &mut task.kind else {
            return self.later(met, "tasks of this kind have no folder with files");
        };
        let mut changed = false;
        for key in ["mainJar", "resourceList"] {
            if let Some(value) = parameters.get_mut(key) {
                changed |= placed(value, &met.key, address);
            }
        }
        if changed {
            self.done(met, &short(address), Some(Topic::Resources));
        } else {
            self.later(met, "the task names it in a way that has no address");
        }
    }

    /// A file that a script looks for in its folder.
    fn file(&mut self, task: &mut Task, met: &Met, address: &str) {
        if !address.starts_with('/') {
            let why = "scripts have their files from absolute paths of the machine that runs them";
            return self.later(met, why);
        }
        if address.contains("${") || address.contains("$[") {
            let why = "the path holds an expression: write it into `files` of the task";
            return self.later(met, why);
        }
        // from 3.2 on, and where no id is known, the key is the path
        let listed = self.catalogue.about(met.section, &met.key, "");
        let path = match (&listed, met.key.parse::<i64>()) {
            (Some(path), Ok(_)) => path,
            (None, Ok(_)) => &met.about,
            (_, Err(_)) => within_resources(&met.key),
        };
        let Some(name) = in_folder(path, address) else {
            return self.later(met, "its path is none within the folder of a task");
        };
        let is_other =
            |(other, from): &(&String, &String)| (other.as_str(), from.as_str()) != (name, address);
        let mut others = task.files.iter().filter(is_other);
        if others.any(|(other, _)| is_in_the_way(other, name)) {
            return self.later(met, "another file has its place in the folder of the task");
        }
        task.files.insert(name.to_owned(), address.to_owned());
        let what = format!("{} (as `{}`)", short(address), short(name));
        let at = self.tree.at(met.node);
        // several ids may stand in one text
        if at.scalar().is_some_and(|text| text.contains(',')) {
            self.notes.settle_of(at, Topic::Resources, short(&met.key));
            self.done(met, &what, None);
        } else {
            self.done(met, &what, Some(Topic::Resources));
        }
    }
}

/// Whether two files cannot be in one folder: they are of one name, or one would be a folder of the other.
fn is_in_the_way(one: &str, other: &str) -> bool {
    let below = |name: &str, folder: &str| {
        let rest = name.strip_prefix(folder);
        rest.is_some_and(|rest| rest.starts_with('/'))
    };
    one == other || below(one, other) || below(other, one)
}

/// Where a file is among the resources, of where it is stored, from 3.2 on:
/// `s3a://bucket/dolphinscheduler/TENANT/resources/scripts/load.sh`.
/// Source: `AbstractStorageOperator`.
fn within_resources(stored: &str) -> &str {
    const RESOURCES: &str = "/resources/";
    match stored.find(RESOURCES) {
        Some(at) => &stored[at + RESOURCES.len()..],
        None => stored.strip_prefix("file:").unwrap_or(stored),
    }
}

/// Where a script looks for a file: `path` is where it is among the resources, or empty.
/// Source: `TaskExecutionContextUtils`.
fn in_folder<'a>(path: &'a str, address: &'a str) -> Option<&'a str> {
    let path = path.trim_matches('/');
    let path = if path.is_empty() {
        address.rsplit('/').next()?
    } else {
        path
    };
    let is_inside = path.split('/').all(|part| !["", ".", ".."].contains(&part));
    let name = path.parse::<Name>().ok()?;
    (is_inside && name.as_str() == path).then_some(path)
}

/// Puts the address of a file where its id or its path stands.
fn placed(value: &mut Value, key: &str, address: &str) -> bool {
    match value {
        Value::Array(items) => {
            let placed: Vec<bool> = items
                .iter_mut()
                .map(|item| placed(item, key, address))
                .collect();
            placed.contains(&true)
        }
        Value::Object(file) => {
            let text = |value: &Value| {
                let text = value.as_str().map(str::to_owned);
                text.unwrap_or_else(|| value.to_string())
            };
            let names = ["id", "resourceName", "res", "name"];
            let is_named = names
                .iter()
                .any(|name| file.get(*name).is_some_and(|value| text(value) == key));
            if is_named {
                file.insert("resourceName".to_owned(), address.into());
            }
            is_named
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What kinds are called that no target ever gets: they decide, wait, or stand for other workflows.
const WITHOUT_JOB: [&str; 5] = ["switch", "conditions", "approval", "workflow", "dependent"];

/// Whether nothing of a task runs on a target.
fn has_no_job(task: &Task) -> bool {
    WITHOUT_JOB.contains(&&*task.kind.word())
        || matches!(&task.kind, Kind::External { name, .. } if crate::map::is_logic(name))
}
