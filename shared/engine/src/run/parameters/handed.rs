//! What a run hands to the run of one of its attempts, and what that hands back.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::{Scope, Unknown, Value};
use porpoise_model::Outputs;
use porpoise_model::limits::{RESULTS_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::{Each, Items};

use super::{Reading, reading};
use crate::Plan;
use crate::effect::Attempt;
use crate::elements::{Elements, json_items, separated};
use crate::run::mapped::is_dynamic;
use crate::run::state::State;

/// Characters of a text that is no list, in the message that says so.
const SHOWN_CHARS_MAX: usize = 100;

/// The parameters that the run of a task's next attempt is given: in `porpoise/1` those of the task. In the dialects of
/// `DolphinScheduler` all that this run knows: its parameters, what tasks above have set, and those of the task; the
/// nearest wins (and so they go down through all levels, `DolphinScheduler` #17534). Where the attempt is about an element
/// of a mapped task, the values of that element go before all else.
///
/// # Errors
/// A parameter of the task cannot be resolved.
pub fn handed_down(
    state: &State,
    plan: &Plan,
    attempt: Attempt,
) -> Result<BTreeMap<String, String>, String> {
    let mut all = of_attempt(state, plan, attempt.task)?;
    let mapped = state.mapped(attempt.task);
    let values = mapped.and_then(|mapped| mapped.elements.get(attempt.element()?));
    let values = values.into_iter().flatten();
    all.extend(values.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(all)
}

/// What the next attempt of a mapped task has runs made for.
///
/// # Errors
/// A list cannot be resolved, is none, or is too long.
pub fn elements(state: &State, plan: &Plan, task: u32, each: &Each) -> Result<Elements, String> {
    let (reading, scope) = reading(state, plan, task)?;
    let value = |text: &str| reading.render(text, &scope, reading.unknown());
    let list = |(name, items): (&String, &Items)| {
        let values = values(items, scope.native, &value);
        let values = values.map_err(|why| format!("cannot map over `{name}`: {why}"))?;
        Ok::<_, String>((name.clone(), values))
    };
    let lists: Vec<_> = each.lists.iter().map(list).collect::<Result<_, _>>()?;
    let elements = Elements::expand(lists, &each.without, each.at_most);
    elements.map_err(|error| error.to_string())
}

fn values(
    items: &Items,
    native: bool,
    value: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    match items {
        Items::Values(values) => values.iter().map(|text| value(text)).collect(),
        Items::Text {
            text,
            separator: Some(separator),
        } => Ok(separated(&value(text)?, separator, !native)),
        Items::Text {
            text,
            separator: None,
        } => {
            let text = value(text)?;
            json_items(&text).ok_or_else(|| {
                let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                format!("`{shown}` is no list in JSON: correct it, or name its `separator`")
            })
        }
    }
}

fn of_attempt(state: &State, plan: &Plan, task: u32) -> Result<BTreeMap<String, String>, String> {
    let (_, scope) = reading(state, plan, task)?;
    let own = scope.own.clone().unwrap_or_default();
    if scope.native {
        return Ok(own);
    }
    let mut all = state.parameters.clone().unwrap_or_default();
    all.extend(set_above(state, plan, task));
    all.extend(own.into_iter().filter(|(_, text)| !text.is_empty()));
    for name in scope.start.iter().flat_map(|start| start.keys()) {
        if let Some(text) = scope.started_with(name) {
            all.insert(name.clone(), text.clone());
        }
    }
    Ok(all)
}

/// What tasks above have set, by its bare name: that of the nearest, and of those that are as near, of the first.
fn set_above(state: &State, plan: &Plan, task: u32) -> BTreeMap<String, String> {
    let mut set = BTreeMap::new();
    if state.outputs.is_empty() {
        return set;
    }
    let mut seen = BTreeSet::from([task]);
    let mut level = seen.clone();
    while !level.is_empty() {
        let above = level.iter().flat_map(|task| plan.upstream(*task)).copied();
        level = above.filter(|task| !seen.contains(task)).collect();
        seen.extend(&level);
        let outputs = level
            .iter()
            .flat_map(|task| by_bare_name(state, plan, *task));
        for (name, value) in outputs {
            let free = set.entry(name.clone());
            free.or_insert_with(|| value.text.clone());
        }
    }
    set
}

/// What a task has set and goes by its bare name, too: of a mapped one only what `DolphinScheduler` knows of it.
fn by_bare_name<'a>(
    state: &'a State,
    plan: &Plan,
    task: u32,
) -> impl Iterator<Item = (&'a String, &'a porpoise_model::Value)> {
    let mapped = plan.each(task).is_some();
    let outputs = state.outputs.get(&task).into_iter().flatten();
    outputs.filter(move |(name, _)| !mapped || is_dynamic(name))
}

/// What a run that has succeeded hands to the run above. What nothing has set is left out, as by tasks.
///
/// # Errors
/// It is too large.
pub fn results(state: &State, plan: &Plan) -> Result<Outputs, String> {
    let workflow = plan.workflow();
    let mut results = Outputs::new();
    let Some(new) = state
        .new
        .as_deref()
        .filter(|_| !workflow.outputs.is_empty())
    else {
        return Ok(results);
    };
    let reading = Reading::of(new, workflow)?;
    let scope = ResultScope {
        state,
        plan,
        native: reading.dialect.is_native(),
    };
    let mut bytes = 0;
    for (name, value) in &workflow.outputs {
        let Ok(text) = reading.render(&value.text, &scope, Unknown::Fault) else {
            continue;
        };
        bytes += name.len() + text.len();
        if text.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "its output `{name}` is {} bytes long, more than {VALUE_BYTES_MAX}: hand on the name of a file",
                text.len()
            ));
        }
        if bytes > RESULTS_BYTES_MAX {
            return Err(format!(
                "its outputs are more than {RESULTS_BYTES_MAX} bytes together: hand on the name of a file"
            ));
        }
        let kind = value.kind;
        results.insert(name.clone(), porpoise_model::Value { kind, text });
    }
    Ok(results)
}

