//! What an export says of its tasks, and whether a run did so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::support::Place;

/// What the export says of the night.
pub struct Export {
    pub tasks: BTreeMap<String, TaskOfExport>,
}

pub struct TaskOfExport {
    pub kind: String,
    pub script: String,
    pub disabled: bool,
    pub delayed: bool,
    pub grouped: bool,
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
        Self { tasks }
    }

    /// Every task has ended as it should, and says whether anything ran; gives how many were simulated.
    pub fn check_ends(&self, tasks: &BTreeMap<String, Value>) -> usize {
        assert_eq!((self.tasks.len(), tasks.len()), (320, 320));
        let mut simulated = 0;
        for (name, expected) in &self.tasks {
            let task = &tasks[name];
            let state = if expected.disabled {
                "skipped"
            } else {
                "succeeded"
            };
            assert_eq!(task["state"], state, "{task}");
            assert_eq!(task["kind"], expected.kind.as_str(), "{task}");
            let is_simulated = !matches!(expected.kind.as_str(), "shell" | "python");
            assert_eq!(task["simulated"], is_simulated, "{task}");
            simulated += usize::from(is_simulated && !expected.disabled);
        }
        simulated
    }

    /// A task starts when all before it have ended, through those that are disabled, and its delay has passed.
    pub fn check_order(&self, tasks: &BTreeMap<String, Value>) {
        let time = |task: &str, key: &str| -> Timestamp {
            tasks[task][key].as_str().unwrap().parse().unwrap()
        };
        let mut edges = 0;
        for (name, expected) in self.tasks.iter().filter(|(_, task)| !task.disabled) {
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
        assert!(edges > 600, "{edges}");
    }

    fn running_before(&self, task: &TaskOfExport) -> BTreeSet<&str> {
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

    /// Scripts ran as processes, one each, and nothing else did: each wrote its log, and its exit status lies in a folder
    /// of its own. Gives how many.
    pub fn check_processes(
        &self,
        place: &Place,
        run: &str,
        tasks: &BTreeMap<String, Value>,
    ) -> usize {
        let scripts = self
            .tasks
            .iter()
            .filter(|(_, task)| !task.disabled && !task.script.is_empty());
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
        assert_eq!(statuses(&place.data().join("attempts")), processes);
        processes
    }
}

/// The exit statuses that wrappers have written below a folder.
fn statuses(folder: &Path) -> usize {
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
