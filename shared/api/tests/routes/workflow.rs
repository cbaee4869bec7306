//! Projects, workflows and versions.

use axum::body::Body;
use axum::http::{Method, header};
use porpoise_model::limits::DEFINITION_BYTES_MAX;
use serde_json::json;

use crate::support::{Server, asked};

const DAILY: &str = "workflow: daily\nproject: shop\nparameters: { day: monday }\n\
                     tasks: { load: { noop: } , report: { after: [load], noop: } }\n";

#[tokio::test]
async fn a_definition_that_is_applied_can_be_seen_version_by_version() {
    let server = Server::still();
    let path = "/v1/projects/shop/workflows";
    let applied = server.post(path, DAILY).await.expect(200);
    let line = &applied["workflows"][0];
    assert_eq!(
        (&line["outcome"], &line["number"], &line["tasks"]),
        (&json!("created"), &json!(1), &json!(2))
    );
    let first = line["version"].as_str().unwrap().to_owned();

    let again = server.post(path, DAILY).await.expect(200);
    assert_eq!(again["workflows"][0]["outcome"], "unchanged");
    let changed = DAILY.replace("monday", "tuesday");
    let changed = server.post(path, changed).await.expect(200);
    assert_eq!(changed["workflows"][0]["outcome"], "changed");

    assert_eq!(
        server.get("/v1/projects").await.expect(200)["items"][0]["name"],
        "shop"
    );
    let list = server.get(path).await.expect(200);
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["number"]),
        (&json!("daily"), &json!(2))
    );
    assert_eq!(
        list["items"][0]["applied_by"],
        json!({"principal": "ada", "via": "api"})
    );

    let current = server.get(&format!("{path}/daily")).await.expect(200);
    assert_eq!(current["parameters"], json!({"day": "tuesday"}));
    assert_eq!(
        current["tasks"][1],
        json!({"name": "report", "kind": "noop", "after": ["load"]})
    );
    let versions = server
        .get(&format!("{path}/daily/versions"))
        .await
        .expect(200);
    let numbers: Vec<_> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["number"])
        .collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(versions["items"][0]["before"], first);
    let old = server
        .get(&format!("{path}/daily/versions/{first}"))
        .await
        .expect(200);
    assert_eq!(old["parameters"], json!({"day": "monday"}));
    assert_eq!(old["version"], first);
}

#[tokio::test]
async fn the_definition_of_a_version_can_be_applied_again() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let shown = server
        .get("/v1/projects/shop/workflows/daily")
        .await
        .expect(200);
    let definition = shown["definition"].as_str().unwrap().to_owned();
    let again = server
        .post("/v1/projects/shop/workflows", definition)
        .await
        .expect(200);
    assert_eq!(again["workflows"][0]["outcome"], "unchanged");
}

#[tokio::test]
async fn a_definition_can_be_json() {
    let server = Server::still();
    let definition = json!({"workflow": "w", "project": "shop", "tasks": {"a": {"noop": null}}});
    let applied = server
        .post("/v1/projects/shop/workflows", definition.to_string())
        .await
        .expect(200);
    assert_eq!(applied["workflows"][0]["name"], "w");
}

#[tokio::test]
async fn what_is_only_checked_is_not_stored() {
    let server = Server::still();
    let checked = server
        .post("/v1/projects/shop/workflows?check=true", DAILY)
        .await
        .expect(200);
    assert_eq!(checked["workflows"][0]["outcome"], "checked");
    assert_eq!(
        server.get("/v1/projects").await.expect(200)["items"],
        json!([])
    );
    server
        .get("/v1/projects/shop/workflows")
        .await
        .problem(404, "PP0005");
}

