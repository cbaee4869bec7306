//! Every form of file: what differs from one version to the next.

use std::fmt::Write as _;

use porpoise_import::{Folder, Imported, Input, Options, Topic, Version, import, import_all};
use porpoise_model::workflow::{Kind, Priority, TimeoutAction};
use serde_json::json;

use crate::common::{fixture, minimal};

fn of(name: &str) -> Imported {
    import(name, fixture(name).as_bytes(), &Options::default()).unwrap()
}

/// All definitions and every entry, as one text.
fn shown(imported: &Imported) -> String {
    let mut text = String::new();
    for workflow in &imported.workflows {
        let _ = writeln!(text, "# {}\n{}", workflow.file_name, workflow.definition());
    }
    text + &imported.report.full().to_string()
}

#[test]
fn a_page_of_2_0() {
    insta::assert_snapshot!(shown(&of("page-2.0.json")));
}

#[test]
fn an_export_of_3_2() {
    insta::assert_snapshot!(shown(&of("export-3.2.json")));
}

#[test]
fn an_export_of_3_3() {
    insta::assert_snapshot!(shown(&of("export-3.3.json")));
}

#[test]
fn a_create_request() {
    insta::assert_snapshot!(shown(&of("create.json")));
}

#[test]
fn an_export_of_1_3() {
    let imported = of("old.json");
    let [pull, either, child, mend] = &*imported.workflows[0].workflow.tasks else {
        panic!()
    };
    assert_eq!((pull.retry.limit, pull.retry.delay.as_secs()), (2, 300));
    assert_eq!((pull.delay.as_secs(), pull.priority), (60, Priority::High));
    let timeout = pull.timeout.unwrap();
    assert_eq!(
        (timeout.after.as_secs(), timeout.action),
        (1800, TimeoutAction::Fail)
    );
    assert_eq!(
        (&*either.after, &*child.after, &*mend.after),
        (&[0][..], &[1][..], &[1][..])
    );
    assert!(mend.disabled);
    let Kind::Conditions {
        then, otherwise, ..
    } = &either.kind
    else {
        panic!()
    };
    assert_eq!((&**then, &**otherwise), (&[2][..], &[3][..]));
    let workflow = "old child".parse().unwrap();
    assert_eq!(
        child.kind,
        Kind::Workflow {
            workflow,
            each: None
        }
    );
    insta::assert_snapshot!(shown(&imported));
}

#[test]
fn a_page_of_1_3() {
    insta::assert_snapshot!(shown(&of("page-1.3.json")));
}

#[test]
fn a_file_of_the_python_sdk() {
    #[derive(Debug)]
    struct Here;

    impl Folder for Here {
        fn read(&self, path: &str) -> Option<Vec<u8>> {
            match path {
                "dags/scripts/pull.sh" => Some(b"echo \"${day} from ${home}\"\n".to_vec()),
                "dags/child.yaml" => Some(b"workflow: { name: the child }\ntasks: []\n".to_vec()),
                _ => None,
            }
        }
    }

    let bytes = fixture("orders-sdk.yaml");
    let input = Input {
        path: "dags/orders-sdk.yaml",
        folder: Some(&Here),
        ..Input::new("orders-sdk.yaml", bytes.as_bytes())
    };
    let options = Options {
        env: [("ORDERS_HOME".to_owned(), "/srv".to_owned())].into(),
        ..Options::default()
    };
    let imported = import_all(&[input], &options).unwrap();
    insta::assert_snapshot!(shown(&imported));
}

#[test]
fn schedules_of_1_x_take_the_zone_that_is_given() {
    let options = Options {
        timezone: Some("Asia/Shanghai".to_owned()),
        ..Options::default()
    };
    let imported = import("old.json", fixture("old.json").as_bytes(), &options).unwrap();
    let schedule = imported.workflows[0].workflow.schedule.clone().unwrap();
    assert_eq!(schedule.timezone, "Asia/Shanghai");
    assert_eq!(schedule.start.unwrap().to_string(), "2025-12-31T16:00:00Z");
    let options = Options {
        timezone: Some("Mars/Olympus".to_owned()),
        ..Options::default()
    };
    let faults = import("old.json", fixture("old.json").as_bytes(), &options).unwrap_err();
    assert!(
        faults
            .to_string()
            .contains("no time zone is named `Mars/Olympus`")
    );
}

