//! Commands to runs.

use serde_json::{Value, json};

use crate::support::Server;

const SLEEPS: &str = "workflow: sleeps\nproject: shop\ntasks: { first: { sleep: 1h }, second: { after: [first], noop: }, \
                      other: { noop: } }\n";
const FAILS: &str = "workflow: fails\nproject: shop\ntasks: { bad: { shell: \"false\" }, after: { after: [bad], noop: }, \
                     fine: { noop: } }\n";

async fn sleeping() -> (Server, String) {
    let server = Server::live();
    server.apply("shop", SLEEPS).await;
    let run = server.begin("shop", "sleeps").await;
    (server, run)
}

/// Gives a command, and waits for its outcome.
async fn give(server: &Server, run: &str, command: &Value) -> Value {
    let path = format!("{run}/commands?wait=5s");
    let outcome = server.post(&path, command.to_string()).await.expect(202);
    server.drive().await;
    let id = outcome["command_id"].as_str().unwrap();
    let read = server
        .get(&format!("{run}/commands/{id}"))
        .await
        .expect(200);
    assert_eq!(read, outcome);
    outcome
}

async fn accepted(server: &Server, run: &str, command: Value) {
    let outcome = give(server, run, &command).await;
    assert_eq!(outcome["state"], "accepted", "{command}: {outcome}");
    assert_eq!(outcome["reason"], Value::Null);
}

async fn state(server: &Server, path: &str) -> String {
    server.get(path).await.expect(200)["state"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn a_command_is_pending_until_the_run_has_decided() {
    let server = Server::still();
    server.apply("shop", SLEEPS).await;
    let run = server.begin("shop", "sleeps").await;
    let given = server
        .post(&format!("{run}/commands"), "{\"command\": \"pause\"}")
        .await
        .expect(202);
    assert_eq!(
        (&given["state"], &given["reason"]),
        (&json!("pending"), &Value::Null)
    );
    let path = format!("{run}/commands/{}", given["command_id"].as_str().unwrap());
    assert_eq!(state(&server, &path).await, "pending");
    server.drive().await;
    assert_eq!(state(&server, &path).await, "accepted");
}

#[tokio::test]
async fn a_run_pauses_and_goes_on() {
    let (server, run) = sleeping().await;
    accepted(&server, &run, json!({"command": "pause"})).await;
    assert_eq!(state(&server, &run).await, "pausing");
    server.finish().await;
    assert_eq!(state(&server, &run).await, "paused");
    let paused = server.get(&run).await.expect(200);
    assert_eq!(paused["reason"]["kind"], "paused");
    accepted(&server, &run, json!({"command": "resume"})).await;
    server.finish().await;
    assert_eq!(state(&server, &run).await, "succeeded");
}

#[tokio::test]
async fn a_run_that_is_killed_ends_and_says_who_it_was() {
    let (server, run) = sleeping().await;
    accepted(&server, &run, json!({"command": "kill"})).await;
    server.finish().await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["state"], &shown["cause"]["kind"]),
        (&json!("canceled"), &json!("killed_by"))
    );
    assert_eq!(
        shown["cause"]["actor"],
        json!({"principal": "ada", "via": "api"})
    );
}

#[tokio::test]
async fn single_tasks_are_killed_skipped_and_taken_for_done() {
    let (server, run) = sleeping().await;
    accepted(
        &server,
        &run,
        json!({"command": "kill_tasks", "tasks": ["first"]}),
    )
    .await;
    server.finish().await;
    assert_eq!(
        state(&server, &format!("{run}/tasks/first")).await,
        "canceled"
    );
    let (server, run) = sleeping().await;
    accepted(
        &server,
        &run,
        json!({"command": "skip", "tasks": ["second"]}),
    )
    .await;
    accepted(
        &server,
        &run,
        json!({"command": "mark_succeeded", "tasks": ["first"]}),
    )
    .await;
    server.finish().await;
    assert_eq!(
        state(&server, &format!("{run}/tasks/first")).await,
        "succeeded"
    );
    assert_eq!(
        state(&server, &format!("{run}/tasks/second")).await,
        "skipped"
    );
}

