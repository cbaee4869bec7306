//! What an export says of its tasks, and whether a run did so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::reference::End;
use crate::support::Place;

/// What the export says of the night.
pub struct Export {
    /// Parameters of the workflow, as written.
    pub parameters: BTreeMap<String, String>,
    pub tasks: BTreeMap<String, TaskOfExport>,
}

pub struct TaskOfExport {
    pub kind: String,
    pub script: String,
    pub disabled: bool,
    pub delayed: bool,
    pub grouped: bool,
    pub retries: u64,
    /// Its own parameters, as written.
    pub parameters: BTreeMap<String, String>,
    pub after: Vec<String>,
}

impl Export {
    pub fn read(file: &Path) -> Self {
        let workflow = workflows(file).remove(0);
        let definitions = workflow["taskDefinitionList"].as_array().unwrap();
        let name = |task: &Value| task["name"].as_str().unwrap().to_owned();
        let names: BTreeMap<i64, String> = definitions
            .iter()
            .map(|task| (task["code"].as_i64().unwrap(), name(task)))
            .collect();
        let mut tasks: BTreeMap<String, TaskOfExport> = definitions
            .iter()
            .map(|task| {
                let read = TaskOfExport {
                    kind: task["taskType"].as_str().unwrap().to_lowercase(),
                    script: task["taskParams"]["rawScript"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    disabled: task["flag"] == "NO",
                    delayed: task["delayTime"] != 0,
                    grouped: task["taskGroupId"] != 0,
                    retries: task["failRetryTimes"].as_u64().unwrap(),
                    parameters: parameters(&task["taskParams"]["localParams"]),
                    after: Vec::new(),
                };
                (name(task), read)
            })
            .collect();
        for edge in workflow["processTaskRelationList"].as_array().unwrap() {
            let name = |key: &str| names.get(&edge[key].as_i64().unwrap());
            if let (Some(pre), Some(post)) = (name("preTaskCode"), name("postTaskCode")) {
                tasks.get_mut(post).unwrap().after.push(pre.clone());
            }
        }
        let given = workflow["processDefinition"]["globalParams"].as_str();
        let given: Value = serde_json::from_str(given.unwrap()).unwrap();
        Self {
            parameters: parameters(&given),
            tasks,
        }
    }

    /// Every task has ended as it should, and says whether anything ran; gives how many were simulated.
    pub fn check_ends(&self, tasks: &BTreeMap<String, Value>, ends: &BTreeMap<&str, End>) -> usize {
        assert_eq!((self.tasks.len(), tasks.len()), (320, 320));
        let mut simulated = 0;
        for (name, expected) in &self.tasks {
            let (task, end) = (&tasks[name], ends[name.as_str()]);
            assert_eq!(task["state"], end.as_str(), "{task}");
            assert_eq!(task["kind"], expected.kind.as_str(), "{task}");
            let is_simulated = !matches!(expected.kind.as_str(), "shell" | "python");
            assert_eq!(task["simulated"], is_simulated, "{task}");
            simulated += usize::from(is_simulated && end == End::Succeeded);
        }
        simulated
    }

    /// A task starts when all before it have ended, through those that are disabled, and its delay has passed. Gives how
    /// many dependencies there were to look at.
    pub fn check_order(&self, tasks: &BTreeMap<String, Value>) -> usize {
        let time = |task: &str, key: &str| -> Timestamp {
            tasks[task][key].as_str().unwrap().parse().unwrap()
        };
        let mut edges = 0;
        let ran = |name: &str| !tasks[name]["started"].is_null();
        for (name, expected) in self.tasks.iter().filter(|(name, _)| ran(name)) {
            let started = time(name, "started");
            for before in self.running_before(expected) {
                let ended = time(before, "ended");
                assert!(
                    started >= ended,
                    "{name} started at {started}, {before} ended at {ended}"
                );
                if expected.delayed {
                    let waited = started.duration_since(ended);
                    assert!(
                        waited >= SignedDuration::from_secs(1),
                        "{name} waited {waited} for {before}"
                    );
                }
                edges += 1;
            }
        }
        edges
    }

    /// The tasks before one that run: those that are disabled are passed through.
    pub fn running_before(&self, task: &TaskOfExport) -> BTreeSet<&str> {
        let mut before = BTreeSet::new();
        for name in &task.after {
            let (name, above) = self.tasks.get_key_value(name).unwrap();
            if above.disabled {
                before.extend(self.running_before(above));
            } else {
                before.insert(name.as_str());
            }
        }
        before
    }

    /// Scripts of tasks that succeeded ran as processes, one each, and wrote their logs. Gives how many.
    pub fn check_processes(
        &self,
        place: &Place,
        run: &str,
        tasks: &BTreeMap<String, Value>,
    ) -> usize {
        let scripts = self
            .tasks
            .iter()
            .filter(|(name, task)| tasks[*name]["state"] == "succeeded" && !task.script.is_empty());
        let mut processes = 0;
        for (name, task) in
            scripts.filter(|(_, task)| matches!(task.kind.as_str(), "shell" | "python"))
        {
            let number: u32 = name.trim_start_matches("task_").parse().unwrap();
            let said = if task.kind == "shell" {
                format!("task {number} for 20260228")
            } else {
                format!("task {number} 20260228")
            };
            let log = place.ok(&["logs", run, name]);
            assert!(
                log.trim_end().ends_with(&format!(" out {said}")),
                "{name}: {log:?}"
            );
            assert_eq!(tasks[name]["attempt"], 1);
            processes += 1;
        }
        processes
    }
}

/// Names and values of a list of properties.
fn parameters(list: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = list.as_array().unwrap().iter();
    list.map(|one| (text(&one["prop"]), text(&one["value"])))
        .collect()
}

/// The exit statuses that wrappers have written below a folder.
pub fn statuses(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let count = |entry: std::fs::DirEntry| {
        if entry.file_type().unwrap().is_dir() {
            statuses(&entry.path())
        } else {
            usize::from(entry.file_name() == "status")
        }
    };
    entries.map(count).sum()
}

/// The workflows of an export: a list, or an answer of the REST API around one.
pub fn workflows(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let value: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    let list = [&value, &value["data"], &value["data"]["totalList"]];
    let list = list.into_iter().find_map(Value::as_array);
    list.cloned().unwrap_or_else(|| vec![value.clone()])
}
