//! What no emulator makes: calls that are taken in part, throttles, outages, silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::RetryConfig;
use bytes::Bytes;
use porpoise_canned::{Answer, Canned, Request, chain};
use porpoise_model::{Address, ProjectId, RunId};
use porpoise_ports::queue::Message;
use porpoise_ports::usage::{Ledger, Line};
use porpoise_ports::{Queue as _, Timers as _};
use porpoise_queue_sqs::{DeadLetters, Settings, SqsQueue, SqsTimers, receive};
use porpoise_system::SystemClock;
use serde_json::{Value, json};

use crate::support::config;

fn settings(canned: &Canned, patience: Duration) -> Settings {
    Settings {
        url: format!("{}/111122223333/inputs.fifo", canned.endpoint()),
        patience,
    }
}

fn client(canned: &Canned) -> Client {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    Client::from_conf(config(canned.endpoint()).retry_config(retries).build())
}

fn queue(canned: &Canned, patience: Duration) -> SqsQueue {
    SqsQueue::new(client(canned), settings(canned, patience))
}

fn group(number: u8) -> Address {
    Address::run(
        ProjectId::of_name("retail"),
        RunId::from_bytes([number; 16]),
    )
}

fn messages(groups: &[u8], bytes: usize) -> Vec<Message> {
    let numbered = groups.iter().zip(0_u128..);
    numbered
        .map(|(number, id)| Message {
            group: group(*number),
            deduplication: id,
            body: vec![u8::try_from(id).unwrap(); bytes].into(),
        })
        .collect()
}

fn entries(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["Entries"].as_array().unwrap().clone()
}

/// All messages of all calls.
fn sent(canned: &Canned) -> Vec<Value> {
    canned.requests().iter().flat_map(entries).collect()
}

fn success(entry: &Value) -> Value {
    json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""})
}

fn answer(successful: &[Value], failed: &[Value]) -> Answer {
    let answer = json!({"Successful": successful, "Failed": failed});
    Answer::json(200, answer.to_string())
}

