//! Pools.

use serde_json::json;

use crate::support::Server;

const TWO: &str = "workflow: two\nproject: shop\ntasks: { a: { sleep: 1h, pool: db }, b: { sleep: 1h, pool: db } }\n";
const DB: &str = "/v1/projects/shop/pools/db";

#[tokio::test]
async fn a_pool_shows_who_holds_its_slots_and_who_waits() {
    let server = Server::still();
    server.apply("shop", TWO).await;
    let run = server.begin("shop", "two").await;
    let pools = server.get("/v1/projects/shop/pools").await.expect(200);
    assert_eq!(
        pools["items"],
        json!([{"name": "db", "slots": 1, "used": 1, "waiting": 1}])
    );
    let pool = server.get(DB).await.expect(200);
    let id = run.rsplit('/').next().unwrap();
    assert_eq!(
        pool["holders"],
        json!([{"run": id, "task": "a", "attempt": 1, "slots": 1}])
    );
    assert_eq!(
        pool["line"],
        json!([{"run": id, "task": "b", "attempt": 1, "slots": 1}])
    );
    let b = server.get(&format!("{run}/tasks/b")).await.expect(200);
    assert_eq!(
        (&b["reason"]["kind"], &b["reason"]["of"]),
        (&json!("pool"), &json!("db"))
    );
}

#[tokio::test]
async fn more_slots_let_more_start() {
    let server = Server::live();
    server.apply("shop", TWO).await;
    server.begin("shop", "two").await;
    let resized = server
        .put(&format!("{DB}?wait=5s"), "{\"slots\": 2}")
        .await
        .expect(202);
    assert_eq!(resized["state"], "accepted", "{resized}");
    let id = resized["command_id"].as_str().unwrap();
    let outcome = server.get(&format!("{DB}/commands/{id}")).await.expect(200);
    assert_eq!(outcome, resized);
    server.drive().await;
    let pool = server.get(DB).await.expect(200);
    assert_eq!(
        (&pool["slots"], &pool["used"], &pool["waiting"]),
        (&json!(2), &json!(2), &json!(0))
    );
}

#[tokio::test]
async fn one_that_waits_may_go_first() {
    let server = Server::live();
    server.apply("shop", TWO).await;
    let run = server.begin("shop", "two").await;
    let id = run.rsplit('/').next().unwrap();
    let grant = |task: &str| json!({"command": "grant", "run": id, "task": task}).to_string();
    let commands = format!("{DB}/commands?wait=5s");
    let granted = server.post(&commands, grant("b")).await.expect(202);
    assert_eq!(granted["state"], "accepted", "{granted}");
    server.drive().await;
    let pool = server.get(DB).await.expect(200);
    assert_eq!(
        (&pool["slots"], &pool["used"], &pool["waiting"]),
        (&json!(1), &json!(2), &json!(0))
    );
    let again = server.post(&commands, grant("b")).await.expect(202);
    assert_eq!(again["state"], "refused");
    assert_eq!(again["reason"], "it holds its slots already");
    let near = server.post(&commands, grant("c")).await;
    near.problem(404, "PP0009");
    let body = json!({"command": "grant", "run": "x", "task": "a"}).to_string();
    server.post(&commands, body).await.problem(404, "PP0008");
}

#[tokio::test]
async fn a_pool_can_be_sized_before_anything_names_it() {
    let server = Server::live();
    server.apply("shop", TWO).await;
    server
        .put("/v1/projects/shop/pools/new?wait=5s", "{\"slots\": 0}")
        .await
        .expect(202);
    let new = server.get("/v1/projects/shop/pools/new").await.expect(200);
    assert_eq!(new["slots"], 0);
}

#[tokio::test]
async fn what_is_no_pool_or_no_size_is_refused() {
    let server = Server::still();
    server.apply("shop", TWO).await;
    let near = server
        .get("/v1/projects/shop/pools/dp")
        .await
        .problem(404, "PP0012");
    assert_eq!(near["hint"], "did you mean `db`?");
    server
        .get("/v1/projects/shp/pools")
        .await
        .problem(404, "PP0005");
    server
        .put("/v1/projects/shp/pools/db", "{\"slots\": 1}")
        .await
        .problem(404, "PP0005");
    for body in [
        "",
        "{}",
        "{\"slots\": -1}",
        "{\"slots\": 1.5}",
        "{\"slots\": 100001}",
        "{\"slots\": 4294967296}",
        "{\"slots\": 1, \"x\": 1}",
        "[]",
    ] {
        server.put(DB, body).await.problem(400, "PP0013");
    }
    server
        .get(&format!("{DB}/commands/nonsense"))
        .await
        .problem(400, "PP0013");
    assert_eq!(server.get(DB).await.expect(200)["slots"], 1);
}
