//! DEPENDENT becomes a task that waits, where all that it names is known.

use std::time::Duration;

use porpoise_import::{Imported, Topic};
use porpoise_model::dependence::{Need, Part, Period};
use porpoise_model::workflow::{Kind, Task};
use serde_json::{Value, json};

use crate::common::accepted;

/// `orders` with one task, and `report`, which waits.
fn files(dependence: &Value, more: &Value) -> Value {
    let workflow = |code: i64, name: &str, mut task: Value| {
        let of = task["code"].clone();
        for (key, value) in [("taskExecuteType", "BATCH"), ("flag", "YES")] {
            task[key] = json!(value);
        }
        json!({
            "processDefinition": {
                "code": code, "name": name, "globalParams": "[]", "tenantId": -1, "executionType": "PARALLEL"
            },
            "processTaskRelationList": [{"preTaskCode": 0, "postTaskCode": of}],
            "taskDefinitionList": [task],
        })
    };
    let mut waits = json!({
        "code": 21, "name": "wait", "taskType": "DEPENDENT",
        "taskParams": {"dependence": dependence, "localParams": [], "resourceList": [], "conditionResult": "null"},
    });
    for (key, value) in more.as_object().unwrap() {
        waits[key] = value.clone();
    }
    json!([
        workflow(
            1,
            "orders",
            json!({"code": 11, "name": "extract", "taskType": "SHELL", "taskParams": {"rawScript": "echo"}})
        ),
        workflow(2, "report", waits),
    ])
}

fn waiting(imported: &Imported) -> &Task {
    let tasks = imported.workflows.iter();
    let mut tasks = tasks.flat_map(|each| &each.workflow.tasks);
    tasks.find(|task| task.name.as_str() == "wait").unwrap()
}

fn said(imported: &Imported, topic: Topic) -> Vec<&str> {
    let entries = imported.report.entries.iter();
    let of = entries.filter(|entry| entry.topic == topic);
    of.map(|entry| entry.message.as_str()).collect()
}

fn item(workflow: i64, task: i64, date: &str) -> Value {
    json!({"projectCode": 42, "definitionCode": workflow, "depTaskCode": task, "cycle": "day", "dateValue": date})
}

fn one(item: &Value) -> Value {
    json!({"relation": "AND", "dependTaskList": [{"relation": "OR", "dependItemList": [item]}]})
}

#[test]
fn groups_codes_and_what_happens_after_a_failure_are_kept() {
    let mut passing = item(1, 11, "thisMonthEnd");
    passing["parameterPassing"] = json!(true);
    passing["dependentType"] = json!("DEPENDENT_ON_TASK");
    let dependence = json!({
        "relation": "OR", "checkInterval": 10,
        "failurePolicy": "DEPENDENT_FAILURE_WAITING", "failureWaitingTime": 5,
        "dependTaskList": [
            {"relation": "AND", "dependItemList": [item(1, 0, "last1Days"), passing]},
            {"relation": "OR", "dependItemList": [item(1, -1, "currentHour")]},
        ],
    });
    let settings = json!({
        "failRetryTimes": "3", "failRetryInterval": "1", "timeoutFlag": "OPEN", "timeoutNotifyStrategy": "FAILED",
        "timeout": 30, "delayTime": "2",
    });
    let imported = accepted(&files(&dependence, &settings));
    let task = waiting(&imported);
    let Kind::Dependent {
        needs,
        timezone,
        failure_wait,
    } = &task.kind
    else {
        panic!("{:?}", task.kind);
    };
    let found: Vec<_> = needs
        .runs()
        .iter()
        .map(|it| (it.part.clone(), it.period))
        .collect();
    let extract = Part::Task("extract".parse().unwrap());
    assert_eq!(
        found,
        [
            (Part::Whole, Period::LastDay),
            (extract, Period::ThisMonthEnd),
            (Part::AllTasks, Period::ThisHour)
        ]
    );
    assert!(
        matches!(needs, Need::Any(groups) if matches!(groups.as_slice(), [Need::All(_), Need::Runs(_)]))
    );
    assert!(
        needs
            .runs()
            .iter()
            .all(|it| it.workflow.as_str() == "orders" && it.project.is_none())
    );
    assert_eq!((timezone, *failure_wait), (&None, Duration::from_mins(5)));
    assert_eq!(
        task.timeout.map(|timeout| timeout.after),
        Some(Duration::from_mins(30))
    );
    assert_eq!((task.retry.limit, task.delay), (0, Duration::from_mins(2)));
    let settings = said(&imported, Topic::BranchSettings);
    assert_eq!(
        settings,
        ["`wait` has no job: left out are 3 retries after 60 s"]
    );
    assert_eq!(said(&imported, Topic::PassedOutputs).len(), 1);
    assert_eq!(said(&imported, Topic::DependentZone).len(), 1);
    assert_eq!(said(&imported, Topic::CodeReference).len(), 4);
    assert_eq!(said(&imported, Topic::Logic), Vec::<&str>::new());
}

#[test]
fn what_is_not_known_keeps_the_whole_task() {
    for unknown in [
        item(77, 0, "today"),
        item(1, 77, "today"),
        item(1, 0, "bogusValue"),
    ] {
        let imported = accepted(&files(&one(&unknown), &json!({})));
        let kind = &waiting(&imported).kind;
        assert!(
            matches!(kind, Kind::External { name, .. } if name == "DEPENDENT"),
            "{kind:?}"
        );
        assert_eq!(said(&imported, Topic::Logic).len(), 1);
    }
    let empty = json!({"relation": "AND", "dependTaskList": []});
    let imported = accepted(&files(&empty, &json!({})));
    assert!(matches!(waiting(&imported).kind, Kind::External { .. }));
}
