//! Parameters of a project, and runs that name them.

use serde_json::{Value, json};

use crate::support::Server;

const PARAMETERS: &str = "/v1/projects/shop/parameters";

fn values(answer: &Value) -> Vec<(String, String)> {
    let items = answer["items"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items
        .map(|item| (text(&item["name"]), text(&item["value"])))
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[tokio::test]
async fn parameters_are_put_and_taken_away_and_what_is_not_named_stays() {
    let server = Server::still();
    server.get(PARAMETERS).await.problem(404, "PP0005");
    let file = "region: eu\nbatch: 500\n";
    let put = server.patch(PARAMETERS, file).await.expect(200);
    assert_eq!(values(&put), pairs([("batch", "500"), ("region", "eu")]));
    assert_eq!(put["items"][0]["type"], "integer");
    let body = json!({"batch": null, "other": "1", "unknown": null});
    let put = server.patch(PARAMETERS, body.to_string()).await.expect(200);
    assert_eq!(values(&put), pairs([("other", "1"), ("region", "eu")]));
    assert_eq!(server.get(PARAMETERS).await.expect(200), put);
}

#[tokio::test]
async fn a_file_with_faults_changes_nothing_and_every_fault_is_told() {
    let server = Server::still();
    let put = server.patch(PARAMETERS, "region: eu").await.expect(200);
    let problem = server
        .patch(
            &format!("{PARAMETERS}?file=p.yaml"),
            "region: us\na: [1]\nb: {typ: date}",
        )
        .await
        .problem(422, "PP0015");
    let faults = problem["faults"].as_array().unwrap();
    let paths: Vec<&Value> = faults.iter().map(|fault| &fault["path"]).collect();
    assert_eq!(paths, ["a", "b", "b.typ"]);
    assert_eq!(faults[0]["file"], "p.yaml");
    let long = "x".repeat(4_000);
    let many: Vec<_> = (0..9).map(|n| format!("p{n}: {long}\n")).collect();
    let many = many.concat();
    let problem = server.patch(PARAMETERS, many).await.problem(422, "PP0015");
    assert!(
        problem["title"].as_str().unwrap().contains("36026 bytes"),
        "{problem}"
    );
    assert_eq!(server.get(PARAMETERS).await.expect(200), put);
}

/// A later change reaches later runs, and none that is there.
#[tokio::test]
async fn a_run_keeps_what_the_parameters_were() {
    let server = Server::still();
    server
        .patch(
            PARAMETERS,
            "region: eu\nroot: \"/${project.region}\"\nunused: x",
        )
        .await
        .expect(200);
    let file = "workflow: daily\nproject: shop\nparameters: { folder: \"${project.root}/in\" }\n\
         tasks: { load: { command: [ls, \"${folder}\", \"${project.region}\"] } }\n";
    server.apply("shop", file).await;
    let first = server.begin("shop", "daily").await;
    server.patch(PARAMETERS, "region: us").await.expect(200);
    let second = server.begin("shop", "daily").await;
    for (run, region) in [(first, "eu"), (second, "us")] {
        server.drive().await;
        let known = server
            .get(&format!("{run}/tasks/load/parameters"))
            .await
            .expect(200);
        let folder = format!("/{region}/in");
        let expected = pairs([("folder", &folder), ("project.region", region)]);
        assert_eq!(values(&known), expected);
        assert_eq!(known["items"][1]["source"], "project");
    }
}
