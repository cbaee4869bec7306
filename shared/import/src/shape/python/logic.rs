//! Tasks of the SDK that decide about others, or wait for them: their edges are told by their parameters.

use crate::json::{At, Entries, NodeId, Tree};

/// From, to, and the leaf that says so.
pub(super) type Edge = (i64, i64, NodeId);

/// Puts what such a task says into the words of DolphinScheduler. Gives the keys that are done with.
pub(super) fn params(
    tree: &mut Tree,
    id: NodeId,
    kind: &str,
    params: &mut Entries,
    edges: &mut Vec<(NodeId, bool)>,
) -> &'static [&'static str] {
    match kind {
        "SWITCH" => switch(tree, id, params, edges),
        "CONDITIONS" => conditions(tree, id, params, edges),
        "DEPENDENT" => dependent(tree, id, params),
        _ => &[],
    }
}

/// Branches with a condition, and the one without, which is taken if none holds.
fn switch(
    tree: &mut Tree,
    id: NodeId,
    params: &mut Entries,
    edges: &mut Vec<(NodeId, bool)>,
) -> &'static [&'static str] {
    let Some(list) = tree.at(id).get("condition").filter(|at| at.is_list()) else {
        return &[];
    };
    let list = list.id;
    let mut result = Entries::default();
    let mut branches = Vec::new();
    for item in ids(tree.at(list)) {
        let at = tree.at(item);
        let (task, condition) = (at.get("task"), at.get("condition"));
        edges.extend(task.map(|task| (task.id, false)));
        if condition.is_none()
            && let Some(task) = task
        {
            result.put("nextNode", task.id);
            continue;
        }
        let mut branch = Entries::default();
        branch.put_from("condition", at, "condition");
        branch.put_from("nextNode", at, "task");
        branches.push(tree.make_object(item, branch));
    }
    let branches = tree.make_list(list, branches);
    result.put("dependTaskList", branches);
    let result = tree.make_object(list, result);
    params.put("switchResult", result);
    &["condition"]
}

fn conditions(
    tree: &mut Tree,
    id: NodeId,
    params: &mut Entries,
    edges: &mut Vec<(NodeId, bool)>,
) -> &'static [&'static str] {
    let mut result = Entries::default();
    for (key, from) in [
        ("successNode", "success_task"),
        ("failedNode", "failed_task"),
    ] {
        if let Some(node) = tree.at(id).get(from).map(|at| at.id) {
            edges.push((node, false));
            let list = tree.make_list(id, vec![node]);
            result.put(key, list);
        }
    }
    let result = tree.make_object(id, result);
    params.put("conditionResult", result);
    let dependence = groups(tree, id, &mut |tree, item| {
        let at = tree.at(item);
        let mut entries = Entries::default();
        if let Some(task) = at.get("task") {
            edges.push((task.id, true));
            entries.put("depTaskName", task.id);
        }
        if let Some((node, holds)) = at.get("flag").map(|at| (at.id, at.boolean())) {
            let status = match holds {
                Some(true) => tree.make_text(node, "SUCCESS"),
                Some(false) => tree.make_text(node, "FAILURE"),
                None => node,
            };
            entries.put("status", status);
        }
        tree.make_object(item, entries)
    });
    params.put("dependence", dependence);
    &["success_task", "failed_task", "op", "groups"]
}

fn dependent(tree: &mut Tree, id: NodeId, params: &mut Entries) -> &'static [&'static str] {
    let holder = tree.at(id).get("dependence").map(|at| at.id);
    let dependence = groups(tree, holder.unwrap_or(id), &mut |tree, item| {
        let at = tree.at(item);
        let mut entries = Entries::default();
        entries.put_from("projectName", at, "project_name");
        for name in ["workflow_name", "process_definition_name"] {
            entries.put_from("definitionName", at, name);
        }
        if let Some((node, name)) = at.get("dependent_task_name").map(|at| (at.id, at.scalar())) {
            // The end of the whole workflow.
            if name.as_deref() == Some("0") {
                let code = tree.make_number(node, 0);
                entries.put("depTaskCode", code);
            } else {
                entries.put("depTaskName", node);
            }
        }
        let date = tree.at(item).get("dependent_date");
        if let Some((node, date)) = date.and_then(|at| Some((at.id, at.text()?.to_owned()))) {
            let value = tree.make_text(node, value_of(&date));
            entries.put("dateValue", value);
        }
        tree.make_object(item, entries)
    });
    params.put("dependence", dependence);
    &["dependence", "op", "groups"]
}

/// Groups of items, each with the operator that joins them.
fn groups(
    tree: &mut Tree,
    id: NodeId,
    item: &mut dyn FnMut(&mut Tree, NodeId) -> NodeId,
) -> NodeId {
    let mut all = Entries::default();
    all.put_from("relation", tree.at(id), "op");
    let mut list = Vec::new();
    for group in tree.at(id).get("groups").map(ids).unwrap_or_default() {
        let mut entries = Entries::default();
        entries.put_from("relation", tree.at(group), "op");
        let items = tree.at(group).get("groups").map(ids).unwrap_or_default();
        let items = items.into_iter().map(|node| item(tree, node)).collect();
        let items = tree.make_list(group, items);
        entries.put("dependItemList", items);
        list.push(tree.make_object(group, entries));
    }
    let list = tree.make_list(id, list);
    all.put("dependTaskList", list);
    tree.make_object(id, all)
}

fn ids(list: At<'_>) -> Vec<NodeId> {
    list.items().map(|at| at.id).collect()
}

/// A date as DolphinScheduler writes it: the SDK has constants such as `LAST_TWO_DAYS` for `last2Days` as well.
fn value_of(date: &str) -> String {
    if date.contains(|c: char| c.is_ascii_lowercase()) {
        return date.to_owned();
    }
    let words = date.replace("TWENTY_FOUR", "24");
    let mut value = String::new();
    for word in words.split('_') {
        let number = ["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN"].into_iter();
        if let Some((number, _)) = (1..).zip(number).find(|(_, name)| *name == word) {
            value.push_str(&number.to_string());
            continue;
        }
        let mut chars = word.chars();
        if value.is_empty() {
            value.push_str(&word.to_ascii_lowercase());
        } else {
            value.extend(chars.next());
            value.push_str(&chars.as_str().to_ascii_lowercase());
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_become_values() {
        for (constant, value) in [
            ("LAST_TWO_DAYS", "last2Days"),
            ("LAST_TWENTY_FOUR_HOURS", "last24Hours"),
            ("TODAY", "today"),
            ("THIS_MONTH_BEGIN", "thisMonthBegin"),
            ("CURRENT_HOUR", "currentHour"),
            ("lastMonday", "lastMonday"),
        ] {
            assert_eq!(value_of(constant), value);
        }
    }
}
