//! What no emulator makes: calls that are taken in part, throttles, outages, silence.

use std::time::Duration;

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use bytes::Bytes;
use porpoise_bus_eventbridge::{EventBridgeBus, Intents, Settings};
use porpoise_canned::{Answer, Canned, Request, chain};
use porpoise_ports::Bus as _;
use porpoise_ports::usage::{Ledger, Line};
use serde_json::{Value, json};

use crate::support::config;

const ARN: &str = "arn:aws:events:eu-west-1:111122223333:event-bus/intents-eu";

fn bus(canned: &Canned, patience: Duration) -> EventBridgeBus {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        buses: [("eu".to_owned(), ARN.to_owned())].into(),
        patience,
    };
    let client = Client::from_conf(config.build());
    EventBridgeBus::new(settings, |_| client.clone()).unwrap()
}

fn entries(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["Entries"].as_array().unwrap().clone()
}

/// All events of all calls.
fn sent(canned: &Canned) -> Vec<Value> {
    canned.requests().iter().flat_map(entries).collect()
}

/// The service, with an opinion on each event: taken, or why not.
fn taking(mut opinion: impl FnMut() -> Option<&'static str> + Send + 'static) -> Canned {
    Canned::start(move |request| {
        let answer = |_| match opinion() {
            None => json!({"EventId": "e"}),
            Some(code) => json!({"ErrorCode": code, "ErrorMessage": "as the script says"}),
        };
        let answers: Vec<Value> = entries(request).iter().map(answer).collect();
        let failed = answers.iter().filter(|answer| answer["EventId"].is_null());
        let answer = json!({"FailedEntryCount": failed.count(), "Entries": answers});
        Answer::json(200, answer.to_string())
    })
    .unwrap()
}

fn intents(count: u8, bytes: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| vec![number; bytes].into())
        .collect()
}

const SECONDS: Duration = Duration::from_mins(1);

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_nothing_else_is() {
    let mut seen = 0;
    let canned = taking(move || {
        seen += 1;
        let code = ["ThrottlingException", "InternalFailure"][seen / 4 % 2];
        (seen % 4 == 0).then_some(code)
    });
    let all = intents(50, 40_000);
    bus(&canned, SECONDS).send("eu", all.clone()).await.unwrap();
    let mut taken: Vec<Bytes> = Vec::new();
    for (number, entry) in sent(&canned).iter().enumerate() {
        if (number + 1) % 4 != 0 {
            let detail: Intents = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            taken.extend(detail.intents);
        }
    }
    taken.sort();
    assert!(taken == all);
}

#[tokio::test]
async fn calls_keep_to_the_limits_and_events_are_full() {
    let canned = taking(|| None);
    let all = [intents(200, 2_000), intents(3, 400_000)].concat();
    bus(&canned, SECONDS).send("eu", all).await.unwrap();
    for request in canned.requests() {
        let entries = entries(&request);
        assert!((1..=10).contains(&entries.len()));
        let bytes = |entry: &Value| {
            let fields = ["Source", "DetailType", "Detail"];
            let bytes = fields.map(|name| entry[name].as_str().unwrap().len());
            bytes.iter().sum::<usize>() + 14
        };
        assert!(entries.iter().map(bytes).sum::<usize>() < 1_000_000);
        let mut buses = entries.iter().map(|entry| &entry["EventBusName"]);
        assert!(buses.all(|bus| bus == ARN));
    }
    // 24 intents of 2,670 characters fit a chunk of 64 KB less its envelope
    assert_eq!(sent(&canned).len(), 200_usize.div_ceil(24) + 3);
}

#[tokio::test]
async fn what_the_bus_refuses_for_good_is_an_error_that_says_so() {
    let canned = taking(|| Some("NotAuthorizedForSourceException"));
    let refused = bus(&canned, SECONDS).send("eu", intents(1, 1)).await;
    let said = chain(&refused.unwrap_err());
    let wanted = "event-bus/intents-eu` refused an event (NotAuthorizedForSourceException)";
    assert!(said.contains(wanted), "{said}");
    assert_eq!(canned.requests().len(), 1);
}

#[tokio::test]
async fn a_bus_that_never_takes_is_given_up_in_time_and_says_why() {
    let canned = taking(|| Some("ThrottlingException"));
    let bus = bus(&canned, Duration::from_secs(3));
    let given_up = bus.send("eu", intents(1, 1)).await;
    let said = chain(&given_up.unwrap_err());
    let wanted = "did not take an event (ThrottlingException)";
    assert!(said.contains(wanted), "{said}");
    assert!(canned.requests().len() > 1);
}

#[tokio::test]
async fn an_answer_that_forgets_an_event_is_no_acknowledgement() {
    let mut calls = 0;
    let canned = Canned::start(move |request| {
        calls += 1;
        let forget = usize::from(calls == 1);
        let taken = entries(request).len() - forget;
        let entries = vec![json!({"EventId": "e"}); taken];
        let answer = json!({"FailedEntryCount": 0, "Entries": entries});
        Answer::json(200, answer.to_string())
    })
    .unwrap();
    let two = intents(2, 40_000);
    bus(&canned, SECONDS).send("eu", two).await.unwrap();
    let sent = sent(&canned);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[1]["Detail"], sent[2]["Detail"]);
}

#[tokio::test]
async fn outages_silence_and_unknown_places_are_errors_that_say_where() {
    let canned = Canned::start(|_| Answer::error(500, "InternalException")).unwrap();
    let failed = bus(&canned, SECONDS).send("eu", intents(1, 1)).await;
    let said = chain(&failed.unwrap_err());
    let start = "the bus is unavailable: cannot send to bus `arn:aws:events:eu-west-1:";
    assert!(said.starts_with(start), "{said}");
    let unknown = bus(&canned, SECONDS).send("moon", intents(1, 1)).await;
    let said = chain(&unknown.unwrap_err());
    assert!(said.contains("no bus is known for place `moon`"), "{said}");
    let silent = Canned::start(|_| Answer::Silence).unwrap();
    let bus = bus(&silent, Duration::from_millis(200));
    let late = bus.send("eu", intents(1, 1)).await;
    let said = chain(&late.unwrap_err());
    let end = "event-bus/intents-eu` did not answer in time";
    assert!(said.ends_with(end), "{said}");
}

#[tokio::test]
async fn events_that_were_taken_are_counted_by_the_chunks_that_are_billed() {
    let mut seen = 0;
    let canned = taking(move || {
        seen += 1;
        (seen % 2 == 1).then_some("ThrottlingException")
    });
    let ledger = Ledger::default();
    let bus = bus(&canned, SECONDS).with_ledger(ledger.clone());
    // two events of a chunk each, and one of 400,000 characters
    let all = [intents(2, 40_000), intents(1, 300_000)].concat();
    bus.send("eu", all).await.unwrap();
    assert!(sent(&canned).len() > 3, "some were not taken at first");
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::Events, 1 + 1 + 7)]);
}
