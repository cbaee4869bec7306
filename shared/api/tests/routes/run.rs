//! Runs: started, listed, shown, with their tasks.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, header};
use bytes::Bytes;
use porpoise_model::Address;
use porpoise_ports::Table as _;
use porpoise_ports::table::{Condition, Item, Key};
use serde_json::{Value, json};

use super::workflow::walk;
use crate::support::{Server, asked};

const DAILY: &str = "workflow: daily\nproject: shop\nparameters: { day: monday }\n\
                     tasks: { load: { noop: } , report: { after: [load], noop: } }\n";
const FAILS: &str = "workflow: fails\nproject: shop\ntasks: { bad: { shell: \"false\" }, after: { after: [bad], noop: } }\n";
const SLEEPS: &str = "workflow: sleeps\nproject: shop\ntasks: { first: { sleep: 1h }, second: { after: [first], noop: } }\n";
const RUNS: &str = "/v1/projects/shop/workflows/daily/runs";

#[tokio::test]
async fn a_run_goes_to_its_end_and_says_so_everywhere() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.start("shop", "daily").await;
    let early = server.get(&run).await.expect(200);
    assert_eq!(
        (&early["state"], &early["counts"]),
        (&json!("queued"), &json!({"pending": 2}))
    );
    server.finish().await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["counts"]),
        (&json!("succeeded"), &json!({"succeeded": 2}))
    );
    assert_eq!(
        (&shown["trigger"], &shown["workflow"]),
        (&json!("api"), &json!("daily"))
    );
    assert_eq!(shown["parameters"]["day"], "monday");
    assert!(
        shown["ended"].is_string() && shown["started"].is_string(),
        "{shown:#}"
    );
    let tasks = server.get(&format!("{run}/tasks")).await.expect(200);
    assert_eq!(tasks["items"][1]["upstream"], json!(["load"]));
    let task = server.get(&format!("{run}/tasks/report")).await.expect(200);
    assert_eq!(
        (&task["state"], &task["attempts"][0]["number"]),
        (&json!("succeeded"), &json!(1))
    );
    let listed = server.get("/v1/projects/shop/runs").await.expect(200);
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][0]["id"]),
        (&json!("succeeded"), &shown["id"])
    );
}

#[tokio::test]
async fn a_run_that_fails_says_why() {
    let server = Server::still();
    server.apply("shop", FAILS).await;
    let run = server.begin("shop", "fails").await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["cause"]["kind"]),
        (&json!("failed"), &json!("tasks_failed"))
    );
    let bad = server.get(&format!("{run}/tasks/bad")).await.expect(200);
    assert_eq!(
        (&bad["cause"]["kind"], &bad["cause"]["code"]),
        (&json!("exit"), &json!(1))
    );
    let after = server.get(&format!("{run}/tasks/after")).await.expect(200);
    assert_eq!(after["state"], "upstream_failed");
}

#[tokio::test]
async fn whatever_waits_says_why() {
    let server = Server::still();
    server.apply("shop", SLEEPS).await;
    let run = server.begin("shop", "sleeps").await;
    let second = server.get(&format!("{run}/tasks/second")).await.expect(200);
    assert_eq!(
        (&second["reason"]["kind"], &second["reason"]["of"]),
        (&json!("upstream"), &json!("first"))
    );
}

#[tokio::test]
async fn a_run_takes_what_it_is_started_with() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let request = json!({
        "parameters": {"day": "tuesday", "number": 4, "flag": true, "strange": ""},
        "logical_date": "2026-03-29T01:30:00Z", "dry_run": true, "priority": "high", "on_failure": "end",
    });
    let started = server.post(RUNS, request.to_string()).await.expect(202);
    assert_eq!(started["notes"].as_array().unwrap().len(), 3, "{started:#}");
    server.drive().await;
    let run = started["run_id"].as_str().unwrap();
    let shown = server
        .get(&format!("/v1/projects/shop/runs/{run}"))
        .await
        .expect(200);
    assert_eq!(
        (&shown["state"], &shown["dry_run"]),
        (&json!("succeeded"), &json!(true))
    );
    assert_eq!(
        (&shown["parameters"]["day"], &shown["parameters"]["number"]),
        (&json!("tuesday"), &json!("4"))
    );
    assert_eq!(shown["logical_date"], "2026-03-29T01:30:00+00:00");
    assert_eq!(server.world.jobs_of("load"), 0);
}

