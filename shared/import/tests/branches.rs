//! SWITCH and CONDITIONS become tasks that pick, where all that they name is there.

use porpoise_import::{Imported, Topic};
use porpoise_model::workflow::{Ending, Kind, Task, Test, TriggerRule};
use serde_json::{Value, json};

use crate::common::accepted;

/// `first` above a task that picks between `left` and `right`, which `end` joins.
fn diamond(kind: &str, params: &Value) -> Value {
    let task = |code: i64, name: &str, kind: &str, params: &Value| json!({"code": code, "name": name, "taskType": kind, "taskParams": params, "taskExecuteType": "BATCH"});
    let shell = |code, name| task(code, name, "SHELL", &json!({"rawScript": "echo"}));
    let edges = [(0, 11), (11, 12), (12, 13), (12, 14), (13, 15), (14, 15)];
    let edges = edges.map(|(from, to)| json!({"preTaskCode": from, "postTaskCode": to}));
    json!({
        "processDefinition": {
            "code": 1, "name": "diamond", "globalParams": "[]", "tenantId": -1, "executionType": "PARALLEL"
        },
        "processTaskRelationList": edges,
        "taskDefinitionList": [
            shell(11, "first"), task(12, "pick", kind, params), shell(13, "left"), shell(14, "right"), shell(15, "end")
        ],
    })
}

fn task<'i>(imported: &'i Imported, name: &str) -> &'i Task {
    let workflows = imported.workflows.iter();
    let mut tasks = workflows.flat_map(|each| &each.workflow.tasks);
    tasks.find(|task| task.name.as_str() == name).unwrap()
}

fn said(imported: &Imported, topic: Topic) -> Vec<&str> {
    let entries = imported.report.entries.iter();
    let of = entries.filter(|entry| entry.topic == topic);
    of.map(|entry| entry.message.as_str()).collect()
}

fn switch(conditions: &[(&str, Value)], otherwise: &Value) -> Value {
    let items = conditions.iter();
    let items: Vec<_> = items
        .map(|(condition, next)| json!({"condition": condition, "nextNode": next}))
        .collect();
    json!({"switchResult": {"dependTaskList": items, "nextNode": otherwise}})
}

#[test]
fn a_switch_picks_by_its_conditions_in_their_order() {
    let params = switch(
        &[("${rows} > 1", json!(13)), ("if $x", json!(["14"]))],
        &json!([]),
    );
    let imported = accepted(&diamond("SWITCH", &params));
    let Kind::Switch { cases, otherwise } = &task(&imported, "pick").kind else {
        panic!()
    };
    let shown: Vec<_> = cases
        .iter()
        .map(|case| (case.when.as_str(), &*case.then))
        .collect();
    assert_eq!(shown, [("${rows} > 1", &[2][..]), ("if $x", &[3])]);
    assert_eq!(*otherwise, None);
    assert_eq!(said(&imported, Topic::Condition).len(), 1);
    let triggers = ["first", "left", "right", "end"].map(|name| task(&imported, name).trigger);
    let all = TriggerRule::AllSucceeded;
    assert_eq!(
        triggers,
        [all, all, all, TriggerRule::NoneFailedMinOneSucceeded]
    );
    let params = switch(&[("1 == 1", json!(13))], &json!("14"));
    let imported = accepted(&diamond("SWITCH", &params));
    let kind = &task(&imported, "pick").kind;
    assert!(matches!(kind, Kind::Switch { otherwise: Some(below), .. } if **below == [3]));
}

#[test]
fn conditions_pick_by_how_tasks_above_ended() {
    let item = |code: i64, status: &str| json!({"depTaskCode": code, "status": status});
    let params = json!({
        "dependence": {"relation": "OR", "dependTaskList": [
            {"relation": "AND", "dependItemList": [item(11, "FAILURE"), item(99, "SUCCESS")]},
            {"relation": "OR", "dependItemList": [item(11, "SUCCESS")]},
        ]},
        "conditionResult": {"successNode": [13], "failedNode": [14]},
    });
    let mut value = diamond("CONDITIONS", &params);
    value["taskDefinitionList"][1]["failRetryTimes"] = json!(2);
    value["taskDefinitionList"][1]["taskGroupId"] = json!(7);
    let imported = accepted(&value);
    let pick = task(&imported, "pick");
    let Kind::Conditions {
        when,
        then,
        otherwise,
    } = &pick.kind
    else {
        panic!()
    };
    let of_first = |is| Test::Task { task: 0, is };
    let expected = Test::Any(vec![
        Test::All(vec![of_first(Ending::Failed), Test::Any(vec![])]),
        Test::Any(vec![of_first(Ending::Succeeded)]),
    ]);
    assert_eq!(
        (when, &**then, &**otherwise),
        (&expected, &[2][..], &[3][..])
    );
    assert_eq!(pick.trigger, TriggerRule::AllDoneMinOneRan);
    assert_eq!((pick.retry.limit, &pick.pool), (0, &None));
    let left_out = said(&imported, Topic::BranchSettings);
    assert!(
        left_out[0].contains("2 retries") && left_out[0].contains("task-group-7"),
        "{left_out:?}"
    );
    let text = imported.workflows[0].definition();
    let read = porpoise_definition::read("x.yaml", text.as_bytes()).unwrap();
    assert_eq!(read[0].workflow, imported.workflows[0].workflow);
}