#[tokio::test]
async fn a_hold_tells_who_why_and_until_when() {
    let (server, run) = sleeping().await;
    let until = "2026-01-02T06:00:00Z";
    accepted(
        &server,
        &run,
        json!({"command": "hold", "tasks": ["second"], "why": "stock count", "until": until}),
    )
    .await;
    let second = server.get(&format!("{run}/tasks/second")).await.expect(200);
    let hold = &second["hold"];
    assert_eq!(
        (&hold["why"], &hold["until"]),
        (&json!("stock count"), &json!(until))
    );
    assert_eq!(hold["actor"]["principal"], "ada");
    accepted(
        &server,
        &run,
        json!({"command": "hold", "why": "all of it"}),
    )
    .await;
    let shown = server.get(&run).await.expect(200);
    assert_eq!(
        (&shown["hold"]["why"], &shown["reason"]["kind"]),
        (&json!("all of it"), &json!("run_hold"))
    );
    accepted(&server, &run, json!({"command": "release"})).await;
    accepted(
        &server,
        &run,
        json!({"command": "release", "tasks": ["second"]}),
    )
    .await;
    server.finish().await;
    assert_eq!(state(&server, &run).await, "succeeded");
}

#[tokio::test]
async fn a_rerun_runs_exactly_what_its_preview_says() {
    let server = Server::live();
    server.apply("shop", FAILS).await;
    let run = server.begin("shop", "fails").await;
    let again = json!({"command": "rerun_failed"});
    let preview = server
        .post(&format!("{run}/rerun-preview"), again.to_string())
        .await
        .expect(200);
    assert_eq!(preview, json!({"tasks": ["bad", "after"], "stops": []}));
    let before = server.get(&run).await.expect(200)["sequence"].clone();
    accepted(&server, &run, again).await;
    server.finish().await;
    let told = server
        .get(&format!("{run}/facts?after={before}"))
        .await
        .expect(200);
    let facts = told["items"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|record| record["facts"].as_array().unwrap());
    let rerun: Vec<_> = facts.filter(|fact| fact["type"] == "recovered").collect();
    assert_eq!(rerun.len(), 1);
    assert_eq!(rerun[0]["tasks"], preview["tasks"]);
    let bad = server.get(&format!("{run}/tasks/bad")).await.expect(200);
    assert_eq!(bad["attempts"].as_array().unwrap().len(), 2);
    let one = json!({"command": "rerun", "tasks": ["bad"], "downstream": true});
    let preview = server
        .post(&format!("{run}/rerun-preview"), one.to_string())
        .await
        .expect(200);
    assert_eq!(preview["tasks"], json!(["bad", "after"]));
    let alone = json!({"command": "rerun", "tasks": ["fine"]});
    let preview = server
        .post(&format!("{run}/rerun-preview"), alone.to_string())
        .await
        .expect(200);
    assert_eq!(preview["tasks"], json!(["fine"]));
}