#[tokio::test]
async fn a_day_and_a_time_without_an_offset_are_those_of_the_workflows_zone() {
    let kiev = "workflow: daily\nproject: shop\nschedule: { cron: '0 5 * * *', timezone: Europe/Kiev }\ntasks:\n  a: { noop: }\n";
    for (definition, given, wanted) in [
        (kiev, "2026-03-01", "2026-03-01T00:00:00+02:00"),
        (kiev, "2026-03-01T06:30", "2026-03-01T06:30:00+02:00"),
        // the clocks go from 3:00 to 4:00, and in autumn from 4:00 to 3:00
        (kiev, "2026-03-29T03:30", "2026-03-29T04:30:00+03:00"),
        (kiev, "2026-10-25T03:30", "2026-10-25T03:30:00+03:00"),
        (kiev, "2026-03-01T06:30:00Z", "2026-03-01T08:30:00+02:00"),
        (
            kiev,
            "2026-03-01T06:30[Asia/Tokyo]",
            "2026-02-28T23:30:00+02:00",
        ),
        (kiev, "2026-03-01[Asia/Tokyo]", "2026-02-28T17:00:00+02:00"),
        (kiev, "9998-12-31", "9998-12-31T00:00:00+02:00"),
        (DAILY, "2026-03-01", "2026-03-01T00:00:00+00:00"),
    ] {
        let server = Server::still();
        server.apply("shop", definition).await;
        let request = json!({"logical_date": given});
        let started = server.post(RUNS, request.to_string()).await.expect(202);
        let run = started["run_id"].as_str().unwrap();
        let shown = server.get(&format!("/v1/projects/shop/runs/{run}")).await;
        assert_eq!(shown.expect(200)["logical_date"], wanted, "{given}");
    }
    let server = Server::still();
    server.apply("shop", DAILY).await;
    for wrong in [
        "",
        "tomorrow",
        "2026-02-30",
        "2026-03-01T25:00",
        "2026-03-01[Mars/Olympus]",
        "9999-12-31",
        "9999-12-30T22:00:00.999Z",
        "-000044-03-15",
    ] {
        let request = json!({"logical_date": wrong}).to_string();
        let refused = server.post(RUNS, request).await.expect(400);
        let said = refused.to_string();
        assert!(said.contains("is no time"), "{said}");
    }
}

#[tokio::test]
async fn a_run_of_some_tasks_leaves_the_others_out() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let request = json!({"tasks": ["load"], "reach": "only"});
    let started = server.post(RUNS, request.to_string()).await.expect(202);
    server.drive().await;
    let run = format!(
        "/v1/projects/shop/runs/{}",
        started["run_id"].as_str().unwrap()
    );
    let tasks = server.get(&format!("{run}/tasks")).await.expect(200);
    for task in tasks["items"].as_array().unwrap() {
        let (state, cause) = if task["name"] == "load" {
            ("succeeded", json!(null))
        } else {
            ("skipped", json!("left_out"))
        };
        assert_eq!(task["state"], state, "{task}");
        assert_eq!(task["cause"]["kind"], cause, "{task}");
    }
    assert_eq!(server.world.jobs_of("load"), 1);
}

#[tokio::test]
async fn tasks_that_are_not_there_start_nothing_and_are_all_named() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let request = json!({"tasks": ["load", "lod", "nothing"]});
    let problem = server
        .post(RUNS, request.to_string())
        .await
        .problem(404, "PP0009");
    let faults = problem["faults"].as_array().unwrap();
    let paths: Vec<_> = faults.iter().map(|fault| &fault["path"]).collect();
    assert_eq!(paths, ["tasks[1]", "tasks[2]"]);
    let hint = faults[0]["hint"].as_str().unwrap();
    assert!(hint.contains("`load`"), "{hint}");
    assert_eq!(
        server.get("/v1/projects/shop/runs").await.expect(200)["items"],
        json!([])
    );
    server
        .post(RUNS, "{\"tasks\": [\"load\"], \"reach\": \"sideways\"}")
        .await
        .problem(400, "PP0013");
}

