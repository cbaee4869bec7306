//! What the tests of this crate share.
#![expect(unreachable_pub, reason = "test code")]

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::config::{BehaviorVersion, Builder, Config, Credentials, Region};
use jiff::Timestamp;
use porpoise_ports::Clock;

/// The clock of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "real queues take real time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

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

/// A name that nothing else on the emulator has.
pub fn unique(prefix: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let made = MADE.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{time}-{}-{made}", std::process::id())
}
