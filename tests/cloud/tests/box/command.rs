//! `porpoise logs` against the deployed API: jobs at home, abroad, and of targets in another account.

use std::fmt::Write as _;

use porpoise_cloud::Cloud;
use porpoise_cloud::stock::{EXTERNAL_ID, Names, OTHER_LOGS};
use porpoise_fake_aws::JobRun;
use serde_json::{Value, json};

use crate::jobs::{put, target};
use crate::logs::{AWAY, HOME, bucket, keeps_logs, until_over, write};
use crate::machine::{Machine, text};
use crate::support::{Client, cloud};

/// A bucket of the other account that its role may not read.
const PRIVATE: &str = "partner-private";

const LOGS: &str = r#"
workflow: logs
project: shop
tasks:
  near: { target: near, spark: { entry_point: s3://code/a.py, arguments: ["fake:running=300ms"] } }
  twice: { target: far, retries: 1, retry_delay: 1s, spark: { entry_point: s3://code/c.py, arguments: ["fake:fails=odd"] } }
  partner: { target: partner, spark: { entry_point: s3://code/d.py, arguments: ["fake:running=300ms"] } }
  private: { target: private, spark: { entry_point: s3://code/e.py, arguments: ["fake:running=300ms"] } }
"#;

/// A target in a region of the other account, whose jobs keep their logs in a bucket there.
fn partner(cloud: &Cloud, client: &Client, name: &str, (region, bucket): (&str, &str)) {
    let options = cloud.options();
    let other = &options.other_account;
    let mut body = target(options, other, region, "spark");
    let role = Names(&options.name).target_role_arn(other);
    body["role"] = json!({"arn": role, "external_id": EXTERNAL_ID});
    let kept = json!({"s3MonitoringConfiguration": {"logUri": format!("s3://{bucket}/etl/")}});
    body["settings"]["request"] =
        json!({"configurationOverrides": {"monitoringConfiguration": kept}});
    put(client, name, &body);
}

/// A job in a region of an account, in the order in which they were made.
fn job<'j>(jobs: &'j [JobRun], (account, region): (&str, &str), number: usize) -> &'j JobRun {
    let there = |job: &&JobRun| job.account == account && job.region == region;
    let mut found: Vec<_> = jobs.iter().filter(there).collect();
    found.sort_by_key(|job| job.created);
    found[number]
}

/// More than one piece of the API, of lines that all differ.
fn long() -> String {
    let mut long = String::new();
    for number in 0..150_000 {
        writeln!(long, "row {number} of 4\u{20ac}").unwrap();
    }
    assert!(long.len() > 2 << 20, "{}", long.len());
    long
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_logs_of_jobs_at_home_abroad_and_in_another_account() {
    let cloud = cloud().await;
    let (client, machine) = (Client::of(&cloud), Machine::beside(&cloud));
    let options = cloud.options();
    let (own, other) = (options.account.as_str(), options.other_account.as_str());
    for region in [HOME, AWAY] {
        cloud.make_bucket((own, region), &bucket(region)).unwrap();
    }
    for (region, bucket) in [(AWAY, OTHER_LOGS), (HOME, PRIVATE)] {
        cloud.make_bucket((other, region), bucket).unwrap();
    }
    client.apply("shop", LOGS);
    for (name, region) in [("near", HOME), ("far", AWAY)] {
        let uri = format!("s3://{}/etl/", bucket(region));
        keeps_logs(&cloud, &client, name, region, &uri);
    }
    partner(&cloud, &client, "partner", (AWAY, OTHER_LOGS));
    partner(&cloud, &client, "private", (HOME, PRIVATE));
    let path = client.start_again("shop", "logs");
    until_over(&client, &path).await;
    let run = path.rsplit('/').next().unwrap();

    // there is none so far: the command says where it will be, with the role of whoever looks
    for (task, bucket) in [("near", &*bucket(HOME)), ("partner", OTHER_LOGS)] {
        let early = machine.run(&["logs", run, task]);
        let told = text(&early.stderr);
        assert!(early.status.success() && early.stdout.is_empty(), "{told}");
        assert!(told.contains("no log yet"), "{told}");
        assert!(told.contains(&format!("s3://{bucket}/etl/")), "{told}");
    }

    let jobs = cloud.jobs().fake().job_runs();
    let long = long();
    for (at, number, bucket, log) in [
        ((own, HOME), 0, &*bucket(HOME), &*long),
        ((own, AWAY), 0, &*bucket(AWAY), "first\n"),
        ((own, AWAY), 1, &*bucket(AWAY), "second\n"),
        ((other, AWAY), 0, OTHER_LOGS, "of a partner\n"),
        ((other, HOME), 0, PRIVATE, "of nobody else\n"),
    ] {
        write(&cloud, bucket, job(&jobs, at, number), log);
    }
    cloud.tap().forget();
    assert!(machine.ok(&["logs", run, "near"]) == long, "another log");
    assert_eq!(machine.ok(&["logs", run, "twice"]), "second\n");
    assert_eq!(machine.ok(&["logs", run, "twice", "-f"]), "second\n");
    let first = machine.ok(&["logs", run, "twice", "--attempt", "1", "--json"]);
    let first: Value = serde_json::from_str(&first).unwrap();
    let wanted = json!({"task": "twice", "attempt": 1, "log": "first\n"});
    assert_eq!(first, wanted);
    assert_eq!(machine.ok(&["logs", "latest", "partner"]), "of a partner\n");

    let calls = cloud.tap().calls();
    let denied: Vec<_> = calls.iter().filter(|call| call.denied).collect();
    assert!(denied.is_empty(), "{denied:?}");
    // a session of an earlier call may still be good; what the role of the poller may read ends before that bucket
    let assumed = calls
        .iter()
        .any(|call| call.function == "porpoise-poller" && call.assumed);
    assert!(
        assumed,
        "nothing was asked as the role of the target: {calls:?}"
    );

    let private = machine.run(&["logs", run, "private", "-f"]);
    let told = text(&private.stderr);
    let role = Names(&options.name).target_role_arn(other);
    assert!(private.stdout.is_empty(), "{}", text(&private.stdout));
    let refused = format!("the role `{role}` may not read s3://{PRIVATE}/etl/");
    assert!(told.contains(&refused), "{told}");
    assert!(told.contains("s3:GetObject"), "{told}");
}
