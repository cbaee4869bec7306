//! What becomes of files that are sound.

use porpoise_import::{Imported, Level, Options, Topic, Version, import};
use porpoise_model::workflow::{Concurrency, Kind, Task};
use serde_json::{Value, json};

use crate::common::{accepted, fixture, minimal};

fn orders() -> Imported {
    let options = Options {
        project: Some("retail".into()),
        ..Options::default()
    };
    import("orders.json", fixture("orders.json").as_bytes(), &options).unwrap()
}

fn messages(imported: &Imported, topic: Topic) -> Vec<String> {
    let entries = imported
        .report
        .entries
        .iter()
        .filter(|entry| entry.topic == topic);
    entries
        .map(|entry| format!("{}: {}", entry.path, entry.message))
        .collect()
}

fn task<'i>(imported: &'i Imported, name: &str) -> &'i Task {
    let mut tasks = imported
        .workflows
        .iter()
        .flat_map(|imported| &imported.workflow.tasks);
    tasks.find(|task| task.name.as_str() == name).unwrap()
}

#[test]
fn a_workflow_becomes_this_definition() {
    insta::assert_snapshot!("orders.yaml", orders().workflows[0].definition());
}

#[test]
fn the_report_groups_what_it_says() {
    insta::assert_snapshot!("orders.report", orders().report);
}

#[test]
fn the_full_report_says_everything() {
    insta::assert_snapshot!("orders.full", orders().report.full());
}

#[test]
fn the_same_bytes_give_the_same_result() {
    assert_eq!(orders(), orders());
}

#[test]
fn what_is_written_reads_back_the_same() {
    for imported in orders().workflows {
        let read = porpoise_definition::read(&imported.file_name, imported.definition().as_bytes())
            .unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].workflow, imported.workflow);
    }
}

#[test]
fn no_secret_and_no_value_of_a_parameter_enters_the_report() {
    let imported = orders();
    let everything = format!(
        "{}{}{}",
        imported.report,
        imported.report.full(),
        serde_json::to_string(&imported.report).unwrap()
    );
    for value in ["hunter22", "shop:pass", "$[yyyyMMdd-1]", "python3.9"] {
        assert!(!everything.contains(value), "{value}");
    }
    let said = messages(&imported, Topic::Secret);
    assert_eq!(said.len(), 3, "{said:?}");
    for workflow in &imported.workflows {
        let text = workflow.definition();
        assert!(!text.contains("hunter22") && !text.contains("shop:pass"));
    }
}

#[test]
fn outputs_reach_the_tasks_that_use_them_by_name() {
    let imported = orders();
    for name in ["check", "how many", "报告/report"] {
        let (first, value) = task(&imported, name).parameters.first().unwrap();
        assert_eq!(
            (first.as_str(), value.text.as_str()),
            ("rows", "${pull.rows}"),
            "{name}"
        );
    }
    assert!(task(&imported, "load").parameters.is_empty());
}

#[test]
fn an_output_that_two_tasks_set_is_said_to_be_unclear() {
    let mut value = minimal();
    let out = json!([{"prop": "n", "direct": "OUT", "type": "VARCHAR", "value": ""}]);
    value["taskDefinitionList"][0]["taskParams"]["localParams"] = out.clone();
    value["taskDefinitionList"][1]["taskParams"]["localParams"] = out;
    value["taskDefinitionList"].as_array_mut().unwrap().push(json!(
        {"code": 13, "name": "third", "taskType": "SHELL", "taskParams": {"rawScript": "echo ${n}"}, "taskExecuteType": "BATCH"}
    ));
    let relations = value["processTaskRelationList"].as_array_mut().unwrap();
    relations.push(json!({"preTaskCode": 11, "postTaskCode": 13}));
    relations.push(json!({"preTaskCode": 12, "postTaskCode": 13}));
    let imported = accepted(&value);
    assert_eq!(task(&imported, "third").parameters["n"].text, "${first.n}");
    assert_eq!(messages(&imported, Topic::OutputUnclear).len(), 1);
}

#[test]
fn one_object_a_list_a_mark_and_an_answer_of_the_rest_api_are_all_read() {
    let value = minimal();
    let plain = accepted(&value);
    let marked = format!("\u{feff}{value}");
    let forms = [
        json!([value]),
        json!({"code": 0, "msg": "success", "data": value}),
        json!({"code": 0, "msg": "success", "data": {"totalList": [value], "total": 1, "totalPage": 1, "pageSize": 10, "currentPage": 1}}),
    ];
    for form in forms {
        let imported = accepted(&form);
        assert_eq!(imported.workflows, plain.workflows);
        assert_eq!(
            messages(&imported, Topic::UnknownField),
            Vec::<String>::new()
        );
    }
    let imported = import("x.json", marked.as_bytes(), &Options::default()).unwrap();
    assert_eq!(imported, plain);
}

