//! Notices while network and service misbehave, by many seeds, on an emulator of SNS.

use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::{RetryConfig, RetryPartition};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_model::RunState;
use porpoise_notices_sns::{Settings, SnsNotices};
use porpoise_ports::Notices as _;
use porpoise_ports::conformance::notices::notice;
use porpoise_region::unique;

use crate::support::config;

/// A client that never gives up: what is looked for is wrong answers, not outages.
fn shaky(faults: &Faults) -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    Client::from_conf(config.build())
}

async fn sends(seed: u64) -> Tally {
    let ministack = porpoise_region::ministack().unwrap();
    let calm = Client::from_conf(config(ministack.endpoint()).build());
    let created = calm.create_topic().name(unique("runs")).send().await;
    let settings = Settings {
        topic_arn: created.unwrap().topic_arn.unwrap(),
        patience: Duration::from_mins(1),
    };
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let notices = SnsNotices::new(shaky(&faults), settings);
    for second in 0..10 {
        let sent = notices.send(&notice(second, RunState::Failed)).await;
        sent.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    faults.tally()
}

#[tokio::test]
async fn every_notice_is_taken_whatever_goes_wrong() {
    let tally = tally_of(0..40, sends).await;
    let missing = tally.missing("sns", "Publish");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
