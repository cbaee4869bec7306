//! Exports of 1.x: tasks know each other by their names, and settings have other keys.

use std::collections::BTreeMap;

use crate::fault::{Problem, Problems, Spot, short};
use crate::json::{At, Entries, NodeId, Tree};
use crate::report::Rule;

/// Keys of an export, and of a page of the REST API, by the keys of later versions.
const DEFINITION: [(&str, [&str; 2]); 10] = [
    ("code", ["processDefinitionId", "id"]),
    ("name", ["processDefinitionName", "name"]),
    (
        "description",
        ["processDefinitionDescription", "description"],
    ),
    ("locations", ["processDefinitionLocations", "locations"]),
    ("version", ["version", ""]),
    ("releaseState", ["releaseState", ""]),
    ("projectCode", ["projectId", ""]),
    ("flag", ["flag", ""]),
    ("createTime", ["createTime", ""]),
    ("updateTime", ["updateTime", ""]),
];
/// Of a page: what the definition's JSON holds as well, what is of the database's rows, and what nobody reads.
const COPIES: [&str; 7] = [
    "globalParams",
    "globalParamList",
    "globalParamMap",
    "timeout",
    "tenantId",
    "scheduleReleaseState",
    "resourceIds",
];
const ROWS: [&str; 6] = [
    "projectName",
    "userId",
    "userName",
    "modifyBy",
    "receivers",
    "receiversCc",
];
const SCHEDULE: [(&str, &str); 9] = [
    ("crontab", "scheduleCrontab"),
    ("startTime", "scheduleStartTime"),
    ("endTime", "scheduleEndTime"),
    ("failureStrategy", "scheduleFailureStrategy"),
    ("warningType", "scheduleWarningType"),
    ("warningGroupId", "scheduleWarningGroupId"),
    ("releaseState", "scheduleReleaseState"),
    ("processInstancePriority", "scheduleProcessInstancePriority"),
    ("workerGroup", "scheduleWorkerGroupName"),
];
const TASK: [(&str, &str); 9] = [
    ("id", "id"),
    ("name", "name"),
    ("description", "description"),
    ("taskType", "type"),
    ("failRetryTimes", "maxRetryTimes"),
    ("failRetryInterval", "retryInterval"),
    ("delayTime", "delayTime"),
    ("taskPriority", "taskInstancePriority"),
    ("workerGroup", "workerGroup"),
];
/// What stands beside the parameters of a task and belongs into them.
const BESIDE: [&str; 3] = ["dependence", "conditionResult", "switchResult"];

pub(super) fn shape(tree: &mut Tree, id: NodeId, problems: &mut Problems) -> NodeId {
    let inner = tree.at(id).get("processDefinitionJson").map(|at| at.id);
    let mut definition = Entries::default();
    let mut schedule = Entries::default();
    let at = tree.at(id);
    for (key, from) in DEFINITION {
        if let Some(from) = from.into_iter().find(|from| at.get(from).is_some()) {
            definition.put_from(key, at, from);
        }
    }
    for key in ["globalParams", "timeout", "tenantId"] {
        if let Some(inner) = inner {
            definition.put_from(key, tree.at(inner), key);
        }
    }
    if at.some("scheduleCrontab").is_some() {
        for (key, from) in SCHEDULE {
            schedule.put_from(key, at, from);
        }
    }
    for key in COPIES {
        if let Some(at) = at
            .get(key)
            .filter(|_| !schedule.has("crontab") || key != "scheduleReleaseState")
        {
            at.ignored(Rule::Copy);
        }
    }
    for key in ROWS {
        at.get(key).into_iter().for_each(|at| at.ignored(Rule::Row));
    }
    let tasks: Vec<NodeId> = inner
        .and_then(|inner| tree.at(inner).get("tasks"))
        .into_iter()
        .flat_map(At::items)
        .map(|at| at.id)
        .collect();
    let relations = relations(tree, id, &tasks, problems);
    let tasks = tasks
        .into_iter()
        .zip(1..)
        .map(|(task, number)| self::task(tree, task, number))
        .collect();
    let mut entries = Entries::default();
    let definition = tree.make_object(id, definition);
    entries.put("processDefinition", definition);
    let tasks = tree.make_list(inner.unwrap_or(id), tasks);
    entries.put("taskDefinitionList", tasks);
    entries.put("processTaskRelationList", relations);
    if schedule.has("crontab") {
        let schedule = tree.make_object(id, schedule);
        entries.put("schedule", schedule);
    }
    tree.make_object(id, entries)
}

