//! The bus while network and service misbehave, by many seeds, on an emulator that really invokes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::{RetryConfig, RetryPartition};
use bytes::Bytes;
use porpoise_bus_lambda::{LambdaBus, Settings};
use porpoise_faults::{Faults, Plan, Tally, tally_of};
use porpoise_ports::Bus as _;
use porpoise_region::unique;

use crate::support::config::config;
use crate::support::inbox::{arrived, function};

/// A client that tries as often as those of functions do.
fn shaky(faults: &Faults) -> Client {
    let ministack = porpoise_region::ministack().unwrap();
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(3);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    Client::from_conf(config.build())
}

/// Until everything has come, or nothing has for a while.
async fn arrivals(inbox: &Path, wanted: usize) -> BTreeSet<Bytes> {
    let (mut all, mut quiet) = (BTreeSet::new(), 0);
    while quiet < 300 && all.len() < wanted {
        let some = arrived(inbox);
        quiet = if some.is_empty() { quiet + 1 } else { 0 };
        all.extend(some.into_iter().flat_map(|(_, intents)| intents));
        pause().await;
    }
    all
}

#[expect(clippy::disallowed_methods, reason = "functions take real time")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

async fn sends(seed: u64) -> Tally {
    let inbox = tempfile::tempdir().unwrap();
    let arn = Box::pin(function(inbox.path())).await;
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let settings = Settings {
        dispatchers: [("eu".to_owned(), arn)].into(),
        patience: Duration::from_mins(1),
    };
    let bus = LambdaBus::new(settings, |_| shaky(&faults)).unwrap();
    let mut sent = BTreeSet::new();
    for call in 0..10 {
        let intents = (0..3).map(|number| format!("{call}.{number}").into());
        let intents: Vec<Bytes> = intents.collect();
        sent.extend(intents.clone());
        bus.send("eu", intents).await.unwrap();
    }
    assert_eq!(
        arrivals(inbox.path(), sent.len()).await,
        sent,
        "seed {seed}"
    );
    faults.tally()
}

#[tokio::test]
async fn every_intent_arrives_and_nothing_else_does_whatever_goes_wrong() {
    let tally = tally_of(0..24, sends).await;
    let missing = tally.missing("lambda", "Invoke");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}
