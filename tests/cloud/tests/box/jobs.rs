//! Jobs on EMR Serverless and Athena: in two regions and two accounts, with their events and without.

use std::time::Duration;

use porpoise_cloud::jobs::{self, Delivery};
use porpoise_cloud::stock::{EXTERNAL_ID, Names};
use porpoise_cloud::{Cloud, Options};
use serde_json::{Value, json};

use crate::support::{Client, cloud, cloud_with, insist, pause, pause_for};

/// Looks at what was billed: a minute and a half.
const LOOKS_OF_A_BILL: u32 = 450;

/// One of each sort, in both regions.
pub(crate) const JOBS: &str = r#"
workflow: jobs
project: shop
tasks:
  load: { target: spark-0, spark: { entry_point: s3://code/load.py, arguments: ["fake:running=1s;billed=2s"] } }
  build: { after: [load], target: hive-1, hive: "select 1 -- fake:running=1s;billed=2s" }
  count: { after: [build], target: sql-1, sql: "select 42 as answer /* fake:running=300ms */", outputs: [answer] }
"#;

/// A target for each kind at each place: `spark-0`, `hive-0`, `sql-0`, `spark-1` …
pub(crate) fn targets(cloud: &Cloud, client: &Client) {
    let options = cloud.options();
    for (number, region) in options.regions.iter().enumerate() {
        for sort in ["spark", "hive", "sql"] {
            let body = target(options, &options.account, region, sort);
            put(client, &format!("{sort}-{number}"), &body);
        }
    }
}

pub(crate) fn target(options: &Options, account: &str, region: &str, sort: &str) -> Value {
    let names = Names(&options.name);
    let place = format!("aws.{region}.{account}");
    match sort {
        "sql" => json!({
            "kind": "athena", "place": place,
            "settings": {
                "workgroup": names.workgroup(), "output_location": "s3://results/", "price_per_tb": 5.0,
            },
        }),
        sort => json!({
            "kind": "emr-serverless", "place": place,
            "settings": {
                "application_name": sort, "execution_role": names.job_role(account),
                "prices": {"vcpu_hour": 0.05, "memory_gb_hour": 0.006, "storage_gb_hour": 0.0001},
            },
        }),
    }
}

pub(crate) fn put(client: &Client, name: &str, body: &Value) {
    let path = format!("/projects/shop/targets/{name}");
    let (status, made) = insist(|| client.put(&path, &body.to_string()));
    assert!(status == 200 || status == 201, "{status} {made}");
}

/// What every run of jobs comes to: an end, and jobs where they should be. The path of the run.
pub(crate) async fn run_well(cloud: &Cloud) -> String {
    let client = Client::of(cloud);
    client.apply("shop", JOBS);
    targets(cloud, &client);
    let run = client.start_again("shop", "jobs");
    let ended = client.until(&run, |run| run["ended"].is_string()).await;
    let (_, tasks) = client.get(&format!("{run}/tasks"));
    assert_eq!(ended["state"], "succeeded", "{ended} {tasks}");

    let made = cloud.jobs().fake().job_runs();
    let places: Vec<_> = made.iter().map(|job| &*job.region).collect();
    assert_eq!(places, ["eu-central-1", "eu-west-1"], "{made:?}");
    let own = &cloud.options().account;
    assert!(made.iter().all(|job| &job.account == own), "{made:?}");

    let (_, count) = client.get(&format!("{run}/tasks/count"));
    assert!(count.to_string().contains(r#""42""#), "{count}");
    let calls = cloud.tap().calls();
    let denied: Vec<_> = calls.iter().filter(|call| call.denied).collect();
    assert!(denied.is_empty(), "{denied:?}");
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn spark_hive_and_sql_run_in_two_regions_and_their_ends_are_heard() {
    let cloud = cloud().await;
    run_well(&cloud).await;
    assert!(cloud.jobs().events_put() > 0);
    for region in &cloud.options().regions {
        let heard = cloud.log(region, "poller").unwrap();
        let heard = heard.iter().filter(|line| line.contains("\"heard\""));
        let ours = heard.filter(|line| line.contains("\"ours\":true")).count();
        assert!(
            ours > 0,
            "the poller of {region} has heard of no job of ours"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_poll_loop_finds_ends_and_bills_of_jobs_also_if_no_event_arrives() {
    let cloud = cloud_with(|options| Options {
        jobs: jobs::Options {
            delivery: Delivery {
                lost: 100,
                ..Delivery::default()
            },
            ..options.jobs.clone()
        },
        ..options
    })
    .await;
    cloud.hurry().unwrap();
    let run = run_well(&cloud).await;
    assert_eq!(cloud.jobs().events_put(), 0);
    // what was billed is asked for two minutes after the end at the earliest
    pause_for(Duration::from_mins(2)).await;
    let billed = |usage: &Value| usage["attempts"].as_array().map(Vec::len) == Some(3);
    let usage = Client::of(&cloud)
        .until_within(&format!("{run}/usage"), LOOKS_OF_A_BILL, billed)
        .await;
    let dollars = usage["dollars"].as_f64();
    assert!(dollars.is_some_and(|all| all > 0.0), "{usage}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_another_account_is_reached_by_its_role_and_its_external_id_alone() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let options = cloud.options();
    let (own, other) = (&options.account, &options.other_account);
    let role = Names(&options.name).target_role_arn(other);
    let definition = "workflow: abroad\nproject: shop\ntasks:\n  \
        here: { target: here, spark: { entry_point: s3://code/a.py } }\n  \
        there: { target: there, spark: { entry_point: s3://code/a.py } }\n  \
        count: { target: count, sql: select 42 as answer }\n  \
        stranger: { target: stranger, hive: select 1 }\n";
    client.apply("shop", definition);
    let abroad = |sort: &str, external_id: &str| {
        let mut body = target(options, other, "eu-west-1", sort);
        body["role"] = json!({"arn": role, "external_id": external_id});
        body
    };
    put(&client, "here", &target(options, own, "eu-west-1", "spark"));
    put(&client, "there", &abroad("spark", EXTERNAL_ID));
    put(&client, "count", &abroad("sql", EXTERNAL_ID));
    put(&client, "stranger", &abroad("hive", "guessed"));

    let run = client.start_again("shop", "abroad");
    for task in ["here", "there", "count"] {
        let task = format!("{run}/tasks/{task}");
        let over = |task: &Value| task["state"] == "succeeded";
        client.until(&task, over).await;
    }
    let made = cloud.jobs().fake().job_runs();
    let mut accounts: Vec<_> = made.iter().map(|job| job.account.clone()).collect();
    accounts.sort();
    assert_eq!(accounts, [own.clone(), other.clone()], "{made:?}");
    let refused = |of: &str| {
        let calls = cloud.tap().calls();
        let refused = calls.iter().filter(|call| call.denied);
        refused.filter(|call| call.action == of).count()
    };
    for _ in 0..50 {
        if refused("sts:AssumeRole") > 0 {
            break;
        }
        pause().await;
    }
    assert!(
        refused("sts:AssumeRole") > 0,
        "a guessed external id opens the role"
    );
    let (_, stranger) = client.get(&format!("{run}/tasks/stranger"));
    assert_ne!(stranger["state"], "succeeded", "{stranger}");
    let assumed = cloud.tap().calls();
    let assumed = assumed.iter().filter(|call| call.assumed && !call.denied);
    assert!(assumed.count() > 1, "nothing was called as the role");
}
