//! What the tests of this crate share.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::{BehaviorVersion, Builder, Config, Credentials, Region};

/// A client of whatever listens at `endpoint`.
pub fn config(endpoint: &str) -> Builder {
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(endpoint)
}

/// A client of the emulator.
pub fn client() -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    Client::from_conf(config(ministack.endpoint()).build())
}

/// A client of the emulator's queues.
pub fn queues() -> aws_sdk_sqs::Client {
    let ministack = porpoise_region::ministack().unwrap();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .endpoint_url(ministack.endpoint());
    aws_sdk_sqs::Client::from_conf(config.build())
}
