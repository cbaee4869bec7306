//! `SUB_PROCESS` and `SUB_WORKFLOW` become tasks that are other workflows, where the files tell which.

use porpoise_import::{Imported, Topic};
use porpoise_model::workflow::Kind;
use serde_json::{Value, json};

use crate::common::{accepted, minimal};

/// `night` with a task that is `child`, and that one.
pub(crate) fn family(kind: &str, params: &Value) -> Value {
    let mut child = minimal();
    child["processDefinition"]["code"] = json!(7200);
    child["processDefinition"]["name"] = json!("child");
    child["processDefinition"]["globalParams"] = json!([
        {"prop": "rows", "direct": "OUT", "type": "INTEGER", "value": "0"},
        {"prop": "day", "direct": "IN", "type": "VARCHAR", "value": "$[yyyy]"},
        {"prop": "${odd}", "direct": "OUT", "type": "VARCHAR", "value": ""},
    ]);
    let mut night = minimal();
    night["processDefinition"]["code"] = json!(7100);
    night["processDefinition"]["name"] = json!("night");
    let task = &mut night["taskDefinitionList"][0];
    (task["taskType"], task["taskParams"]) = (json!(kind), params.clone());
    task["failRetryTimes"] = json!(2);
    json!([night, child])
}

pub(crate) fn said(imported: &Imported, topic: Topic) -> Vec<&str> {
    let entries = imported.report.entries.iter();
    let of = entries.filter(|entry| entry.topic == topic);
    of.map(|entry| entry.message.as_str()).collect()
}

#[test]
fn a_task_that_is_a_workflow_of_the_files_is_one_by_its_name() {
    for (kind, params) in [
        (
            "SUB_PROCESS",
            json!({"localParams": [], "resourceList": [], "processDefinitionCode": 7200}),
        ),
        ("SUB_WORKFLOW", json!({"workflowDefinitionCode": "7200"})),
        ("SUB_WORKFLOW", json!({"workflowDefinitionName": "child"})),
    ] {
        let imported = accepted(&family(kind, &params));
        let [night, child] = imported.workflows.as_slice() else {
            unreachable!()
        };
        let task = night.workflow.tasks.first().unwrap();
        let workflow = "child".parse().unwrap();
        assert_eq!(
            task.kind,
            Kind::Workflow {
                workflow,
                each: None
            },
            "{params}"
        );
        // What its workflow hands up, it hands on.
        let outputs: Vec<_> = task.outputs.keys().collect();
        assert_eq!(outputs, ["rows"]);
        assert_eq!(child.workflow.outputs["rows"].text, "${rows}");
        assert_eq!(child.workflow.outputs.len(), 1);
        assert_eq!(child.workflow.parameters.len(), 3);
        assert_eq!(said(&imported, Topic::ChildRetries).len(), 1);
        assert_eq!(said(&imported, Topic::Logic), Vec::<&str>::new());
        assert_eq!(said(&imported, Topic::NoExecutor), Vec::<&str>::new());
    }
}

#[test]
fn what_the_files_do_not_explain_is_kept_whole_and_told() {
    for params in [
        json!({"processDefinitionCode": 9}),
        json!({"processDefinitionName": "elsewhere"}),
        json!({}),
    ] {
        let imported = accepted(&family("SUB_PROCESS", &params));
        let task = imported.workflows.first().unwrap().workflow.tasks.first();
        let kind = &task.unwrap().kind;
        assert!(matches!(kind, Kind::External { .. }), "{kind:?}");
        assert_eq!(said(&imported, Topic::Logic).len(), 1, "{params}");
        let unknown = usize::from(params["processDefinitionCode"].is_number());
        assert_eq!(said(&imported, Topic::UnknownReference).len(), unknown);
    }
}
