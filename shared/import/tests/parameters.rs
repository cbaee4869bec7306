//! Parameters of projects, from lists beside workflows.

use porpoise_import::{Imported, Input, Level, Options, Topic, import_all};
use porpoise_model::ValueType;
use serde_json::{Value, json};

use crate::common::{fixture, minimal};

const PROJECTS: &str =
    r#"{"code":0,"data":{"totalList":[{"code":42,"name":"retail","perm":7,"defCount":1}]}}"#;

/// A page with parameters of a project: their names and values.
fn page(project: i64, parameters: &[(&str, &str)]) -> String {
    let item = |(name, value): &(&str, &str)| json!({"id": 1, "code": 7, "projectCode": project, "paramName": name, "paramValue": value, "paramDataType": "VARCHAR"});
    let items: Vec<Value> = parameters.iter().map(item).collect();
    json!({"code": 0, "msg": "success", "data": {"totalList": items, "total": items.len()}})
        .to_string()
}

fn with(pages: &[&str], options: &Options) -> Imported {
    let workflow = minimal().to_string();
    let mut inputs = vec![Input::new("workflow.json", workflow.as_bytes())];
    inputs.extend(pages.iter().map(|text| Input {
        is_found: true,
        ..Input::new("page.json", text.as_bytes())
    }));
    let imported = import_all(&inputs, options).unwrap();
    let report = &imported.report;
    assert_eq!(
        report.used + report.reported + report.ignored.values().sum::<usize>(),
        report.leaves
    );
    imported
}

fn said(imported: &Imported, topic: Topic) -> Vec<String> {
    let entries = imported.report.entries.iter();
    let of = entries.filter(|entry| entry.topic == topic);
    of.map(|entry| entry.message.clone()).collect()
}

#[test]
fn the_parameters_of_a_project_are_a_file_with_their_types_and_without_secrets() {
    let page = fixture("project-parameters.json");
    let imported = with(&[PROJECTS, &page], &Options::default());
    let [parameters] = imported.parameters.as_slice() else {
        panic!("{:?}", imported.parameters);
    };
    assert_eq!(parameters.project.as_str(), "retail");
    assert_eq!(parameters.file_name, "retail.yaml");
    insta::assert_snapshot!(parameters.text(), @r#"
    batch: 500
    db_password: "${secret:project-db_password}"
    folder: "/data/${region}/$[yyyyMMdd-1]"
    limit: many
    region: eu
    "#);
    assert_eq!(parameters.values["batch"].kind, ValueType::Integer);
    assert_eq!(parameters.values["limit"].kind, ValueType::Varchar);
    let entries = imported.report.entries.iter();
    let entries = entries.filter(|entry| entry.file.as_deref() == Some("page.json"));
    let lines = entries.map(|entry| {
        format!(
            "{:?} {:?} {} {}",
            entry.level, entry.topic, entry.path, entry.message
        )
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    NotCarried UnknownField data.totalList[5].scope nobody knows this field here; it is left out
    NotCarried NamelessParameter data.totalList[4] the parameter has no name that could be used
    CarriedWithDifference UnknownWord data.totalList[5].paramDataType `folder` has a type that is not known: a text
    CarriedWithDifference ProjectParameters data.totalList[1] project `retail`: 5 parameters
    CarriedWithDifference ProjectParameterType data.totalList[2] the value of `limit` is not of its type: a text
    CarriedWithDifference Secret data.totalList[3].paramValue a value whose name says that it is secret is `${secret:project-db_password}` now
    Note Catalogue  the file is a list of projects
    ");
    let report = &imported.report;
    for text in [report.to_string(), report.full().to_string(), report.html()] {
        assert!(
            text.contains("retail") && !text.contains("hunter22"),
            "{text}"
        );
    }
    let data = serde_json::to_string(report).unwrap();
    assert!(data.contains("project_parameters") && !data.contains("hunter22"));
}

#[test]
fn each_project_has_its_own_unless_all_go_into_one() {
    let (one, other) = (page(42, &[("region", "eu")]), page(43, &[("region", "us")]));
    let imported = with(&[PROJECTS, &one, &other], &Options::default());
    let named: Vec<_> = imported
        .parameters
        .iter()
        .map(|each| (each.project.as_str(), each.values["region"].text.as_str()))
        .collect();
    assert_eq!(named, [("default", "us"), ("retail", "eu")]);
    let options = Options {
        project: Some("shop".to_owned()),
        ..Options::default()
    };
    let imported = with(&[PROJECTS, &one, &other], &options);
    let [parameters] = imported.parameters.as_slice() else {
        panic!("{:?}", imported.parameters);
    };
    assert_eq!(parameters.project.as_str(), "shop");
    assert_eq!(parameters.values["region"].text, "us");
    assert_eq!(
        said(&imported, Topic::Repeated),
        ["`region` of the project is listed again later"]
    );
}

#[test]
fn what_moves_from_page_to_page_is_one_parameter() {
    let pages = [
        page(42, &[("a", "1"), ("b", "2")]),
        page(42, &[("b", "2"), ("c", "3")]),
        page(42, &[]),
    ];
    let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
    let imported = with(&pages, &Options::default());
    let names: Vec<_> = imported.parameters[0].values.keys().collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert!(said(&imported, Topic::Repeated).is_empty());
    assert_eq!(
        said(&imported, Topic::ProjectParameters),
        ["project `default`: 3 parameters"]
    );
}

#[test]
fn what_is_too_long_is_left_out_and_said() {
    let long = "x".repeat(4_097);
    let most = "x".repeat(4_000);
    let names: Vec<String> = (0..9).map(|number| format!("part{number}")).collect();
    let mut all: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &*most)).collect();
    all.extend([("long", &*long), ("nul", "a\0b"), ("z", "small")]);
    let imported = with(&[&page(42, &all)], &Options::default());
    let kept: Vec<_> = imported.parameters[0].values.keys().collect();
    assert_eq!(kept.len(), 9, "{kept:?}");
    insta::assert_snapshot!(said(&imported, Topic::ProjectParameterTooLong).join("\n"), @"
    `part8` of project `default`: a project has at most 1000 parameters, of 32768 bytes together
    `long` of project `default`: the value has 4097 bytes, at most 4096 are allowed
    `nul` of project `default`: a NUL character cannot reach a process
    ");
    assert_eq!(Topic::ProjectParameterTooLong.level(), Level::NotCarried);
}

#[test]
fn a_script_that_names_a_secret_of_its_project_is_said() {
    let page = page(42, &[("api_token", "hunter22"), ("region", "eu")]);
    let import = |workflow: &Value| {
        let text = workflow.to_string();
        let inputs = [
            Input::new("workflow.json", text.as_bytes()),
            Input::new("page.json", page.as_bytes()),
        ];
        let imported = import_all(&inputs, &Options::default()).unwrap();
        said(&imported, Topic::SecretInScript)
    };
    let mut workflow = minimal();
    workflow["taskDefinitionList"][0]["taskParams"]["rawScript"] =
        json!("curl -H \"${api_token}\" https://shop.example.com/${region}");
    // before 3.2 a script means a variable of its own
    assert!(import(&workflow).is_empty());
    let definition = workflow["processDefinition"].as_object_mut().unwrap();
    definition.remove("tenantId");
    let expected =
        "the script of `first` names `api_token` of its project, which is a reference to a secret";
    assert_eq!(import(&workflow), [expected]);
}