#[test]
fn numbers_may_be_texts_and_task_parameters_a_text() {
    let plain = accepted(&minimal());
    let mut value = minimal();
    for task in value["taskDefinitionList"].as_array_mut().unwrap() {
        task["code"] = Value::String(task["code"].to_string());
        task["taskParams"] = Value::String(task["taskParams"].to_string());
    }
    for relation in value["processTaskRelationList"].as_array_mut().unwrap() {
        relation["preTaskCode"] = Value::String(relation["preTaskCode"].to_string());
    }
    assert_eq!(accepted(&value).workflows, plain.workflows);
}

#[test]
fn a_rest_page_without_the_marks_of_a_version_is_read_with_a_note() {
    let mut value = minimal();
    value["processDefinition"]
        .as_object_mut()
        .unwrap()
        .remove("executionType");
    for task in value["taskDefinitionList"].as_array_mut().unwrap() {
        task.as_object_mut().unwrap().remove("taskExecuteType");
    }
    let imported = accepted(&value);
    assert_eq!(messages(&imported, Topic::Version).len(), 1);
    let said = Options {
        from_version: Some(Version::V3_1),
        ..Options::default()
    };
    let imported = import("x.json", value.to_string().as_bytes(), &said).unwrap();
    assert_eq!(messages(&imported, Topic::Version).len(), 0);
}

#[test]
fn unknown_fields_are_reported_where_they_begin() {
    let mut value = minimal();
    value["taskDefinitionList"][1]["vendor"] = json!({"a": [1, 2], "b": {"c": true}});
    value["extra"] = json!("x");
    value["taskDefinitionList"][0]["nothing"] = json!({"a": [], "b": null});
    let found = messages(&accepted(&value), Topic::UnknownField);
    assert_eq!(found.len(), 2);
    assert!(
        found[0].starts_with("taskDefinitionList[1].vendor: "),
        "{found:?}"
    );
    assert!(found[1].starts_with("extra: "), "{found:?}");
}

#[test]
fn a_key_that_is_there_twice_is_reported() {
    let text = minimal().to_string().replace(
        "\"name\":\"minimal\"",
        "\"name\":\"hidden\",\"name\":\"shown\"",
    );
    let imported = import("x.json", text.as_bytes(), &Options::default()).unwrap();
    assert_eq!(imported.workflows[0].workflow.name.as_str(), "shown");
    assert_eq!(messages(&imported, Topic::Repeated).len(), 1);
}

#[test]
fn names_are_cleaned_and_two_workflows_of_one_name_are_told_apart() {
    let mut value = minimal();
    value["processDefinition"]["name"] = json!("../../etc/x\n");
    let imported = accepted(&json!([value, value, value]));
    let names: Vec<_> = imported
        .workflows
        .iter()
        .map(|imported| (imported.workflow.name.as_str(), imported.file_name.as_str()))
        .collect();
    let stem = "../../etc/x";
    assert_eq!(
        names,
        [
            (stem, "etc-x.yaml"),
            (&*format!("{stem} (2)"), "etc-x-2.yaml"),
            (&*format!("{stem} (3)"), "etc-x-3.yaml")
        ]
    );
    assert_eq!(messages(&imported, Topic::Renamed).len(), 5);
}

#[test]
fn execution_types_become_concurrency() {
    for (word, concurrency, topic) in [
        ("PARALLEL", Concurrency::Parallel, None),
        (
            "SERIAL_WAIT",
            Concurrency::SerialWait,
            Some(Topic::SerialVersions),
        ),
        (
            "SERIAL_DISCARD",
            Concurrency::SerialDiscard,
            Some(Topic::SerialVersions),
        ),
        (
            "SERIAL_PRIORITY",
            Concurrency::SerialPriority,
            Some(Topic::SerialVersions),
        ),
        ("SOMETIMES", Concurrency::Parallel, Some(Topic::UnknownWord)),
    ] {
        let mut value = minimal();
        value["processDefinition"]["executionType"] = json!(word);
        let imported = accepted(&value);
        assert_eq!(
            imported.workflows[0].workflow.concurrency, concurrency,
            "{word}"
        );
        for said in [Topic::SerialVersions, Topic::UnknownWord] {
            assert_eq!(
                messages(&imported, said).len(),
                usize::from(topic == Some(said)),
                "{word} {said:?}"
            );
        }
    }
}

