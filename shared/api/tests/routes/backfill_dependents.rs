//! Workflows that go along with a backfill.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::Server;

const ORDERS: &str = "workflow: orders\nproject: shop\nschedule: { cron: \"30 2 * * *\", timezone: Europe/Berlin }\n\
                      parameters: { mode: quick }\ntasks: { a: { sleep: 10m } }\n";
const PREVIEW: &str = "/v1/projects/shop/workflows/orders/backfill-preview";
const BACKFILLS: &str = "/v1/projects/shop/workflows/orders/backfills";

/// A workflow that waits for others, and then sleeps.
fn waiting(project: &str, name: &str, waits: &[(&str, &str)]) -> String {
    let mut text = format!("workflow: {name}\nproject: {project}\ntasks:\n");
    let mut after = Vec::new();
    for (of, period) in waits {
        let (workflow, whose) = of.split_once('/').unwrap_or((of, project));
        let needs = format!("{{ project: {whose}, workflow: {workflow}, period: {period} }}");
        let _ = writeln!(
            text,
            "  for {workflow}: {{ dependent: {{ needs: {{ all: [{needs}] }} }} }}"
        );
        after.push(format!("for {workflow}"));
    }
    text + &format!("  work: {{ after: [{}], sleep: 10m }}\n", after.join(", "))
}

async fn shop() -> Server {
    let server = Server::still();
    server.apply("shop", ORDERS).await;
    for (project, name, waits) in [
        ("shop", "report", &[("orders", "today")][..]),
        (
            "shop",
            "mail",
            &[("report", "today"), ("orders", "last_day")],
        ),
        ("shop", "weekly", &[("orders", "this_week")]),
        ("finance", "books", &[("orders/shop", "today")]),
        ("finance", "audit", &[("books", "today")]),
        ("finance", "other", &[("orders", "today")]),
    ] {
        let definition = waiting(project, name, waits);
        server.apply(project, &definition).await;
    }
    server
}

/// Its address.
async fn begun(server: &Server, body: String) -> String {
    let started = server.post(BACKFILLS, body).await.expect(202);
    server.drive().await;
    let id = started["backfill_id"].as_str().unwrap();
    format!("/v1/projects/shop/backfills/{id}")
}

/// Each date and how it stands, with the runs of those that go along.
async fn dates(server: &Server, path: &str) -> Vec<String> {
    let dates = server.get(&format!("{path}/dates")).await.expect(200);
    let items = dates["items"].as_array().unwrap().iter();
    let said = items.map(|date| {
        let text = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
        let below = date["dependents"].as_array().unwrap().iter();
        let below: Vec<String> = below
            .map(|run| format!("{} {}", text(run, "workflow"), text(run, "state")))
            .collect();
        format!(
            "{} {}, itself {}: {}",
            &text(date, "date")[..10],
            text(date, "state"),
            text(date, "run_state"),
            below.join(", ")
        )
    });
    said.collect()
}

/// Ends the jobs that run now, and delivers what follows.
async fn round(server: &Server) {
    server.world.end_jobs();
    server.world.advance(1_000);
    server.drive().await;
}

/// `PROJECT/WORKFLOW`, in their order.
fn named(of: &Value) -> Vec<String> {
    let items = of.as_array().unwrap().iter();
    let name = |one: &Value| {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        format!("{}/{}", text("project"), text("workflow"))
    };
    items.map(name).collect()
}

fn body(dependents: &str, more: &str) -> String {
    format!(
        "{{\"from\": \"2025-12-01\", \"to\": \"2025-12-02\", \"dependents\": \"{dependents}\"{more}}}"
    )
}

