//! Logs of drivers, on an emulator of S3.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_emrserverless::types::{MonitoringConfiguration, S3MonitoringConfiguration};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use porpoise_canned::{Answer, Canned};
use porpoise_executor_emr_serverless::EmrServerlessExecutor;
use porpoise_fake_aws::FakeAws;
use porpoise_model::AssumedRole;
use porpoise_model::job::{Job, Work};
use porpoise_ports::Executor as _;
use porpoise_ports::executor::{JobRef, LogChunk, LogError, NoLog};
use serde_json::{Value, json};

use crate::support::{
    application, application_with, executor, hive, job, reference, spark, still, target,
    unthrottled,
};

fn s3() -> Client {
    s3_at(porpoise_region::ministack().unwrap().endpoint())
}

fn s3_at(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .force_path_style(true)
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

async fn bucket() -> String {
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let name = format!("logs-{time}-{}", std::process::id());
    s3().create_bucket().bucket(&name).send().await.unwrap();
    name
}

async fn put(bucket: &str, key: &str, text: &str) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let body = ByteStream::from(gzip.finish().unwrap());
    let put = s3().put_object().bucket(bucket).key(key).body(body);
    put.send().await.unwrap();
}

/// A job whose logs go to this address.
async fn submitted(
    fake: &FakeAws,
    work: Work,
    kind: &str,
    uri: &str,
) -> (EmrServerlessExecutor, Job, JobRef) {
    let app = application(fake, kind).await;
    let logs = json!({"s3MonitoringConfiguration": {"logUri": uri}});
    let request = json!({"configurationOverrides": {"monitoringConfiguration": logs}});
    let mut job = job(1, work);
    job.target = Some(target(&json!({"application_id": app, "request": request})));
    let executor = executor(fake).with_logs(Arc::new(|_, _| s3()));
    let submitted = executor.submit(&job).await.unwrap();
    let known = reference(&job, Some(&submitted));
    (executor, job, known)
}

async fn log(
    executor: &EmrServerlessExecutor,
    job: &JobRef,
    from: u64,
    limit: usize,
) -> Option<LogChunk> {
    executor.log(job, from, limit).await.unwrap()
}

/// Why there is no log.
async fn reason(executor: &EmrServerlessExecutor, job: &JobRef) -> NoLog {
    match executor.log(job, 0, 10).await {
        Err(LogError::None(none)) => *none,
        read => panic!("{read:?}"),
    }
}

#[tokio::test]
async fn a_log_is_what_the_driver_wrote_and_is_there_once_the_run_is_over() {
    let fake = still(unthrottled());
    let bucket = bucket().await;
    let uri = format!("s3://{bucket}/etl/");
    let (executor, _, job) = submitted(&fake, spark("running=1m"), "SPARK", &uri).await;
    let (app, run) = job.external_id.as_deref().unwrap().split_once('/').unwrap();
    let folder = format!("etl/applications/{app}/jobs/{run}/SPARK_DRIVER");
    let (out, err) = ("rows=42\n".repeat(5_000), "22/11/21 INFO done\n");
    put(&bucket, &format!("{folder}/stdout.gz"), &out).await;
    assert!(reason(&executor, &job).await.later, "it waits");
    fake.advance(Duration::from_secs(10));
    let runs = reason(&executor, &job).await;
    assert!(
        runs.later && runs.why.contains("once the job is over"),
        "{runs:?}"
    );
    assert!(runs.link.is_some(), "{runs:?}");
    fake.advance(Duration::from_mins(2));
    let whole = format!("{out}{err}");
    put(&bucket, &format!("{folder}/stderr.gz"), err).await;
    let all = log(&executor, &job, 0, 1 << 20).await.unwrap();
    assert_eq!(all.bytes, whole.as_bytes());
    assert!(all.end && all.next == u64::try_from(whole.len()).unwrap());
    let (mut from, mut pieces) = (0, Vec::new());
    loop {
        let piece = log(&executor, &job, from, 7_777).await.unwrap();
        assert!(piece.bytes.len() <= 7_777);
        pieces.extend_from_slice(&piece.bytes);
        from = piece.next;
        if piece.end {
            break;
        }
        assert!(!piece.bytes.is_empty());
    }
    assert_eq!(pieces, whole.as_bytes());
    let behind = log(&executor, &job, from + 5, 10).await.unwrap();
    assert!(behind.end && behind.bytes.is_empty() && behind.next == from);
}

