//! Clients, and a clock that stands still.

use std::time::Duration;

use aws_sdk_emrserverless as emr;
use aws_sdk_emrserverless::config::retry::RetryConfig;
use aws_sdk_emrserverless::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_emrserverless::operation::start_job_run::builders::StartJobRunFluentBuilder;
use aws_sdk_emrserverless::types::{
    ApplicationState, Hive, JobDriver, JobRun, JobRunState, SparkSubmit,
};
use porpoise_fake_aws::{FakeAws, Options, Time};

pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/job";

/// A fake whose time is the test's own.
pub(crate) fn still() -> FakeAws {
    fake(Options::default())
}

pub(crate) fn fake(options: Options) -> FakeAws {
    let time = Time::Virtual("2026-11-21T10:00:00Z".parse().unwrap());
    FakeAws::start(Options { time, ..options }).unwrap()
}

/// A client that tries once, of an account in a region.
pub(crate) fn emr_of(fake: &FakeAws, account: &str, region: &str) -> emr::Client {
    let config = emr::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(account, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(fake.endpoint());
    emr::Client::from_conf(config.build())
}

pub(crate) fn emr(fake: &FakeAws) -> emr::Client {
    emr_of(fake, "111122223333", "eu-central-1")
}

/// A new application, which starts by itself.
pub(crate) async fn application(fake: &FakeAws, client: &emr::Client, kind: &str) -> String {
    let create = client
        .create_application()
        .name("etl")
        .release_label("emr-7.11.0")
        .r#type(kind);
    let id = create.send().await.unwrap().application_id;
    // made in no time, if time is the test's own
    fake.advance(millis(10));
    for _ in 0..400 {
        let get = client
            .get_application()
            .application_id(&id)
            .send()
            .await
            .unwrap();
        if get.application.unwrap().state != ApplicationState::Creating {
            return id;
        }
        wait().await;
    }
    panic!("the application is not made in time");
}

#[expect(clippy::disallowed_methods, reason = "time has to pass")]
pub(crate) async fn wait() {
    tokio::time::sleep(millis(25)).await;
}

/// A Spark job that goes as `script` says.
pub(crate) fn spark(
    client: &emr::Client,
    application: &str,
    token: &str,
    script: &str,
) -> StartJobRunFluentBuilder {
    let submit = SparkSubmit::builder()
        .entry_point("s3://code/job.py")
        .entry_point_arguments(format!("fake:{script}"));
    client
        .start_job_run()
        .application_id(application)
        .client_token(token)
        .execution_role_arn(ROLE)
        .job_driver(JobDriver::SparkSubmit(submit.build().unwrap()))
}

pub(crate) fn hive(query: &str) -> JobDriver {
    JobDriver::Hive(Hive::builder().query(query).build().unwrap())
}

pub(crate) async fn job(client: &emr::Client, application: &str, job: &str) -> JobRun {
    let get = client
        .get_job_run()
        .application_id(application)
        .job_run_id(job);
    get.send().await.unwrap().job_run.unwrap()
}

pub(crate) async fn state(client: &emr::Client, application: &str, id: &str) -> JobRunState {
    job(client, application, id).await.state
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
