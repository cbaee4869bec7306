//! Secrets against the suite of their port, and what is theirs alone, on an emulator of Secrets Manager.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_secretsmanager::primitives::Blob;
use porpoise_faults::{Faults, Plan};
use porpoise_model::ProjectId;
use porpoise_ports::conformance::secrets::Keeper;
use porpoise_ports::{Secrets as _, secrets_conformance};
use porpoise_region::unique;
use porpoise_secrets_manager::{SecretsManager, Settings};
use porpoise_system::SystemClock;

use crate::support::{client, config};

/// A person with the console.
#[derive(Debug)]
struct Console {
    client: Client,
    secrets: SecretsManager,
}

impl Console {
    /// Nobody hears of it.
    async fn put_quietly(&self, project: ProjectId, name: &str, value: &str) {
        let id = self.secrets.id(project, name).unwrap();
        let create = self.client.create_secret().name(&id);
        if create.secret_string(value).send().await.is_err() {
            let put = self.client.put_secret_value().secret_id(&id);
            put.secret_string(value).send().await.unwrap();
        }
    }
}

#[async_trait]
impl Keeper for Console {
    /// Who hears of the rotation forgets what it knew.
    async fn put(&self, project: ProjectId, name: &str, value: &str) {
        self.put_quietly(project, name, value).await;
        self.secrets.forget(project, name);
    }
}

fn remembering(age_max: Duration) -> (SecretsManager, Console, ()) {
    let client = client();
    let settings = Settings {
        prefix: unique("porpoise"),
        age_max,
        patience: Duration::from_secs(10),
    };
    let secrets = SecretsManager::new(client.clone(), settings, Arc::new(SystemClock));
    let console = Console {
        client,
        secrets: secrets.clone(),
    };
    (secrets, console, ())
}

secrets_conformance!(secrets_manager, async || remembering(Duration::from_hours(
    1
)));

/// Every third read is hit by something, and nobody notices.
fn under_faults() -> (SecretsManager, Console, ()) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let faults = Faults::new(NEXT.fetch_add(1, Ordering::Relaxed), Plan::each(25));
    let retries = RetryConfig::standard()
        .with_initial_backoff(Duration::from_millis(1))
        .with_max_attempts(20);
    let ministack = porpoise_region::ministack().unwrap();
    let config = config(ministack.endpoint())
        .http_client(faults.client())
        .retry_partition(RetryPartition::new(unique("tokens")))
        .retry_config(retries);
    let settings = Settings {
        prefix: unique("porpoise"),
        age_max: Duration::ZERO,
        patience: Duration::from_secs(30),
    };
    let shaky = Client::from_conf(config.build());
    let secrets = SecretsManager::new(shaky, settings, Arc::new(SystemClock));
    let console = Console {
        client: client(),
        secrets: secrets.clone(),
    };
    (secrets, console, ())
}

secrets_conformance!(secrets_manager_under_faults, async || under_faults());

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

async fn value(secrets: &SecretsManager) -> String {
    let found = secrets.resolve(project(), "TOKEN").await.unwrap();
    found.unwrap().value
}

#[tokio::test]
async fn a_value_is_remembered_until_it_is_forgotten() {
    let (secrets, console, ()) = remembering(Duration::from_hours(1));
    console.put_quietly(project(), "TOKEN", "first").await;
    assert_eq!(value(&secrets).await, "first");
    console.put_quietly(project(), "TOKEN", "second").await;
    assert_eq!(value(&secrets).await, "first", "remembered");
    secrets.forget(project(), "TOKEN");
    assert_eq!(value(&secrets).await, "second");
}

#[tokio::test]
async fn nothing_is_remembered_for_no_time() {
    let (secrets, console, ()) = remembering(Duration::ZERO);
    for wanted in ["first", "second"] {
        console.put_quietly(project(), "TOKEN", wanted).await;
        assert_eq!(value(&secrets).await, wanted);
    }
}

#[tokio::test]
async fn that_a_secret_is_unknown_is_not_remembered() {
    let (secrets, console, ()) = remembering(Duration::from_hours(1));
    let before = secrets.resolve(project(), "TOKEN").await.unwrap();
    assert!(before.is_none());
    console.put_quietly(project(), "TOKEN", "first").await;
    assert_eq!(value(&secrets).await, "first");
}

#[tokio::test]
async fn projects_and_prefixes_are_apart() {
    let (secrets, console, ()) = remembering(Duration::ZERO);
    console.put_quietly(project(), "TOKEN", "ours").await;
    let theirs = ProjectId::of_name("finance");
    let sideways = format!("../{}/TOKEN", project());
    for name in ["TOKEN", &sideways] {
        let found = secrets.resolve(theirs, name).await.unwrap();
        assert!(found.is_none());
    }
    let (elsewhere, _, ()) = remembering(Duration::ZERO);
    let found = elsewhere.resolve(project(), "TOKEN").await.unwrap();
    assert!(found.is_none());
}

#[tokio::test]
async fn bytes_are_refused() {
    let (secrets, console, ()) = remembering(Duration::ZERO);
    let id = secrets.id(project(), "TOKEN").unwrap();
    let create = console.client.create_secret().name(id);
    let create = create.secret_binary(Blob::new(b"sesame-open"));
    create.send().await.unwrap();
    let error = secrets.resolve(project(), "TOKEN").await.unwrap_err();
    let said = format!("{error:?}");
    assert!(
        said.contains("NoText") && !said.contains("sesame"),
        "{said}"
    );
}
