//! A task of the SDK.

use super::{logic, parameter};
use crate::json::{At, Entries, NodeId, Tree};

/// Keys of every task, and those of DolphinScheduler.
const COMMON: [(&str, &str); 14] = [
    ("name", "name"),
    ("description", "description"),
    ("flag", "flag"),
    ("taskPriority", "task_priority"),
    ("workerGroup", "worker_group"),
    ("environmentName", "environment_name"),
    ("taskGroupId", "task_group_id"),
    ("taskGroupPriority", "task_group_priority"),
    ("delayTime", "delay_time"),
    ("failRetryTimes", "fail_retry_times"),
    ("failRetryInterval", "fail_retry_interval"),
    ("timeout", "timeout"),
    ("timeoutFlag", "timeout_flag"),
    ("timeoutNotifyStrategy", "timeout_notify_strategy"),
];
/// What is read on its own.
const OTHERS: [&str; 7] = [
    "task_type",
    "deps",
    "is_cache",
    "input_params",
    "output_params",
    "local_params",
    "resource_list",
];

/// Classes whose name is not that of their type, in lower case.
const CLASSES: [(&str, &str); 21] = [
    ("condition", "CONDITIONS"),
    ("conditions", "CONDITIONS"),
    ("subworkflow", "SUB_WORKFLOW"),
    ("subprocess", "SUB_PROCESS"),
    ("customdatax", "DATAX"),
    ("kubernetes", "K8S"),
    ("dvcinit", "DVC"),
    ("dvcupload", "DVC"),
    ("dvcdownload", "DVC"),
    ("mlflowmodels", "MLFLOW"),
    ("mlflowprojectscustom", "MLFLOW"),
    ("mlflowprojectsautoml", "MLFLOW"),
    ("mlflowprojectsbasicalgorithm", "MLFLOW"),
    ("flinkstream", "FLINK_STREAM"),
    ("dataquality", "DATA_QUALITY"),
    ("datafactory", "DATA_FACTORY"),
    ("emrserverless", "EMR_SERVERLESS"),
    ("remoteshell", "REMOTESHELL"),
    ("hivecli", "HIVECLI"),
    ("sagemaker", "SAGEMAKER"),
    ("mr", "MR"),
];

/// Keys whose words differ, by type; all others only lose their underscores.
const KEYS: [(&str, &str, &str); 21] = [
    ("SHELL", "command", "rawScript"),
    ("PYTHON", "definition", "rawScript"),
    ("PYTHON", "code", "rawScript"),
    ("DVC", "repository", "dvcRepository"),
    ("DVC", "store_url", "dvcStoreUrl"),
    ("DVC", "data_path_in_dvc_repository", "dvcDataLocation"),
    ("DVC", "data_path_in_worker", "dvcLoadSaveDataPath"),
    ("DVC", "version", "dvcVersion"),
    ("DVC", "message", "dvcMessage"),
    ("OPENMLDB", "zookeeper", "zk"),
    ("OPENMLDB", "zookeeper_path", "zkPath"),
    ("PYTORCH", "project_path", "pythonPath"),
    ("SUB_WORKFLOW", "workflow_name", "workflowDefinitionName"),
    (
        "SUB_PROCESS",
        "process_definition_name",
        "processDefinitionName",
    ),
    ("SUB_PROCESS", "workflow_name", "processDefinitionName"),
    ("MLFLOW", "model_uri", "deployModelKey"),
    ("MLFLOW", "deploy_mode", "deployType"),
    ("MLFLOW", "port", "deployPort"),
    ("MLFLOW", "parameters", "params"),
    ("DATAX", "datatarget_name", "dataTargetName"),
    ("DATAX", "datasource_name", "dataSourceName"),
];

/// Parameters that a class stands for.
const MEANT: [(&str, &str, &str); 8] = [
    ("dvcinit", "dvcTaskType", "Init DVC"),
    ("dvcupload", "dvcTaskType", "Upload"),
    ("dvcdownload", "dvcTaskType", "Download"),
    ("mlflowmodels", "mlflowTaskType", "MLflow Models"),
    ("mlflowprojectscustom", "mlflowJobType", "CustomProject"),
    ("mlflowprojectsautoml", "mlflowJobType", "AutoML"),
    (
        "mlflowprojectsbasicalgorithm",
        "mlflowJobType",
        "BasicAlgorithm",
    ),
    ("customdatax", "customConfig", "1"),
];

