//! Values on their way to a job: parameters, outputs of tasks above, references to secrets.

use insta::assert_snapshot;
use porpoise_model::Value;
use porpoise_model::workflow::Kind;
use serde_json::json;

use crate::support::scenario;

#[test]
fn values_reach_a_task_by_name_and_scripts_stay_as_they_are() {
    let mut run = scenario("extract -> check, load");
    run.workflow
        .parameters
        .insert("day".into(), Value::text("$[yyyy-MM-dd-1]"));
    let run = run
        .with("extract", |task| {
            task.outputs.insert("rows".into(), Value::text(""));
        })
        .with("check", |task| {
            task.kind = Kind::Shell {
                script: "echo \"$day\" ${extract.rows} ${HOME}".into(),
            };
            task.env
                .insert("rows".into(), "${extract.rows} of ${day}".into());
            task.parameters
                .insert("day".into(), Value::text("<${day}>"));
        })
        .with("load", |task| {
            task.env = [("x".to_owned(), "${extract.nothing}".to_owned())]
                .into_iter()
                .collect();
        });
    // what it never declared is not taken in
    let outputs = ["rows", "nothing"].map(|name| (name.to_owned(), Value::text("42 ${day}")));
    let mut run = run.start().succeeds_with("extract", outputs.into());
    let job = run.job("check");
    let env: Vec<String> = job
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(env, ["day=<2026-03-01>", "rows=42 ${day} of <2026-03-01>"]);
    assert_snapshot!(format!("{:?}", job.work), @r#"Shell { script: "echo \"$day\" ${extract.rows} ${HOME}" }"#);
    assert_snapshot!(run.log(), @"
    00:00 extract#1 dispatched
    00:00 run running
    00:00 extract#1 succeeded
    00:00 check#1 dispatched
    00:00 load failed
    ");
}

#[test]
fn what_a_target_hands_on_by_itself_needs_no_declaration() {
    let mut run = scenario("query -> load");
    run.workflow.parameters.clear();
    let run = run
        .with("query", |task| {
            task.kind = Kind::Sql {
                before: Vec::new(),
                after: Vec::new(),
                rows: None,
                limit: None,
                statement: "select 1".into(),
                arguments: Vec::new(),
                database: None,
                request: serde_json::Map::new(),
            };
        })
        .with("load", |task| {
            task.env = [("at".to_owned(), "${query.location}".to_owned())]
                .into_iter()
                .collect();
        })
        .start();
    let location = [("location".to_owned(), Value::text("s3://results/1.csv"))];
    let run = run.succeeds_with("query", location.into());
    assert_eq!(run.job("load").env["at"], "s3://results/1.csv");
}

#[test]
fn only_secrets_that_the_definition_names_are_resolved_for_a_job() {
    let run = scenario("extract -> load")
        .with("load", |task| {
            task.parameters
                .insert("dsn".into(), Value::text("${secret:DSN}"));
            let texts = [("x", "${extract.out}"), ("y", "${secret:OWN}")];
            let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
            task.env = texts.into_iter().collect();
        })
        .with("extract", |task| {
            task.outputs.insert("out".into(), Value::text(""));
        })
        .start();
    let stolen = [("out".to_owned(), Value::text("${secret:STOLEN}"))];
    let job = run.succeeds_with("extract", stolen.into()).job("load");
    let named: Vec<&String> = job.secrets.iter().collect();
    assert_eq!(named, ["DSN", "OWN"]);
    assert_eq!(job.env["x"], "${secret:STOLEN}");
}

#[test]
fn jobs_on_targets_get_values_everywhere_but_in_statements() {
    let object = |json: serde_json::Value| json.as_object().unwrap().clone();
    let kinds = [
        (
            "spark",
            Kind::Spark {
                entry_point: "s3://code/${day}.py".into(),
                arguments: vec!["--day".into(), "${day}".into()],
                submit: Some("--conf a=${day}".into()),
                request: object(json!({"tags": {"${day}": "${day}", "n": 7}})),
            },
        ),
        (
            "hive",
            Kind::Hive {
                query: "select '${day}'".into(),
                init: Some("s3://${day}".into()),
                options: Some("--hivevar day=${day}".into()),
                request: object(json!({})),
            },
        ),
        (
            "sql",
            Kind::Sql {
                before: Vec::new(),
                after: Vec::new(),
                rows: None,
                limit: None,
                statement: "select '${day}' where d = ?".into(),
                arguments: vec!["${day}".into()],
                database: Some("d_${day}".into()),
                request: object(json!({"a": ["${day}"]})),
            },
        ),
        (
            "function",
            Kind::Function {
                name: "f".into(),
                input: json!({"day": "${day}", "rows": [1, null, true]}),
            },
        ),
        (
            "machine",
            Kind::StateMachine {
                name: "m-${day}".into(),
                input: serde_json::Value::Null,
            },
        ),
    ];
    let mut run = scenario("spark, hive, sql, function, machine");
    run.workflow
        .parameters
        .insert("day".into(), Value::text("$[yyyy-MM-dd-1]"));
    for (name, kind) in &kinds {
        run = run.with(name, |task| task.kind = kind.clone());
    }
    let run = run.start();
    let work = |(name, _): &(&str, Kind)| format!("{:?}", run.job(name).work);
    let works: Vec<String> = kinds.iter().map(work).collect();
    assert_snapshot!(works.join("\n"), @r#"
    Spark { entry_point: "s3://code/2026-03-01.py", arguments: ["--day", "2026-03-01"], submit: Some("--conf a=2026-03-01"), request: Some("{\"tags\":{\"${day}\":\"2026-03-01\",\"n\":7}}") }
    Hive { query: "select '${day}'", init: Some("s3://2026-03-01"), options: Some("--hivevar day=2026-03-01"), request: None }
    Sql { statement: "select '${day}' where d = ?", arguments: ["2026-03-01"], database: Some("d_2026-03-01"), request: Some("{\"a\":[\"2026-03-01\"]}"), more: None }
    Function { name: "f", input: "{\"day\":\"2026-03-01\",\"rows\":[1,null,true]}" }
    StateMachine { name: "m-2026-03-01", input: "{}" }
    "#);
}
