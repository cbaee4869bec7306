//! Values on their way to a job: parameters, outputs of tasks above, references to secrets.

use insta::assert_snapshot;
use porpoise_engine::{Aggregate as _, Effect, EffectKey};
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
    let run = run.start();
    let (at, outputs) = (
        run.now,
        // what it never declared is not taken in
        ["rows", "nothing"]
            .map(|name| (name.to_owned(), Value::text("42 ${day}")))
            .into(),
    );
    let what = porpoise_engine::input::ReportKind::Succeeded {
        started: at,
        ended: at,
        outputs,
    };
    let mut run = run.report("extract", what);
    let plan = run.plan.as_ref().unwrap();
    let key = EffectKey::Dispatch(run.attempt("check"));
    let Some(Effect::Dispatch(intent)) = porpoise_engine::run::Run::effect(&run.state, plan, key)
    else {
        panic!("the check is dispatched");
    };
    let env: Vec<String> = intent
        .job
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(env, ["day=<2026-03-01>", "rows=42 ${day} of <2026-03-01>"]);
    assert_snapshot!(format!("{:?}", intent.job.work), @r#"Shell { script: "echo \"$day\" ${extract.rows} ${HOME}" }"#);
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
    let what = porpoise_engine::input::ReportKind::Succeeded {
        started: run.now,
        ended: run.now,
        outputs: [("location".to_owned(), Value::text("s3://results/1.csv"))].into(),
    };
    let run = run.report("query", what);
    let plan = run.plan.as_ref().unwrap();
    let key = EffectKey::Dispatch(run.attempt("load"));
    let Some(Effect::Dispatch(intent)) = porpoise_engine::run::Run::effect(&run.state, plan, key)
    else {
        panic!("the load is dispatched");
    };
    assert_eq!(intent.job.env["at"], "s3://results/1.csv");
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
    let at = run.now;
    let outputs = [("out".to_owned(), Value::text("${secret:STOLEN}"))].into();
    let what = porpoise_engine::input::ReportKind::Succeeded {
        started: at,
        ended: at,
        outputs,
    };
    let run = run.report("extract", what);
    let plan = run.plan.as_ref().unwrap();
    let key = EffectKey::Dispatch(run.attempt("load"));
    let Some(Effect::Dispatch(intent)) = porpoise_engine::run::Run::effect(&run.state, plan, key)
    else {
        panic!("the load is dispatched");
    };
    let named: Vec<&String> = intent.job.secrets.iter().collect();
    assert_eq!(named, ["DSN", "OWN"]);
    assert_eq!(intent.job.env["x"], "${secret:STOLEN}");
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
    let plan = run.plan.as_ref().unwrap();
    let work = |(name, _): &(&str, Kind)| {
        let key = EffectKey::Dispatch(run.attempt(name));
        match porpoise_engine::run::Run::effect(&run.state, plan, key) {
            Some(Effect::Dispatch(intent)) => format!("{:?}", intent.job.work),
            other => format!("{other:?}"),
        }
    };
    let works: Vec<String> = kinds.iter().map(work).collect();
    assert_snapshot!(works.join("\n"), @r#"
    Spark { entry_point: "s3://code/2026-03-01.py", arguments: ["--day", "2026-03-01"], submit: Some("--conf a=2026-03-01"), request: Some("{\"tags\":{\"${day}\":\"2026-03-01\",\"n\":7}}") }
    Hive { query: "select '${day}'", init: Some("s3://2026-03-01"), options: Some("--hivevar day=2026-03-01"), request: None }
    Sql { statement: "select '${day}' where d = ?", arguments: ["2026-03-01"], database: Some("d_2026-03-01"), request: Some("{\"a\":[\"2026-03-01\"]}"), more: None }
    Function { name: "f", input: "{\"day\":\"2026-03-01\",\"rows\":[1,null,true]}" }
    StateMachine { name: "m-2026-03-01", input: "{}" }
    "#);
}