#[tokio::test]
async fn a_script_of_hive_has_its_own_driver_and_a_missing_file_is_no_log() {
    let fake = still(unthrottled());
    let bucket = bucket().await;
    let work = hive("select 1 -- fake:running=1m");
    let (executor, _, job) = submitted(&fake, work, "HIVE", &format!("s3://{bucket}")).await;
    fake.advance(Duration::from_mins(2));
    let none = reason(&executor, &job).await;
    assert!(none.later, "{none:?}");
    let (app, run) = job.external_id.as_deref().unwrap().split_once('/').unwrap();
    let key = format!("applications/{app}/jobs/{run}/HIVE_DRIVER/stderr.gz");
    put(&bucket, &key, "OK").await;
    let all = log(&executor, &job, 0, 10).await.unwrap();
    assert_eq!(all.bytes, "OK".as_bytes());
}

#[tokio::test]
async fn a_log_that_can_not_be_read_is_an_error() {
    let fake = still(unthrottled());
    let bucket = bucket().await;
    let uri = format!("s3://{bucket}/x");
    let (executor, _, job) = submitted(&fake, spark("running=1m"), "SPARK", &uri).await;
    fake.advance(Duration::from_mins(2));
    let (app, run) = job.external_id.as_deref().unwrap().split_once('/').unwrap();
    let key = format!("x/applications/{app}/jobs/{run}/SPARK_DRIVER/stdout.gz");
    let put = s3().put_object().bucket(&bucket).key(&key);
    let put = put.body(ByteStream::from_static(
        b"no gzip at all, whatever it is called",
    ));
    put.send().await.unwrap();
    let error = executor.log(&job, 0, 10).await.unwrap_err();
    let LogError::Unavailable(error) = error else {
        panic!("{error:?}");
    };
    assert!(error.source.to_string().contains(&key), "{error:?}");
    let fake = still(unthrottled());
    let gone = "s3://no-such-bucket-of-anybody/";
    let (executor, _, job) = submitted(&fake, spark("running=1m"), "SPARK", gone).await;
    fake.advance(Duration::from_mins(2));
    let none = reason(&executor, &job).await;
    assert!(
        !none.later
            && none
                .why
                .contains("`no-such-bucket-of-anybody`, which does not exist"),
        "{none:?}"
    );
}

#[tokio::test]
async fn a_job_whose_id_was_never_told_is_found_among_those_of_its_time() {
    let fake = still(unthrottled());
    let bucket = bucket().await;
    let uri = format!("s3://{bucket}/");
    let begun = fake.now();
    let (executor, _, job) = submitted(&fake, spark("running=1m"), "SPARK", &uri).await;
    let (app, run) = job.external_id.as_deref().unwrap().split_once('/').unwrap();
    let key = format!("applications/{app}/jobs/{run}/SPARK_DRIVER/stdout.gz");
    put(&bucket, &key, "rows=42").await;
    fake.advance(Duration::from_hours(30));
    let mut lost = JobRef {
        external_id: None,
        since: begun,
        until: Some(begun.checked_add(Duration::from_mins(1)).unwrap()),
        ..job.clone()
    };
    let all = log(&executor, &lost, 0, 10).await.unwrap();
    assert_eq!(all.bytes, "rows=42".as_bytes());
    // of another time, it is not found
    lost.since = begun.checked_add(Duration::from_hours(2)).unwrap();
    lost.until = Some(begun.checked_add(Duration::from_hours(3)).unwrap());
    assert_eq!(log(&executor, &lost, 0, 10).await, None);
    lost.since = begun.checked_sub(Duration::from_hours(3)).unwrap();
    lost.until = Some(begun.checked_sub(Duration::from_hours(2)).unwrap());
    assert_eq!(log(&executor, &lost, 0, 10).await, None);
}

