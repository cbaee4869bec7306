//! Logs of jobs through the deployed API: read by the pollers of their regions, under their own roles.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use porpoise_cloud::Cloud;
use porpoise_fake_aws::JobRun;
use serde_json::{Value, json};

use crate::jobs::{put, target};
use crate::support::{Client, cloud, pause};

pub(crate) const HOME: &str = "eu-central-1";
pub(crate) const AWAY: &str = "eu-west-1";

/// A bucket of a region that pollers may read, as templates have it.
pub(crate) fn bucket(region: &str) -> String {
    format!("porpoise-logs-{region}")
}

fn own(cloud: &Cloud) -> &str {
    &cloud.options().account
}

/// A target in a region whose jobs keep their logs there.
pub(crate) fn keeps_logs(cloud: &Cloud, client: &Client, name: &str, region: &str, uri: &str) {
    let options = cloud.options();
    let mut body = target(options, &options.account, region, "spark");
    let monitoring = json!({"s3MonitoringConfiguration": {"logUri": uri}});
    body["settings"]["request"] =
        json!({"configurationOverrides": {"monitoringConfiguration": monitoring}});
    put(client, name, &body);
}

/// What a driver wrote to its standard output.
pub(crate) fn write(cloud: &Cloud, bucket: &str, job: &JobRun, text: &str) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let JobRun {
        application,
        id,
        region,
        account,
        ..
    } = job;
    let key = format!("etl/applications/{application}/jobs/{id}/SPARK_DRIVER/stdout.gz");
    let packed = gzip.finish().unwrap();
    let at = (account.as_str(), region.as_str());
    cloud.put_object(at, (bucket, &key), &packed).unwrap();
}

/// The log of an attempt, once the functions have their policies.
async fn read(client: &Client, run: &str, task: &str, rest: &str) -> (u16, Value) {
    let path = format!("{run}/tasks/{task}/attempts/{rest}");
    let mut last = client.get(&path);
    for _ in 0..20 {
        if last.0 != 503 {
            break;
        }
        pause().await;
        last = client.get(&path);
    }
    last
}

pub(crate) async fn until_over(client: &Client, run: &str) -> Value {
    client.until(run, |run| run["ended"].is_string()).await
}