/// The edges, from the names of the tasks before each; `connects` says the same by ids.
fn relations(tree: &mut Tree, id: NodeId, tasks: &[NodeId], problems: &mut Problems) -> NodeId {
    let mut places: BTreeMap<&str, i64> = BTreeMap::new();
    let mut ids: BTreeMap<&str, i64> = BTreeMap::new();
    for (task, number) in tasks.iter().zip(1..) {
        let at = tree.at(*task);
        if let Some(name) = at.get("name").and_then(At::text) {
            places.entry(name).or_insert(number);
        }
        if let Some(id) = at.get("id").and_then(At::text) {
            ids.entry(id).or_insert(number);
        }
    }
    let mut edges: Vec<(i64, Option<NodeId>, i64, NodeId)> = Vec::new();
    for (task, number) in tasks.iter().zip(1..) {
        let mut is_root = true;
        let before = tree.at(*task).get("preTasks");
        for at in before.into_iter().flat_map(At::items) {
            match at.text() {
                Some("") | None => {}
                Some(name) => {
                    is_root = false;
                    if let Some(place) = places.get(name) {
                        edges.push((*place, Some(at.id), number, *task));
                        continue;
                    }
                    problems.push(Problem {
                        spot: Spot::of(at),
                        message: format!("no task of this workflow is named `{}`", short(name)),
                        hint: None,
                    });
                }
            }
        }
        if is_root {
            edges.push((0, None, number, *task));
        }
    }
    let connects = ["processDefinitionConnects", "connects"];
    if let Some(connects) = connects.into_iter().find_map(|key| tree.at(id).get(key)) {
        for connect in connects.items() {
            let end = |key| {
                let id = connect.get(key).and_then(At::text)?;
                ids.get(id).copied()
            };
            let (from, to) = (end("endPointSourceId"), end("endPointTargetId"));
            let known = |edge: &&(i64, Option<NodeId>, i64, NodeId)| {
                Some(edge.0) == from && Some(edge.2) == to
            };
            // What the tasks do not say is left for the report.
            if edges.iter().any(|edge| known(&edge)) {
                connect.ignored(Rule::Copy);
            }
        }
    }
    let made = edges
        .into_iter()
        .map(|(from, node, to, task)| {
            let mut entries = Entries::default();
            let pre = tree.make_number(node.unwrap_or(task), from);
            entries.put("preTaskCode", pre);
            let post = tree.make_number(task, to);
            entries.put("postTaskCode", post);
            tree.make_object(task, entries)
        })
        .collect();
    tree.make_list(id, made)
}

fn task(tree: &mut Tree, id: NodeId, number: i64) -> NodeId {
    let mut entries = Entries::default();
    let at = tree.at(id);
    for (key, from) in TASK {
        entries.put_from(key, at, from);
    }
    if let Some(group) = at
        .get("workerGroupId")
        .filter(|_| at.get("workerGroup").is_none())
    {
        entries.put("workerGroup", group.id);
    }
    let params = at.get("params").map(|at| at.id);
    let flag = at
        .get("runFlag")
        .map(|at| (at.id, at.text().map(str::to_owned)));
    let beside: Vec<_> = BESIDE
        .into_iter()
        .filter_map(|key| Some((key, at.get(key).filter(|at| !at.is_hollow())?.id)))
        .collect();
    let timeout = at.get("timeout").map(|at| at.id);
    let code = tree.make_number(id, number);
    entries.put("code", code);
    if let Some((node, text)) = flag {
        let flag = match text.as_deref() {
            Some("NORMAL") => tree.make_text(node, "YES"),
            Some("FORBIDDEN") => tree.make_text(node, "NO"),
            _ => node,
        };
        entries.put("flag", flag);
    }
    if let Some(timeout) = timeout {
        time_limit(tree, &mut entries, timeout);
    }
    if let Some(params) = params {
        let params = if beside.is_empty() {
            params
        } else {
            let mut all = Entries::default();
            for (key, at) in tree.at(params).entries() {
                all.put(key, at.id);
            }
            for (key, node) in beside {
                if !all.has(key) {
                    all.put(key, node);
                }
            }
            tree.make_object(params, all)
        };
        entries.put("taskParams", params);
    }
    tree.make_object(id, entries)
}

fn time_limit(tree: &mut Tree, entries: &mut Entries, timeout: NodeId) {
    let at = tree.at(timeout);
    let enable = at.get("enable").map(|at| (at.id, at.boolean()));
    let strategy = at
        .get("strategy")
        .map(|at| (at.id, at.text().map(|text| text.replace(',', ""))));
    entries.put_from("timeout", at, "interval");
    if let Some((node, on)) = enable {
        let flag = match on {
            Some(true) => tree.make_text(node, "OPEN"),
            Some(false) => tree.make_text(node, "CLOSE"),
            None => node,
        };
        entries.put("timeoutFlag", flag);
    }
    if let Some((node, text)) = strategy {
        let strategy = text.map_or(node, |text| tree.make_text(node, text));
        entries.put("timeoutNotifyStrategy", strategy);
    }
}