/// A job that is over, of a target with this request and an application whose logs go to this address.
async fn over(
    fake: &FakeAws,
    request: Value,
    uri: Option<String>,
) -> (EmrServerlessExecutor, JobRef) {
    let logs = uri.map(|uri| {
        let s3 = S3MonitoringConfiguration::builder().log_uri(uri).build();
        let logs = MonitoringConfiguration::builder();
        logs.s3_monitoring_configuration(s3).build()
    });
    let app = application_with(fake, "SPARK", logs).await;
    let mut job = job(1, spark("running=1m"));
    let settings = json!({"application_id": app, "request": request});
    job.target = Some(target(&settings));
    let executor = executor(fake).with_logs(Arc::new(|_, _| s3()));
    let submitted = executor.submit(&job).await.unwrap();
    fake.advance(Duration::from_mins(2));
    let known = reference(&job, Some(&submitted));
    (executor, known)
}

#[tokio::test]
async fn a_log_that_is_elsewhere_says_where() {
    let monitoring =
        |what: Value| json!({"configurationOverrides": {"monitoringConfiguration": what}});
    let off = json!({"managedPersistenceMonitoringConfiguration": {"enabled": false}});
    let group =
        json!({"cloudWatchLoggingConfiguration": {"enabled": true, "logGroupName": "/etl"}});
    for (request, why, address) in [
        (
            json!({}),
            "storage that EMR Serverless manages",
            Some("Spark UI"),
        ),
        (monitoring(group), "to CloudWatch", Some("log group `/etl`")),
        (monitoring(off), "keeps no log", None),
    ] {
        let fake = still(unthrottled());
        let (executor, job) = over(&fake, request, None).await;
        let none = reason(&executor, &job).await;
        assert!(!none.later && none.why.contains(why), "{none:?}");
        let at = none.address.as_deref();
        assert!(
            at.unwrap_or_default().contains(address.unwrap_or_default())
                && at.is_some() == address.is_some(),
            "{none:?}"
        );
        assert!(none.hint.unwrap().contains("s3MonitoringConfiguration"));
        assert!(none.link.is_some());
        assert_eq!(executor.log_address(&job).await.unwrap(), none.address);
    }
}

#[tokio::test]
async fn what_the_run_does_not_say_its_application_says() {
    let fake = still(unthrottled());
    let bucket = bucket().await;
    let uri = format!("s3://{bucket}/of-application/");
    let (executor, job) = over(&fake, json!({}), Some(uri)).await;
    let (app, run) = job.external_id.as_deref().unwrap().split_once('/').unwrap();
    let folder = format!("of-application/applications/{app}/jobs/{run}/SPARK_DRIVER/");
    put(&bucket, &format!("{folder}stdout.gz"), "ok").await;
    assert_eq!(
        log(&executor, &job, 0, 10).await.unwrap().bytes,
        "ok".as_bytes()
    );
    let address = executor.log_address(&job).await.unwrap();
    assert_eq!(address, Some(format!("s3://{bucket}/{folder}")));
}

/// As S3 refuses. Source: "Error responses" in the S3 API reference.
const DENIED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code>\
    <Message>Access Denied</Message><RequestId>1</RequestId></Error>";

#[tokio::test]
async fn whoever_may_not_read_is_told_what_to_grant_and_to_whom() {
    let fake = still(unthrottled());
    let canned = Canned::start(|_| Answer::Response {
        status: 403,
        headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
        body: DENIED.into(),
    })
    .unwrap();
    let (_, _, mut job) = submitted(&fake, spark("running=1m"), "SPARK", "s3://etl-logs/x/").await;
    fake.advance(Duration::from_mins(2));
    let endpoint = canned.endpoint().to_owned();
    let executor = executor(&fake).with_logs(Arc::new(move |_, _| s3_at(&endpoint)));
    let none = reason(&executor, &job).await;
    assert!(
        !none.later
            && none
                .why
                .contains("may not read s3://etl-logs/x/applications/"),
        "{none:?}"
    );
    let own = "the role of the poller at `aws.eu-central-1.111122223333`";
    assert!(none.why.starts_with(own), "{none:?}");
    let hint = none.hint.unwrap();
    assert!(
        hint.contains("`s3:GetObject`") && hint.contains("bucket `etl-logs`"),
        "{hint}"
    );
    let arn = "arn:aws:iam::111122223333:role/reader";
    job.target.as_mut().unwrap().role = Some(AssumedRole {
        arn: arn.to_owned(),
        external_id: None,
    });
    let none = reason(&executor, &job).await;
    assert!(
        none.why.starts_with(&format!("the role `{arn}`")),
        "{none:?}"
    );
}