/// A task in the one shape, and its edges: leaves with the name of the other end, and whether that comes before it.
pub(super) struct Shaped {
    pub(super) node: NodeId,
    pub(super) edges: Vec<(NodeId, bool)>,
}

pub(super) fn task(tree: &mut Tree, id: NodeId, number: i64) -> Shaped {
    let mut entries = Entries::default();
    let at = tree.at(id);
    for (key, from) in COMMON {
        entries.put_from(key, at, from);
    }
    let mut edges: Vec<(NodeId, bool)> = Vec::new();
    if let Some(deps) = at.get("deps") {
        let leaves = if deps.is_list() {
            deps.items().collect()
        } else {
            vec![deps]
        };
        edges.extend(leaves.into_iter().map(|at| (at.id, true)));
    }
    let limit = at.some("timeout").filter(|at| at.integer() != Some(0));
    let needs_flag = limit.is_some() && at.get("timeout_flag").is_none();
    if let Some(name) = super::text(tree, id, "name") {
        entries.put("name", name);
    }
    if needs_flag {
        let flag = tree.make_text(id, "OPEN");
        entries.put("timeoutFlag", flag);
    }
    let code = tree.make_number(id, number);
    entries.put("code", code);
    if let Some(cached) = tree.at(id).get("is_cache") {
        let (node, on) = (cached.id, cached.boolean());
        let cached = on.map_or(node, |on| {
            tree.make_text(node, if on { "YES" } else { "NO" })
        });
        entries.put("isCache", cached);
    }
    if let Some((node, class)) = tree
        .at(id)
        .get("task_type")
        .and_then(|at| Some((at.id, at.text()?.to_owned())))
    {
        let class = class.to_ascii_lowercase();
        let known = CLASSES.iter().find(|(name, _)| *name == class);
        let kind = known.map_or_else(
            || class.to_ascii_uppercase(),
            |(_, kind)| (*kind).to_owned(),
        );
        let params = params(tree, id, (&class, &kind), &mut edges);
        entries.put("taskParams", params);
        let kind = tree.make_text(node, kind);
        entries.put("taskType", kind);
    } else if let Some(at) = tree.at(id).get("task_type") {
        entries.put("taskType", at.id);
    }
    Shaped {
        node: tree.make_object(id, entries),
        edges,
    }
}

fn params(
    tree: &mut Tree,
    id: NodeId,
    (class, kind): (&str, &str),
    edges: &mut Vec<(NodeId, bool)>,
) -> NodeId {
    let mut params = Entries::default();
    let mut locals = Vec::new();
    for (key, direction) in [("input_params", "IN"), ("output_params", "OUT")] {
        if let Some(map) = tree.at(id).get(key).map(|at| at.id) {
            locals.extend(parameter::locals(tree, map, direction));
        }
    }
    let said = tree
        .at(id)
        .get("local_params")
        .into_iter()
        .flat_map(At::items);
    locals.extend(said.map(|at| at.id).collect::<Vec<_>>());
    if !locals.is_empty() {
        let locals = tree.make_list(id, locals);
        params.put("localParams", locals);
    }
    params.put_from("resourceList", tree.at(id), "resource_list");
    for (name, key, value) in MEANT {
        if name == class {
            let value = tree.make_text(id, value);
            params.put(key, value);
        }
    }
    let logical = logic::params(tree, id, kind, &mut params, edges);
    let own: Vec<_> = tree
        .at(id)
        .entries()
        .filter(|(key, _)| !OTHERS.contains(key) && !logical.contains(key))
        .filter(|(key, _)| COMMON.iter().all(|(_, common)| common != key))
        .map(|(key, at)| (key.to_owned(), at.id, at.text().is_some()))
        .collect();
    for (key, node, is_text) in own {
        if key == "main_package" && is_text {
            let mut package = Entries::default();
            package.put("resourceName", node);
            let package = tree.make_object(id, package);
            params.put("mainJar", package);
            continue;
        }
        let renamed = KEYS
            .iter()
            .find(|(of, from, _)| *of == kind && *from == key);
        let key = renamed.map_or_else(|| camel(&key), |(_, _, key)| (*key).to_owned());
        params.put(&key, node);
    }
    tree.make_object(id, params)
}

/// `main_class` as `mainClass`.
fn camel(key: &str) -> String {
    let mut parts = key.split('_');
    let mut camel = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut chars = part.chars();
        camel.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        camel.push_str(chars.as_str());
    }
    camel
}
