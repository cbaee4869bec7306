//! Backfills.

use serde_json::{Value, json};

use crate::support::Server;

const NIGHTLY: &str = "workflow: nightly\nproject: shop\nschedule: { cron: \"30 2 * * *\", timezone: Europe/Berlin }\n\
                       parameters: { mode: quick }\ntasks: { a: { sleep: 10m } }\n";
const PLAIN: &str = "workflow: plain\nproject: shop\ntasks: { a: { noop: } }\n";
const BACKFILLS: &str = "/v1/projects/shop/workflows/nightly/backfills";
const PREVIEW: &str = "/v1/projects/shop/workflows/nightly/backfill-preview";
const DAYS: &str = "{\"from\": \"2025-12-01\", \"to\": \"2025-12-03\"}";

async fn with(definition: &str) -> Server {
    let server = Server::still();
    server.apply("shop", definition).await;
    server
}

/// Its address.
async fn begun(server: &Server, body: &str) -> String {
    let started = server.post(BACKFILLS, body.to_owned()).await.expect(202);
    server.drive().await;
    let id = started["backfill_id"].as_str().unwrap();
    format!("/v1/projects/shop/backfills/{id}")
}

async fn states(server: &Server, path: &str) -> Vec<String> {
    let dates = server.get(&format!("{path}/dates")).await.expect(200);
    let items = dates["items"].as_array().unwrap().iter();
    let said = items.map(|date| {
        let day = date["date"].as_str().unwrap();
        assert_eq!(
            date["run_id"].is_null(),
            date["state"] == "pending",
            "{date}"
        );
        format!("{} {}", &day[..10], date["state"].as_str().unwrap())
    });
    said.collect()
}

