//! Logs of attempts.

use std::pin::pin;

use axum::body::Body;
use axum::http::{Method, header};
use futures_util::future::FutureExt;

use porpoise_ports::logs::NoLog;

use crate::support::{Answer, Server, asked};

const SHELL: &str = "workflow: w\nproject: shop\ntasks: { says: { shell: echo }, sleeps: { sleep: 1h }, later: { after: [sleeps], noop: } }\n";
/// What a shell of the test writes.
const TEXT: &str = "first line\nsecond line\n";

async fn begun() -> (Server, String) {
    let server = Server::still();
    server.apply("shop", SHELL).await;
    let run = server.begin("shop", "w").await;
    (server, run)
}

fn place(answer: &Answer) -> (u16, &str, &str, &str) {
    (
        answer.status.as_u16(),
        answer.text(),
        answer.header("x-next-offset"),
        answer.header("x-end"),
    )
}

#[tokio::test]
async fn a_log_is_read_whole_and_in_parts() {
    let (server, run) = begun().await;
    let log = format!("{run}/tasks/says/attempts/1/log");
    let whole = server.get(&log).await;
    assert_eq!(place(&whole), (200, TEXT, "23", "true"));
    assert_eq!(whole.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        place(&server.get(&format!("{log}?limit=5")).await),
        (200, "first", "5", "false")
    );
    assert_eq!(
        place(&server.get(&format!("{log}?from=11&limit=6")).await),
        (200, "second", "17", "false")
    );
    assert_eq!(
        place(&server.get(&format!("{log}?from=17")).await),
        (200, " line\n", "23", "true")
    );
    assert_eq!(
        place(&server.get(&format!("{log}?from=23")).await),
        (200, "", "23", "true")
    );
    // The parts are the whole.
    let (mut read, mut from) = (String::new(), "0".to_owned());
    loop {
        let part = server.get(&format!("{log}?from={from}&limit=4")).await;
        read.push_str(part.text());
        from = part.header("x-next-offset").to_owned();
        if part.header("x-end") == "true" {
            break;
        }
    }
    assert_eq!(read, TEXT);
}

async fn ranged(server: &Server, log: &str, range: &str) -> Answer {
    let mut request = asked(Method::GET, log, Body::empty());
    request
        .headers_mut()
        .insert(header::RANGE, range.parse().unwrap());
    server.send(request).await
}

#[tokio::test]
async fn ranges_are_understood_as_http_has_them() {
    let (server, run) = begun().await;
    let log = format!("{run}/tasks/says/attempts/1/log");
    for (range, text, content) in [
        ("bytes=0-4", "first", "bytes 0-4/*"),
        ("bytes=6-", "line\nsecond line\n", "bytes 6-22/*"),
        ("bytes=22-22", "\n", "bytes 22-22/*"),
        ("bytes=18-9999", "line\n", "bytes 18-22/*"),
    ] {
        let answer = ranged(&server, &log, range).await;
        assert_eq!(
            (
                answer.status.as_u16(),
                answer.text(),
                answer.header("content-range")
            ),
            (206, text, content),
            "{range}"
        );
    }
    for range in [
        "bytes=-5",
        "bytes=5-4",
        "lines=0-1",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes",
    ] {
        ranged(&server, &log, range).await.problem(400, "PP0013");
    }
}

#[tokio::test]
async fn a_log_that_grows_is_followed() {
    let (server, run) = begun().await;
    let log = format!("{run}/tasks/sleeps/attempts/1/log");
    assert_eq!(place(&server.get(&log).await), (200, "", "0", "false"));
    let question = format!("{log}?wait=20s");
    let mut poll = pin!(server.get(&question));
    assert!(poll.as_mut().now_or_never().is_none());
    server.world.write_log("sleeps", "half way\n");
    server.world.advance(100);
    assert_eq!(
        place(&poll.now_or_never().expect("something new")),
        (200, "half way\n", "9", "false")
    );
    let question = format!("{log}?from=9&follow=true");
    let mut poll = pin!(server.get(&question));
    assert!(poll.as_mut().now_or_never().is_none());
    server.finish().await;
    server.world.advance(100);
    assert_eq!(
        place(&poll.now_or_never().expect("the end")),
        (200, "", "9", "true")
    );
}

#[tokio::test]
async fn a_log_is_followed_no_longer_than_asked() {
    let (server, run) = begun().await;
    let question = format!("{run}/tasks/sleeps/attempts/1/log?wait=1s");
    let mut poll = pin!(server.get(&question));
    for _ in 0..10 {
        assert!(poll.as_mut().now_or_never().is_none());
        server.world.advance(100);
    }
    assert_eq!(
        place(&poll.now_or_never().expect("the time is up")),
        (200, "", "0", "false")
    );
}

#[tokio::test]
async fn attempts_that_never_were_have_no_log() {
    let (server, run) = begun().await;
    for (task, attempt) in [("says", 2), ("says", 0), ("later", 1)] {
        let answer = server
            .get(&format!("{run}/tasks/{task}/attempts/{attempt}/log"))
            .await;
        answer.problem(404, "PP0010");
    }
    server
        .get(&format!("{run}/tasks/sayes/attempts/1/log"))
        .await
        .problem(404, "PP0009");
    for attempt in ["-1", "x", "4294967296"] {
        let answer = server
            .get(&format!("{run}/tasks/says/attempts/{attempt}/log"))
            .await;
        answer.problem(400, "PP0013");
    }
}

#[tokio::test]
async fn why_there_is_no_log_is_told_with_where_it_is() {
    let (server, run) = begun().await;
    let log = format!("{run}/tasks/says/attempts/1/log");
    let none = |none: NoLog| *server.world.no_log.lock().unwrap() = Some(none);
    none(NoLog {
        link: Some("https://ui".to_owned()),
        ..NoLog::yet("it runs")
    });
    let problem = server.get(&log).await.problem(404, "PP0010");
    assert_eq!(problem["detail"], "it runs");
    assert_eq!(problem["hint"], "see the job at https://ui");
    none(NoLog {
        address: Some("s3://logs/etl/".to_owned()),
        ..NoLog::never("the role may not read it").hint("grant it")
    });
    let problem = server.get(&log).await.problem(409, "PP0027");
    let title = "the log of attempt 1 of task `says` cannot be read here";
    assert_eq!(problem["title"], title);
    assert_eq!(problem["detail"], "the role may not read it");
    assert_eq!(problem["hint"], "grant it; it is at s3://logs/etl/");
    // what comes later is waited for, and what never comes is not
    let question = format!("{log}?wait=1s");
    server.get(&question).await.problem(409, "PP0027");
    none(NoLog::yet("it runs"));
    let mut poll = pin!(server.get(&question));
    assert!(poll.as_mut().now_or_never().is_none());
    *server.world.no_log.lock().unwrap() = None;
    server.world.advance(100);
    let answer = poll.now_or_never().expect("the log");
    assert_eq!(place(&answer), (200, TEXT, "23", "true"));
}
