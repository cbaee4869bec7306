//! Blobs while network and service misbehave, by many seeds, on an emulator of S3.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::{RetryConfig, RetryPartition};
use bytes::Bytes;
use porpoise_blobs_s3::{S3Blobs, Settings};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::{Blobs as _, blobs_conformance};
use porpoise_region::unique;

use crate::support::{client, config};

/// Blobs through a client that never gives up: what is looked for is wrong answers, not outages.
async fn shaky(seed: u64) -> (S3Blobs, Faults) {
    let ministack = porpoise_region::ministack().unwrap();
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    let bucket = unique("home");
    let created = client().create_bucket().bucket(&bucket).send().await;
    created.unwrap();
    let settings = Settings {
        buckets: [("home".to_owned(), bucket)].into(),
        prefix: String::new(),
        patience: Duration::from_mins(1),
    };
    (
        S3Blobs::new(Client::from_conf(config.build()), settings),
        faults,
    )
}

static NEXT: AtomicU64 = AtomicU64::new(1000);

blobs_conformance!(s3_under_faults, async || {
    shaky(NEXT.fetch_add(1, Ordering::Relaxed)).await
});

async fn puts_and_gets(seed: u64) -> Tally {
    let project = ProjectId::of_name("retail");
    let (blobs, faults) = shaky(seed).await;
    for number in 0..8_u8 {
        let bytes = Bytes::from(vec![number; usize::from(number) * 5_000]);
        let absent = VersionHash::of(&bytes);
        let before = blobs.get("home", project, absent).await.unwrap();
        assert_eq!(before, None, "seed {seed}");
        let hash = blobs.put("home", project, bytes.clone()).await.unwrap();
        let read = blobs.get("home", project, hash).await.unwrap();
        assert_eq!(read, Some(bytes), "seed {seed}");
    }
    faults.tally()
}

#[tokio::test]
async fn what_is_put_is_read_whatever_goes_wrong() {
    let tally = tally_of(0..40, puts_and_gets).await;
    for operation in ["PutObject", "GetObject"] {
        let missing = tally.missing("s3", operation);
        assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
    }
}