const LOGS: &str = r#"
workflow: logs
project: shop
tasks:
  near: { target: near, spark: { entry_point: s3://code/a.py, arguments: ["fake:running=300ms"] } }
  far: { target: far, spark: { entry_point: s3://code/b.py, arguments: ["fake:running=300ms"] } }
  twice: { target: far, retries: 1, retry_delay: 1s, spark: { entry_point: s3://code/c.py, arguments: ["fake:fails=odd"] } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_jobs_are_read_at_home_and_abroad_at_every_attempt_and_by_nobody_who_may_not() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    for region in [HOME, AWAY] {
        cloud
            .make_bucket((own(&cloud), region), &bucket(region))
            .unwrap();
    }
    client.apply("shop", LOGS);
    for (name, region) in [("near", HOME), ("far", AWAY)] {
        let uri = format!("s3://{}/etl/", bucket(region));
        keeps_logs(&cloud, &client, name, region, &uri);
    }
    let run = client.start_again("shop", "logs");
    until_over(&client, &run).await;

    // the jobs are over, and nothing of them is on S3 so far
    let (status, problem) = read(&client, &run, "far", "1/log").await;
    assert_eq!(
        (status, &problem["code"]),
        (404, &json!("PP0010")),
        "{problem}"
    );
    let address = format!("s3://{}/etl/applications/", bucket(AWAY));
    assert!(
        problem["hint"].as_str().unwrap().contains(&address),
        "{problem}"
    );

    let jobs = cloud.jobs().fake().job_runs();
    assert_eq!(jobs.len(), 4, "{jobs:?}");
    for job in &jobs {
        let text = format!("rows of {}: 4\u{20ac}\n", job.id);
        write(&cloud, &bucket(&job.region), job, &text);
    }
    let mut read_logs = Vec::new();
    for (task, attempt) in [("near", 1), ("far", 1), ("twice", 1), ("twice", 2)] {
        let (status, log) = read(&client, &run, task, &format!("{attempt}/log")).await;
        assert_eq!(status, 200, "{task} {attempt}: {log}");
        read_logs.push(log.as_str().unwrap().to_owned());
        // a part may begin and end within a character: `4`, and the first of the three bytes of the euro sign
        let from = log.as_str().unwrap().len() - 5;
        let part = format!("{run}/tasks/{task}/attempts/{attempt}/log?from={from}&limit=2");
        assert_eq!(client.bytes(&part), (200, b"4\xe2".to_vec()));
    }
    let mut wanted: Vec<String> = jobs
        .iter()
        .map(|job| format!("rows of {}: 4\u{20ac}\n", job.id))
        .collect();
    wanted.sort();
    let [near, far, ..] = &read_logs[..] else {
        panic!("{read_logs:?}");
    };
    let of = |region: &str, text: &str| {
        let mut ours = jobs.iter().filter(|job| job.region == region);
        ours.any(|job| text.contains(&job.id))
    };
    assert!(of(HOME, near) && of(AWAY, far), "{read_logs:?}");
    read_logs.sort();
    assert_eq!(read_logs, wanted);

    // who reads them is the poller, and whom it reads them for may invoke nothing else
    let calls = cloud.tap().calls();
    let denied: Vec<_> = calls.iter().filter(|call| call.denied).collect();
    assert!(denied.is_empty(), "{denied:?}");
    let granted = cloud.granted();
    assert!(granted["porpoise-api"].contains("lambda:InvokeFunction"));

    let poller = ("porpoise-poller", "s3:GetObject");
    cloud.take_away(Some(poller)).unwrap();
    let (status, problem) = read(&client, &run, "near", "1/log").await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("PP0027")),
        "{problem}"
    );
    let detail = problem["detail"].as_str().unwrap();
    let place = cloud.place(HOME);
    assert!(
        detail.starts_with(&format!(
            "the role of the poller at `{place}` may not read s3://"
        )),
        "{problem}"
    );
    assert!(
        problem["hint"].as_str().unwrap().contains("grant"),
        "{problem}"
    );

    cloud.tap().forget();
    cloud
        .take_away(Some(("porpoise-api", "lambda:InvokeFunction")))
        .unwrap();
    let (status, problem) = client.get(&format!("{run}/tasks/near/attempts/1/log"));
    assert_eq!(status, 503, "{problem}");
    cloud.take_away(None).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_may_not_be_at_home_is_not_carried_there_and_one_elsewhere_says_where() {
    let cloud = cloud().await;
    let client = Client::of(&cloud);
    let at = (own(&cloud), AWAY);
    cloud.make_bucket(at, &bucket(AWAY)).unwrap();
    cloud.make_bucket(at, "others").unwrap();
    let abroad = r#"
workflow: abroad
project: shop
tasks:
  kept: { target: kept, spark: { entry_point: s3://code/a.py, arguments: ["fake:running=300ms"] } }
  others: { target: others, spark: { entry_point: s3://code/b.py, arguments: ["fake:running=300ms"] } }
  managed: { target: managed, spark: { entry_point: s3://code/c.py, arguments: ["fake:running=300ms"] } }
  asked: { target: asked, sql: select 42 as answer }
"#;
    client.apply("shop", abroad);
    let uri = format!("s3://{}/etl/", bucket(AWAY));
    keeps_logs(&cloud, &client, "kept", AWAY, &uri);
    keeps_logs(&cloud, &client, "others", AWAY, "s3://others/etl/");
    let options = cloud.options();
    for (name, sort) in [("managed", "spark"), ("asked", "sql")] {
        put(
            &client,
            name,
            &target(options, &options.account, AWAY, sort),
        );
    }
    let run = client.start_again("shop", "abroad");
    until_over(&client, &run).await;
    let (status, problem) = read(&client, &run, "others", "1/log").await;
    assert_eq!(status, 409, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("may not read s3://others/etl/"),
        "{problem}"
    );
    for (task, why) in [
        ("managed", "storage that EMR Serverless manages"),
        ("asked", "Athena writes no log"),
    ] {
        let (status, problem) = read(&client, &run, task, "1/log").await;
        assert_eq!(
            (status, &problem["code"]),
            (409, &json!("PP0027")),
            "{problem}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains(why),
            "{problem}"
        );
    }

    let places = json!({"places": [cloud.place(AWAY)]}).to_string();
    let (status, set) = client.put("/projects/shop/residency", &places);
    assert_eq!(status, 200, "{set}");
    let run = client.start_again("shop", "abroad");
    until_over(&client, &run).await;
    for job in cloud.jobs().fake().job_runs() {
        write(&cloud, &bucket(AWAY), &job, "secret");
    }
    cloud.tap().forget();
    let (status, problem) = read(&client, &run, "kept", "1/log").await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("PP0027")),
        "{problem}"
    );
    let home = cloud.place(HOME);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains(&format!("may not be at `{home}`")),
        "{problem}"
    );
    let hint = problem["hint"].as_str().unwrap();
    assert!(
        hint.contains(&uri) && hint.contains("SPARK_DRIVER/"),
        "{problem}"
    );
    let calls = cloud.tap().calls();
    let opened: Vec<_> = calls
        .iter()
        .filter(|call| call.function == "porpoise-poller" && call.action == "s3:GetObject")
        .collect();
    assert!(opened.is_empty(), "{opened:?}");
}