#[test]
fn the_version_is_told_by_the_keys_in_their_order() {
    let mut value = minimal();
    let version = |value: &serde_json::Value| {
        let imported = import("x.json", value.to_string().as_bytes(), &Options::default()).unwrap();
        let dialect = imported.workflows[0].workflow.dialect.clone();
        assert_eq!(
            dialect,
            format!("dolphinscheduler/{}", imported.workflows[0].version)
        );
        imported.workflows[0].version
    };
    assert_eq!(version(&value), Version::V3_1);
    for task in value["taskDefinitionList"].as_array_mut().unwrap() {
        task.as_object_mut().unwrap().remove("taskExecuteType");
    }
    assert_eq!(version(&value), Version::V3_0);
    value["schedule"]["tenantCode"] = json!("t");
    assert_eq!(version(&value), Version::V3_2);
    value["schedule"]
        .as_object_mut()
        .unwrap()
        .remove("tenantCode");
    value["processDefinition"]
        .as_object_mut()
        .unwrap()
        .remove("executionType");
    assert_eq!(version(&value), Version::V2_0);
    value["taskDefinitionList"][1]["isCache"] = json!("NO");
    assert_eq!(version(&value), Version::V3_2);
    value["taskDefinitionList"][1]
        .as_object_mut()
        .unwrap()
        .remove("isCache");
    value["processDefinition"]
        .as_object_mut()
        .unwrap()
        .remove("tenantId");
    assert_eq!(version(&value), Version::V3_2);
    let said = Options {
        from_version: Some(Version::V3_1),
        ..Options::default()
    };
    let imported = import("x.json", value.to_string().as_bytes(), &said).unwrap();
    assert_eq!(
        imported.workflows[0].workflow.dialect,
        "dolphinscheduler/3.1"
    );
    let versions = imported
        .report
        .entries
        .iter()
        .filter(|entry| entry.topic == Topic::Version);
    let said: Vec<_> = versions.map(|entry| &*entry.message).collect();
    assert_eq!(said, ["it looks like 3.2 and was said to be of 3.1"]);
}

#[test]
fn files_of_one_import_know_each_other_and_all_or_none_come() {
    let mut caller = minimal();
    caller["processDefinition"]["code"] = json!(2);
    caller["taskDefinitionList"][1]["taskType"] = json!("SUB_PROCESS");
    caller["taskDefinitionList"][1]["taskParams"] = json!({"processDefinitionCode": 1});
    let (one, two) = (minimal().to_string(), caller.to_string());
    let input = |name, text: &'static str| Input::new(name, text.as_bytes());
    let (one, two) = (one.leak(), two.leak());
    let both = [input("one.json", one), input("two.json", two)];
    let imported = import_all(&both, &Options::default()).unwrap();
    let names: Vec<_> = imported
        .workflows
        .iter()
        .map(|each| &*each.file_name)
        .collect();
    assert_eq!(names, ["minimal.yaml", "minimal-2.yaml"]);
    let workflow = "minimal".parse().unwrap();
    let kind = &imported.workflows[1].workflow.tasks[1].kind;
    assert_eq!(
        *kind,
        Kind::Workflow {
            workflow,
            each: None
        }
    );
    let renamed = imported
        .report
        .entries
        .iter()
        .find(|entry| entry.topic == Topic::Renamed);
    assert_eq!(renamed.unwrap().file.as_deref(), Some("two.json"));
    let broken = [both[0], input("bad.json", "[{]"), input("worse.json", "[]")];
    let faults = import_all(&broken, &Options::default()).unwrap_err();
    let files: Vec<_> = faults.iter().map(|faults| &*faults.file).collect();
    assert_eq!(files, ["bad.json", "worse.json"]);
}
