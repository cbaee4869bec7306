//! What is shown of the server's answers: only the fields that are printed, none of them required.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads what is known of an answer, whatever else stands in it.
pub(crate) fn read<T: DeserializeOwned + Default>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

/// A run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Run {
    #[serde(alias = "run_id", alias = "run")]
    pub(crate) id: String,
    #[serde(alias = "workflow_name")]
    pub(crate) workflow: String,
    pub(crate) state: String,
    pub(crate) trigger: Value,
    pub(crate) parent: Option<Parent>,
    pub(crate) logical_date: Option<String>,
    #[serde(alias = "created_at")]
    pub(crate) created: Option<Timestamp>,
    #[serde(alias = "started_at")]
    pub(crate) started: Option<Timestamp>,
    #[serde(alias = "ended_at", alias = "finished")]
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cause: Value,
    pub(crate) reason: Value,
    pub(crate) hold: Value,
    pub(crate) parameters: BTreeMap<String, Value>,
    #[serde(alias = "tasks")]
    pub(crate) counts: Value,
    pub(crate) edits: Vec<Edit>,
    pub(crate) sequence: u64,
}

/// An edit of a run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Edit {
    pub(crate) at: Option<Timestamp>,
    pub(crate) actor: Actor,
    pub(crate) before: String,
    pub(crate) version: String,
    pub(crate) written_back: bool,
}

/// Who did something, and through what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Actor {
    pub(crate) principal: String,
    pub(crate) via: String,
}

/// The run above.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parent {
    pub(crate) run_id: String,
    pub(crate) element: Option<u32>,
}

/// What a task can read by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameters {
    pub(crate) items: Vec<Parameter>,
}

/// A name and its values.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) given: Given,
    pub(crate) hidden: Vec<Given>,
}

/// A value and where it comes from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Given {
    pub(crate) value: Option<String>,
    pub(crate) problem: Option<String>,
    pub(crate) source: String,
    pub(crate) written: Option<String>,
}

/// A task instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) simulated: bool,
    pub(crate) state: String,
    pub(crate) attempt: u32,
    #[serde(alias = "started_at")]
    pub(crate) started: Option<Timestamp>,
    #[serde(alias = "ended_at", alias = "finished")]
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cause: Value,
    pub(crate) reason: Value,
    pub(crate) child_run_id: Option<String>,
    pub(crate) elements: Option<ElementCounts>,
    pub(crate) upstream: Vec<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) started_elements: Vec<Element>,
}

/// How far an attempt of a mapped task is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ElementCounts {
    pub(crate) count: u32,
    pub(crate) cut: u64,
    pub(crate) waiting: u32,
    pub(crate) running: u32,
    pub(crate) succeeded: u32,
    pub(crate) failed: u32,
    pub(crate) canceled: u32,
}

impl ElementCounts {
    /// `40 elements: 36 succeeded, 2 running, 2 waiting`
    pub(crate) fn words(&self) -> String {
        let counts = [
            (self.succeeded, "succeeded"),
            (self.failed, "failed"),
            (self.canceled, "canceled"),
            (self.running, "running"),
            (self.waiting, "waiting"),
        ];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let some: Vec<_> = some
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let plural = if self.count == 1 { "" } else { "s" };
        let mut text = format!("{} element{plural}", self.count);
        if !some.is_empty() {
            text = format!("{text}: {}", some.join(", "));
        }
        if self.cut > 0 {
            text = format!("{text}; {} beyond its limit", self.cut);
        }
        text
    }
}

/// An element of a mapped task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Element {
    pub(crate) number: u32,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) run_id: String,
    pub(crate) state: String,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cause: Value,
}

impl Task {
    /// `spark (simulated)`
    pub(crate) fn kind_words(&self) -> String {
        let simulated = if self.simulated { " (simulated)" } else { "" };
        format!("{}{simulated}", self.kind)
    }
}

/// How many tasks nothing ran for, and their kinds: `spark 68, sql 73`. Those that are skipped or whose turn has not
/// come are not counted.
pub(crate) fn simulated(tasks: &[Task]) -> Option<(usize, String)> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks {
        if task.simulated && task.attempt > 0 {
            *kinds.entry(&task.kind).or_default() += 1;
        }
    }
    let words: Vec<_> = kinds
        .iter()
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    (!words.is_empty()).then(|| (kinds.values().sum(), words.join(", ")))
}

/// A try of a task instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Attempt {
    #[serde(alias = "attempt")]
    pub(crate) number: u32,
    pub(crate) state: String,
    #[serde(alias = "dispatched_at")]
    pub(crate) dispatched: Option<Timestamp>,
    #[serde(alias = "started_at")]
    pub(crate) started: Option<Timestamp>,
    #[serde(alias = "ended_at")]
    pub(crate) ended: Option<Timestamp>,
    pub(crate) cause: Value,
    pub(crate) child_run_id: Option<String>,
    pub(crate) elements: Option<ElementCounts>,
}

/// Whether a run or a task of this state is over.
pub(crate) fn is_over(state: &str) -> bool {
    matches!(
        state,
        "succeeded" | "failed" | "canceled" | "skipped" | "upstream_failed"
    )
}

/// A cause or a reason in words: texts as they are, objects by the field that holds the words.
pub(crate) fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let text = ["text", "message", "detail", "description"]
                .iter()
                .find_map(|name| fields.get(*name)?.as_str());
            text.map_or_else(|| pairs(fields), str::to_owned)
        }
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    }
}

/// `exit code=3`, where no field holds words.
fn pairs(fields: &serde_json::Map<String, Value>) -> String {
    let mut parts = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::String(text) if name == "kind" || name == "type" => {
                parts.insert(0, text.clone());
            }
            Value::String(text) => parts.push(format!("{name}={text}")),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                parts.push(format!("{name}={value}"));
            }
        }
    }
    parts.join(" ")
}

/// Numbers of tasks by state, without zeros, in the order of the answer.
pub(crate) fn counts(value: &Value) -> Vec<(String, u64)> {
    let fields = value.as_object().into_iter().flatten();
    let counted = fields.filter_map(|(state, count)| Some((state.clone(), count.as_u64()?)));
    counted
        .filter(|(state, count)| *count > 0 && state != "total")
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn causes_read_as_words() {
        assert_eq!(words(&json!("timeout")), "timeout");
        assert_eq!(words(&json!({"type": "exit", "code": 3})), "exit code=3");
        assert_eq!(
            words(&json!({"kind": "exit", "text": "exit code 3"})),
            "exit code 3"
        );
        assert_eq!(words(&Value::Null), "");
    }

    #[test]
    fn unknown_fields_and_missing_ones_do_no_harm() {
        let run: Run = read(&json!({"id": "a", "state": "running", "new": {"x": 1}}));
        assert_eq!((run.id.as_str(), run.state.as_str()), ("a", "running"));
    }
}
