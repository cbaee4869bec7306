//! Clients of the fake, targets, jobs.

use std::sync::Arc;

use aws_sdk_athena::Client;
use aws_sdk_athena::config::retry::RetryConfig;
use aws_sdk_athena::config::{BehaviorVersion, Config, Credentials, Region};
use porpoise_executor_athena::AthenaExecutor;
use porpoise_fake_aws::{FakeAws, Options, Time};
use porpoise_model::Target;
use porpoise_model::job::{Job, Work};
use porpoise_ports::conformance;
use serde_json::Value;

pub(crate) fn unthrottled() -> Options {
    Options {
        throttled: false,
        ..Options::default()
    }
}

/// A fake whose time is the test's own.
pub(crate) fn still() -> FakeAws {
    let time = Time::Virtual("2026-11-21T10:00:00Z".parse().unwrap());
    FakeAws::start(Options {
        time,
        ..unthrottled()
    })
    .unwrap()
}

pub(crate) fn client(fake: &FakeAws) -> Client {
    at(&fake.endpoint(), "eu-central-1")
}

fn at(endpoint: &str, region: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(
            "111122223333",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint);
    Client::from_conf(config.build())
}

pub(crate) fn executor(fake: &FakeAws) -> AthenaExecutor {
    executor_at(&fake.endpoint())
}

pub(crate) fn executor_at(endpoint: &str) -> AthenaExecutor {
    let endpoint = endpoint.to_owned();
    AthenaExecutor::new(Arc::new(move |place, _| {
        at(&endpoint, place.aws().unwrap().region())
    }))
}

pub(crate) fn target(settings: &Value) -> Target {
    Target {
        name: "lake".parse().unwrap(),
        revision: 1,
        kind: "athena".to_owned(),
        place: "aws.eu-central-1.111122223333".parse().unwrap(),
        role: None,
        settings: settings.to_string(),
    }
}

pub(crate) fn sql(statement: &str) -> Work {
    Work::Sql {
        more: None,
        statement: statement.to_owned(),
        arguments: Vec::new(),
        database: None,
        request: None,
    }
}

pub(crate) fn job(number: u32, work: Work, target: Target) -> Job {
    conformance::executor::job(number, work, Some(target))
}
