//! Edits of finished runs.

use serde_json::{Value, json};

use crate::support::Server;

const FAILS: &str = "workflow: fails\nproject: shop\ntasks: { bad: { shell: \"false\" }, after: { after: [bad], noop: }, \
                     fine: { noop: } }\n";
const MENDED: &str = "workflow: fails\nproject: shop\ntasks: { bad: { noop: }, after: { after: [bad], noop: }, \
                      fine: { noop: } }\n";
const MOVED: &str = "workflow: fails\nproject: shop\ntasks: { new: { noop: }, fine: { noop: }, bad: { after: [new], noop: } }\n";

async fn failed() -> (Server, String) {
    let server = Server::live();
    server.apply("shop", FAILS).await;
    let run = server.begin("shop", "fails").await;
    server.finish().await;
    assert_eq!(server.get(&run).await.expect(200)["state"], "failed");
    (server, run)
}

async fn edit(server: &Server, run: &str, request: &Value) -> Value {
    let path = format!("{run}/edit?wait=5s");
    let outcome = server.post(&path, request.to_string()).await.expect(202);
    server.finish().await;
    outcome
}

async fn facts_of(server: &Server, run: &str, kind: &str) -> Vec<Value> {
    let facts = server
        .get(&format!("{run}/facts?limit=500"))
        .await
        .expect(200);
    let records = facts["items"].as_array().unwrap().iter();
    let facts = records.flat_map(|record| record["facts"].as_array().unwrap().clone());
    facts.filter(|fact| fact["type"] == kind).collect()
}

#[tokio::test]
async fn a_finished_run_goes_on_with_another_definition_and_its_workflow_keeps_its_own() {
    let (server, run) = failed().await;
    let had = server.get(&format!("{run}/definition")).await.expect(200);
    let applied = server
        .get("/v1/projects/shop/workflows/fails")
        .await
        .expect(200);
    assert_eq!(had, applied);
    let asked = json!({ "definition": MENDED, "check": true });
    let checked = server
        .post(&format!("{run}/edit"), asked.to_string())
        .await
        .expect(200);
    assert_eq!(
        (&checked["state"], &checked["tasks"]),
        (&json!("checked"), &json!(["bad", "after"]))
    );
    let edited = edit(&server, &run, &json!({ "definition": MENDED })).await;
    assert_eq!(edited["state"], "accepted");
    assert_eq!(edited["before"], had["version"]);
    assert_eq!(
        (&edited["tasks"], &edited["gone"]),
        (&json!(["bad", "after"]), &json!([]))
    );
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["version"]),
        (&json!("succeeded"), &edited["version"])
    );
    assert_eq!(shown["edits"][0]["before"], had["version"]);
    assert_eq!(shown["edits"][0]["written_back"], json!(false));
    assert!(shown["edits"][0]["actor"]["principal"].is_string());
    let task = server.get(&format!("{run}/tasks/bad")).await.expect(200);
    let states: Vec<_> = task["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["state"])
        .collect();
    assert_eq!(states, ["failed", "succeeded"]);
    let has = server.get(&format!("{run}/definition")).await.expect(200);
    assert!(has["definition"].as_str().unwrap().contains("noop"));
    assert_eq!(
        server
            .get("/v1/projects/shop/workflows/fails")
            .await
            .expect(200),
        applied
    );
}

#[tokio::test]
async fn what_happened_before_keeps_its_names_when_tasks_move_and_go() {
    let (server, run) = failed().await;
    let edited = edit(&server, &run, &json!({ "definition": MOVED })).await;
    assert_eq!(
        (&edited["tasks"], &edited["gone"]),
        (&json!(["new", "bad"]), &json!(["after"]))
    );
    let failed = facts_of(&server, &run, "failed").await;
    assert_eq!(failed[0]["tasks"], json!(["bad"]));
    let told = facts_of(&server, &run, "edited").await;
    assert_eq!(told[0]["tasks"], json!(["new", "bad"]));
    let dispatched = facts_of(&server, &run, "dispatched").await;
    let dispatched: Vec<_> = dispatched.iter().map(|fact| &fact["tasks"]).collect();
    assert_eq!(
        dispatched,
        [&json!(["bad", "fine"]), &json!(["new"]), &json!(["bad"])]
    );
    // from the middle of the log, and after another edit
    let again = edit(
        &server,
        &run,
        &json!({ "definition": MENDED, "command": "rerun", "tasks": ["fine"] }),
    )
    .await;
    assert_eq!(again["gone"], json!(["new"]));
    let sequence = server.get(&run).await.expect(200)["sequence"]
        .as_u64()
        .unwrap();
    for after in 0..sequence {
        let facts = server
            .get(&format!("{run}/facts?after={after}&limit=1"))
            .await
            .expect(200);
        let whole = server
            .get(&format!("{run}/facts?limit=500"))
            .await
            .expect(200);
        let at = usize::try_from(after).unwrap();
        assert_eq!(facts["items"][0], whole["items"][at]);
    }
    for task in ["bad", "fine", "after"] {
        let shown = server.get(&format!("{run}/tasks/{task}")).await.expect(200);
        assert_eq!(shown["state"], "succeeded");
        let attempts = shown["attempts"].as_array().unwrap();
        let latest = attempts.last().unwrap();
        assert_eq!(latest["number"], shown["attempt"]);
    }
    server
        .get(&format!("{run}/tasks/new"))
        .await
        .problem(404, "PP0009");
}

