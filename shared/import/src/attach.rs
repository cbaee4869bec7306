//! Schedules from lists, for workflows whose own file has none: answers of the REST API keep the two apart, and the
//! list tells what an export never does, whether a schedule is switched on.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::json::{At, Entries, NodeId};
use crate::mapping::{List, items};

/// Gives each workflow without a schedule the one of its code.
pub(crate) fn schedules(documents: &mut [Document<'_>]) {
    let mut by_code: BTreeMap<i64, (usize, NodeId)> = BTreeMap::new();
    for (number, document) in documents.iter().enumerate() {
        if document.list != Some(List::Schedules) {
            continue;
        }
        for item in items(&document.tree) {
            if let Some(code) = code_of(item) {
                by_code.entry(code).or_insert((number, item.id));
            }
        }
    }
    if by_code.is_empty() {
        return;
    }
    for number in 0..documents.len() {
        let elements = documents
            .get(number)
            .map_or(0, |document| document.elements.len());
        for element in 0..elements {
            give(documents, (number, element), &by_code);
        }
    }
}

fn code_of(schedule: At<'_>) -> Option<i64> {
    let keys = ["processDefinitionCode", "workflowDefinitionCode"];
    keys.iter().find_map(|key| schedule.get(key)?.integer())
}

fn give(
    documents: &mut [Document<'_>],
    (number, element): (usize, usize),
    by_code: &BTreeMap<i64, (usize, NodeId)>,
) -> Option<()> {
    let document = documents.get(number)?;
    let shaped = document.tree.at(document.elements.get(element)?.shaped);
    if shaped.get("schedule").is_some_and(|at| !at.is_empty()) {
        return None;
    }
    let code = shaped.get("processDefinition")?.get("code")?.integer()?;
    let (from, node) = *by_code.get(&code)?;
    let mut entries = Entries::default();
    for (key, at) in shaped.entries() {
        entries.put(key, at.id);
    }
    // Two documents: one is read while the other grows.
    let given = documents.get(from)?.tree.at(node).used().to_value();
    let document = documents.get_mut(number)?;
    let element = document.elements.get_mut(element)?;
    document.tree.begin_making();
    let schedule = document.tree.make_value(element.at, "schedule", given);
    entries.put("schedule", schedule);
    element.shaped = document.tree.make_object(element.at, entries);
    element.is_state_known = true;
    Some(())
}