#[tokio::test]
async fn each_date_has_a_run_of_its_own_one_after_the_other() {
    let server = with(NIGHTLY).await;
    let path = begun(&server, DAYS).await;
    let shown = server.get(&path).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["total"], &shown["started"]),
        (&json!("running"), &json!(3), &json!(1))
    );
    assert_eq!(shown["next"], "2025-12-02T02:30:00+01:00");
    assert_eq!(shown["range"]["cron"], "30 2 * * *");
    assert_eq!(
        states(&server, &path).await,
        [
            "2025-12-01 running",
            "2025-12-02 pending",
            "2025-12-03 pending"
        ]
    );
    let run = shown["running"][0]["run_id"].as_str().unwrap();
    let run = server
        .get(&format!("/v1/projects/shop/runs/{run}"))
        .await
        .expect(200);
    assert_eq!(
        (&run["trigger"], &run["backfill"]),
        (&json!("backfill"), &shown["id"])
    );
    assert_eq!(
        (&run["logical_date"], &run["version"]),
        (&json!("2025-12-01T02:30:00+01:00"), &shown["version"])
    );
    server.finish().await;
    let over = server.get(&path).await.expect(200);
    assert_eq!(
        (&over["state"], &over["succeeded"], &over["next"]),
        (&json!("succeeded"), &json!(3), &Value::Null)
    );
    assert!(over["ended"].is_string());
    let runs = server
        .get("/v1/projects/shop/runs?trigger=backfill")
        .await
        .expect(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_preview_tells_the_dates_and_starts_nothing() {
    let server = with(NIGHTLY).await;
    let body = "{\"from\": \"2025-12-30\", \"to\": \"2026-01-02\", \"descending\": true}";
    let preview = server.post(PREVIEW, body).await.expect(200);
    assert_eq!(preview["count"], 4);
    assert_eq!(preview["dates"][0], "2026-01-02T02:30:00+01:00");
    assert_eq!(preview["notes"][0], "2 of its dates lie in the future");
    server.drive().await;
    assert_eq!(
        server.get("/v1/projects/shop/backfills").await.expect(200)["items"],
        json!([])
    );
    let listed = "{\"dates\": [\"2025-12-24\", \"2025-12-03T10:00\", \"2025-12-05T10:00:00Z\"]}";
    let preview = server.post(PREVIEW, listed).await.expect(200);
    let expected = [
        "2025-12-03T10:00:00+01:00",
        "2025-12-05T11:00:00+01:00",
        "2025-12-24T02:30:00+01:00",
    ];
    assert_eq!(
        (&preview["dates"], &preview["cron"]),
        (&json!(expected), &Value::Null)
    );
}

#[tokio::test]
async fn a_workflow_without_a_schedule_has_a_date_each_day() {
    let server = with(PLAIN).await;
    let path = "/v1/projects/shop/workflows/plain/backfill-preview";
    let body =
        "{\"from\": \"2025-12-01\", \"to\": \"2025-12-02\", \"timezone\": \"Asia/Shanghai\"}";
    let preview = server.post(path, body).await.expect(200);
    let expected = ["2025-12-01T00:00:00+08:00", "2025-12-02T00:00:00+08:00"];
    assert_eq!(preview["dates"], json!(expected));
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_every_fault() {
    let server = with(NIGHTLY).await;
    let long = "{\"from\": \"1900-01-01\", \"to\": \"2026-01-01\", \"run\": {\"parameters\": {}}}";
    let cases: [(&str, &[&str]); 8] = [
        ("{}", &["from"]),
        ("{\"from\": \"2026-01-02\"}", &["to"]),
        (
            "{\"from\": \"2026-01-02\", \"to\": \"2026-01-01\"}",
            &["to"],
        ),
        (
            "{\"from\": \"2026-01-02\", \"to\": \"soon\", \"parallel\": 0, \"timezone\": \"Mars\"}",
            &["timezone", "parallel", "to"],
        ),
        (
            "{\"from\": \"2026-01-02\", \"to\": \"2026-01-03\", \"dates\": [\"2026-01-01\"]}",
            &["dates"],
        ),
        ("{\"dates\": [\"2026-01-01\", \"tomorrow\"]}", &["dates[1]"]),
        (
            "{\"from\": \"2026-01-02T03:00\", \"to\": \"2026-01-02T04:00\"}",
            &["from"],
        ),
        (long, &["to"]),
    ];
    for (body, paths) in cases {
        let problem = server.post(PREVIEW, body).await.problem(422, "PP0013");
        let faults = problem["faults"].as_array().unwrap().iter();
        let found: Vec<&str> = faults
            .map(|fault| fault["path"].as_str().unwrap())
            .collect();
        assert_eq!(found, paths, "{body}: {problem:#}");
        server.post(BACKFILLS, body).await.problem(422, "PP0013");
    }
    server
        .post(BACKFILLS, "{\"form\": 1}")
        .await
        .problem(400, "PP0013");
    server
        .post("/v1/projects/shop/workflows/nigthly/backfills", DAYS)
        .await
        .problem(404, "PP0006");
    let none = "/v1/projects/shop/backfills/aaaaaaaaaaaaaaaaaaaaaaaaaa";
    server.get(none).await.problem(404, "PP0028");
    server
        .get("/v1/projects/shop/backfills/x")
        .await
        .problem(404, "PP0028");
    server
        .get(&none.replace("shop", "shp"))
        .await
        .problem(404, "PP0005");
    server
        .post(&format!("{none}/commands"), "{\"command\": \"kill\"}")
        .await
        .problem(404, "PP0028");
}

#[tokio::test]
async fn the_same_key_starts_one_backfill() {
    let server = with(NIGHTLY).await;
    let first = server.post_once(BACKFILLS, "k", DAYS).await.expect(202);
    server.drive().await;
    server.world.advance(5_000);
    assert_eq!(
        server.post_once(BACKFILLS, "k", DAYS).await.expect(202),
        first
    );
    let other = DAYS.replace("12-03", "12-04");
    server
        .post_once(BACKFILLS, "k", other)
        .await
        .problem(422, "PP0016");
    server.drive().await;
    let list = server
        .get("/v1/projects/shop/backfills?workflow=nightly")
        .await
        .expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["id"], first["backfill_id"]);
}

#[tokio::test]
async fn people_pause_resume_and_kill_it() {
    let server = with(NIGHTLY).await;
    let path = begun(&server, &DAYS.replace('}', ", \"parallel\": 2}")).await;
    let give = async |word: &str| {
        let body = format!("{{\"command\": \"{word}\"}}");
        let given = server
            .post(&format!("{path}/commands"), body)
            .await
            .expect(202);
        server.drive().await;
        let id = given["command_id"].as_str().unwrap();
        server
            .get(&format!("{path}/commands/{id}"))
            .await
            .expect(200)
    };
    assert_eq!(give("pause").await["state"], "accepted");
    assert_eq!(server.get(&path).await.expect(200)["state"], "pausing");
    assert_eq!(give("pause").await["state"], "refused");
    server.finish().await;
    let paused = server.get(&path).await.expect(200);
    assert_eq!(
        (&paused["state"], &paused["succeeded"]),
        (&json!("paused"), &json!(2))
    );
    assert_eq!(give("resume").await["state"], "accepted");
    assert_eq!(server.get(&path).await.expect(200)["state"], "running");
    assert_eq!(give("kill").await["state"], "accepted");
    server.finish().await;
    let killed = server.get(&path).await.expect(200);
    assert_eq!(
        (&killed["state"], &killed["failed"]),
        (&json!("canceled"), &json!(1))
    );
    assert_eq!(states(&server, &path).await[2], "2025-12-03 canceled");
    server
        .post(&format!("{path}/commands"), "{\"command\": \"stop\"}")
        .await
        .problem(400, "PP0013");
}

#[tokio::test]
async fn pages_of_backfills_and_of_their_dates_are_whole() {
    let server = with(NIGHTLY).await;
    let mut ids = Vec::new();
    for day in ["01", "02", "03"] {
        server.world.advance(1_000);
        let body = format!("{{\"from\": \"2025-12-{day}\", \"to\": \"2025-12-07\"}}");
        ids.insert(0, begun(&server, &body).await);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server
            .get(&format!("/v1/projects/shop/backfills?limit=2{cursor}"))
            .await
            .expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| {
            format!(
                "/v1/projects/shop/backfills/{}",
                item["id"].as_str().unwrap()
            )
        }));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let first = server
        .get(&format!("{}/dates?limit=5", ids[2]))
        .await
        .expect(200);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = server
        .get(&format!("{}/dates?limit=5&cursor={next}", ids[2]))
        .await
        .expect(200);
    assert_eq!(
        (
            first["items"].as_array().unwrap().len(),
            rest["items"].as_array().unwrap().len()
        ),
        (5, 2)
    );
}
