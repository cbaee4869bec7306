//! What a mapped task hands on: of each output of its runs a list in JSON, in the order of the elements.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::Dialect;
use porpoise_model::limits::MAPPED_OUTPUT_BYTES_MAX;
use porpoise_model::{Outputs, Value, ValueType};
use serde_json::json;

use crate::Plan;
use crate::run::state::Mapped;

/// In the dialects of `DolphinScheduler` a mapped task hands on all of it by `dynamic.out(TASK)` as well.
const DYNAMIC: &str = "dynamic.out(";

/// The task that such a name means.
pub(in crate::run) fn dynamic_of(name: &str) -> Option<&str> {
    name.strip_prefix(DYNAMIC)?.strip_suffix(')')
}

/// Whether a name is one of those.
pub(in crate::run) fn is_dynamic(name: &str) -> bool {
    dynamic_of(name).is_some()
}

fn bytes(outputs: &Outputs) -> usize {
    let one = |(name, value): (&String, &Value)| name.len() + value.text.len();
    outputs.iter().map(one).sum()
}

/// Why one more run cannot hand up its outputs beside those that others have.
pub(super) fn too_long(there: &BTreeMap<u32, Outputs>, more: &Outputs) -> Option<String> {
    let sum: usize = there.values().map(bytes).sum();
    (sum + bytes(more) > MAPPED_OUTPUT_BYTES_MAX).then(said)
}

fn said() -> String {
    format!(
        "the outputs of all elements are more than {MAPPED_OUTPUT_BYTES_MAX} bytes together: hand on names of files"
    )
}

/// The outputs of a task all of whose runs have succeeded.
///
/// # Errors
/// The lists are too long.
pub(super) fn of_all(plan: &Plan, task: u32, mapped: &Mapped) -> Result<Outputs, String> {
    let declared = plan.task(task).map(|task| &task.outputs);
    let mut names: BTreeSet<&str> = declared
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let native = plan
        .workflow()
        .dialect
        .parse()
        .is_ok_and(Dialect::is_native);
    let set = mapped.outputs.values().flat_map(BTreeMap::keys);
    names.extend(set.map(String::as_str).filter(|_| native));
    let (mut lists, mut left) = (Outputs::new(), MAPPED_OUTPUT_BYTES_MAX);
    for name in names {
        let text = list(mapped, name, left).ok_or_else(said)?;
        left = left.checked_sub(name.len() + text.len()).ok_or_else(said)?;
        lists.insert(name.to_owned(), listed(text));
    }
    if let Some(task) = plan.task(task).filter(|_| !native) {
        let text = dynamic(mapped);
        if text.len() <= left {
            lists.insert(format!("{DYNAMIC}{})", task.name), listed(text));
        } else if is_used(plan) {
            return Err(said());
        }
    }
    Ok(lists)
}

/// Whether any task asks for such a list: for many elements it is long even where they hand on nothing.
fn is_used(plan: &Plan) -> bool {
    let tasks = &plan.workflow().tasks;
    let text = |task| serde_json::to_string(task).unwrap_or_default();
    tasks.iter().any(|task| text(task).contains(DYNAMIC))
}

const fn listed(text: String) -> Value {
    Value {
        kind: ValueType::List,
        text,
    }
}

/// `null` where a run has not set it. `None`: it is longer than that.
fn list(mapped: &Mapped, name: &str, bytes_max: usize) -> Option<String> {
    let mut text = "[".to_owned();
    for element in 0..mapped.elements.count() {
        let outputs = mapped.outputs.get(&element);
        let value = outputs.and_then(|outputs| outputs.get(name));
        if element > 0 {
            text.push(',');
        }
        text.push_str(&value.map_or_else(|| "null".to_owned(), in_json));
        if text.len() >= bytes_max {
            return None;
        }
    }
    text.push(']');
    Some(text)
}

/// A number or a truth as such where JSON keeps it as it is; all else is a text.
fn in_json(value: &Value) -> String {
    let bare = match value.kind {
        ValueType::Integer => value
            .text
            .parse::<i32>()
            .ok()
            .map(|number| number.to_string()),
        ValueType::Boolean => value
            .text
            .parse::<bool>()
            .ok()
            .map(|truth| truth.to_string()),
        ValueType::List => crate::elements::json_items(&value.text).map(|_| value.text.clone()),
        ValueType::Varchar
        | ValueType::Long
        | ValueType::Float
        | ValueType::Double
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::File => None,
    };
    bare.unwrap_or_else(|| json!(value.text).to_string())
}

/// As `DolphinScheduler` 3.2 writes it: everything is a text, and runs are counted from 1.
fn dynamic(mapped: &Mapped) -> String {
    let one = |element: u32| {
        let given = mapped.elements.get(element).unwrap_or_default().into_iter();
        let given: serde_json::Map<_, _> = given
            .map(|(name, text)| (name.to_owned(), json!(text)))
            .collect();
        let set = mapped.outputs.get(&element).into_iter().flatten();
        let set: serde_json::Map<_, _> = set
            .map(|(name, value)| (name.clone(), json!(value.text)))
            .collect();
        json!({"dynParams": given, "outputValue": set, "mappedTimes": element.saturating_add(1)})
    };
    let all: Vec<_> = (0..mapped.elements.count()).map(one).collect();
    json!(all).to_string()
}