#[tokio::test]
async fn a_preview_tells_who_goes_along_over_what_and_who_stays_and_why() {
    let server = shop().await;
    let none = server.post(PREVIEW, body("none", "")).await.expect(200);
    assert_eq!(
        (&none["runs"], &none["dependents"], &none["left_out"]),
        (&json!(2), &json!([]), &json!([]))
    );
    let direct = server.post(PREVIEW, body("direct", "")).await.expect(200);
    assert_eq!(
        named(&direct["dependents"]),
        ["finance/books", "shop/report", "shop/mail"]
    );
    assert_eq!((&direct["count"], &direct["runs"]), (&json!(2), &json!(8)));
    let mail = &direct["dependents"][2];
    assert_eq!(mail["after"], json!(["report"]), "{direct:#}");
    let all = server
        .post(PREVIEW, body("all", ", \"descending\": true"))
        .await
        .expect(200);
    assert_eq!(
        named(&all["dependents"]),
        ["finance/books", "shop/report", "shop/mail", "finance/audit"]
    );
    let mail = &all["dependents"][2];
    assert_eq!(
        (&mail["waits"], &mail["after"]),
        (
            &json!([{"task": "for orders", "workflow": "orders"}, {"task": "for report", "workflow": "report"}]),
            &json!(["report"])
        )
    );
    assert_eq!(
        all["left_out"],
        json!([{"project": "shop", "workflow": "weekly", "task": "for orders",
            "why": "the longest time for which it waits is of the cycle `week`, that of the schedule is `day`"}])
    );
    let notes = all["notes"].as_array().unwrap();
    assert!(
        notes.iter().any(|note| note
            .as_str()
            .unwrap()
            .starts_with("`mail` waits for runs of earlier dates")),
        "{notes:?}"
    );
    server
        .post(PREVIEW, body("some", ""))
        .await
        .problem(400, "PP0013");
}