#[tokio::test]
async fn a_preview_of_what_would_be_refused_says_why() {
    let (server, run) = sleeping().await;
    for command in [
        json!({"command": "rerun", "tasks": []}),
        json!({"command": "pause"}),
        json!({}),
    ] {
        let answer = server
            .post(&format!("{run}/rerun-preview"), command.to_string())
            .await;
        assert!(
            answer.status == 409 || answer.status == 400,
            "{command}: {}",
            answer.text()
        );
    }
    let (server, run) = (server, run);
    server.finish().await;
    let answer = server
        .post(
            &format!("{run}/rerun-preview"),
            "{\"command\": \"rerun_failed\"}",
        )
        .await;
    let problem = answer.problem(409, "PP0017");
    assert!(!problem["detail"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_that_makes_no_sense_now_is_refused_with_the_reason() {
    let (server, run) = sleeping().await;
    let outcome = give(&server, &run, &json!({"command": "resume"})).await;
    assert_eq!(outcome["state"], "refused");
    assert!(outcome["reason"].as_str().unwrap().len() > 10, "{outcome}");
    server.finish().await;
    let outcome = give(&server, &run, &json!({"command": "pause"})).await;
    assert_eq!(outcome["state"], "refused", "{outcome}");
    let told = server
        .get(&format!("{run}/facts?limit=500"))
        .await
        .expect(200)
        .to_string();
    assert!(told.contains(outcome["reason"].as_str().unwrap()), "{told}");
}

#[tokio::test]
async fn a_command_that_is_repeated_with_its_key_is_done_once() {
    let server = Server::live();
    server.apply("shop", FAILS).await;
    let run = server.begin("shop", "fails").await;
    let path = format!("{run}/commands?wait=5s");
    let command = "{\"command\": \"rerun\", \"tasks\": [\"bad\"]}";
    let first = server.post_once(&path, "again", command).await.expect(202);
    server.drive().await;
    // Another process, later.
    server.world.advance(600_000);
    let again = server
        .restarted()
        .post_once(&path, "again", command)
        .await
        .expect(202);
    assert_eq!(again, first);
    server.drive().await;
    assert_eq!(server.world.jobs_of("bad"), 2);
    server
        .post_once(&path, "another", command)
        .await
        .expect(202);
    server.drive().await;
    assert_eq!(server.world.jobs_of("bad"), 3);
}

#[tokio::test]
async fn a_key_is_the_runs_own() {
    let server = Server::live();
    server.apply("shop", SLEEPS).await;
    let (one, two) = (
        server.begin("shop", "sleeps").await,
        server.begin("shop", "sleeps").await,
    );
    let mut ids = Vec::new();
    for run in [&one, &two] {
        let given = server
            .post_once(
                &format!("{run}/commands?wait=5s"),
                "key",
                "{\"command\": \"kill\"}",
            )
            .await;
        ids.push(given.expect(202)["command_id"].clone());
    }
    server.finish().await;
    for run in [&one, &two] {
        assert_eq!(state(&server, run).await, "canceled");
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn commands_that_cannot_be_read_do_nothing() {
    let (server, run) = sleeping().await;
    let path = format!("{run}/commands");
    let before = server.get(&run).await.expect(200)["sequence"].clone();
    for body in [
        "",
        "{}",
        "nonsense",
        "{\"command\": \"stop\"}",
        "{\"command\": \"pause\", \"tasks\": [\"first\"]}",
        "{\"command\": \"pause\", \"why\": \"so\"}",
        "{\"command\": \"hold\", \"until\": \"tomorrow\"}",
        "{\"command\": \"pause\", \"taks\": []}",
        "{\"command\": \"skip\", \"tasks\": \"second\"}",
    ] {
        server.post(&path, body).await.problem(400, "PP0013");
    }
    let body = "{\"command\": \"skip\", \"tasks\": [\"first\", \"secnd\", \"third\"]}";
    let problem = server.post(&path, body).await.problem(404, "PP0009");
    let faults = problem["faults"].as_array().unwrap();
    assert_eq!(
        faults[0],
        json!({"path": "tasks[1]", "message": "no task is named `secnd`", "hint": "did you mean `second`?"})
    );
    assert_eq!(
        faults[1],
        json!({"path": "tasks[2]", "message": "no task is named `third`"})
    );
    server.drive().await;
    assert_eq!(server.get(&run).await.expect(200)["sequence"], before);
}

#[tokio::test]
async fn an_outcome_is_waited_for_and_no_longer_than_asked() {
    let server = Server::live();
    server.apply("shop", SLEEPS).await;
    let run = server.begin("shop", "sleeps").await;
    let nobodys = "a".repeat(26);
    let before = server.world.now();
    let outcome = server
        .get(&format!("{run}/commands/{nobodys}?wait=7s"))
        .await
        .expect(200);
    assert_eq!(outcome["state"], "pending");
    let waited = server.world.now().duration_since(before).as_secs();
    assert_eq!(waited, 7);
    server
        .get(&format!("{run}/commands/nonsense"))
        .await
        .problem(400, "PP0013");
}

#[tokio::test]
async fn an_approval_is_given_or_declined_by_somebody_who_says_why() {
    let server = Server::live();
    let text = "workflow: asks\nproject: shop\ntasks: { ask: { approval: Go on? }, other: { approval: Sure? }, \
                then: { after: [ask], noop: } }\n";
    server.apply("shop", text).await;
    let run = server.begin("shop", "asks").await;
    server.drive().await;
    let task = async |name: &str| server.get(&format!("{run}/tasks/{name}")).await.expect(200);
    let reason = task("ask").await["reason"].clone();
    assert_eq!(reason["kind"], "approval", "{reason}");
    assert_eq!(reason["text"], "waits for an approval: Go on?");
    let why = json!({"command": "approve", "tasks": ["ask"], "why": "checked"});
    accepted(&server, &run, why).await;
    let cause = task("ask").await["cause"].clone();
    assert_eq!(cause["kind"], "approved_by", "{cause}");
    assert_eq!(cause["actor"]["principal"], "ada");
    let declined = json!({"command": "decline", "tasks": ["other"]});
    accepted(&server, &run, declined).await;
    let other = task("other").await;
    assert_eq!(
        (&other["state"], &other["cause"]["kind"]),
        (&json!("failed"), &json!("declined_by"))
    );
    let again = json!({"command": "decline", "tasks": ["other"]});
    let outcome = give(&server, &run, &again).await;
    assert_eq!(outcome["state"], "refused", "{outcome}");
    let path = format!("{run}/commands");
    let until = json!({"command": "approve", "tasks": ["ask"], "until": "2026-01-02T06:00:00Z"});
    server.post(&path, until.to_string()).await.expect(400);
    let why = json!({"command": "skip", "tasks": ["ask"], "why": "no"});
    server.post(&path, why.to_string()).await.expect(400);
}
