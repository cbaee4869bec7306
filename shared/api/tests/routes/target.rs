//! Targets.

use serde_json::json;

use crate::support::Server;

const EU: &str = "/v1/projects/shop/targets/eu";

fn emr(place: &str) -> String {
    json!({
        "kind": "emr-serverless",
        "place": place,
        "settings": {"application": "nightly"},
        "default_for": ["spark"],
    })
    .to_string()
}

async fn shop() -> Server {
    let server = Server::live();
    let one = "workflow: one\nproject: shop\ntasks: { a: { sleep: 1h } }\n";
    server.apply("shop", one).await;
    server
}

#[tokio::test]
async fn a_target_is_made_changed_shown_and_listed() {
    let server = shop().await;
    let made = server.put(EU, emr("aws.eu-central-1.111122223333")).await;
    let made = made.expect(200);
    assert_eq!(
        (&made["revision"], &made["name"]),
        (&json!(1), &json!("eu"))
    );
    assert_eq!(made["served_by"], "local", "a laptop serves every target");
    let moved = server.put(EU, emr("aws.eu-west-1.111122223333")).await;
    assert_eq!(moved.expect(200)["revision"], 2);
    let shown = server.get(EU).await.expect(200);
    assert_eq!(shown["place"], "aws.eu-west-1.111122223333");
    assert_eq!(shown["settings"], json!({"application": "nightly"}));
    let listed = server.get("/v1/projects/shop/targets").await.expect(200);
    assert_eq!(listed["items"], json!([shown]));
    let missing = server.get("/v1/projects/shop/targets/ue").await.expect(404);
    assert_eq!(
        (&missing["code"], &missing["hint"]),
        (&json!("PP0025"), &json!("did you mean `eu`?"))
    );
}

#[tokio::test]
async fn every_fault_of_a_target_is_told_at_once_and_nothing_is_stored() {
    let server = shop().await;
    let wrong = json!({
        "kind": "emr",
        "place": "eu-central-1",
        "role": {"arn": "arn:aws:iam::999999999999:role/x"},
        "default_for": ["SPARK"],
    });
    let problem = server.put(EU, wrong.to_string()).await.expect(400);
    let paths: Vec<&str> = problem["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["kind", "place", "default_for"], "{problem}");
    let role = json!({
        "kind": "athena",
        "place": "aws.eu-central-1.111122223333",
        "role": {"arn": "arn:aws:iam::999999999999:role/x", "external_id": "1"},
    });
    let problem = server.put(EU, role.to_string()).await.expect(400);
    assert_eq!(problem["faults"][0]["path"], "role.arn", "{problem}");
    assert_eq!(
        problem["faults"][1]["path"], "role.external_id",
        "{problem}"
    );
    server.get(EU).await.expect(404);
}

#[tokio::test]
async fn a_run_whose_target_is_missing_is_refused() {
    let server = shop().await;
    let two = "workflow: two\nproject: shop\ntasks: { a: { shell: 'true', target: eu } }\n";
    server.apply("shop", two).await;
    let runs = "/v1/projects/shop/workflows/two/runs";
    let refused = server.post(runs, "{}").await.expect(409);
    let title = refused["title"].as_str().unwrap();
    assert!(
        title.contains("task `a` names the target `eu`"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_lies_outside_of_the_places_of_a_project_is_refused() {
    const PLACES: &str = "/v1/projects/shop/residency";
    let server = shop().await;
    let none = server.get(PLACES).await.expect(200);
    assert_eq!(
        (&none["places"], &none["revision"]),
        (&json!([]), &json!(0))
    );
    let wrong = server.put(PLACES, json!({"places": ["here", "there"]}).to_string());
    let wrong = wrong.await.expect(400);
    assert_eq!(wrong["faults"].as_array().map(Vec::len), Some(2));
    let eu = json!({"places": ["local", "aws.eu-central-1.111122223333"]});
    let set = server.put(PLACES, eu.to_string()).await.expect(200);
    assert_eq!(
        (&set["places"], &set["revision"]),
        (&eu["places"], &json!(1))
    );
    let refused = server.put(EU, emr("aws.us-east-1.111122223333")).await;
    let title = refused.expect(409)["title"].clone();
    assert!(
        title
            .as_str()
            .unwrap()
            .contains("aws.us-east-1.111122223333")
    );
    let inside = server.put(EU, emr("aws.eu-central-1.111122223333")).await;
    inside.expect(200);
    let local = json!({"places": ["local"]}).to_string();
    let title = server.put(PLACES, local).await.expect(409)["title"].clone();
    assert!(title.as_str().unwrap().contains("`eu`"), "{title}");
}

#[tokio::test]
async fn a_site_has_processes_and_serves_itself_and_nothing_else_does() {
    let server = shop().await;
    let faults = async |target: serde_json::Value| {
        let told = server.put(EU, target.to_string()).await.expect(400);
        let faults = told["faults"].as_array().unwrap().clone();
        let paths = faults.iter().map(|fault| fault["path"].as_str().unwrap());
        paths.map(str::to_owned).collect::<Vec<_>>()
    };
    let role = json!({"arn": "arn:aws:iam::111122223333:role/x"});
    let aws = "aws.eu-central-1.111122223333";
    for (target, wanted) in [
        (json!({"kind": "athena", "place": "site.berlin"}), "kind"),
        (json!({"kind": "process", "place": aws}), "kind"),
        (json!({"kind": "process", "place": "site.Berlin"}), "place"),
        (json!({"kind": "process", "place": "local"}), "place"),
        (
            json!({"kind": "process", "place": "site.berlin", "role": role}),
            "role",
        ),
        (
            json!({"kind": "process", "place": "site.berlin", "served_by": "site.oslo"}),
            "served_by",
        ),
        (
            json!({"kind": "athena", "place": aws, "served_by": "site.berlin"}),
            "served_by",
        ),
    ] {
        assert_eq!(faults(target.clone()).await, [wanted], "{target}");
    }
    let site = json!({"kind": "process", "place": "site.berlin", "served_by": "site.berlin"});
    server.put(EU, site.to_string()).await.expect(200);
}
