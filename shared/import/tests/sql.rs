//! SQL becomes a statement on the target that stands for its data source.

use porpoise_import::{Imported, Mapping, Options, Topic};
use porpoise_model::workflow::{Kind, Task};
use serde_json::{Value, json};

use crate::common::accepted;

fn imported(params: &Value) -> Imported {
    imported_as("SQL", params)
}

fn imported_as(kind: &str, params: &Value) -> Imported {
    accepted(&json!({
        "processDefinition": {
            "code": 1, "name": "queries", "globalParams": "[]", "tenantId": -1, "executionType": "PARALLEL"
        },
        "processTaskRelationList": [{"preTaskCode": 0, "postTaskCode": 11}],
        "taskDefinitionList": [
            {"code": 11, "name": "ask", "taskType": kind, "taskParams": params, "taskExecuteType": "BATCH"}
        ],
    }))
}

fn task(imported: &Imported) -> &Task {
    let workflow = imported.workflows.first().unwrap();
    let text = workflow.definition();
    porpoise_definition::read("queries.yaml", text.as_bytes())
        .unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    workflow.workflow.tasks.first().unwrap()
}

#[test]
fn a_statement_comes_with_what_stands_around_it_and_its_data_source() {
    let imported = imported(&json!({
        "localParams": [{"prop": "ids", "direct": "IN", "type": "LIST", "value": "[1,2]"}],
        "type": "MYSQL", "datasource": 3, "sql": "insert into r select * from t where d = '${day}' and id in (${ids})",
        "sqlType": "1", "preStatements": ["delete from !{table}", ""], "postStatements": ["analyze table r"],
        "displayRows": 20, "limit": 500, "sendEmail": false, "title": "unused", "groupId": "2", "udfs": "", "connParams": "a=b"
    }));
    let task = task(&imported);
    assert_eq!(
        task.target.as_deref(),
        Some("dolphinscheduler-datasource-3")
    );
    match &task.kind {
        Kind::Sql {
            statement,
            before,
            after,
            rows,
            limit,
            ..
        } => {
            assert!(
                statement.contains("'${day}'"),
                "bound when it is dispatched"
            );
            assert_eq!(before, &["delete from !{table}"]);
            assert_eq!(after, &["analyze table r"]);
            assert_eq!((rows, limit), (&Some(20), &Some(500)));
        }
        other => panic!("{other:?}"),
    }
    let said = |topic: Topic| -> Vec<&str> {
        let entries = imported
            .report
            .entries
            .iter()
            .filter(|entry| entry.topic == topic);
        entries.map(|entry| &*entry.message).collect()
    };
    assert_eq!(
        said(Topic::DataSource),
        ["the MYSQL data source 3 is the target `dolphinscheduler-datasource-3`"]
    );
    assert_eq!(said(Topic::UnknownTaskParameter).len(), 1, "connParams");
    assert!(said(Topic::NoExecutor).is_empty());
}