/// The names that outputs of a workflow may use. In the dialects of `DolphinScheduler` what a task has set goes by its
/// bare name, too, and wins over the run's parameter.
struct ResultScope<'a> {
    state: &'a State,
    plan: &'a Plan,
    native: bool,
}

impl<'a> ResultScope<'a> {
    fn output(&self, name: &str) -> Option<&'a str> {
        let (task, output) = name.rsplit_once('.')?;
        let outputs = self.state.outputs.get(&self.plan.find(task)?)?;
        outputs.get(output).map(|value| value.text.as_str())
    }

    /// Set by the last task in the order of the graph; of several that do not follow each other, by the last in the file.
    fn bare(&self, name: &str) -> Option<&'a str> {
        let set = self.state.outputs.iter();
        let goes = |task| self.plan.each(task).is_none() || is_dynamic(name);
        let set: Vec<_> = set
            .filter_map(|(task, outputs)| Some((*task, outputs.get(name)?)))
            .filter(|(task, _)| goes(*task))
            .collect();
        let last = set.iter().rev().find(|(task, _)| {
            let below = self.plan.with_downstream(&[*task]);
            !set.iter()
                .any(|(other, _)| other != task && below.binary_search(other).is_ok())
        });
        last.map(|(_, value)| value.text.as_str())
    }
}

impl Scope for ResultScope<'_> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        let bare = || self.bare(name).filter(|_| !self.native);
        let of_run = || {
            let parameters = self.state.parameters.as_ref()?;
            parameters.get(name).map(String::as_str)
        };
        let text = bare().or_else(|| self.output(name)).or_else(of_run)?;
        Some(Value::Data(Cow::Borrowed(text)))
    }
}
