//! Clients of the fake, applications, jobs.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_emrserverless::Client;
use aws_sdk_emrserverless::config::retry::RetryConfig;
use aws_sdk_emrserverless::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_emrserverless::types::{ApplicationState, MonitoringConfiguration};
use jiff::Timestamp;
use porpoise_executor_emr_serverless::EmrServerlessExecutor;
use porpoise_fake_aws::{FakeAws, Options, Time};
use porpoise_model::Target;
use porpoise_model::job::{Job, Work};
use porpoise_ports::conformance;
use porpoise_ports::executor::{JobRef, Submitted};
use serde_json::Value;

pub(crate) fn unthrottled() -> Options {
    Options {
        throttled: false,
        ..Options::default()
    }
}

/// A fake whose time is the test's own.
pub(crate) fn still(options: Options) -> FakeAws {
    let time = Time::Virtual("2026-11-21T10:00:00Z".parse().unwrap());
    FakeAws::start(Options { time, ..options }).unwrap()
}

pub(crate) fn account(fake: &FakeAws, account: &str) -> Client {
    at(&fake.endpoint(), account, "eu-central-1")
}

fn at(endpoint: &str, account: &str, region: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(account, "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

pub(crate) fn client(fake: &FakeAws) -> Client {
    account(fake, "111122223333")
}

/// One whose own account is 111122223333, and which gets into others with a role only.
pub(crate) fn executor(fake: &FakeAws) -> EmrServerlessExecutor {
    let endpoint = fake.endpoint();
    EmrServerlessExecutor::new(Arc::new(move |place, role| {
        let region = place.aws().unwrap().region();
        let account = role.map_or("111122223333", |role| role.arn.split(':').nth(4).unwrap());
        at(&endpoint, account, region)
    }))
}

/// A new application called `etl`, which starts by itself.
pub(crate) async fn application(fake: &FakeAws, kind: &str) -> String {
    application_with(fake, kind, None).await
}

/// The same, with its own say on where logs of its runs go.
pub(crate) async fn application_with(
    fake: &FakeAws,
    kind: &str,
    monitoring: Option<MonitoringConfiguration>,
) -> String {
    let client = client(fake);
    let create = client
        .create_application()
        .name("etl")
        .release_label("emr-7.11.0")
        .r#type(kind)
        .set_monitoring_configuration(monitoring);
    let id = create.send().await.unwrap().application_id;
    fake.advance(Duration::from_millis(10));
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
        #[expect(clippy::disallowed_methods, reason = "time has to pass")]
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the application is not made in time");
}

/// A target with these settings, and a role for its jobs.
pub(crate) fn target(settings: &Value) -> Target {
    let mut settings = settings.clone();
    settings["execution_role"] = "arn:aws:iam::111122223333:role/job".into();
    target_with(&settings)
}

pub(crate) fn target_with(settings: &Value) -> Target {
    Target {
        name: "etl".parse().unwrap(),
        revision: 1,
        kind: "emr-serverless".to_owned(),
        place: "aws.eu-central-1.111122223333".parse().unwrap(),
        role: None,
        settings: settings.to_string(),
    }
}

pub(crate) fn spark(script: &str) -> Work {
    Work::Spark {
        entry_point: "s3://code/job.py".to_owned(),
        arguments: vec![format!("fake:{script}")],
        submit: None,
        request: None,
    }
}

pub(crate) fn hive(query: &str) -> Work {
    Work::Hive {
        query: query.to_owned(),
        init: None,
        options: None,
        request: None,
    }
}

pub(crate) fn job(number: u32, work: Work) -> Job {
    conformance::executor::job(number, work, None)
}

pub(crate) fn reference(job: &Job, submitted: Option<&Submitted>) -> JobRef {
    JobRef {
        key: job.key,
        external_id: submitted.map(|submitted| submitted.external_id.clone()),
        target: job.target.clone(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    }
}
