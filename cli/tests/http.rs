//! Calls over HTTP by the real server and its wrappers: outcomes, outputs, secrets, stopping, and what outlives a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use porpoise_canned::{Answer, Canned, Request};
use porpoise_model::Cause;
use porpoise_model::job::{HttpCall, Work};
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::JobState;
use porpoise_ports::{Executor, executor_books_conformance, executor_conformance};
use tempfile::TempDir;

use crate::support::Place;
use crate::support::attempts::{Shared, end, log, numbered, open, secret};

fn text(status: u16, body: &str) -> Answer {
    Answer::Response {
        status,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

/// `/long` is never answered.
fn server() -> Canned {
    Canned::start(|request: &Request| match request.path.as_str() {
        "/long" => Answer::Silence,
        "/wrong" => text(500, "broken"),
        _ => text(200, "one\ntwo"),
    })
    .unwrap()
}

fn get(server: &Canned, path: &str) -> Work {
    Work::Http {
        call: Box::new(HttpCall {
            method: "GET".to_owned(),
            url: format!("{}{path}", server.endpoint()),
            timeout_ms: Some(600_000),
            ..HttpCall::default()
        }),
    }
}

executor_conformance!(http, async || {
    let dir = TempDir::new().unwrap();
    let server = server();
    let works = Works {
        short: get(&server, "/"),
        long: get(&server, "/long"),
        target: None,
    };
    (Shared(open(dir.path())), works, (dir, server))
});

executor_books_conformance!(http_books, async || {
    let dir = TempDir::new().unwrap();
    let server = server();
    let works = Works {
        short: get(&server, "/"),
        long: get(&server, "/"),
        target: None,
    };
    (Shared(open(dir.path())), works, (dir, server))
});

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_when_its_server_dies_and_is_made_once() {
    let dir = TempDir::new().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let slow = Canned::start(move |_: &Request| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(700));
        text(200, "at last")
    })
    .unwrap();
    let job = numbered(1, get(&slow, "/"), None);
    let first = open(dir.path());
    first.submit(&job).await.unwrap();
    while asked.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    let second = open(dir.path());
    second.submit(&job).await.unwrap();
    let JobState::Succeeded { outputs, .. } = end(&second, job.key).await else {
        panic!()
    };
    assert_eq!(outputs["response"].text, "at last");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_server_and_no_log_no_outcome_and_no_file() {
    let dir = TempDir::new().unwrap();
    secret(dir.path(), "hook", "open \"sesame\"");
    let echo = Canned::start(|request: &Request| {
        let key = request.headers.get("x-key").cloned().unwrap_or_default();
        text(418, &format!("you said {key} and {}", request.text()))
    })
    .unwrap();
    let mut call = HttpCall {
        method: "POST".to_owned(),
        url: echo.endpoint().to_owned(),
        headers: vec![("x-key".to_owned(), "${secret:hook}".to_owned())],
        body: Some(r#"{"key":"${secret:hook}","other":"${secret:other}"}"#.to_owned()),
        json: true,
        contains: Some("nothing".to_owned()),
        ..HttpCall::default()
    };
    call.status = vec!["any".to_owned()];
    let mut job = numbered(
        1,
        Work::Http {
            call: Box::new(call),
        },
        None,
    );
    job.secrets = ["hook".to_owned()].into();
    let executor = open(dir.path());
    executor.submit(&job).await.unwrap();
    let state = end(&executor, job.key).await;
    let sent = echo.requests().remove(0);
    assert_eq!(sent.headers["x-key"], "open \"sesame\"");
    // within JSON it is escaped, and what the definition does not name stays a text
    assert_eq!(
        sent.text(),
        r#"{"key":"open \"sesame\"","other":"${secret:other}"}"#
    );
    let told = format!("{state:?}");
    assert!(told.contains("does not hold `nothing`"), "{told}");
    let log = log(&executor, job.key).await;
    assert!(log.contains("out you said ***"), "{log}");
    for text in [&told, &log] {
        assert!(!text.contains("sesame"), "{text}");
    }
    let left = std::process::Command::new("grep")
        .args(["-rl", "sesame"])
        .arg(dir.path().join("attempts"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_a_failure_and_what_cannot_be_called_is_rejected() {
    let dir = TempDir::new().unwrap();
    let server = server();
    let executor = open(dir.path());
    let wrong = numbered(1, get(&server, "/wrong"), None);
    executor.submit(&wrong).await.unwrap();
    let JobState::Failed { cause, .. } = end(&executor, wrong.key).await else {
        panic!()
    };
    assert!(
        matches!(&cause, Cause::Failed { message } if message.ends_with("the status is 500, not 2xx")),
        "{cause:?}"
    );
    let call = HttpCall {
        url: "gopher://old".to_owned(),
        method: "GET".to_owned(),
        ..HttpCall::default()
    };
    let odd = numbered(
        2,
        Work::Http {
            call: Box::new(call),
        },
        None,
    );
    executor.submit(&odd).await.unwrap();
    let JobState::Failed { cause, .. } = end(&executor, odd.key).await else {
        panic!()
    };
    assert!(matches!(cause, Cause::Rejected { .. }), "{cause:?}");
}

#[test]
fn a_workflow_calls_and_hands_the_answer_on() {
    let server = server();
    let place = Place::up();
    let file = format!(
        "workflow: calls\ntasks:\n  ask:\n    http: {{ url: '{}/rows', query: {{ day: \"${{logical_date}}\" }}, expect: {{ status: 200, contains: two }} }}\n    outputs: [response, status]\n  use:\n    after: [ask]\n    env: {{ answer: \"${{ask.response}}\", status: \"${{ask.status}}\" }}\n    shell: 'echo \"$status $answer\"'\n  odd:\n    http: {}/wrong\n",
        server.endpoint(),
        server.endpoint()
    );
    place.file("calls.yaml", &file);
    place.ok(&["apply", "calls.yaml"]);
    let run = place.run(&["run", "calls"]);
    assert_ne!(run.status.code(), Some(0), "one call is answered wrongly");
    let log = place.ok(&["logs", "latest", "use"]);
    assert!(log.contains("200 one"), "{log}");
    let log = place.ok(&["logs", "latest", "ask"]);
    assert!(log.contains("status 200"), "{log}");
    let shown = place.ok(&["show", "latest"]);
    assert!(shown.contains("the status is 500, not 2xx"), "{shown}");
    let asked = server.requests();
    assert!(
        asked.iter().any(|one| one.path.starts_with("/rows?day=2")),
        "{asked:?}"
    );
    assert_eq!(asked.len(), 2);
}
