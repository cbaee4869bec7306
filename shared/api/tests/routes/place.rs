//! Sites: what their agents take, and what they may say.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use jiff::Timestamp;
use porpoise_app::Order;
use porpoise_engine::effect::Intent;
use porpoise_engine::input::{Report, ReportKind};
use porpoise_model::{Actor, Cause, Value as Output};
use serde_json::{Value, json};

use crate::support::Server;

const TAKE: &str = "/v1/places/site.berlin/take";
const REPORTS: &str = "/v1/places/site.berlin/reports";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

const ONE: &str = "workflow: one\nproject: shop\ntasks: { a: { shell: 'true', target: berlin, outputs: [rows] } }\n";

/// A server whose workflow `one` has a task at the site.
async fn shop() -> Server {
    let server = Server::still();
    server.apply("shop", ONE).await;
    for site in ["berlin", "oslo"] {
        let target = json!({"kind": "process", "place": format!("site.{site}")});
        let path = format!("/v1/projects/shop/targets/{site}");
        let set = server.put(&path, target.to_string()).await.expect(200);
        assert_eq!(set["served_by"], format!("site.{site}"));
    }
    server
}

async fn take(server: &Server, recorded: &[&str]) -> Value {
    let body = json!({"secret": SECRET, "recorded": recorded});
    server.post(TAKE, body.to_string()).await.expect(200)
}

/// What the first order of an answer wants.
fn intent(taken: &Value) -> Intent {
    let order = taken["orders"][0]["order"].as_str().unwrap();
    let order = BASE64.decode(order.as_bytes()).unwrap();
    match minicbor::decode(&order).unwrap() {
        Order::Dispatch(intent) => intent,
        Order::Cancel(cancel) => panic!("{cancel:?}"),
    }
}

fn reported(intent: &Intent, what: ReportKind) -> Value {
    let job = &intent.job;
    let report = Report {
        attempt: porpoise_engine::effect::Attempt::of(job.task, job.attempt),
        what,
    };
    let report = BASE64.encode(&minicbor::to_vec(report).unwrap());
    json!({"project": job.project, "run": job.run, "report": report})
}

fn body(reports: &[Value]) -> String {
    json!({"secret": SECRET, "reports": reports}).to_string()
}

fn succeeded(server: &Server, outputs: &[(&str, &str)]) -> ReportKind {
    let outputs = outputs.iter();
    let outputs = outputs.map(|(name, text)| ((*name).to_owned(), Output::text(*text)));
    ReportKind::Succeeded {
        started: server.world.now(),
        ended: server.world.now(),
        outputs: outputs.collect(),
    }
}

#[tokio::test]
async fn a_task_at_a_site_waits_for_its_agent_and_ends_as_that_one_reports() {
    let server = shop().await;
    let run = server.begin("shop", "one").await;
    assert_eq!(server.world.jobs_of("a"), 0, "nobody executes it here");
    let first = take(&server, &[]).await;
    assert_eq!(first["orders"].as_array().map(Vec::len), Some(1));
    let intent = intent(&first);
    assert_eq!(
        (&*intent.place, &*intent.job.task_name),
        ("site.berlin", "a")
    );
    let receipt = first["orders"][0]["receipt"].as_str().unwrap();
    let second = take(&server, &[receipt]).await;
    assert_eq!(second["orders"], json!([]));
    assert_eq!(second["wait_ms"], 500);
    let reports = [
        reported(&intent, ReportKind::Accepted),
        reported(&intent, succeeded(&server, &[("rows", "7"), ("odd", "8")])),
    ];
    let heard = server.post(REPORTS, body(&reports)).await.expect(200);
    assert_eq!(heard, json!({"heard": 2}));
    server.drive().await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(shown["state"], "succeeded", "{shown}");
    let task = server.get(&format!("{run}/tasks/a")).await.expect(200);
    let outputs = &task["outputs"];
    assert_eq!(outputs["rows"], "7", "{task}");
    assert!(outputs.get("odd").is_none(), "it never declared that");
    let log = server.get(&format!("{run}/tasks/a/attempts/1/log")).await;
    let log = log.problem(409, "PP0027");
    let hint = log["hint"].as_str().unwrap();
    assert!(hint.contains("`agents/site.berlin/attempts/"), "{log}");
    // an answer that was lost: what is said again changes nothing
    server.post(REPORTS, body(&reports)).await.expect(200);
    server.drive().await;
}

#[tokio::test]
async fn another_agent_neither_takes_nor_reports_until_it_replaces_the_first() {
    let server = shop().await;
    server.begin("shop", "one").await;
    let intent = intent(&take(&server, &[]).await);
    let mut other = json!({"secret": SECRET.replace('0', "x")});
    let refused = server.post(TAKE, other.to_string()).await;
    let refused = refused.problem(409, "PP0017");
    assert_eq!(
        refused["title"],
        "another agent serves the place `site.berlin`"
    );
    let mut reports = other.clone();
    reports["reports"] = json!([reported(&intent, ReportKind::Accepted)]);
    let refused = server.post(REPORTS, reports.to_string()).await;
    refused.problem(409, "PP0017");
    other["replaces"] = json!(true);
    server.post(TAKE, other.to_string()).await.expect(200);
    server.post(REPORTS, reports.to_string()).await.expect(200);
    let refused = server.post(TAKE, json!({"secret": SECRET}).to_string());
    refused.await.problem(409, "PP0017");
}

