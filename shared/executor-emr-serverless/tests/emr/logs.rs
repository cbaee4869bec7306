//! Logs of drivers, on an emulator of S3.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use flate2::Compression;
use flate2::write::GzEncoder;
use porpoise_executor_emr_serverless::EmrServerlessExecutor;
use porpoise_fake_aws::FakeAws;
use porpoise_model::job::{Job, Work};
use porpoise_ports::Executor as _;
use porpoise_ports::executor::{JobRef, LogChunk};
use serde_json::json;

use crate::support::{
    application, executor, hive, job, reference, spark, still, target, unthrottled,
};

fn s3() -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .force_path_style(true)
        .endpoint_url(ministack.endpoint());
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
    assert_eq!(log(&executor, &job, 0, 10).await, None, "it runs");
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
    assert_eq!(log(&executor, &job, 0, 10).await, None);
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
    assert!(error.source.to_string().contains(&key), "{error:?}");
    let fake = still(unthrottled());
    let gone = "s3://no-such-bucket-of-anybody/";
    let (executor, _, job) = submitted(&fake, spark("running=1m"), "SPARK", gone).await;
    fake.advance(Duration::from_mins(2));
    executor.log(&job, 0, 10).await.unwrap_err();
}