#[tokio::test]
async fn each_date_goes_on_with_those_that_wait_level_after_level() {
    let server = shop().await;
    let before = server
        .post(
            "/v1/projects/shop/workflows/orders/runs",
            "{\"logical_date\": \"2025-12-01T02:30:00+01:00\"}",
        )
        .await
        .expect(202);
    server.finish().await;
    server.world.advance(60_000);
    let path = begun(
        &server,
        body("all", ", \"run\": {\"parameters\": {\"mode\": \"full\"}}"),
    )
    .await;
    let pending = "2025-12-02 pending, itself pending: books pending, report pending, mail pending, audit pending";
    assert_eq!(
        dates(&server, &path).await,
        [
            "2025-12-01 running, itself running: books pending, report pending, mail pending, audit pending",
            pending
        ]
    );
    round(&server).await;
    assert_eq!(
        dates(&server, &path).await,
        [
            "2025-12-01 running, itself succeeded: books running, report running, mail pending, audit pending",
            pending
        ]
    );
    // Its wait has found the run of the backfill, not the one of before.
    let line = server.get(&format!("{path}/dates")).await.expect(200);
    let line = &line["items"][0];
    let report = line["dependents"][1]["run_id"].as_str().unwrap();
    let report = format!("/v1/projects/shop/runs/{report}");
    let facts = server
        .get(&format!("{report}/facts"))
        .await
        .expect(200)
        .to_string();
    assert!(facts.contains(line["run_id"].as_str().unwrap()), "{facts}");
    assert!(
        !facts.contains(before["run_id"].as_str().unwrap()),
        "{facts}"
    );
    let report = server.get(&report).await.expect(200);
    let id = path.rsplit('/').next().unwrap();
    assert_eq!(
        (
            &report["trigger"],
            &report["backfill"],
            &report["logical_date"]
        ),
        (
            &json!("backfill"),
            &json!(id),
            &json!("2025-12-01T02:30:00+01:00")
        )
    );
    let books = line["dependents"][0]["run_id"].as_str().unwrap();
    let books = server
        .get(&format!("/v1/projects/finance/runs/{books}"))
        .await
        .expect(200);
    assert_eq!(
        (&books["state"], &books["backfill"]),
        (&json!("running"), &json!(id))
    );
    let server = server.restarted();
    // Mail waits for orders of the day before, too: nobody has run them.
    let sunday = "{\"logical_date\": \"2025-11-30T02:30:00+01:00\"}";
    server
        .post("/v1/projects/shop/workflows/orders/runs", sunday)
        .await
        .expect(202);
    for _ in 0..12 {
        round(&server).await;
    }
    let over = server.get(&path).await.expect(200);
    assert_eq!(
        (&over["state"], &over["succeeded"], &over["levels"]),
        (&json!("succeeded"), &json!(2), &json!("all")),
        "{over:#}"
    );
    for dependent in over["dependents"].as_array().unwrap() {
        let count = |name: &str| dependent[name].as_u64().unwrap();
        assert_eq!(
            [
                count("succeeded"),
                count("failed"),
                count("running"),
                count("left_out")
            ],
            [2, 0, 0, 0]
        );
    }
    let runs = server
        .get("/v1/projects/finance/runs?trigger=backfill")
        .await
        .expect(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn who_kills_it_stops_the_runs_of_those_that_go_along() {
    let server = shop().await;
    let path = begun(&server, body("all", "")).await;
    round(&server).await;
    server
        .post(&format!("{path}/commands"), "{\"command\": \"kill\"}")
        .await
        .expect(202);
    server.finish().await;
    let killed = server.get(&path).await.expect(200);
    assert_eq!(
        (&killed["state"], &killed["failed"]),
        (&json!("canceled"), &json!(1))
    );
    assert_eq!(
        dates(&server, &path).await,
        [
            "2025-12-01 canceled, itself succeeded: books canceled, report canceled, mail left_out, audit left_out",
            "2025-12-02 pending, itself pending: books left_out, report left_out, mail left_out, audit left_out",
        ]
    );
}

#[tokio::test]
async fn a_key_finds_the_backfill_again_whoever_has_come_to_wait_meanwhile() {
    let server = shop().await;
    let first = server
        .post_once(BACKFILLS, "k", body("direct", ""))
        .await
        .expect(202);
    server.drive().await;
    let later = waiting("shop", "later", &[("orders", "today")]);
    server.apply("shop", &later).await;
    let again = server
        .post_once(BACKFILLS, "k", body("direct", ""))
        .await
        .expect(202);
    assert_eq!(again["backfill_id"], first["backfill_id"]);
    for other in ["all", "none"] {
        server
            .post_once(BACKFILLS, "k", body(other, ""))
            .await
            .problem(422, "PP0016");
    }
    let id = first["backfill_id"].as_str().unwrap();
    let shown = server
        .get(&format!("/v1/projects/shop/backfills/{id}"))
        .await
        .expect(200);
    assert_eq!(
        named(&shown["dependents"]),
        ["finance/books", "shop/report", "shop/mail"]
    );
}

#[tokio::test]
async fn too_many_that_would_go_along_or_too_many_runs_are_refused() {
    let server = Server::still();
    server.apply("shop", ORDERS).await;
    for number in 0..3 {
        let name = format!("w{number}");
        server
            .apply("shop", &waiting("shop", &name, &[("orders", "today")]))
            .await;
    }
    let long = "{\"from\": \"2001-01-01\", \"to\": \"2025-01-01\", \"dependents\": \"direct\"}";
    let problem = server.post(PREVIEW, long).await.problem(422, "PP0013");
    assert_eq!(problem["faults"][0]["path"], "to", "{problem:#}");
    for number in 3..51 {
        let name = format!("w{number}");
        server
            .apply("shop", &waiting("shop", &name, &[("orders", "today")]))
            .await;
    }
    let problem = server
        .post(PREVIEW, body("direct", ""))
        .await
        .problem(422, "PP0013");
    assert_eq!(
        (
            &problem["faults"][0]["path"],
            &problem["faults"][0]["message"]
        ),
        (
            &json!("dependents"),
            &json!("51 workflows would go along, more than 50")
        )
    );
    server
        .post(BACKFILLS, body("direct", ""))
        .await
        .problem(422, "PP0013");
}