#[tokio::test]
async fn an_agent_cannot_report_of_what_was_sent_elsewhere() {
    let server = shop().await;
    let run = server.begin("shop", "one").await;
    let intent = intent(&take(&server, &[]).await);
    let oslo = json!({"secret": "of the agent of oslo, and no other"});
    let oslo = oslo.to_string().replace(' ', "-");
    let empty = server.post("/v1/places/site.oslo/take", oslo.clone()).await;
    assert_eq!(empty.expect(200)["orders"], json!([]));
    let mut reports: Value = serde_json::from_str(&oslo).unwrap();
    let report = reported(&intent, succeeded(&server, &[]));
    reports["reports"] = json!([report]);
    let refused = server
        .post("/v1/places/site.oslo/reports", reports.to_string())
        .await;
    let refused = refused.problem(403, "PP0003");
    assert_eq!(refused["faults"][0]["path"], "reports[0]", "{refused}");
    // nor of an attempt that there never was
    let mut next = intent.clone();
    next.job.attempt = 2;
    let refused = server.post(
        REPORTS,
        body(&[report, reported(&next, ReportKind::Accepted)]),
    );
    let refused = refused.await.problem(403, "PP0003");
    assert_eq!(refused["faults"][0]["path"], "reports[1]", "{refused}");
    server.drive().await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(shown["state"], "running", "nothing of it was heard");
}

#[tokio::test]
async fn every_fault_of_what_an_agent_sends_is_told_with_its_path() {
    let server = shop().await;
    server.begin("shop", "one").await;
    let intent = intent(&take(&server, &[]).await);
    let wrong = json!({"secret": "short", "recorded": ["../agent", "a/b"]});
    let told = server
        .post("/v1/places/local/take", wrong.to_string())
        .await;
    let told = told.problem(400, "PP0013");
    assert_eq!(paths(&told), ["place", "secret", "recorded[0]"], "{told}");
    let many = json!({"secret": SECRET, "recorded": vec!["a"; 1_001]});
    let told = server.post(TAKE, many.to_string()).await;
    assert_eq!(paths(&told.problem(400, "PP0013")), ["recorded"]);

    let now = server.world.now();
    let failed = |cause: Cause| ReportKind::Failed {
        started: None,
        ended: now,
        cause,
    };
    let good = reported(&intent, ReportKind::Accepted);
    let mut no_base64 = good.clone();
    no_base64["report"] = json!("*");
    let mut no_report = good.clone();
    no_report["report"] = json!(BASE64.encode(&[0x82, 0x01]));
    let mut longer = minicbor::to_vec(ReportKind::Accepted).unwrap();
    longer = [
        BASE64
            .decode(good["report"].as_str().unwrap().as_bytes())
            .unwrap(),
        longer,
    ]
    .concat();
    let mut more = good.clone();
    more["report"] = json!(BASE64.encode(&longer));
    let long = "x".repeat(5_000);
    let faults = [
        (no_base64, "it is no base64"),
        (no_report, "it is no report"),
        (more, "something stands behind it"),
        (
            reported(
                &intent,
                failed(Cause::KilledBy {
                    actor: Actor::engine(),
                }),
            ),
            "a cause that no target can tell of",
        ),
        (
            reported(
                &intent,
                failed(Cause::Failed {
                    message: long.repeat(2),
                }),
            ),
            "its cause is longer than 8192 bytes",
        ),
        (
            reported(
                &intent,
                failed(Cause::Failed {
                    message: long.repeat(20),
                }),
            ),
            "bytes long: at most 65536",
        ),
        (
            reported(&intent, succeeded(&server, &[("rows", &long)])),
            "output `rows` is longer than 4096 bytes",
        ),
    ];
    let mut reports: Vec<Value> = faults.iter().map(|(report, _)| report.clone()).collect();
    reports.insert(0, good.clone());
    let told = server.post(REPORTS, body(&reports)).await;
    let told = told.problem(400, "PP0013");
    for (at, (_, wanted)) in faults.iter().enumerate() {
        let fault = &told["faults"][at];
        assert_eq!(fault["path"], format!("reports[{}].report", at + 1));
        let message = fault["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
    let told = server.post(REPORTS, body(&vec![good; 501])).await;
    assert_eq!(paths(&told.problem(400, "PP0013")), ["reports"]);
    assert!(!server.world.is_busy(), "nothing of it was heard");
    let odd = json!({"secret": SECRET, "more": 1});
    server
        .post(TAKE, odd.to_string())
        .await
        .problem(400, "PP0013");
}

fn paths(problem: &Value) -> Vec<&str> {
    let faults = problem["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| fault["path"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_agent_whose_clock_is_ahead_ends_nothing_in_the_future() {
    let server = shop().await;
    let run = server.begin("shop", "one").await;
    let intent = intent(&take(&server, &[]).await);
    let later = server.world.now() + jiff::SignedDuration::from_hours(24 * 365);
    let what = ReportKind::Succeeded {
        started: later,
        ended: later,
        outputs: BTreeMap::new(),
    };
    let heard = server.post(REPORTS, body(&[reported(&intent, what)])).await;
    heard.expect(200);
    let now = server.world.now();
    server.world.advance(60_000);
    server.drive().await;
    let task = server.get(&format!("{run}/tasks/a")).await.expect(200);
    let ended = task["attempts"][0]["ended"].as_str().unwrap();
    assert_eq!(ended.parse::<Timestamp>().unwrap(), now, "{task}");
}