#[tokio::test]
async fn parameters_that_are_no_values_are_all_named() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let request = json!({"parameters": {"a": [1], "b": null, "c": "x".repeat(5_000), "d": "\0", "fine": "x"}});
    let problem = server
        .post(RUNS, request.to_string())
        .await
        .problem(422, "PP0013");
    let paths: Vec<_> = problem["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        paths,
        [
            "parameters.a",
            "parameters.b",
            "parameters.c",
            "parameters.d"
        ]
    );
    let strange = server
        .post(RUNS, "{\"parametres\": {}}")
        .await
        .problem(400, "PP0013");
    assert!(
        strange["detail"].as_str().unwrap().contains("parametres"),
        "{strange}"
    );
    server
        .post(RUNS, "{\"logical_date\": \"yesterday\"}")
        .await
        .problem(400, "PP0013");
    server
        .post(RUNS, "{\"priority\": \"urgent\"}")
        .await
        .problem(400, "PP0013");
    assert_eq!(
        server.get("/v1/projects/shop/runs").await.expect(200)["items"],
        json!([])
    );
}

#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_starts_one_run() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let body = "{\"parameters\": {\"day\": \"tuesday\"}}";
    let first = server.post_once(RUNS, "key-1", body).await.expect(202);
    server.drive().await;
    server.world.advance(60_000);
    let again = server
        .restarted()
        .post_once(RUNS, "key-1", body)
        .await
        .expect(202);
    assert_eq!(again, first);
    server.drive().await;
    let runs = server.get("/v1/projects/shop/runs").await.expect(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.world.jobs_of("load"), 1);
    let other = server.post_once(RUNS, "key-2", body).await.expect(202);
    assert_ne!(other["run_id"], first["run_id"]);
}

/// A new version between two tries changes nothing: the first one stands.
#[tokio::test]
async fn a_key_finds_its_run_also_after_the_workflow_changed() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let first = server.post_once(RUNS, "key-1", "").await.expect(202);
    let changed = DAILY.replace("monday", "tuesday");
    server
        .post("/v1/projects/shop/workflows", changed)
        .await
        .expect(200);
    let again = server.post_once(RUNS, "key-1", "").await.expect(202);
    assert_eq!(again["run_id"], first["run_id"]);
    server.drive().await;
    let run = first["run_id"].as_str().unwrap();
    let shown = server
        .get(&format!("/v1/projects/shop/runs/{run}"))
        .await
        .expect(200);
    assert_eq!(shown["parameters"]["day"], "monday");
}

#[tokio::test]
async fn a_key_that_came_with_another_request_is_refused() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let first = server
        .post_once(RUNS, "key", "{\"parameters\": {\"day\": \"tuesday\"}}")
        .await
        .expect(202);
    for other in [
        "",
        "{\"parameters\": {\"day\": \"friday\"}}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"dry_run\": true}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"simulate\": true}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"priority\": \"low\"}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"tasks\": [\"load\"], \"reach\": \"only\"}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"on_failure\": \"end\"}",
        "{\"parameters\": {\"day\": \"tuesday\"}, \"logical_date\": \"2020-01-01T00:00:00Z\"}",
    ] {
        let problem = server
            .post_once(RUNS, "key", other)
            .await
            .problem(422, "PP0016");
        let run = first["run_id"].as_str().unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(run), "{other}");
    }
}

