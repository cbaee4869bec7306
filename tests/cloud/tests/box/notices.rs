//! People are told what a workflow asks for, by the deployed functions under their roles.

use porpoise_cloud::Subscriber;
use serde_json::{Value, json};

use crate::support::{Client, cloud};

/// Nothing here runs scripts: the second task is refused, and fails for good.
const BAD: &str = "workflow: bad\nproject: shop\nnotify: [failed, task_failed, succeeded]\ntasks:\n  \
    extract: { noop: }\n  \
    load: { after: [extract], shell: 'false' }\n";

const QUIET: &str = "workflow: quiet\nproject: shop\ntasks:\n  extract: { noop: }\n";

fn context(notice: &Value) -> Value {
    let message: Value = serde_json::from_str(notice["Message"].as_str().unwrap()).unwrap();
    message["metadata"]["additionalContext"].clone()
}

/// So many notices, in the order of their events.
fn notices(subscriber: &Subscriber, count: usize) -> Vec<Value> {
    let mut told = Vec::new();
    for _ in 0..30 {
        told.extend(subscriber.next().unwrap().as_ref().map(context));
        if told.len() == count {
            break;
        }
    }
    told.sort_by_key(|notice| notice["event"].to_string());
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_told_to_who_subscribes_and_one_that_does_not_ask_is_not() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let subscriber = cloud
        .subscribe("team", &json!({"project": ["shop"]}))
        .unwrap();
    let quiet = client.start("shop", "quiet", QUIET);
    client.until(&quiet, |run| run["ended"].is_string()).await;
    let told_of = |action: &str| {
        let calls = cloud.tap().calls();
        calls.iter().filter(|call| call.action == action).count()
    };
    assert_eq!(told_of("sns:Publish"), 0);

    let bad = client.start("shop", "bad", BAD);
    let ended = client.until(&bad, |run| run["ended"].is_string()).await;
    assert_eq!(ended["state"], "failed", "{ended}");
    let run = bad.rsplit('/').next().unwrap();
    let told = notices(&subscriber, 2);
    let events: Vec<&Value> = told.iter().map(|notice| &notice["event"]).collect();
    assert_eq!(events, ["failed", "task_failed"], "{told:?}");
    for notice in &told {
        assert_eq!(notice["run_id"], run, "{notice}");
        assert_eq!(notice["workflow"], "bad", "{notice}");
    }
    assert_eq!(told[0]["failed_tasks"], r#"["load"]"#);
    assert_eq!(told[1]["task"], "load");
    let calls = cloud.tap().calls();
    let denied: Vec<_> = calls.iter().filter(|call| call.denied).collect();
    assert!(denied.is_empty(), "{denied:?}");
    assert!(told_of("sns:Publish") >= 2);
}