#[test]
fn what_names_others_than_its_neighbours_is_kept_whole() {
    let item = json!({"depTaskCode": 11, "status": "SUCCESS"});
    let conditions = |item: &Value, next: i64| {
        json!({
            "dependence": {"relation": "AND", "dependTaskList": [{"relation": "AND", "dependItemList": [item]}]},
            "conditionResult": {"successNode": [next], "failedNode": []},
        })
    };
    for (kind, params) in [
        ("SWITCH", switch(&[("1 == 1", json!(99))], &json!(13))),
        ("SWITCH", switch(&[("1 == 1", json!(15))], &json!(13))),
        ("SWITCH", switch(&[("1 == 1", json!(13))], &json!(11))),
        ("SWITCH", switch(&[], &json!(13))),
        ("SWITCH", json!({})),
        ("CONDITIONS", conditions(&item, 15)),
        (
            "CONDITIONS",
            conditions(&json!({"depTaskCode": 13, "status": "SUCCESS"}), 13),
        ),
        (
            "CONDITIONS",
            conditions(&json!({"depTaskCode": 11, "status": "KILL"}), 13),
        ),
        ("CONDITIONS", json!({"dependence": {}})),
    ] {
        let imported = accepted(&diamond(kind, &params));
        let pick = task(&imported, "pick");
        assert!(
            matches!(&pick.kind, Kind::External { name, .. } if name == kind),
            "{params}"
        );
        assert_eq!(task(&imported, "end").trigger, TriggerRule::AllSucceeded);
    }
}

/// What follows a task that may stop the run follows an approval, too, which is skipped where nothing stops.
#[test]
fn blocking_becomes_conditions_and_an_approval() {
    let params = |opportunity: &str, code: i64| {
        let item = json!({"depTaskCode": code, "status": "FAILURE"});
        json!({
            "dependence": {"relation": "AND", "dependTaskList": [{"relation": "AND", "dependItemList": [item]}]},
            "blockingOpportunity": opportunity, "isAlertWhenBlocking": true
        })
    };
    for (opportunity, picked) in [("BlockingOnSuccess", true), ("BlockingOnFailed", false)] {
        let imported = accepted(&diamond("BLOCKING", &params(opportunity, 11)));
        let Kind::Conditions {
            when,
            then,
            otherwise,
        } = &task(&imported, "pick").kind
        else {
            panic!()
        };
        let failed = Test::Task {
            task: 0,
            is: Ending::Failed,
        };
        assert_eq!(*when, Test::All(vec![Test::All(vec![failed])]));
        let gate: (&[u32], &[u32]) = if picked { (&[5], &[]) } else { (&[], &[5]) };
        assert_eq!((&**then, &**otherwise), gate);
        let approval = task(&imported, "pick (approval)");
        assert!(matches!(approval.kind, Kind::Approval { .. }));
        assert_eq!(approval.after, [1]);
        for (name, after) in [("left", [1, 5]), ("right", [1, 5]), ("end", [2, 3])] {
            let below = task(&imported, name);
            assert_eq!(below.after, after, "{name}");
            assert_eq!(below.trigger, TriggerRule::NoneFailedMinOneSucceeded);
        }
        assert_eq!(said(&imported, Topic::Blocking).len(), 1);
    }
    // One that names no neighbour is kept whole.
    let imported = accepted(&diamond("BLOCKING", &params("BlockingOnSuccess", 13)));
    let kept = &task(&imported, "pick").kind;
    assert!(matches!(kept, Kind::External { name, .. } if name == "BLOCKING"));
}
