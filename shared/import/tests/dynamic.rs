//! `DYNAMIC` becomes a task that is another workflow, once for each element of its lists.

use porpoise_import::Topic;
use porpoise_model::workflow::{Each, Items, Kind};
use serde_json::{Value, json};

use crate::children::{family, said};
use crate::common::accepted;

fn params() -> Value {
    json!({
        "localParams": [{"prop": "env", "direct": "IN", "type": "VARCHAR", "value": "prod"}],
        "resourceList": [],
        "processDefinitionCode": 7200,
        "maxNumOfSubWorkflowInstances": 16,
        "degreeOfParallelism": 2,
        "filterCondition": " ap, ,x",
        "listParameters": [
            {"name": "region", "value": "${list}", "separator": ","},
            {"name": "day", "value": "$[yyyyMMdd-1];$[yyyyMMdd]", "separator": ";"},
            {"name": "one", "value": "[1,2]", "separator": ""},
        ],
    })
}

fn kind_of(params: &Value) -> (Kind, porpoise_import::Imported) {
    let imported = accepted(&family("DYNAMIC", params));
    let task = imported.workflows.first().unwrap().workflow.tasks.first();
    (task.unwrap().kind.clone(), imported)
}

#[test]
fn all_that_a_dynamic_task_says_is_carried_over() {
    let (kind, imported) = kind_of(&params());
    let text = |text: &str, separator: &str| Items::Text {
        text: text.to_owned(),
        separator: Some(separator.to_owned()),
    };
    let mut each = Each::of(
        [
            ("region".to_owned(), text("${list}", ",")),
            ("day".to_owned(), text("$[yyyyMMdd-1];$[yyyyMMdd]", ";")),
            ("one".to_owned(), Items::Values(vec!["[1,2]".to_owned()])),
        ]
        .into(),
    );
    each.without = vec!["ap".to_owned(), "x".to_owned()];
    (each.at_most, each.parallel) = (16, 2);
    let wanted = Kind::Workflow {
        workflow: "child".parse().unwrap(),
        each: Some(Box::new(each)),
    };
    assert_eq!(kind, wanted);
    let task = imported.workflows[0].workflow.tasks.first().unwrap();
    assert_eq!(task.parameters["env"].text, "prod");
    // Its lists are none of what its runs hand up: that goes by `dynamic.out`.
    assert!(task.outputs.is_empty());
    for topic in [Topic::Logic, Topic::NoExecutor, Topic::MappedLimit] {
        assert_eq!(said(&imported, topic), Vec::<&str>::new());
    }
    assert_eq!(said(&imported, Topic::ChildRetries).len(), 1);
}

#[test]
fn what_is_left_out_is_as_in_dolphinscheduler_and_what_is_too_much_is_cut() {
    let mut few = params();
    for key in [
        "maxNumOfSubWorkflowInstances",
        "degreeOfParallelism",
        "filterCondition",
    ] {
        few.as_object_mut().unwrap().remove(key);
    }
    let (
        Kind::Workflow {
            each: Some(each), ..
        },
        _,
    ) = kind_of(&few)
    else {
        panic!("not mapped");
    };
    assert_eq!((each.at_most, each.parallel), (1_024, 1));
    assert!(each.without.is_empty());
    let mut many = params();
    (
        many["maxNumOfSubWorkflowInstances"],
        many["degreeOfParallelism"],
    ) = (json!("5000"), json!(400));
    let (
        Kind::Workflow {
            each: Some(each), ..
        },
        imported,
    ) = kind_of(&many)
    else {
        panic!("not mapped");
    };
    assert_eq!((each.at_most, each.parallel), (1_024, 100));
    assert_eq!(
        said(&imported, Topic::MappedLimit),
        [
            "`maxNumOfSubWorkflowInstances` is 5000, at most 1024 are possible here",
            "`degreeOfParallelism` is 400, at most 100 are possible here"
        ]
    );
}

#[test]
fn what_cannot_be_mapped_is_kept_whole() {
    for (key, value) in [
        ("processDefinitionCode", json!(9)),
        ("listParameters", json!([])),
        ("listParameters", json!([{"name": "x", "separator": ","}])),
        (
            "listParameters",
            json!([{"name": "", "value": "1", "separator": ","}]),
        ),
        (
            "listParameters",
            json!([{"name": "x", "value": "1"}, {"name": "x", "value": "2"}]),
        ),
        ("maxNumOfSubWorkflowInstances", json!(0)),
        ("degreeOfParallelism", json!("many")),
    ] {
        let mut params = params();
        params[key] = value.clone();
        let (kind, imported) = kind_of(&params);
        assert!(matches!(kind, Kind::External { .. }), "{key} {value}");
        assert_eq!(said(&imported, Topic::Logic).len(), 1, "{key} {value}");
    }
}