#[test]
fn statements_of_3_0_are_parted_by_their_own_separator() {
    let found = imported(&json!({
        "type": "ORACLE", "datasource": 9, "sql": "update a set b = 1\n/\nupdate c set d = 2", "segmentSeparator": "\n/\n"
    }));
    match &task(&found).kind {
        Kind::Sql { statement, .. } => {
            assert_eq!(statement, "update a set b = 1;\nupdate c set d = 2");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_for_a_cluster_or_holds_a_secret_or_no_statement_is_kept_whole() {
    for params in [
        json!({"type": "HIVE", "datasource": 3, "sql": "select 1"}),
        json!({"type": "MYSQL", "datasource": 3, "sql": " "}),
        json!({"type": "MYSQL", "sql": "select 1"}),
        json!({"type": "MYSQL", "datasource": 3, "sql": "create user a identified by x; -- password=hunter22hunter"}),
    ] {
        let found = imported(&params);
        let task = task(&found);
        assert!(
            matches!(&task.kind, Kind::External { name, .. } if name == "SQL"),
            "{params}"
        );
        assert_eq!(task.target, None);
    }
}

#[test]
fn a_mapping_file_says_which_target_a_data_source_is_and_nothing_more_is_to_be_said() {
    let export = json!({
        "processDefinition": {
            "code": 1, "name": "queries", "globalParams": "[]", "tenantId": -1, "executionType": "PARALLEL"
        },
        "processTaskRelationList": [{"preTaskCode": 0, "postTaskCode": 11}],
        "taskDefinitionList": [
            {"code": 11, "name": "ask", "taskType": "SQL", "taskExecuteType": "BATCH",
                "workerGroup": "default", "taskParams": {"type": "ORACLE", "datasource": 3, "sql": "select 1"}}
        ],
    });
    let with = |text: &str| {
        let mapping = Mapping::read("m.yaml", text.as_bytes()).unwrap();
        let options = Options {
            mapping: Some(mapping),
            ..Options::default()
        };
        porpoise_import::import("x.json", export.to_string().as_bytes(), &options).unwrap()
    };
    let said = |imported: &Imported| -> Vec<String> {
        let entries = imported.report.entries.iter();
        let of = entries.filter(|entry| entry.topic == Topic::DataSource);
        of.map(|entry| entry.message.clone()).collect()
    };
    let found = with("data_sources: { '3': { target: warehouse } }\n");
    assert_eq!(task(&found).target.as_deref(), Some("warehouse"));
    assert!(said(&found).is_empty());
    // where the worker is says less of a statement than what it is for
    let found = with("worker_groups: { default: { target: site-a } }\n");
    assert_eq!(
        task(&found).target.as_deref(),
        Some("dolphinscheduler-datasource-3")
    );
    assert_eq!(
        said(&found),
        [
            "the ORACLE data source 3 is the target `dolphinscheduler-datasource-3`, and no target speaks ORACLE yet"
        ]
    );
}

#[test]
fn a_procedure_is_called_and_what_it_gives_are_outputs() {
    let local = json!([
        {"prop": "day", "direct": "IN", "type": "VARCHAR", "value": "20261121"},
        {"prop": "rows", "direct": "OUT", "type": "INTEGER", "value": ""},
    ]);
    let of = |kind: &str, method: &str, local: &Value| {
        imported_as(
            "PROCEDURE",
            &json!({"type": kind, "datasource": 3, "method": method, "localParams": local}),
        )
    };
    let by_variable = "call load(${day}, @rows);\nselect @rows as `rows`";
    for (kind, method, wanted) in [
        ("MYSQL", "{call load(${day}, ${rows})}", by_variable),
        ("MYSQL", "call load(?, ?);", by_variable),
        (
            "POSTGRESQL",
            "CALL load('${day}', ${rows})",
            "CALL load('${day}', null)",
        ),
        (
            "MYSQL",
            "{${rows} = call rate(${day})}",
            "select rate(${day}) as `rows`",
        ),
        (
            "POSTGRESQL",
            "{ ${rows}= CALL shop.rate('${day}', (1 + 2)); };",
            "select shop.rate('${day}', (1 + 2)) as \"rows\"",
        ),
    ] {
        let found = of(kind, method, &local);
        let task = task(&found);
        match &task.kind {
            Kind::Sql { statement, .. } => assert_eq!(statement, wanted),
            other => panic!("{other:?}"),
        }
        assert!(task.outputs.contains_key("rows"));
        assert_eq!(
            task.target.as_deref(),
            Some("dolphinscheduler-datasource-3")
        );
        let own = found.report.entries.iter();
        let own = own.filter(|entry| entry.topic == Topic::Procedure).count();
        assert_eq!(own, usize::from(wanted.ends_with("null)")));
    }
    for (kind, method) in [
        ("ORACLE", "call load(?, ?)"),
        ("MYSQL", "? = call load(?)"),
        ("MYSQL", "${day} = call load(${rows})"),
        ("MYSQL", "${rows} = load(${day})"),
        ("MYSQL", "${rows} = call "),
        ("MYSQL", "${rows} = call rate"),
        ("MYSQL", "${rows} = call rate(${rows}, ${day})"),
        ("MYSQL", "${rows} = call rate(${day}) -- of the day"),
        (
            "MYSQL",
            "${rows} = call rate(1); drop table rates; call x(1)",
        ),
        ("MYSQL", "${rows} = call rate(1), rate(2)"),
        ("MYSQL", "call load(?, ?, ?)"),
        ("MYSQL", "load"),
    ] {
        let found = of(kind, method, &local);
        let kept = matches!(&task(&found).kind, Kind::External { name, .. } if name == "PROCEDURE");
        assert!(kept, "{kind} {method}");
    }
}
