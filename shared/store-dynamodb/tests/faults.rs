//! What no DynamoDB on loopback does by itself: throttles, outages, and answers that are lost on their way.
//!
//! The lost answers are those of the real engine: a server in between hands a request on, waits for what became of it,
//! and cuts the connection.

use std::time::Duration;

use porpoise_canned::{Answer, Canned, Request, chain};
use porpoise_ports::table::{
    Condition, Consistency, Item, Key, Query, ReadError, Table as _, WriteError,
};
use porpoise_region::DynamoDbLocal;
use porpoise_store_dynamodb::{DynamoTable, Patience};

use crate::support;

const PATIENCE: Patience = Patience {
    tries_max: 3,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(20),
    call: Duration::from_mins(2),
};

fn item(body: &str) -> Item {
    Item {
        key: Key::new("p", "s"),
        revision: 4,
        body: body.to_owned().into(),
    }
}

/// A table that only ever answers so.
fn table(patience: Patience, answer: Answer) -> (Canned, DynamoTable) {
    let server = Canned::start(move |_| answer.clone()).unwrap();
    let config = support::config(server.endpoint());
    (server, DynamoTable::new(config, "table", patience))
}

/// The real table behind a server that asks `fate` what becomes of the answer to each call, by its number from 1.
async fn behind(
    fate: impl Fn(usize) -> Fate + Send + 'static,
) -> (DynamoTable, DynamoTable, Canned, DynamoDbLocal) {
    let (real, name) = support::table().await;
    let endpoint = real.endpoint().to_owned();
    let mut calls = 0;
    let server = Canned::start(move |request| {
        calls += 1;
        match fate(calls) {
            Fate::Answered => hand_on(&endpoint, request),
            Fate::LostAfterwards => {
                hand_on(&endpoint, request);
                Answer::Cut
            }
            Fate::LostBefore => Answer::Cut,
            Fate::Instead(answer) => answer,
        }
    });
    let server = server.unwrap();
    let shaky = DynamoTable::new(support::config(server.endpoint()), &name, PATIENCE);
    let direct = DynamoTable::new(support::config(real.endpoint()), &name, PATIENCE);
    (shaky, direct, server, real)
}

enum Fate {
    Answered,
    LostAfterwards,
    LostBefore,
    Instead(Answer),
}

fn hand_on(endpoint: &str, request: &Request) -> Answer {
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build();
    let mut call = ureq::Agent::from(agent).post(endpoint);
    for name in [
        "content-type",
        "x-amz-target",
        "authorization",
        "x-amz-date",
    ] {
        call = call.header(name, &request.headers[name]);
    }
    let answer = call.send(&request.body).unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().read_to_string().unwrap();
    Answer::json(status, body)
}

async fn stands(table: &DynamoTable) -> Option<Item> {
    let key = item("").key;
    table.get(&key, Consistency::Strong).await.unwrap()
}

#[tokio::test]
async fn throttles_of_every_sort_are_throttles_when_all_tries_end_so() {
    for code in [
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "com.amazonaws.dynamodb.v20120810#RequestLimitExceeded",
        "com.amazon.coral.availability#ThrottlingException",
    ] {
        let patience = Patience {
            tries_max: 2,
            ..PATIENCE
        };
        let (server, table) = table(patience, Answer::error(400, code));
        let key = item("").key;
        let got = table.get(&key, Consistency::Strong).await;
        assert!(matches!(got, Err(ReadError::Throttled)), "{code}: {got:?}");
        let found = table.query(&Query::prefix("p", "")).await;
        assert!(
            matches!(found, Err(ReadError::Throttled)),
            "{code}: {found:?}"
        );
        let put = table.put(item(""), Condition::Absent).await;
        assert!(matches!(put, Err(WriteError::Throttled)), "{code}: {put:?}");
        let deleted = table.delete(&key, Condition::None).await;
        assert!(
            matches!(deleted, Err(WriteError::Throttled)),
            "{code}: {deleted:?}"
        );
        assert_eq!(server.requests().len(), 8, "two tries of each");
    }
}

