//! What a workflow names without saying what it is.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Section;
use crate::json::{At, NodeId, Tree};
use crate::shape::Element;

/// Something that a workflow or one of its tasks names.
#[derive(Debug, Clone)]
pub(crate) struct Met {
    pub(crate) section: Section,
    pub(crate) key: String,
    /// What the file itself says of it: the type of a data source, the name of a resource.
    pub(crate) about: String,
    /// Where.
    pub(crate) node: NodeId,
    /// In which task of the workflow; none if it is the workflow's or its schedule's.
    pub(crate) task: Option<usize>,
    /// Whether only the schedule says so.
    pub(crate) by_schedule: bool,
}

/// Keys of task parameters with the id of a data source, and those with its type.
/// Source: the parameter classes of the task plug-ins.
const DATA_SOURCES: [(&str, &str); 6] = [
    ("datasource", "type"),
    ("dataSource", "dsType"),
    ("dataTarget", "dtType"),
    ("srcDatasource", "srcType"),
    ("targetDatasource", "targetType"),
    ("src_datasource_id", "src_connector_type"),
];
const TARGET_OF_CHECKS: (&str, &str) = ("target_datasource_id", "target_connector_type");
/// Parameters that are JSON in a text, or an object, with further such keys.
const NESTED: [&str; 3] = ["sourceParams", "targetParams", "ruleInputParameter"];
const QUEUES: [&str; 2] = ["queue", "yarnQueue"];
const WORKFLOWS: [&str; 4] = [
    "processDefinitionCode",
    "workflowDefinitionCode",
    "definitionCode",
    "processDefinitionId",
];

/// The codes of the workflows of a file.
pub(crate) fn known_codes(tree: &Tree, elements: &[Element]) -> BTreeSet<i64> {
    let code = |element: &Element| {
        let definition = tree.at(element.shaped).get("processDefinition")?;
        definition.get("code")?.integer()
    };
    elements.iter().filter_map(code).collect()
}

/// Everything that a workflow names, in the order of its file. `known` are the codes of the workflows that are there.
pub(crate) fn of_element(tree: &Tree, element: &Element, known: &BTreeSet<i64>) -> Vec<Met> {
    let mut collector = Collector {
        known,
        task: None,
        by_schedule: false,
        met: Vec::new(),
    };
    let shaped = tree.at(element.shaped);
    if let Some(definition) = shaped.get("processDefinition") {
        collector.tenant(definition);
        collector.id(definition, "warningGroupId", Section::AlertGroups);
        collector.text(definition, "workerGroup", Section::WorkerGroups);
    }
    let tasks = shaped.get("taskDefinitionList").into_iter();
    for (index, task) in tasks.flat_map(At::items).enumerate() {
        collector.task = Some(index);
        collector.task(task);
    }
    collector.task = None;
    collector.by_schedule = true;
    if let Some(schedule) = shaped.get("schedule").filter(|at| at.is_object()) {
        collector.text(schedule, "workerGroup", Section::WorkerGroups);
        collector.environment(schedule);
        collector.tenant(schedule);
        collector.id(schedule, "warningGroupId", Section::AlertGroups);
    }
    collector.met
}

#[derive(Debug)]
struct Collector<'k> {
    known: &'k BTreeSet<i64>,
    task: Option<usize>,
    by_schedule: bool,
    met: Vec<Met>,
}