#[tokio::test]
async fn a_write_back_never_replaces_what_somebody_else_applied() {
    let (server, run) = failed().await;
    let written = edit(
        &server,
        &run,
        &json!({ "definition": MENDED, "write_back": true }),
    )
    .await;
    assert_eq!(written["written_back"], json!(true));
    let workflow = || server.get("/v1/projects/shop/workflows/fails");
    assert_eq!(workflow().await.expect(200)["version"], written["version"]);
    // Without: then its own version stems from the one that is current still.
    edit(
        &server,
        &run,
        &json!({ "definition": FAILS, "command": "rerun" }),
    )
    .await;
    assert_eq!(workflow().await.expect(200)["version"], written["version"]);
    server
        .post("/v1/projects/shop/workflows", MOVED)
        .await
        .expect(200);
    let moved = workflow().await.expect(200);
    let request = json!({ "definition": MENDED, "write_back": true });
    let path = format!("{run}/edit?wait=5s");
    let problem = server
        .post(&path, request.to_string())
        .await
        .problem(409, "PP0018");
    let title = problem["title"].as_str().unwrap();
    let short = |version: &Value| version.as_str().unwrap()[..12].to_owned();
    assert!(title.contains(&short(&moved["version"])), "{title}");
    assert!(title.contains(&short(&written["version"])), "{title}");
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], shown["edits"].as_array().unwrap().len()),
        (&json!("failed"), 2)
    );
    assert_eq!(workflow().await.expect(200)["version"], moved["version"]);
    let request = json!({ "definition": MENDED, "write_back": true, "force": true });
    let forced = edit(&server, &run, &request).await;
    assert_eq!(workflow().await.expect(200)["version"], forced["version"]);
}

#[tokio::test]
async fn the_same_key_edits_once() {
    let (server, run) = failed().await;
    let path = format!("{run}/edit?wait=5s");
    let request = json!({ "definition": MENDED, "write_back": true }).to_string();
    let first = server
        .post_once(&path, "mend", request.clone())
        .await
        .expect(202);
    server.finish().await;
    let second = server.post_once(&path, "mend", request).await.expect(202);
    assert_eq!(first, second);
    let other = json!({ "definition": FAILS }).to_string();
    server
        .post_once(&path, "mend", other)
        .await
        .problem(422, "PP0016");
    let shown = server.get(&run).await.expect(200);
    assert_eq!(shown["edits"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_edited_is_told_with_its_reasons_and_changes_nothing() {
    let (server, run) = failed().await;
    let path = format!("{run}/edit");
    let post = |request: Value| server.post(&path, request.to_string());
    let faulty = "workflow: fails\nproject: shop\ntasks: { bad: { shel: x, after: [nobody] } }\n";
    let problem = post(json!({ "definition": faulty, "file": "mine.yaml" }))
        .await
        .problem(422, "PP0015");
    let faults = problem["faults"].as_array().unwrap();
    let places: Vec<_> = faults
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["tasks.bad.shel", "tasks.bad.after[0]"]);
    let foreign = MENDED.replace("workflow: fails", "workflow: other");
    let problem = post(json!({ "definition": foreign }))
        .await
        .problem(422, "PP0015");
    assert_eq!(
        problem["title"],
        "the file is of workflow `shop/other`, and the run of `shop/fails`"
    );
    let two = format!("{MENDED}---\n{foreign}");
    post(json!({ "definition": two }))
        .await
        .problem(422, "PP0015");
    post(json!({ "definition": MENDED, "command": "rerun", "tasks": ["nobody"] }))
        .await
        .problem(404, "PP0009");
    post(json!({ "definition": MENDED, "force": true }))
        .await
        .problem(400, "PP0013");
    post(json!({ "definition": MENDED, "tasks": ["bad"] }))
        .await
        .problem(400, "PP0013");
    assert!(server.get(&run).await.expect(200).get("edits").is_none());
    edit(&server, &run, &json!({ "definition": MENDED })).await;
    post(json!({ "definition": MENDED }))
        .await
        .problem(409, "PP0017");
    let sleeps = "workflow: sleeps\nproject: shop\ntasks: { first: { sleep: 1h } }\n";
    server.apply("shop", sleeps).await;
    let run = server.begin("shop", "sleeps").await;
    let request = json!({ "definition": sleeps.replace("1h", "1s") }).to_string();
    let problem = server
        .post(&format!("{run}/edit"), request)
        .await
        .problem(409, "PP0017");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("kill it first"), "{detail}");
}