#[tokio::test]
async fn what_fails_otherwise_is_unavailable_and_says_why() {
    let outages = [
        (
            Answer::error(500, "InternalServerError"),
            "InternalServerError",
        ),
        (
            Answer::error(503, "ServiceUnavailable"),
            "ServiceUnavailable",
        ),
        (
            Answer::error(400, "AccessDeniedException"),
            "AccessDeniedException",
        ),
        (
            Answer::error(400, "ResourceNotFoundException"),
            "ResourceNotFound",
        ),
        (Answer::Cut, "dispatch failure"),
        (Answer::Silence, "timed out"),
        (Answer::json(200, "<html>"), "unexpected token"),
    ];
    for (answer, why) in outages {
        // only silence is waited for, and whatever answers has long to do so, however busy the machine is
        let attempt = if matches!(answer, Answer::Silence) {
            Duration::from_millis(300)
        } else {
            PATIENCE.attempt
        };
        let patience = Patience {
            tries_max: 2,
            attempt,
            ..PATIENCE
        };
        let (_server, table) = table(patience, answer);
        let put = table.put(item(""), Condition::Absent).await.unwrap_err();
        assert!(matches!(put, WriteError::Unavailable(_)), "{why}: {put:?}");
        let got = table
            .get(&item("").key, Consistency::Strong)
            .await
            .unwrap_err();
        assert!(matches!(got, ReadError::Unavailable(_)), "{why}: {got:?}");
        for error in [chain(&put), chain(&got)] {
            assert!(
                error.contains("the table is unavailable") && error.contains(why),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_call_ends_within_its_patience_when_nobody_answers() {
    let patience = Patience {
        tries_max: 1000,
        attempt: Duration::from_millis(100),
        call: Duration::from_secs(3),
        ..PATIENCE
    };
    let (server, table) = table(patience, Answer::Silence);
    let put = table.put(item(""), Condition::Absent);
    let put = tokio::time::timeout(Duration::from_secs(30), put).await;
    let put = put.expect("it ends long before");
    assert!(matches!(put, Err(WriteError::Unavailable(_))), "{put:?}");
    let tries = server.requests().len();
    assert!((2..=30).contains(&tries), "{tries} tries");
}

#[tokio::test]
async fn calls_are_tried_again_after_a_throttle_and_after_a_failure() {
    for error in [
        Answer::error(400, "ProvisionedThroughputExceededException"),
        Answer::error(500, "InternalServerError"),
    ] {
        let (table, direct, server, _real) = behind(move |call| match call {
            1 | 2 => Fate::Instead(error.clone()),
            _ => Fate::Answered,
        })
        .await;
        table.put(item("ours"), Condition::Absent).await.unwrap();
        assert_eq!(stands(&direct).await, Some(item("ours")));
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_put_whose_first_answer_was_lost_is_not_refused_because_of_itself() {
    let replaced = |body: &str| Item {
        revision: 3,
        ..item(body)
    };
    for (before, condition) in [
        (None, Condition::Absent),
        (Some(replaced("before")), Condition::Revision(3)),
        (Some(replaced("before")), Condition::OlderThan(4)),
        (None, Condition::None),
    ] {
        let (table, direct, server, _real) = behind(|call| match call {
            1 => Fate::LostAfterwards,
            _ => Fate::Answered,
        })
        .await;
        if let Some(before) = before {
            direct.put(before, Condition::Absent).await.unwrap();
        }
        table.put(item("ours"), condition).await.unwrap();
        assert_eq!(stands(&direct).await, Some(item("ours")), "{condition:?}");
        assert_eq!(server.requests().len(), 2, "{condition:?}");
    }
}

#[tokio::test]
async fn a_put_in_doubt_that_finds_something_else_says_so_and_not_that_it_was_refused() {
    let (table, direct, _server, _real) = behind(|call| match call {
        1 => Fate::LostBefore,
        _ => Fate::Answered,
    })
    .await;
    direct.put(item("theirs"), Condition::Absent).await.unwrap();
    let put = table.put(item("ours"), Condition::Absent).await;
    assert!(matches!(put, Err(WriteError::Unavailable(_))), "{put:?}");
    // nobody knows that from here; who tries again is told
    let put = table.put(item("ours"), Condition::Absent).await;
    assert!(matches!(put, Err(WriteError::Condition(_))), "{put:?}");
    assert_eq!(stands(&direct).await, Some(item("theirs")));
}

#[tokio::test]
async fn a_condition_that_fails_after_a_throttle_is_refused_also_by_an_equal_item() {
    let (table, direct, _server, _real) = behind(|call| match call {
        1 => Fate::Instead(Answer::error(400, "ThrottlingException")),
        _ => Fate::Answered,
    })
    .await;
    direct.put(item("equal"), Condition::Absent).await.unwrap();
    let put = table.put(item("equal"), Condition::Absent).await;
    assert!(matches!(put, Err(WriteError::Condition(_))), "{put:?}");
}

#[tokio::test]
async fn a_throttle_after_a_lost_answer_does_not_say_that_nothing_was_written() {
    let (table, direct, _server, _real) = behind(|call| match call {
        1 => Fate::LostAfterwards,
        _ => Fate::Instead(Answer::error(400, "ThrottlingException")),
    })
    .await;
    let put = table.put(item("ours"), Condition::Absent).await;
    assert!(matches!(put, Err(WriteError::Unavailable(_))), "{put:?}");
    assert_eq!(stands(&direct).await, Some(item("ours")));
}

#[tokio::test]
async fn a_delete_whose_first_answer_was_lost_is_not_refused_because_of_itself() {
    for condition in [
        Condition::Revision(4),
        Condition::OlderThan(5),
        Condition::None,
    ] {
        let (table, direct, server, _real) = behind(|call| match call {
            1 => Fate::LostAfterwards,
            _ => Fate::Answered,
        })
        .await;
        direct.put(item("gone"), Condition::Absent).await.unwrap();
        table.delete(&item("").key, condition).await.unwrap();
        assert_eq!(stands(&direct).await, None, "{condition:?}");
        assert_eq!(server.requests().len(), 2, "{condition:?}");
    }
}

#[tokio::test]
async fn a_delete_in_doubt_that_finds_something_says_so_unless_it_does_nothing_anyway() {
    let lost_once = |call| match call {
        1 | 3 => Fate::LostBefore,
        _ => Fate::Answered,
    };
    let (table, direct, _server, _real) = behind(lost_once).await;
    direct.put(item("stays"), Condition::Absent).await.unwrap();
    let deleted = table.delete(&item("").key, Condition::Revision(3)).await;
    assert!(
        matches!(deleted, Err(WriteError::Unavailable(_))),
        "{deleted:?}"
    );
    let deleted = table.delete(&item("").key, Condition::Absent).await;
    assert!(
        matches!(deleted, Err(WriteError::Condition(_))),
        "{deleted:?}"
    );
    assert_eq!(stands(&direct).await, Some(item("stays")));
}