impl Collector<'_> {
    fn add(&mut self, at: At<'_>, section: Section, key: impl Into<String>, about: &str) {
        let key = key.into();
        let same = |met: &Met| {
            (met.section, met.task, met.by_schedule) == (section, self.task, self.by_schedule)
                && met.key == key
        };
        if self
            .met
            .iter()
            .rev()
            .take_while(|met| met.task == self.task)
            .any(same)
        {
            return;
        }
        self.met.push(Met {
            section,
            key,
            about: about.to_owned(),
            node: at.id,
            task: self.task,
            by_schedule: self.by_schedule,
        });
    }

    /// A name; nothing if it is empty.
    fn text(&mut self, object: At<'_>, key: &str, section: Section) {
        let found = object.get(key).filter(|at| !at.is_empty());
        if let Some((at, text)) = found.and_then(|at| Some((at, at.scalar()?))) {
            self.add(at, section, text, "");
        }
    }

    /// A number above 0.
    fn id(&mut self, object: At<'_>, key: &str, section: Section) {
        let found = object.get(key).and_then(|at| Some((at, at.integer()?)));
        if let Some((at, id)) = found.filter(|(_, id)| *id > 0) {
            self.add(at, section, id.to_string(), "");
        }
    }

    /// By its name, where the file has it.
    fn tenant(&mut self, object: At<'_>) {
        let code = object
            .get("tenantCode")
            .and_then(|at| Some((at, at.text()?)));
        match code.filter(|(_, code)| !code.is_empty() && *code != "default") {
            Some((at, code)) => self.add(at, Section::Tenants, code, ""),
            None => self.id(object, "tenantId", Section::Tenants),
        }
    }

    fn environment(&mut self, object: At<'_>) {
        self.id(object, "environmentCode", Section::Environments);
        if object.get("environmentCode").is_none() {
            self.text(object, "environmentName", Section::Environments);
        }
    }

    fn task(&mut self, task: At<'_>) {
        self.text(task, "workerGroup", Section::WorkerGroups);
        self.environment(task);
        self.id(task, "taskGroupId", Section::TaskGroups);
        let Some(params) = task.get("taskParams").filter(|at| at.is_object()) else {
            return;
        };
        self.data_sources(params);
        for (key, at) in params.entries() {
            if QUEUES.contains(&key) {
                self.text(params, key, Section::Queues);
            }
            if key == "namespace" {
                self.namespace(at);
            }
            if key == "udfs" {
                self.udfs(at);
            }
        }
        if params.get("sendEmail").and_then(At::boolean) == Some(true) {
            self.id(params, "groupId", Section::AlertGroups);
        }
        self.resources(task, params);
        self.workflows(params);
    }

    fn data_sources(&mut self, params: At<'_>) {
        for (id, kind) in DATA_SOURCES.iter().chain([&TARGET_OF_CHECKS]) {
            let about = params.get(kind).and_then(At::scalar).unwrap_or_default();
            let at = params
                .get(id)
                .filter(|at| at.integer().is_some_and(|id| id > 0));
            if let Some((at, id)) = at.and_then(|at| Some((at, at.integer()?))) {
                let name = params.get("datasourceName").and_then(At::text);
                let about = [&*about, name.unwrap_or_default()].join(" ");
                self.add(at, Section::DataSources, id.to_string(), about.trim());
            }
        }
        if params.get("datasource").is_none() {
            // files of the SDK name it
            self.text(params, "datasourceName", Section::DataSources);
        }
        for at in NESTED.iter().filter_map(|key| params.get(key)) {
            if at.is_object() {
                self.data_sources(at);
            } else if let Some(Value::Object(object)) = at.text().and_then(parsed) {
                for (id, kind) in DATA_SOURCES.iter().chain([&TARGET_OF_CHECKS]) {
                    let id = object.get(*id).and_then(number).filter(|id| *id > 0);
                    let about = object.get(*kind).and_then(Value::as_str);
                    if let Some(id) = id {
                        let about = about.unwrap_or_default();
                        self.add(at, Section::DataSources, id.to_string(), about);
                    }
                }
            }
        }
    }

    /// A text with JSON in it, `{"name":"etl","cluster":"prod"}`, or a name alone.
    fn namespace(&mut self, at: At<'_>) {
        let of_object = |name: Option<String>, cluster: Option<String>| {
            let (name, cluster) = (name?, cluster.unwrap_or_default());
            Some(format!("{cluster}/{name}"))
        };
        let key = if at.is_object() {
            let part = |key| at.get(key).and_then(At::scalar);
            of_object(part("name"), part("cluster"))
        } else {
            let text = at.text().filter(|text| !text.trim().is_empty());
            text.and_then(|text| match parsed(text) {
                Some(Value::Object(object)) => {
                    let part = |key: &str| Some(object.get(key)?.as_str()?.to_owned());
                    of_object(part("name"), part("cluster"))
                }
                Some(_) | None => Some(format!("/{}", text.trim())),
            })
        };
        if let Some(key) = key {
            self.add(at, Section::Clusters, key, "");
        }
    }

    fn udfs(&mut self, at: At<'_>) {
        let text = at.scalar().unwrap_or_default();
        for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
            self.add(at, Section::Udfs, id, "");
        }
    }

    fn resources(&mut self, task: At<'_>, params: At<'_>) {
        let list = params.get("resourceList").into_iter().flat_map(At::items);
        let files: Vec<_> = list.chain(params.get("mainJar")).collect();
        for file in &files {
            if let Some((at, key, name)) = resource(*file) {
                self.add(at, Section::Resources, key, &name);
            }
        }
        if let Some(at) = task.get("resourceIds").filter(|_| files.is_empty()) {
            for id in resource_ids(at) {
                self.add(at, Section::Resources, id, "");
            }
        }
    }

    fn workflows(&mut self, at: At<'_>) {
        for (key, value) in at.entries() {
            let code = value.integer().filter(|_| WORKFLOWS.contains(&key));
            if let Some(code) = code.filter(|code| *code > 0 && !self.known.contains(code)) {
                let project = at.get("projectCode").and_then(At::integer);
                let about = project.map(|project| format!("of project {project}"));
                let about = about.unwrap_or_default();
                self.add(value, Section::Workflows, code.to_string(), &about);
            }
        }
        if !at.is_leaf() && !at.is_embedded() {
            at.children().for_each(|child| self.workflows(child));
        } else if at.is_embedded() {
            at.entries().for_each(|(_, child)| self.workflows(child));
        }
    }
}

/// The ids of files in one text: `3,9`.
pub(crate) fn resource_ids(at: At<'_>) -> Vec<String> {
    let ids = at.scalar().unwrap_or_default();
    let ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty());
    ids.map(str::to_owned).collect()
}

/// The key of a file, and its name if the key is its id. Files are `{id}` up to 3.1, `{resourceName}` later, and
/// `{id, name, res}` in 1.x.
pub(crate) fn resource(file: At<'_>) -> Option<(At<'_>, String, String)> {
    let text = |key| {
        file.get(key)
            .and_then(At::text)
            .filter(|text| !text.is_empty())
    };
    let id = file.get("id").and_then(|at| Some((at, at.integer()?)));
    let path = text("resourceName")
        .or_else(|| text("res"))
        .or_else(|| text("name"));
    match id.filter(|(_, id)| *id > 0) {
        Some((at, id)) => Some((at, id.to_string(), path.unwrap_or_default().to_owned())),
        None => Some((file, path?.to_owned(), String::new())),
    }
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A number, also one in a text.
fn number(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}
