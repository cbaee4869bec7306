//! What becomes of files that are not sound: every fault at once, with its place; nothing hangs or grows.

use porpoise_import::{Options, Version, import};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{minimal, refused};

fn refused_text(text: &str) -> String {
    import("file.json", text.as_bytes(), &Options::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn all_faults_are_said_at_once_with_paths_and_lines() {
    let mut value = minimal();
    value["schedule"]["crontab"] = json!("30 1 * * *");
    value["schedule"]["timezoneId"] = json!("Mars/Olympus");
    value["taskDefinitionList"][0]["failRetryTimes"] = json!("many");
    value["taskDefinitionList"][1]["name"] = json!("first");
    value["processTaskRelationList"][1]["preTaskCode"] = json!(99);
    value["processDefinition"]["globalParams"] = json!("[{\"prop\":");
    let embedded = refused(&value);
    assert!(
        embedded.contains("processDefinition.globalParams: the text holds no JSON"),
        "{embedded}"
    );
    value["processDefinition"]["globalParams"] = json!("[]");
    insta::assert_snapshot!(refused(&value));
}

#[test]
fn a_circle_is_shown_as_a_path() {
    let mut value = minimal();
    value["processTaskRelationList"][0]["preTaskCode"] = json!(12);
    let faults = refused(&value);
    assert!(
        faults.contains("in a circle: first → second → first"),
        "{faults}"
    );
}

#[test]
fn a_version_that_cannot_have_written_a_form_is_refused() {
    let tasks = json!({"taskDefinitionJson": [], "name": "x"});
    for (value, said, words) in [
        (
            json!({"processDefinitionJson": "{}"}),
            Version::V3_1,
            "an export of 1.x",
        ),
        (
            json!({"workflowDefinition": {}}),
            Version::V3_2,
            "an export of 3.3 or later",
        ),
        (minimal(), Version::V3_3, "an export of 2.0 to 3.2"),
        (minimal(), Version::V1, "an export of 2.0 to 3.2"),
        (tasks, Version::V1, "the body of a call"),
    ] {
        let said = Options {
            from_version: Some(said),
            ..Options::default()
        };
        let faults = import("x.json", value.to_string().as_bytes(), &said).unwrap_err();
        let faults = faults.to_string();
        assert!(
            faults.contains(words) && faults.contains("is said to be of"),
            "{faults}"
        );
    }
}

#[test]
fn old_exports_say_what_is_wrong_inside_their_texts() {
    let inner = json!({"tasks": [
        {"name": "a", "type": "SHELL", "params": {"rawScript": "echo"}, "preTasks": ["nobody"]},
        {"name": "a", "type": "SHELL", "params": {}, "preTasks": ["a"]},
    ], "globalParams": []});
    let value = json!([{"processDefinitionName": "x", "processDefinitionJson": inner.to_string()}]);
    let faults = refused(&value);
    let path = "[0].processDefinitionJson.tasks[0].preTasks[0]: no task of this workflow is named `nobody`";
    assert!(faults.contains(path), "{faults}");
    let value = json!([{"processDefinitionName": "x", "processDefinitionJson": "{\"tasks\": ["}]);
    let faults = refused(&value);
    assert!(
        faults.contains("[0].processDefinitionJson: the text holds no JSON"),
        "{faults}"
    );
    let value = json!([{"processDefinitionName": "x", "processDefinitionJson": "{}"}]);
    assert!(refused(&value).contains("the workflow has no tasks"));
}

#[test]
fn what_is_no_export_says_so() {
    let files: [&[u8]; 10] = [
        br#"{"name": "x", "tasks": [], "type": 1}"#,
        b"[]",
        b"7",
        b"",
        b"name: x",
        b"[{\"a\":\n [1,",
        br#"{"code": 10000, "msg": "no", "data": []}"#,
        b"PK\x03\x04x",
        &[0xff, 0xfe, b'[', 0],
        b"[\"\xff\"]",
    ];
    let said = files.map(|file| {
        import("file.json", file, &Options::default())
            .unwrap_err()
            .to_string()
    });
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn hostile_files_end_in_a_fault() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(
        refused_text(&deep).contains("nested deeper"),
        "{}",
        refused_text(&deep)
    );
    let wide = format!("[{}0]", "0,".repeat(4_000_000));
    assert!(
        refused_text(&wide).contains("more than"),
        "{}",
        refused_text(&wide)
    );
    let large = format!("[{}]", " ".repeat(65 * 1024 * 1024));
    assert!(refused_text(&large).contains("at most"));
    let digits = minimal()
        .to_string()
        .replace("\"code\":11", "\"code\":123456789012345678901234567890");
    assert!(refused_text(&digits).contains("more digits than 64 bits"));
    let mut value = minimal();
    value["taskDefinitionList"][0]["taskParams"] = json!("[".repeat(1_000));
    assert!(refused(&value).contains("holds no JSON"));
    let mut value = minimal();
    value["processDefinition"]["name"] = json!("x".repeat(300));
    assert!(refused(&value).contains("at most 255 characters"));
}

#[test]
fn files_made_to_take_long_do_not() {
    let mut one = minimal();
    one["schedule"] = Value::Null;
    let many = Value::Array(vec![one; 500]);
    let imported = import("x.json", many.to_string().as_bytes(), &Options::default()).unwrap();
    assert_eq!(imported.workflows[499].file_name, "minimal-500.yaml");
    assert_eq!(
        imported.workflows[499].workflow.name.as_str(),
        "minimal (500)"
    );
    let mut value = minimal();
    value["taskDefinitionList"][0]["taskType"] = json!("SQL");
    value["taskDefinitionList"][0]["taskParams"] = json!({"sql": "password".repeat(20_000), "a": "://".repeat(20_000), "b": "${".repeat(20_000)});
    let imported = import("x.json", value.to_string().as_bytes(), &Options::default()).unwrap();
    assert_eq!(imported.workflows.len(), 1);
    let key = "k".repeat(1_000_000);
    value["taskDefinitionList"][0][&key] = Value::Array(vec![json!(1); 10]);
    let imported = import("x.json", value.to_string().as_bytes(), &Options::default()).unwrap();
    assert!(imported.report.full().to_string().len() < 10_000);
    value["taskDefinitionList"][0]["taskParams"] = json!({"sql": "x".repeat(11 * 1024 * 1024)});
    let faults = refused(&value);
    assert!(
        faults.contains("the definition of `minimal` would have"),
        "{}",
        &faults[..200]
    );
}

#[test]
fn faults_show_no_control_characters() {
    let mut value = minimal();
    value["schedule"]["timezoneId"] = json!("\u{1b}[2J\u{202e}x");
    let faults = refused(&value);
    assert!(!faults.contains(['\u{1b}', '\u{202e}']), "{faults:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9 ${}\\[\\]:\"]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A place in the smallest workflow.
fn any_place() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/processDefinition",
        "/processDefinition/name",
        "/processDefinition/globalParams",
        "/processDefinition/timeout",
        "/processDefinition/executionType",
        "/processTaskRelationList",
        "/processTaskRelationList/0",
        "/processTaskRelationList/1/preTaskCode",
        "/taskDefinitionList",
        "/taskDefinitionList/0",
        "/taskDefinitionList/0/name",
        "/taskDefinitionList/0/taskType",
        "/taskDefinitionList/0/taskParams",
        "/taskDefinitionList/0/taskParams/rawScript",
        "/schedule",
        "/schedule/crontab",
        "/schedule/startTime",
        "/schedule/timezoneId",
        "/schedule/failureStrategy",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever stands anywhere: faults, or workflows that read back as they are, with every leaf accounted for.
    #[test]
    fn any_value_in_any_place_is_refused_or_imported_in_full(
        changes in prop::collection::vec((any_place(), any_json()), 1..3)
    ) {
        let mut value = minimal();
        for (place, change) in changes {
            if let Some(slot) = value.pointer_mut(place) {
                *slot = change;
            }
        }
        if let Ok(imported) = import("x.json", value.to_string().as_bytes(), &Options::default()) {
            let report = &imported.report;
            prop_assert_eq!(report.used + report.reported + report.ignored.values().sum::<usize>(), report.leaves);
            for imported in imported.workflows {
                let text = imported.definition();
                let read = porpoise_definition::read(&imported.file_name, text.as_bytes());
                let read = read.map_err(|faults| TestCaseError::fail(format!("{faults}\n{text}")))?;
                prop_assert_eq!(&read[0].workflow, &imported.workflow, "{}", text);
            }
        }
    }
}