#[tokio::test]
async fn the_keys_of_workflows_are_their_own() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    server.apply("shop", SLEEPS).await;
    server.apply("other", &DAILY.replace("shop", "other")).await;
    let mut runs = BTreeSet::new();
    for (project, workflow) in [("shop", "daily"), ("shop", "sleeps"), ("other", "daily")] {
        let path = format!("/v1/projects/{project}/workflows/{workflow}/runs");
        let started = server.post_once(&path, "key", "").await.expect(202);
        runs.insert(started["run_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(runs.len(), 3);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    for key in [String::new(), "x".repeat(256)] {
        server
            .post_once(RUNS, &key, "")
            .await
            .problem(400, "PP0013");
    }
    let mut request = asked(Method::POST, RUNS, Body::empty());
    let key = header::HeaderValue::from_bytes(b"\xff").unwrap();
    request.headers_mut().insert("idempotency-key", key);
    server.send(request).await.problem(400, "PP0013");
}

#[tokio::test]
async fn runs_are_listed_by_workflow_and_state_the_newest_first() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    server.apply("shop", FAILS).await;
    let mut started = Vec::new();
    for workflow in ["daily", "fails", "daily", "daily", "fails"] {
        let run = server.begin("shop", workflow).await;
        started.push(run.rsplit('/').next().unwrap().to_owned());
        server.world.advance(1_000);
    }
    started.reverse();
    assert_eq!(
        walk(&server, "/v1/projects/shop/runs?limit=2", "id").await,
        started
    );
    let of = |at: &[usize]| at.iter().map(|at| started[*at].clone()).collect::<Vec<_>>();
    assert_eq!(
        walk(
            &server,
            "/v1/projects/shop/runs?limit=1&workflow=fails",
            "id"
        )
        .await,
        of(&[0, 3])
    );
    assert_eq!(
        walk(&server, "/v1/projects/shop/runs?state=succeeded", "id").await,
        of(&[1, 2, 4])
    );
    assert_eq!(
        walk(
            &server,
            "/v1/projects/shop/runs?trigger=api&state=failed",
            "id"
        )
        .await,
        of(&[0, 3])
    );
    assert!(
        walk(&server, "/v1/projects/shop/runs?trigger=schedule", "id")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn words_that_filter_nothing_are_corrected() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    for (query, hint) in [
        ("state=suceeded", "did you mean `succeeded`?"),
        ("trigger=manuel", "did you mean `manual`?"),
    ] {
        let answer = server.get(&format!("/v1/projects/shop/runs?{query}")).await;
        assert_eq!(answer.problem(400, "PP0013")["hint"], hint);
    }
    let answer = server.get("/v1/projects/shop/runs?workflow=dayly").await;
    assert_eq!(
        answer.problem(404, "PP0006")["hint"],
        "did you mean `daily`?"
    );
    server
        .get("/v1/projects/shp/runs")
        .await
        .problem(404, "PP0005");
}

#[tokio::test]
async fn what_a_run_does_not_have_is_not_there() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    let id = run.rsplit('/').next().unwrap();
    let near = server
        .get(&format!("{run}/tasks/laod"))
        .await
        .problem(404, "PP0009");
    assert_eq!(near["hint"], "did you mean `load`?");
    let nobody = "a".repeat(id.len());
    for path in [
        "",
        "/tasks",
        "/tasks/load",
        "/facts",
        "/events",
        "/commands/abc",
        "/tasks/load/attempts/1/log",
    ] {
        server
            .get(&format!("/v1/projects/shop/runs/{nobody}{path}"))
            .await
            .problem(404, "PP0008");
        // It is another project's.
        server
            .get(&format!("/v1/projects/other/runs/{id}{path}"))
            .await
            .problem(404, "PP0005");
    }
}

#[tokio::test]
async fn cursors_walk_all_of_a_thousand_tasks() {
    let server = Server::still();
    let tasks = (0..1_200).map(|number| format!("  t{number}: {{ noop: }}\n"));
    let definition = format!(
        "workflow: wide\nproject: shop\ntasks:\n{}",
        tasks.collect::<String>()
    );
    server.apply("shop", &definition).await;
    let run = server.begin("shop", "wide").await;
    let expected: Vec<_> = (0..1_200).map(|number| format!("t{number}")).collect();
    for limit in [1_usize, 99, 100, 400, 500, 1_200, 100_000] {
        if limit == 1 {
            let page = server
                .get(&format!("{run}/tasks?limit=0"))
                .await
                .expect(200);
            assert_eq!(page["items"].as_array().unwrap().len(), 1);
            continue;
        }
        let page = server
            .get(&format!("{run}/tasks?limit={limit}"))
            .await
            .expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), limit.min(500));
        assert_eq!(
            walk(&server, &format!("{run}/tasks?limit={limit}"), "name").await,
            expected
        );
    }
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["counts"]),
        (&json!("succeeded"), &json!({"succeeded": 1_200}))
    );
}

/// Overwrites a record of the log of a run.
async fn damage(server: &Server, run: &str, sequence: u64) {
    let id = run.rsplit('/').next().unwrap().parse().unwrap();
    let address = Address::run(porpoise_model::ProjectId::of_name("shop"), id);
    let item = Item {
        key: Key::new(address.to_string(), format!("log/{sequence:016x}")),
        revision: sequence,
        body: Bytes::from_static(b"\xffsecret of another tenant"),
    };
    server.world.table.put(item, Condition::None).await.unwrap();
}

#[tokio::test]
async fn a_record_that_is_damaged_is_told_to_nobody_but_the_log() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    damage(&server, &run, 2).await;
    let server = server.restarted();
    for path in ["", "/tasks", "/tasks/load", "/facts"] {
        let answer = server.get(&format!("{run}{path}")).await;
        let problem: Value = answer.problem(500, "PP0020");
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        let fields: BTreeSet<_> = problem
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            fields,
            BTreeSet::from(["type", "title", "status", "code", "hint", "request_id"]),
            "{problem}"
        );
        for word in ["secret", "log/", "decode", "record"] {
            assert!(!answer.text().contains(word), "{path}: {problem}");
        }
    }
}
