//! Outputs that later tasks use by a bare name.
//!
//! DolphinScheduler hands what a task sets to all that follow it, under its bare name. Here an output has the name of
//! its task: a task that uses `${rows}` below `extract`, which sets `rows`, gets the parameter
//! `rows: ${extract.rows}`. Such a value wins over a parameter of the workflow and over one of the task itself, as it
//! does there.

use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::Template;
use porpoise_model::Value;
use porpoise_model::workflow::{Kind, Task};

use super::graph::Draft;
use crate::report::{Notes, Topic};

/// Names times (tasks and edges) that are looked at. A night of 10,000 tasks takes a tenth of it.
const STEPS_MAX: usize = 50_000_000;

/// A task that sets a name above another one, and whether others do as well.
#[derive(Debug, Clone, Copy)]
struct Setter {
    place: usize,
    alone: bool,
}

/// Gives each task a parameter for each output of a task above it that it uses.
pub(super) fn hand_on(
    notes: &mut Notes,
    tasks: &mut [Draft<'_>],
    edges: &[BTreeSet<usize>],
    order: &[usize],
) {
    let mut setters: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (place, (_, _, task)) in tasks.iter().enumerate() {
        // A disabled task sets nothing.
        let outputs = task
            .as_ref()
            .filter(|task| !task.disabled)
            .map(|task| task.outputs.keys());
        for name in outputs.into_iter().flatten() {
            setters.entry(name.clone()).or_default().insert(place);
        }
    }
    if setters.is_empty() {
        return;
    }
    let mut users: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, (_, _, task)) in tasks.iter().enumerate() {
        for name in task.as_ref().map(used).unwrap_or_default() {
            if let Some((name, _)) = setters.get_key_value(&name) {
                users.entry(name).or_default().push(place);
            }
        }
    }
    let steps = tasks.len() + edges.iter().map(BTreeSet::len).sum::<usize>();
    for (name, users) in users.iter().take(STEPS_MAX / steps.max(1)) {
        let Some(set_by) = setters.get(*name) else {
            continue;
        };
        let above = nearest(set_by, edges, order);
        for user in users {
            if let Some(Some(setter)) = above.get(*user) {
                hand(notes, tasks, name, *setter, *user);
            }
        }
    }
    for name in users.keys().skip(STEPS_MAX / steps.max(1)) {
        if let Some((at, _, _)) = tasks.first() {
            let message =
                format!("`{name}` was not looked at: there are too many outputs and edges");
            notes.add(*at, Topic::OutputUnclear, *name, message);
        }
    }
}

/// For each task, who set the name last above it.
fn nearest(
    set_by: &BTreeSet<usize>,
    edges: &[BTreeSet<usize>],
    order: &[usize],
) -> Vec<Option<Setter>> {
    let mut above: Vec<Option<Setter>> = vec![None; edges.len()];
    for place in order {
        let mut found: Option<Setter> = None;
        for pre in edges.get(*place).into_iter().flatten() {
            let own = set_by.contains(pre).then_some(Setter {
                place: *pre,
                alone: true,
            });
            let Some(next) = own.or_else(|| above.get(*pre).copied().flatten()) else {
                continue;
            };
            found = Some(match found {
                None => next,
                Some(found) => Setter {
                    place: found.place.min(next.place),
                    alone: found.alone && next.alone && found.place == next.place,
                },
            });
        }
        if let Some(slot) = above.get_mut(*place) {
            *slot = found;
        }
    }
    above
}

fn hand(notes: &mut Notes, tasks: &mut [Draft<'_>], name: &str, setter: Setter, user: usize) {
    let Some((_, _, Some(source))) = tasks.get(setter.place) else {
        return;
    };
    let (from, kind) = (
        source.name.to_string(),
        source.outputs.get(name).map(|value| value.kind),
    );
    let Some((at, _, Some(task))) = tasks.get_mut(user) else {
        return;
    };
    if from.contains(['$', '{', '}']) {
        let message =
            format!("`{name}` is set by `{from}`, whose name cannot stand in an expression");
        notes.add(*at, Topic::OutputUnclear, name, message);
        return;
    }
    let value = Value {
        kind: kind.unwrap_or_default(),
        text: format!("${{{from}.{name}}}"),
    };
    task.parameters.shift_remove(name);
    // First, so that parameters after it may use it.
    task.parameters.shift_insert(0, name.to_owned(), value);
    let topic = if setter.alone {
        Topic::Output
    } else {
        Topic::OutputUnclear
    };
    notes.add(
        *at,
        topic,
        name,
        format!("`${{{name}}}` is the output of `{from}`, by an added parameter"),
    );
}

/// The names that the texts of a task use.
fn used(task: &Task) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    match &task.kind {
        Kind::Shell { script } | Kind::Python { script } => names_in(script, &mut names),
        Kind::Sql {
            statement,
            before,
            after,
            ..
        } => {
            for text in before.iter().chain(after).chain([statement]) {
                names_in(text, &mut names);
                raw_names_in(text, &mut names);
            }
        }
        Kind::Http(_) | Kind::Workflow { each: Some(_), .. } => {
            let texts = task.kind.texts().into_iter();
            texts.for_each(|text| names_in(text, &mut names));
        }
        Kind::External { parameters, .. } => texts_in(parameters, &mut names),
        // no importer makes the others; another workflow is given all that is set above it
        Kind::Noop
        | Kind::Sleep { .. }
        | Kind::Command { .. }
        | Kind::Spark { .. }
        | Kind::Hive { .. }
        | Kind::Function { .. }
        | Kind::StateMachine { .. }
        | Kind::Conditions { .. }
        | Kind::Workflow { each: None, .. }
        | Kind::Approval { .. }
        | Kind::Dependent { .. } => {}
        Kind::Switch { cases, .. } => {
            for case in cases {
                names_in(&case.when, &mut names);
            }
        }
    }
    task.parameters
        .values()
        .for_each(|value| names_in(&value.text, &mut names));
    names
}

fn texts_in(value: &serde_json::Value, names: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::String(text) => names_in(text, names),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts_in(item, names)),
        serde_json::Value::Object(map) => map.values().for_each(|item| texts_in(item, names)),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// The names that are written into a statement as they are: `!{name}`.
fn raw_names_in(text: &str, names: &mut BTreeSet<String>) {
    let raw = text
        .split("!{")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'));
    names.extend(raw.map(|(name, _)| name.to_owned()));
}

fn names_in(text: &str, names: &mut BTreeSet<String>) {
    if text.contains("${") {
        let template = Template::parse(text);
        names.extend(
            template
                .references()
                .map(|reference| reference.name.to_owned()),
        );
    }
}
