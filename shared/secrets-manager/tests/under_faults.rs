//! Secrets while network and service misbehave, by many seeds, on an emulator of Secrets Manager.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::{RetryConfig, RetryPartition};
use porpoise_faults::{Fault, Faults, Plan, Tally, tally_of};
use porpoise_model::ProjectId;
use porpoise_ports::Secrets as _;
use porpoise_region::unique;
use porpoise_secrets_manager::{SecretsManager, Settings};
use porpoise_system::SystemClock;

use crate::support::{client, config};

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

/// Secrets that are read each time, and one that there is.
async fn shaky(faults: &Faults, tries: u32) -> SecretsManager {
    let ministack = porpoise_region::ministack().unwrap();
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(tries);
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    let settings = Settings {
        prefix: unique("porpoise"),
        age_max: Duration::ZERO,
        patience: Duration::from_mins(1),
    };
    let client_under_faults = Client::from_conf(config.build());
    let secrets = SecretsManager::new(client_under_faults, settings, Arc::new(SystemClock));
    let id = secrets.id(project(), "TOKEN").unwrap();
    let create = client().create_secret().name(id);
    create.secret_string("sesame-open").send().await.unwrap();
    secrets
}

async fn reads(seed: u64) -> Tally {
    // Nearly every third call is hit by something.
    let faults = Faults::new(seed, Plan::each(25));
    let secrets = shaky(&faults, 20).await;
    for _ in 0..8 {
        let found = secrets.resolve(project(), "TOKEN").await.unwrap();
        assert_eq!(found.unwrap().value, "sesame-open", "seed {seed}");
        let found = secrets.resolve(project(), "OTHER").await.unwrap();
        assert!(found.is_none(), "seed {seed}");
    }
    faults.tally()
}

#[tokio::test]
async fn secrets_are_what_they_are_whatever_goes_wrong() {
    let tally = tally_of(0..40, reads).await;
    let missing = tally.missing("secretsmanager", "GetSecretValue");
    assert!(missing.is_empty(), "{missing:?} never happened:\n{tally}");
}

/// The answer that is cut off holds the first half of the value.
#[tokio::test]
async fn no_fault_makes_a_secret_print() {
    for fault in Fault::ALL {
        let faults = Faults::new(1, Plan::calm().with(fault, 1000));
        let secrets = shaky(&faults, 1).await;
        let found = secrets.resolve(project(), "TOKEN").await;
        let printed = format!("{found:?} {found:#?}");
        assert!(!printed.contains("sesame"), "{fault}: {printed}");
    }
}
