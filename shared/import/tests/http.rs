//! HTTP becomes a call with what its answer has to be.

use porpoise_import::Imported;
use porpoise_model::workflow::Kind;
use serde_json::{Value, json};

use crate::common::accepted;

fn imported(params: &Value) -> Imported {
    accepted(&json!({
        "processDefinition": {
            "code": 1, "name": "calls", "globalParams": "[]", "tenantId": -1, "executionType": "PARALLEL"
        },
        "processTaskRelationList": [{"preTaskCode": 0, "postTaskCode": 11}],
        "taskDefinitionList": [
            {"code": 11, "name": "ask", "taskType": "HTTP", "taskParams": params, "taskExecuteType": "BATCH"}
        ],
    }))
}

/// The definition's lines of the task.
fn written(params: &Value) -> String {
    let imported = imported(params);
    let workflow = imported.workflows.first().unwrap();
    let text = workflow.definition();
    porpoise_definition::read("calls.yaml", text.as_bytes())
        .unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    text.split_once("http:")
        .map_or(text.clone(), |(_, rest)| rest.to_owned())
}

#[test]
fn parameters_go_to_the_query_the_headers_and_the_body() {
    let text = written(&json!({
        "localParams": [{"prop": "day", "direct": "IN", "type": "VARCHAR", "value": "$[yyyyMMdd]"}],
        "url": "https://shop.example.com/orders?all=1", "httpMethod": "POST",
        "httpParams": [
            {"prop": "day", "httpParametersType": "PARAMETER", "value": "${day}"},
            {"prop": "X-Team", "httpParametersType": "HEADERS", "value": "sales"},
            {"prop": "rows", "httpParametersType": "BODY", "value": 12}
        ],
        "httpCheckCondition": "STATUS_CODE_CUSTOM", "condition": "201", "connectTimeout": 10000, "socketTimeout": "60000"
    }));
    insta::assert_snapshot!(text.split("labels:").next().unwrap().trim(), @r#"
    url: "https://shop.example.com/orders?all=1"
          method: post
          query:
            day: "${day}"
          headers:
            X-Team: sales
          json:
            rows: "12"
          expect:
            status: ["201"]
          connect_timeout: 10s
          timeout: 1m
    "#);
}

#[test]
fn a_check_of_the_body_looks_at_no_status_and_a_body_is_json() {
    let text = written(&json!({
        "url": "http://${host}/x", "httpMethod": "PUT", "httpBody": "{\"a\": 1}", "httpParams": [],
        "httpCheckCondition": "BODY_NOT_CONTAINS", "condition": "error"
    }));
    for wanted in [
        "status: [any]",
        "lacks: error",
        "Content-Type: application/json",
        "body: ",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    let text = written(
        &json!({"url": "http://h/", "httpCheckCondition": "STATUS_CODE_DEFAULT", "condition": "left over"}),
    );
    assert!(
        text.contains("status: [\"200\"]") && !text.contains("left over"),
        "{text}"
    );
}

#[test]
fn what_could_not_be_called_is_kept_whole() {
    let twice = json!({"prop": "a", "httpParametersType": "PARAMETER", "value": "1"});
    for params in [
        json!({"url": "shop.example.com"}),
        json!({"url": ""}),
        json!({"url": "http://h/", "httpMethod": "BREW"}),
        json!({"url": "http://h/", "httpCheckCondition": "STATUS_CODE_CUSTOM", "condition": "fine"}),
        json!({"url": "http://h/", "httpParams": [twice, twice]}),
    ] {
        let imported = imported(&params);
        let task = imported
            .workflows
            .first()
            .unwrap()
            .workflow
            .tasks
            .first()
            .unwrap();
        match &task.kind {
            Kind::External {
                name, parameters, ..
            } => {
                assert_eq!((name.as_str(), parameters), ("HTTP", &params));
            }
            other => panic!("{other:?}"),
        }
    }
}
