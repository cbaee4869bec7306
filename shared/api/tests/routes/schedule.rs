//! Schedules.

use serde_json::json;

use crate::support::Server;

const NIGHTLY: &str = "workflow: nightly\nproject: shop\nschedule: { cron: \"30 2 * * *\", timezone: Europe/Berlin }\n\
                       tasks: { a: { noop: } }\n";
const PLAIN: &str = "workflow: plain\nproject: shop\ntasks: { a: { noop: } }\n";
const SCHEDULE: &str = "/v1/projects/shop/workflows/nightly/schedule";

#[tokio::test]
async fn a_schedule_says_when_it_fires_next_in_its_own_zone() {
    let server = Server::still();
    server.apply("shop", NIGHTLY).await;
    let shown = server.get(SCHEDULE).await.expect(200);
    assert_eq!(
        (&shown["online"], &shown["timezone"]),
        (&json!(true), &json!("Europe/Berlin"))
    );
    let upcoming = shown["upcoming"].as_array().unwrap();
    assert_eq!(
        (upcoming.len(), &upcoming[0]),
        (10, &json!("2026-01-01T02:30:00+01:00"))
    );
    let list = server.get("/v1/projects/shop/schedules").await.expect(200);
    assert_eq!(list["items"][0], shown);
}

#[tokio::test]
async fn a_schedule_is_switched_once_for_each_key() {
    let server = Server::live();
    server.apply("shop", NIGHTLY).await;
    let path = format!("{SCHEDULE}?wait=5s");
    let off = server
        .post_once(&path, "off", "{\"online\": false}")
        .await
        .expect(202);
    assert_eq!(off["state"], "accepted");
    let id = off["command_id"].as_str().unwrap();
    let outcome = server
        .get(&format!("{SCHEDULE}/commands/{id}"))
        .await
        .expect(200);
    assert_eq!(outcome, off);
    assert_eq!(server.get(SCHEDULE).await.expect(200)["online"], false);
    server.post(&path, "{\"online\": true}").await.expect(202);
    // The one before, delivered again.
    let again = server
        .post_once(&path, "off", "{\"online\": false}")
        .await
        .expect(202);
    assert_eq!(again, off);
    server.drive().await;
    assert_eq!(server.get(SCHEDULE).await.expect(200)["online"], true);
}

#[tokio::test]
async fn it_fires_when_its_time_comes() {
    let server = Server::still();
    server.apply("shop", NIGHTLY).await;
    server.world.advance(3 * 3_600_000);
    server.drive().await;
    let runs = server
        .get("/v1/projects/shop/runs?trigger=schedule")
        .await
        .expect(200);
    assert_eq!(runs["items"].as_array().unwrap().len(), 1, "{runs:#}");
    assert_eq!(runs["items"][0]["logical_date"], "2026-01-01T01:30:00Z");
}

#[tokio::test]
async fn a_workflow_without_a_schedule_has_none_to_switch() {
    let server = Server::still();
    server.apply("shop", PLAIN).await;
    let path = "/v1/projects/shop/workflows/plain/schedule";
    server.get(path).await.problem(404, "PP0011");
    server
        .post(path, "{\"online\": true}")
        .await
        .problem(404, "PP0011");
    assert_eq!(
        server.get("/v1/projects/shop/schedules").await.expect(200)["items"],
        json!([])
    );
    server
        .get("/v1/projects/shp/schedules")
        .await
        .problem(404, "PP0005");
    server.apply("shop", NIGHTLY).await;
    for body in ["", "{\"online\": \"yes\"}", "{\"online\": true, \"x\": 1}"] {
        server.post(SCHEDULE, body).await.problem(400, "PP0013");
    }
    server
        .get(&format!("{SCHEDULE}/commands/nonsense"))
        .await
        .problem(400, "PP0013");
}
