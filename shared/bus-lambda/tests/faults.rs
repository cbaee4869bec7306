//! What no emulator makes: throttles, outages, silence.

use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use bytes::Bytes;
use porpoise_bus_lambda::{LambdaBus, Settings, outline};
use porpoise_canned::{Answer, Canned, Request, chain};
use porpoise_ports::Bus as _;
use porpoise_ports::intents::Intents;
use porpoise_ports::usage::{Ledger, Line};
use serde_json::Value;

use crate::support::config::config;

const ARN: &str = "arn:aws:lambda:eu-west-1:111122223333:function:porpoise-dispatcher";

fn bus(canned: &Canned, patience: Duration) -> LambdaBus {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let config = config(canned.endpoint()).retry_config(retries);
    let settings = Settings {
        dispatchers: [("eu".to_owned(), ARN.to_owned())].into(),
        patience,
    };
    let client = Client::from_conf(config.build());
    LambdaBus::new(settings, |_| client.clone()).unwrap()
}

fn taken() -> Answer {
    Answer::json(202, "")
}

fn carried(request: &Request) -> Vec<Bytes> {
    let mut event: Value = serde_json::from_slice(&request.body).unwrap();
    let detail: Intents = serde_json::from_value(event["detail"].take()).unwrap();
    assert_eq!(detail.place, "eu");
    detail.intents
}

fn intents(count: u8, bytes: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| vec![number; bytes].into())
        .collect()
}

const SECONDS: Duration = Duration::from_mins(1);

#[tokio::test]
async fn the_dispatcher_is_invoked_and_nobody_waits_for_it() {
    let canned = Canned::start(|_| taken()).unwrap();
    let all = intents(200, 2_000);
    bus(&canned, SECONDS).send("eu", all.clone()).await.unwrap();
    let requests = canned.requests();
    let mut arrived: Vec<Bytes> = requests.iter().flat_map(carried).collect();
    arrived.sort();
    assert!(arrived == all);
    // 24 intents of 2,670 characters fit 64 KB less their envelope
    assert_eq!(requests.len(), 200_usize.div_ceil(24));
    assert_eq!(outline("eu", &all).unwrap().len(), requests.len());
    for request in requests {
        assert_eq!(request.headers["x-amz-invocation-type"], "Event");
        let path = request.path.replace("%3A", ":");
        assert_eq!(path, format!("/2015-03-31/functions/{ARN}/invocations"));
        assert!(request.body.len() <= 64 * 1024);
    }
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_and_nothing_else_is() {
    let mut seen = 0;

    let canned = Canned::start(move |_| {
        seen += 1;
        // longer than the client itself tries again
        if seen % 2 == 1 || seen < 12 {
            return match seen % 3 {
                0 => Answer::error(429, "TooManyRequestsException"),
                1 => Answer::error(500, "ServiceException"),
                _ => Answer::Cut,
            };
        }
        taken()
    })
    .unwrap();
    let all = intents(4, 40_000);
    bus(&canned, SECONDS).send("eu", all.clone()).await.unwrap();
    let mut arrived: Vec<Bytes> = canned.requests().iter().flat_map(carried).collect();
    assert!(arrived.len() >= 12, "{}", arrived.len());
    arrived.sort();
    arrived.dedup();
    assert!(arrived == all);
}

#[tokio::test]
async fn what_lambda_refuses_for_good_is_an_error_that_says_so() {
    for (status, code) in [
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (413, "RequestTooLargeException"),
    ] {
        let canned = Canned::start(move |_| Answer::error(status, code)).unwrap();
        let refused = bus(&canned, SECONDS).send("eu", intents(1, 1)).await;
        let said = chain(&refused.unwrap_err());
        let wanted =
            format!("the bus is unavailable: function `{ARN}` may not or cannot be invoked");
        assert!(said.starts_with(&wanted), "{said}");
        assert_eq!(canned.requests().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_function_that_never_takes_is_given_up_in_time_and_says_why() {
    let canned = Canned::start(|_| Answer::error(429, "TooManyRequestsException")).unwrap();
    let bus = bus(&canned, Duration::from_secs(3));
    let given_up = bus.send("eu", intents(1, 1)).await;
    let said = chain(&given_up.unwrap_err());
    let wanted = format!("function `{ARN}` did not take an invocation: ");
    assert!(said.contains(&wanted), "{said}");
    assert!(canned.requests().len() > 3, "more than the client tries");
}

#[tokio::test]
async fn silence_and_unknown_places_are_errors_that_say_where() {
    let silent = Canned::start(|_| Answer::Silence).unwrap();
    let quick = bus(&silent, Duration::from_millis(200));
    let late = quick.send("eu", intents(1, 1)).await;
    let said = chain(&late.unwrap_err());
    let end = "function:porpoise-dispatcher` did not take an invocation in time";
    assert!(said.ends_with(end), "{said}");
    let unknown = quick.send("moon", intents(1, 1)).await;
    let said = chain(&unknown.unwrap_err());
    let wanted = "no dispatcher is known for place `moon`";
    assert!(said.contains(wanted), "{said}");
}

#[tokio::test]
async fn one_intent_that_no_invocation_can_hold_is_refused_before_anything_is_sent() {
    let canned = Canned::start(|_| taken()).unwrap();
    let large = [intents(1, 10), intents(1, 760_000)].concat();
    let refused = bus(&canned, SECONDS).send("eu", large).await;
    let said = chain(&refused.unwrap_err());
    assert!(said.contains("has 760000 bytes"), "{said}");
    assert_eq!(canned.requests().len(), 0);
    let largest = intents(1, 745_000);
    bus(&canned, SECONDS).send("eu", largest).await.unwrap();
    assert!(canned.requests()[0].body.len() <= 1_000_000);
}

#[tokio::test]
async fn requests_beyond_the_one_of_each_invocation_are_counted() {
    let canned = Canned::start(|_| taken()).unwrap();
    let ledger = Ledger::default();
    let bus = bus(&canned, SECONDS).with_ledger(ledger.clone());
    bus.send("eu", intents(3, 40_000)).await.unwrap();
    assert_eq!(ledger.usage().lines().count(), 0);
    // 400,000 characters
    bus.send("eu", intents(1, 300_000)).await.unwrap();
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::FunctionRequests, 3)]);
}