#[test]
fn a_schedule_keeps_its_wall_clock_through_a_clock_change() {
    let mut value = minimal();
    value["schedule"]["startTime"] = json!("2026-03-29 02:30:00");
    value["schedule"]["crontab"] = json!("3/5 0 * * * ? *");
    let imported = accepted(&value);
    let schedule = imported.workflows[0].workflow.schedule.clone().unwrap();
    // The clock springs from 2 to 3 that night: the time moves on by the hour that is missing.
    assert_eq!(schedule.start.unwrap().to_string(), "2026-03-29T01:30:00Z");
    assert_eq!(schedule.end.unwrap().to_string(), "2125-12-31T23:00:00Z");
    assert_eq!(schedule.cron, "3/5 0 * * * ? *");
    assert!(schedule.offline);
    assert_eq!(messages(&imported, Topic::Seconds).len(), 1);
}

/// Until the day of the switch a schedule fires there, and from then on here.
#[test]
fn a_schedule_starts_on_the_day_of_the_switch_unless_it_starts_later_or_is_over() {
    let day = "2026-12-01".parse().unwrap();
    let start = |start: &str, end: &str| {
        let mut value = minimal();
        value["schedule"]["startTime"] = json!(start);
        value["schedule"]["endTime"] = json!(end);
        let options = Options {
            switch_date: Some(day),
            ..Options::default()
        };
        let bytes = value.to_string();
        let imported = import("minimal.json", bytes.as_bytes(), &options).unwrap();
        let said = messages(&imported, Topic::SwitchDate).join("");
        let schedule = imported.workflows[0].workflow.schedule.clone().unwrap();
        (schedule.start.unwrap().to_string(), said)
    };
    let late = "2126-01-01 00:00:00";
    let (begins, said) = start("2026-01-01 00:00:00", late);
    // Midnight in Berlin.
    assert_eq!(begins, "2026-11-30T23:00:00Z");
    assert!(said.ends_with("it starts here on 2026-12-01: let it end there at that time"));
    let later = ("2026-12-31T23:00:00Z".to_owned(), String::new());
    assert_eq!(start("2027-01-01 00:00:00", late), later);
    let (begins, said) = start("2026-01-01 00:00:00", "2026-12-01 00:00:00");
    assert_eq!(begins, "2025-12-31T23:00:00Z");
    assert!(said.contains("never fires here"), "{said}");
}

#[test]
fn a_task_without_any_edge_is_disabled_and_said() {
    let imported = orders();
    assert!(task(&imported, "left over").disabled);
    assert!(task(&imported, "load").disabled);
    assert_eq!(messages(&imported, Topic::Detached).len(), 1);
}

#[test]
fn kinds_without_an_executor_are_kept_whole() {
    let imported = orders();
    let Kind::External {
        system,
        name,
        parameters,
    } = &task(&imported, "stream").kind
    else {
        panic!("not external")
    };
    assert_eq!(
        (system.as_str(), name.as_str()),
        ("dolphinscheduler", "FLINK_STREAM")
    );
    let original: Value = serde_json::from_str(&fixture("orders.json")).unwrap();
    let mut original = original[1]["taskDefinitionList"][0]["taskParams"].clone();
    for (key, value) in original.as_object_mut().unwrap() {
        if let Some(text) = value.as_str().filter(|text| text.contains("hunter22")) {
            let hidden = parameters[key].as_str().unwrap();
            assert_eq!(
                hidden,
                text.replace("hunter22", "${secret:pull-password-2}")
            );
            *value = hidden.into();
        }
    }
    assert_eq!(*parameters, original);
}

#[test]
fn what_is_nested_as_deep_as_it_may_be_reads_back() {
    let mut deep = json!("bottom");
    let mut imports = 0;
    for _ in 0..60 {
        deep = json!([deep]);
        let mut value = minimal();
        value["taskDefinitionList"][0]["taskType"] = json!("SQL");
        value["taskDefinitionList"][0]["taskParams"] = json!({ "deep": deep });
        let Ok(imported) = import("x.json", value.to_string().as_bytes(), &Options::default())
        else {
            break;
        };
        let imported = &imported.workflows[0];
        let read = porpoise_definition::read("x.yaml", imported.definition().as_bytes()).unwrap();
        assert_eq!(read[0].workflow, imported.workflow);
        imports += 1;
    }
    assert!((40..60).contains(&imports), "{imports}");
}

#[test]
fn every_level_has_entries_in_the_example() {
    let imported = orders();
    for level in Level::ALL {
        assert!(imported.report.of(level).count() > 0, "{level:?}");
    }
}

#[test]
fn the_page_for_users_shows_what_is_printed_today() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/import-dolphinscheduler.md");
    let page = std::fs::read_to_string(page).unwrap();
    let report = orders().report.to_string();
    assert!(
        page.contains(report.trim()),
        "the page does not show:\n{report}"
    );
}
