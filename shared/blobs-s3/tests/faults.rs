//! What no emulator makes: conflicts, missing rights, outages.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use porpoise_blobs_s3::{S3Blobs, Settings};
use porpoise_canned::{Answer, Canned, chain};
use porpoise_model::{ProjectId, VersionHash};
use porpoise_ports::Blobs as _;
use porpoise_ports::usage::{Ledger, Line};

use crate::support::config;

fn blobs(canned: &Canned) -> S3Blobs {
    patient(canned, Duration::from_secs(10))
}

fn patient(canned: &Canned, patience: Duration) -> S3Blobs {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        buckets: [("home".to_owned(), "blobs-of-home".to_owned())].into(),
        prefix: String::new(),
        patience,
    };
    S3Blobs::new(Client::from_conf(config.build()), settings)
}

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

fn answer(status: u16, body: &str) -> Answer {
    Answer::Response {
        status,
        headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
        body: body.as_bytes().to_vec(),
    }
}

fn error(status: u16, code: &str) -> Answer {
    let message = "<Message>as the script says</Message>";
    let body = format!("<Error><Code>{code}</Code>{message}</Error>");
    answer(status, &body)
}

#[tokio::test]
async fn a_put_asks_to_be_refused_if_the_blob_stands_and_that_is_no_error() {
    let canned = Canned::start(|_| error(412, "PreconditionFailed")).unwrap();
    let put = blobs(&canned).put("home", project(), "bytes".into()).await;
    assert_eq!(put.unwrap(), VersionHash::of(b"bytes"));
    let requests = canned.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].headers["if-none-match"], "*");
}

#[tokio::test]
async fn a_put_beside_another_of_the_same_is_tried_again() {
    let mut calls = 0;
    let canned = Canned::start(move |_| {
        calls += 1;
        match calls {
            1 | 2 => error(409, "ConditionalRequestConflict"),
            _ => answer(200, ""),
        }
    })
    .unwrap();
    let put = blobs(&canned).put("home", project(), "bytes".into()).await;
    put.unwrap();
    assert_eq!(canned.requests().len(), 3);
}

#[tokio::test]
async fn conflicts_without_end_are_an_error() {
    let canned = Canned::start(|_| error(409, "ConditionalRequestConflict")).unwrap();
    let put = blobs(&canned).put("home", project(), "bytes".into()).await;
    let said = chain(&put.unwrap_err());
    for part in ["into bucket `blobs-of-home`", "ConditionalRequestConflict"] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn outages_pass_while_the_client_tries_again() {
    let mut calls = 0;
    let canned = Canned::start(move |request| {
        calls += 1;
        match (calls, request.method.as_str()) {
            (1, _) => error(503, "SlowDown"),
            (2, _) => Answer::Cut,
            (_, "GET") => answer(200, "bytes"),
            _ => answer(200, ""),
        }
    })
    .unwrap();
    let put = blobs(&canned).put("home", project(), "bytes".into()).await;
    let read = blobs(&canned).get("home", project(), put.unwrap()).await;
    assert_eq!(read.unwrap().unwrap(), "bytes");
    assert_eq!(canned.requests().len(), 4);
}

#[tokio::test]
async fn what_may_not_be_read_is_not_taken_for_absent() {
    let canned = Canned::start(|_| error(403, "AccessDenied")).unwrap();
    let hash = VersionHash::of(b"bytes");
    let got = blobs(&canned).get("home", project(), hash).await;
    let said = chain(&got.unwrap_err());
    for part in ["cannot read blob `home/", "AccessDenied"] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn silence_is_given_up_in_time() {
    let canned = Canned::start(|_| Answer::Silence).unwrap();
    let blobs = patient(&canned, Duration::from_millis(200));
    let put = blobs.put("home", project(), "bytes".into()).await;
    let got = blobs.get("home", project(), VersionHash::of(b"bytes"));
    for error in [put.unwrap_err(), got.await.unwrap_err()] {
        let said = chain(&error);
        let end = "the bucket of place `home` did not answer in time";
        assert!(said.ends_with(end), "{said}");
    }
}

#[tokio::test]
async fn what_is_answered_is_counted_whatever_the_answer_is() {
    let mut calls = 0;
    let canned = Canned::start(move |request| {
        calls += 1;
        match (calls, request.method.as_str()) {
            (1, _) => error(409, "ConditionalRequestConflict"),
            (2, _) => error(412, "PreconditionFailed"),
            (3, _) => error(404, "NoSuchKey"),
            _ => Answer::Cut,
        }
    })
    .unwrap();
    let ledger = Ledger::default();
    let blobs = blobs(&canned).with_ledger(ledger.clone());
    let hash = blobs.put("home", project(), "bytes".into()).await.unwrap();
    assert_eq!(blobs.get("home", project(), hash).await.unwrap(), None);
    blobs.get("home", project(), hash).await.unwrap_err();
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::BlobPuts, 2), (Line::BlobGets, 1)]);
}
