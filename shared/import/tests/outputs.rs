//! Who hands an output to whom, against a model that walks every path.

use std::collections::BTreeSet;

use porpoise_import::Topic;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{accepted, minimal};

/// A task: those before it that it follows, whether it sets `n`, whether it is switched on.
type Drawn = (Vec<usize>, bool, bool);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let task = (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    prop::collection::vec(task, 2..9).prop_map(|tasks| {
        let place = |place: usize, above: Vec<prop::sample::Index>| -> Vec<usize> {
            if place == 0 {
                Vec::new()
            } else {
                above.iter().map(|index| index.index(place)).collect()
            }
        };
        tasks
            .into_iter()
            .enumerate()
            .map(|(at, (above, sets, on))| (place(at, above), sets, on))
            .collect()
    })
}

fn workflow(tasks: &[Drawn]) -> Value {
    let mut value = minimal();
    let out = json!([{"prop": "n", "direct": "OUT", "type": "LONG", "value": ""}]);
    let mut relations = Vec::new();
    let mut list = Vec::new();
    for (at, (above, sets, on)) in tasks.iter().enumerate() {
        relations.push(json!({"preTaskCode": 0, "postTaskCode": at + 1}));
        relations.extend(
            above
                .iter()
                .map(|pre| json!({"preTaskCode": pre + 1, "postTaskCode": at + 1})),
        );
        list.push(json!({
            "code": at + 1, "name": format!("t{at}"), "taskType": "SHELL", "taskExecuteType": "BATCH",
            "flag": if *on { "YES" } else { "NO" },
            "taskParams": {"rawScript": "echo ${n}", "localParams": if *sets { out.clone() } else { json!([]) }},
        }));
    }
    value["processTaskRelationList"] = Value::Array(relations);
    value["taskDefinitionList"] = Value::Array(list);
    value
}

/// Those that set `n` last on some path to the task.
fn setters(tasks: &[Drawn], at: usize) -> BTreeSet<usize> {
    let above = tasks[at].0.iter();
    above
        .flat_map(|pre| match &tasks[*pre] {
            (_, true, true) => BTreeSet::from([*pre]),
            _ => setters(tasks, *pre),
        })
        .collect()
}

proptest! {
    #[test]
    fn a_task_gets_an_output_from_the_task_that_set_it_last_above(tasks in drawn()) {
        let imported = accepted(&workflow(&tasks));
        for (at, task) in imported.workflows[0].workflow.tasks.iter().enumerate() {
            let setters = setters(&tasks, at);
            let got = task.parameters.get("n").map(|value| value.text.clone());
            let wanted = setters.first().map(|setter| format!("${{t{setter}.n}}"));
            prop_assert_eq!(got, wanted);
            let path = format!("taskDefinitionList[{at}]");
            let unclear = imported.report.entries.iter().any(|entry| entry.topic == Topic::OutputUnclear && entry.path == path);
            prop_assert_eq!(unclear, setters.len() > 1);
        }
    }
}