/// The service, with an opinion on each message: taken, or why not and whether that is the sender's fault.
fn taking(
    mut opinion: impl FnMut(&Value) -> Option<(&'static str, bool)> + Send + 'static,
) -> Canned {
    Canned::start(move |request| {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries(request) {
            match opinion(&entry) {
                None => successful.push(success(&entry)),
                Some((code, sender)) => failed.push(json!({
                    "Id": entry["Id"], "Code": code, "SenderFault": sender,
                    "Message": "as the script says"
                })),
            }
        }
        answer(&successful, &failed)
    })
    .unwrap()
}

/// Longer than any answer takes, however busy the machine is: what times out is sent again, and these tests count.
const SECONDS: Duration = Duration::from_mins(1);

#[tokio::test]
async fn what_is_not_taken_is_sent_again_before_anything_later_of_its_group() {
    // each third message is not taken, whatever it is
    let mut seen = 0;
    let canned = taking(move |_| {
        seen += 1;
        (seen % 3 == 0).then_some(("InternalError", false))
    });
    let groups: Vec<u8> = (0..60).map(|number| number % 7).collect();
    let all = messages(&groups, 30_000);
    queue(&canned, SECONDS).send(all.clone()).await.unwrap();
    let mut wanted: BTreeMap<Address, Vec<Bytes>> = BTreeMap::new();
    for message in all {
        wanted.entry(message.group).or_default().push(message.body);
    }
    let mut taken: BTreeMap<Address, Vec<Bytes>> = BTreeMap::new();
    for (number, entry) in sent(&canned).iter().enumerate() {
        if (number + 1) % 3 != 0 {
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            let received = receive(&text("MessageGroupId"), &text("MessageBody")).unwrap();
            let bodies = taken.entry(received.group).or_default();
            bodies.extend(received.bodies);
        }
    }
    assert!(taken == wanted);
}

#[tokio::test]
async fn calls_keep_to_the_limits_and_have_a_group_once() {
    let canned = taking(|_| None);
    let groups: Vec<u8> = (0..100).map(|number| number % 50).collect();
    let large: Vec<u8> = (100..108).collect();
    let all = [messages(&groups, 40), messages(&large, 300_000)].concat();
    queue(&canned, SECONDS).send(all).await.unwrap();
    for request in canned.requests() {
        let entries = entries(&request);
        let texts = |name: &str| -> Vec<String> {
            let texts = entries.iter().map(|entry| entry[name].as_str().unwrap());
            texts.map(str::to_owned).collect()
        };
        assert!((1..=10).contains(&entries.len()));
        let bytes: usize = texts("MessageBody").iter().map(String::len).sum();
        assert!(bytes <= 1024 * 1024);
        let distinct: BTreeSet<String> = texts("MessageGroupId").into_iter().collect();
        assert_eq!(distinct.len(), entries.len());
    }
    // two messages of a group are one; two of the large ones fit a call
    assert_eq!(canned.requests().len(), 5 + 4);
}

#[tokio::test]
async fn a_message_keeps_its_id_when_it_is_sent_again() {
    let mut first = true;
    let canned =
        taking(move |_| std::mem::take(&mut first).then_some(("ThrottlingException", true)));
    let two = messages(&[1, 1], 3);
    queue(&canned, SECONDS).send(two).await.unwrap();
    let sent = sent(&canned);
    assert_eq!(sent.len(), 2);
    for field in ["MessageDeduplicationId", "MessageBody"] {
        assert_eq!(sent[0][field], sent[1][field]);
    }
}

#[tokio::test]
async fn what_the_queue_refuses_for_good_is_an_error_that_says_so() {
    let canned = taking(|_| Some(("InvalidMessageContents", true)));
    let refused = queue(&canned, SECONDS).send(messages(&[1], 3)).await;
    let said = chain(&refused.unwrap_err());
    for part in [
        "/inputs.fifo`",
        "refused",
        &group(1).to_string(),
        "InvalidMessageContents",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(canned.requests().len(), 1);
}

#[tokio::test]
async fn a_queue_that_never_takes_is_given_up_in_time_and_says_why() {
    let canned = taking(|_| Some(("ServiceUnavailable", false)));
    let queue = queue(&canned, Duration::from_secs(2));
    let given_up = queue.send(messages(&[1, 2], 3)).await;
    let said = chain(&given_up.unwrap_err());
    assert!(said.contains("did not take a message for"), "{said}");
    assert!(said.contains("ServiceUnavailable"), "{said}");
    assert!(canned.requests().len() > 1);
}

#[tokio::test]
async fn an_answer_that_forgets_a_message_is_no_acknowledgement() {
    let mut calls = 0;
    let canned = Canned::start(move |request| {
        calls += 1;
        let forget = usize::from(calls == 1);
        let entries = entries(request);
        let taken: Vec<Value> = entries.iter().skip(forget).map(success).collect();
        answer(&taken, &[])
    })
    .unwrap();
    let two = messages(&[1, 2], 3);
    queue(&canned, SECONDS).send(two).await.unwrap();
    let sent = sent(&canned);
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[2]["MessageGroupId"], group(1).to_string());
}

#[tokio::test]
async fn throttles_and_cut_connections_are_tried_again_by_the_client() {
    let mut calls = 0;
    let canned = Canned::start(move |request| {
        calls += 1;
        match calls {
            1 => Answer::error(400, "ThrottlingException"),
            2 => Answer::Cut,
            _ => {
                let taken: Vec<Value> = entries(request).iter().map(success).collect();
                answer(&taken, &[])
            }
        }
    })
    .unwrap();
    let one = messages(&[1], 3);
    queue(&canned, SECONDS).send(one).await.unwrap();
    let requests = canned.requests();
    assert_eq!(requests.len(), 3);
    let mut bodies = requests.iter().map(|request| &request.body);
    assert!(bodies.all(|body| *body == requests[0].body));
}

#[tokio::test]
async fn an_outage_is_an_error_that_names_the_queue() {
    let canned = Canned::start(|_| Answer::error(503, "ServiceUnavailable")).unwrap();
    let failed = queue(&canned, SECONDS).send(messages(&[1], 3)).await;
    let said = chain(&failed.unwrap_err());
    let start = "the queue is unavailable: cannot send to queue `http://127";
    assert!(said.starts_with(start), "{said}");
    assert!(said.contains("as the script says"), "{said}");
}

#[tokio::test]
async fn nobody_waits_longer_than_their_patience() {
    let canned = Canned::start(|_| Answer::Silence).unwrap();
    let patience = Duration::from_millis(200);
    let late = queue(&canned, patience).send(messages(&[1], 3)).await;
    let said = chain(&late.unwrap_err());
    assert!(said.ends_with("did not answer in time"), "{said}");
    let timers = SqsTimers::new(
        client(&canned),
        settings(&canned, patience),
        Arc::new(SystemClock),
    );
    let late = timers.wake(group(1), jiff::Timestamp::UNIX_EPOCH).await;
    let said = chain(&late.unwrap_err());
    assert!(said.starts_with("the timer queue is unavailable"), "{said}");
}

#[tokio::test]
async fn requests_are_counted_by_the_chunks_that_are_billed() {
    let ledger = Ledger::default();
    let used = |line| ledger.usage().of(line);
    let canned = taking(|_| None);
    let queue = queue(&canned, SECONDS).with_ledger(ledger.clone());
    let groups: Vec<u8> = (0..50).collect();
    queue.send(messages(&groups, 40)).await.unwrap();
    assert_eq!(used(Line::FifoRequests), 5, "ten messages a call");
    // 400,000 characters and what stands before them
    queue.send(messages(&[1], 300_000)).await.unwrap();
    assert_eq!(used(Line::FifoRequests), 5 + 7);
    queue.send(Vec::new()).await.unwrap();
    assert_eq!(used(Line::FifoRequests), 5 + 7);

    let sent = json!({"MessageId": "m", "MD5OfMessageBody": ""}).to_string();
    let canned = Canned::start(move |_| Answer::json(200, sent.clone())).unwrap();
    let timers = SqsTimers::new(
        client(&canned),
        settings(&canned, SECONDS),
        Arc::new(SystemClock),
    );
    let timers = timers.with_ledger(ledger.clone());
    let wake = timers.wake(group(1), jiff::Timestamp::UNIX_EPOCH);
    wake.await.unwrap();
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    let wanted = [(Line::FifoRequests, 12), (Line::QueueRequests, 1)];
    assert_eq!(lines, wanted);
}

fn dead(canned: &Canned, patience: Duration) -> DeadLetters {
    DeadLetters::new(client(canned), settings(canned, patience))
}

#[tokio::test]
async fn dead_letters_are_counted_whether_somebody_looks_at_them_or_not() {
    let canned = Canned::start(|_| {
        let numbers = json!({
            "ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "2"
        });
        Answer::json(200, json!({"Attributes": numbers}).to_string())
    })
    .unwrap();
    let ledger = Ledger::default();
    let dead = dead(&canned, SECONDS).with_ledger(ledger.clone());
    assert_eq!(dead.count().await.unwrap(), 5);
    let lines: Vec<(Line, u64)> = ledger.usage().lines().collect();
    assert_eq!(lines, [(Line::FifoRequests, 1)]);
}

#[tokio::test]
async fn a_queue_of_dead_letters_that_says_nothing_is_no_empty_one() {
    let moment = Duration::from_millis(250);
    for (answer, patience, wanted) in [
        (
            Answer::json(200, "{}"),
            SECONDS,
            "does not say how many messages",
        ),
        (
            Answer::error(500, "InternalFailure"),
            SECONDS,
            "cannot look at queue",
        ),
        (
            Answer::error(403, "AccessDenied"),
            SECONDS,
            "cannot look at queue",
        ),
        (Answer::Silence, moment, "did not answer in time"),
    ] {
        let canned = Canned::start(move |_| answer.clone()).unwrap();
        let counted = dead(&canned, patience).count().await;
        let said = chain(&counted.unwrap_err());
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}