#[tokio::test]
async fn every_fault_of_a_definition_is_told_with_its_place() {
    let server = Server::still();
    let wrong = "workflow: w\nproject: shop\ntasks:\n  a: { noop: , after: [bee] }\n  be: { noop: , retries: -1 }\n  \
                 c: { noop: , timeout: soon }\n";
    let answer = server
        .post("/v1/projects/shop/workflows?file=w.yaml", wrong)
        .await;
    let problem = answer.problem(422, "PP0015");
    let faults = problem["faults"].as_array().unwrap();
    let places: Vec<_> = faults
        .iter()
        .map(|fault| {
            (
                fault["line"].as_u64().unwrap(),
                fault["path"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (4, "tasks.a.after[0]"),
            (5, "tasks.be.retries"),
            (6, "tasks.c.timeout")
        ],
        "{problem:#}"
    );
    assert!(
        faults
            .iter()
            .all(|fault| fault["file"] == "w.yaml" && fault["column"].is_u64())
    );
    assert!(
        faults[0]["hint"].as_str().unwrap().contains("be"),
        "{problem:#}"
    );
    assert!(problem["title"].as_str().unwrap().contains("3 faults"));
    server
        .get("/v1/projects/shop/workflows/w")
        .await
        .problem(404, "PP0005");
}

#[tokio::test]
async fn a_body_is_taken_up_to_10_megabytes_and_no_further() {
    let server = Server::still();
    let path = "/v1/projects/shop/workflows";
    let padding = DEFINITION_BYTES_MAX - DAILY.len() - 1;
    let full = format!("{DAILY}#{}", "x".repeat(padding));
    assert_eq!(full.len(), DEFINITION_BYTES_MAX);
    server.post(path, full.clone()).await.expect(200);
    // It says so itself: nothing of it is waited for.
    let mut request = asked(Method::POST, path, Body::empty());
    let length = (DEFINITION_BYTES_MAX + 1).to_string().parse().unwrap();
    request.headers_mut().insert(header::CONTENT_LENGTH, length);
    server.send(request).await.problem(413, "PP0014");
    let problem = server.post(path, full + "x").await.problem(413, "PP0014");
    assert!(problem["title"].as_str().unwrap().contains("10 MB"));
}

#[tokio::test]
async fn a_hostile_body_is_refused_in_few_words() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    let long = "x".repeat(1_000_000);
    for body in [
        "[".repeat(100_000),
        format!("{{\"{long}\": 1}}"),
        format!("{{\"command\": \"{long}\"}}"),
        format!("{{\"command\": \"kill_tasks\", \"tasks\": [\"{long}\"]}}"),
        format!(
            "{{\"command\": \"kill_tasks\", \"tasks\": {:?}}}",
            vec!["x"; 10_000]
        ),
        "\u{0}".to_owned(),
        "{\"command\": \"\\u001b[31m\"}".to_owned(),
    ] {
        let answer = server.post(&format!("{run}/commands"), body.clone()).await;
        let told: String = body.chars().take(60).collect();
        assert!(
            answer.status == 400 || answer.status == 404,
            "{told}: {}",
            answer.text()
        );
        assert!(
            answer.body.len() < 20_000,
            "{told}: {} bytes",
            answer.body.len()
        );
        assert!(
            !answer.text().contains('\u{1b}') && !answer.text().contains("\\u001b"),
            "{}",
            answer.text()
        );
    }
    let bytes: &[u8] = b"workflow: \xff\xfe";
    server
        .post("/v1/projects/shop/workflows", bytes)
        .await
        .problem(422, "PP0015");
}

#[tokio::test]
async fn a_definition_goes_to_its_own_project() {
    let server = Server::still();
    let problem = server
        .post("/v1/projects/other/workflows", DAILY)
        .await
        .problem(422, "PP0015");
    assert_eq!(problem["hint"], "send it to /v1/projects/shop/workflows");
    assert_eq!(
        server.get("/v1/projects").await.expect(200)["items"],
        json!([])
    );
}

#[tokio::test]
async fn names_that_are_near_are_suggested() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let hint =
        |problem: &serde_json::Value| problem["hint"].as_str().unwrap_or_default().to_owned();
    let project = server
        .get("/v1/projects/shp/workflows")
        .await
        .problem(404, "PP0005");
    assert_eq!(hint(&project), "did you mean `shop`?");
    let workflow = server
        .get("/v1/projects/shop/workflows/dayly")
        .await
        .problem(404, "PP0006");
    assert_eq!(hint(&workflow), "did you mean `daily`?");
    let started = server
        .post("/v1/projects/shop/workflows/dayly/runs", "")
        .await
        .problem(404, "PP0006");
    assert_eq!(hint(&started), "did you mean `daily`?");
    let far = server
        .get("/v1/projects/shop/workflows/nightly-rules")
        .await
        .problem(404, "PP0006");
    assert_eq!(hint(&far), "");
    let version = "0".repeat(64);
    let path = format!("/v1/projects/shop/workflows/daily/versions/{version}");
    server.get(&path).await.problem(404, "PP0007");
}

/// `é` as one character, and as a letter with an accent: the same name.
#[tokio::test]
async fn a_name_is_found_in_each_of_its_spellings() {
    let server = Server::still();
    let definition = "workflow: \"caf\u{e9}\"\nproject: \"caf\u{e9}\"\ntasks: { \"\u{e9}t\u{e9}\": { noop: , pool: \"\u{e9}\" } }\n";
    server.apply("caf%C3%A9", definition).await;
    for [cafe, ete, e] in [
        ["caf%C3%A9", "%C3%A9t%C3%A9", "%C3%A9"],
        ["cafe%CC%81", "e%CC%81te%CC%81", "e%CC%81"],
    ] {
        server
            .get(&format!("/v1/projects/{cafe}/workflows/{cafe}"))
            .await
            .expect(200);
        let run = server.begin(cafe, cafe).await;
        server.get(&format!("{run}/tasks/{ete}")).await.expect(200);
        server
            .get(&format!("/v1/projects/{cafe}/pools/{e}"))
            .await
            .expect(200);
        let runs = server
            .get(&format!("/v1/projects/{cafe}/runs?workflow={cafe}"))
            .await
            .expect(200);
        assert!(!runs["items"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn pages_of_workflows_are_walked_to_the_end() {
    let server = Server::still();
    for number in 0..7 {
        let definition =
            format!("workflow: w{number}\nproject: shop\ntasks: {{ a: {{ noop: }} }}\n");
        server.apply("shop", &definition).await;
    }
    let names = walk(&server, "/v1/projects/shop/workflows?limit=3", "name").await;
    assert_eq!(names, ["w0", "w1", "w2", "w3", "w4", "w5", "w6"]);
}

#[tokio::test]
async fn a_version_that_comes_in_between_two_pages_moves_nothing() {
    let server = Server::still();
    let path = "/v1/projects/shop/workflows";
    let apply = async |day: &str| {
        let changed = DAILY.replace("monday", day);
        server.post(path, changed).await.expect(200)
    };
    for day in ["a", "b", "c", "d"] {
        apply(day).await;
    }
    let numbers = |page: &serde_json::Value| -> Vec<u64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|line| line["number"].as_u64().unwrap()).collect()
    };
    let list = format!("{path}/daily/versions?limit=2");
    let first = server.get(&list).await.expect(200);
    apply("e").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .get(&format!("{list}&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(
        (numbers(&first), numbers(&second)),
        (vec![4, 3], vec![2, 1])
    );
    assert_eq!(second["next_cursor"], json!(null));
}

/// All values of a field, page after page.
pub(super) async fn walk(server: &Server, list: &str, field: &str) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{list}{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        found.extend(items.map(|item| item[field].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            return found;
        };
        cursor = format!("&cursor={next}");
        assert!(found.len() < 10_000, "the list does not end");
    }
}
