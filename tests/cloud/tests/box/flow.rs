//! From a request to the end of a run.

use porpoise_cloud::Options;
use porpoise_cloud::tap::Mischief;

use crate::support::{Client, DAILY, cloud, cloud_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_from_a_signed_request_to_its_end_through_the_real_functions() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let (status, health) = client.get("/health");
    assert_eq!((status, &health["status"]), (200, &"ok".into()), "{health}");

    let run = client.start("shop", "daily", DAILY);
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    let (_, tasks) = client.get(&format!("{run}/tasks"));
    let attempts = tasks.to_string().matches("\"state\":\"succeeded\"").count();
    assert!(attempts >= 4, "{tasks}");

    let (_, versions) = client.get("/projects/shop/workflows/daily/versions");
    let root = format!("arn:aws:iam::{}:root", cloud.options().account);
    assert!(versions.to_string().contains(&root), "{versions}");

    let calls = cloud.tap().calls();
    let denied: Vec<_> = calls.iter().filter(|call| call.denied).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_sign_is_not_let_in() {
    // ministack takes who signs nothing for somebody of this account
    let cloud = cloud_with(|options| Options {
        account: "000000000000".to_owned(),
        ..options
    })
    .await;
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let unsigned = agent
        .get(format!("{}/v1/projects", cloud.ministack()))
        .header("host", cloud.api_host());
    let status = unsigned.call().unwrap().status();
    assert_eq!(status, 403);
    assert_eq!(Client::of(&cloud).get("/projects").0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_well_though_the_stepper_is_killed_again_and_again_and_intents_come_twice() {
    let cloud = cloud_with(|options| Options {
        impatience: Some(2),
        ..options
    })
    .await;
    let client = Client::of(&cloud);
    cloud.tap().disturb(Mischief {
        twice: vec!["lambda:InvokeFunction".to_owned()],
        kill: Some(("porpoise-stepper".to_owned(), 7)),
        ..Mischief::default()
    });
    let run = client.start("shop", "daily", DAILY);
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert!(cloud.tap().killed() > 0, "the stepper was never killed");
    for task in ["extract", "left", "right", "load"] {
        let (_, task) = client.get(&format!("{run}/tasks/{task}"));
        let attempts = task["attempts"].as_array().map(Vec::len);
        assert_eq!(attempts, Some(1), "{task}");
    }
}
