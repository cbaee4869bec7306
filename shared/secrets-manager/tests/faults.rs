//! What no emulator makes: throttles, missing rights, outages, and answers that are nonsense.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use porpoise_canned::{Answer, Canned};
use porpoise_model::ProjectId;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Secrets as _, Unavailable};
use porpoise_secrets_manager::{SecretsManager, Settings};
use porpoise_system::SystemClock;

use crate::support::config;

fn secrets(canned: &Canned) -> SecretsManager {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        prefix: "porpoise".to_owned(),
        age_max: Duration::from_hours(1),
        patience: Duration::from_secs(5),
    };
    let client = Client::from_conf(config.build());
    SecretsManager::new(client, settings, Arc::new(SystemClock))
}

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

/// All that anybody could print of an error.
fn printed(error: &Unavailable) -> String {
    let causes = std::iter::successors(Some::<&dyn std::error::Error>(error), |error| {
        error.source()
    });
    causes
        .map(|error| format!("{error} {error:?} {error:#?}"))
        .collect::<Vec<_>>()
        .join(": ")
}

async fn error(canned: &Canned) -> String {
    let failed = secrets(canned).resolve(project(), "TOKEN").await;
    printed(&failed.unwrap_err())
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_shows_nothing_of_itself() {
    for answer in [
        r#"{"SecretString": "sesame-open", "VersionId": "#,
        r#"{"SecretString": "sesame-open", "VersionId": {}}"#,
        r#"{"SecretString": "sesame-open"}"#,
        r#"{"SecretString": ["sesame-open"], "VersionId": "1"}"#,
    ] {
        let canned = Canned::start(move |_| Answer::json(200, answer)).unwrap();
        let printed = error(&canned).await;
        assert!(!printed.contains("sesame"), "{printed}");
        assert!(printed.contains("porpoise/"), "it says which: {printed}");
    }
}

#[tokio::test]
async fn throttles_pass_while_the_client_tries_again() {
    let mut calls = 0;
    let canned = Canned::start(move |_| {
        calls += 1;
        match calls {
            1 => Answer::error(400, "ThrottlingException"),
            2 => Answer::Cut,
            _ => Answer::json(200, r#"{"SecretString": "sesame", "VersionId": "7"}"#),
        }
    })
    .unwrap();
    let secrets = secrets(&canned);
    for _ in 0..3 {
        let found = secrets.resolve(project(), "TOKEN").await.unwrap().unwrap();
        let found = (found.value.as_str(), found.version.as_str());
        assert_eq!(found, ("sesame", "7"));
    }
    assert_eq!(canned.requests().len(), 3, "remembered after that");
}

#[tokio::test]
async fn what_the_service_says_is_said() {
    let canned = Canned::start(|_| Answer::error(400, "AccessDeniedException")).unwrap();
    let said = error(&canned).await;
    let wanted = "AccessDeniedException: as the script says";
    assert!(said.contains(wanted), "{said}");
}

#[tokio::test]
async fn silence_is_given_up_in_time() {
    let canned = Canned::start(|_| Answer::Silence).unwrap();
    let said = error(&canned).await;
    assert!(said.contains("no answer came in time"), "{said}");
}

#[tokio::test]
async fn a_service_that_nobody_can_reach_is_an_error_that_says_so() {
    let canned = Canned::start(|_| Answer::Cut).unwrap();
    let said = error(&canned).await;
    assert!(said.contains("the service cannot be reached"), "{said}");
}

#[tokio::test]
async fn reads_are_counted_and_what_is_remembered_is_none() {
    let canned = Canned::start(|request| {
        if request.text().contains("OTHER") {
            return Answer::error(400, "ResourceNotFoundException");
        }
        Answer::json(200, r#"{"SecretString": "sesame", "VersionId": "7"}"#)
    })
    .unwrap();
    let ledger = Ledger::default();
    let secrets = secrets(&canned).with_ledger(ledger.clone());
    for name in ["TOKEN", "TOKEN", "TOKEN", "OTHER", "OTHER", "nö"] {
        secrets.resolve(project(), name).await.unwrap();
    }
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::SecretReads, 1 + 2)]);
}
