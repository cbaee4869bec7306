//! Calls to a server of our own.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use porpoise_canned::{Answer, Canned, Request};
use porpoise_executor_http::{CallError, Called, call};
use porpoise_model::job::HttpCall;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let header = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Answer::Response {
        status,
        headers: headers.iter().map(header).collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn to(server: &Canned, method: &str, path: &str) -> HttpCall {
    HttpCall {
        method: method.to_owned(),
        url: format!("{}{path}", server.endpoint()),
        connect_timeout_ms: Some(2_000),
        timeout_ms: Some(400),
        ..HttpCall::default()
    }
}

fn made(what: &HttpCall) -> (Result<Called, String>, String) {
    let mut log = Vec::new();
    let called = call(what, &mut log).map_err(|error| error.to_string());
    (called, String::from_utf8(log).unwrap())
}

fn echo(request: &Request) -> Answer {
    let kind = request.headers.get("content-type");
    let kind = kind.map_or("", String::as_str);
    let body = format!(
        "{} {} {kind} {}",
        request.method,
        request.path,
        request.text()
    );
    answer(200, &[], &body)
}

#[test]
fn a_call_says_what_it_is_told_to_and_hands_back_the_answer() {
    let server = Canned::start(echo).unwrap();
    let mut post = to(&server, "POST", "/rows?a=1");
    post.query = vec![("day".to_owned(), "2026 11".to_owned())];
    post.headers = vec![("x-team".to_owned(), "sales".to_owned())];
    post.body = Some(r#"{"rows":12}"#.to_owned());
    post.json = true;
    let (called, log) = made(&post);
    let called = called.unwrap();
    let wanted = r#"POST /rows?a=1&day=2026%2011 application/json {"rows":12}"#;
    assert_eq!((called.status, called.response.as_str()), (200, wanted));
    assert!(log.contains("POST http://127.0.0.1"), "{log}");
    assert!(!log.lines().next().unwrap().contains("day="), "{log}");
    let sent = server.requests().remove(0);
    assert_eq!(sent.headers.get("x-team").unwrap(), "sales");
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let (called, _) = made(&to(&server, method, "/x"));
        assert!(called.unwrap().response.starts_with(method));
    }
    let mut read = to(&server, "GET", "/search");
    read.body = Some("{}".to_owned());
    assert!(made(&read).0.unwrap().response.ends_with("{}"));
}

#[test]
fn an_answer_that_is_not_right_is_a_failure_that_says_why() {
    let server = Canned::start(|_: &Request| answer(503, &[], "down for now")).unwrap();
    let mut get = to(&server, "GET", "/health");
    let (called, log) = made(&get);
    let error = called.unwrap_err();
    assert!(
        error.ends_with("/health: the status is 503, not 2xx"),
        "{error}"
    );
    assert!(log.contains("status 503\ndown for now"), "{log}");
    get.status = vec!["any".to_owned()];
    get.contains = Some("up".to_owned());
    let error = made(&get).0.unwrap_err();
    assert!(error.ends_with("the answer does not hold `up`"), "{error}");
}

#[test]
fn a_server_that_is_silent_or_gone_or_cuts_the_line_is_a_failure() {
    let server = Canned::start(|request: &Request| {
        if request.path == "/cut" {
            Answer::Cut
        } else {
            Answer::Silence
        }
    })
    .unwrap();
    let error = made(&to(&server, "GET", "/slow")).0.unwrap_err();
    assert!(
        error.ends_with("there was no answer within 400ms"),
        "{error}"
    );
    made(&to(&server, "POST", "/cut")).0.unwrap_err();
    assert_eq!(
        server.requests().len(),
        2,
        "nothing is sent again by itself"
    );
    let mut nobody = to(&server, "GET", "/");
    nobody.url = "http://127.0.0.1:9/".to_owned();
    made(&nobody).0.unwrap_err();
}

#[test]
fn of_a_large_answer_the_beginning_is_printed_and_a_huge_one_is_refused() {
    let server = Canned::start(|request: &Request| {
        let size = if request.path == "/huge" {
            9 << 20
        } else {
            100_000
        };
        answer(200, &[], &"x".repeat(size))
    })
    .unwrap();
    let (called, log) = made(&to(&server, "GET", "/large"));
    assert_eq!(called.unwrap().response.len(), 100_000);
    assert!(log.ends_with("… and 83616 bytes more\n"), "{}", log.len());
    let error = made(&to(&server, "GET", "/huge")).0.unwrap_err();
    assert!(error.contains("larger than 8388608 bytes"), "{error}");
}

#[test]
fn reads_are_sent_on_and_other_hosts_do_not_see_the_headers() {
    let other = Canned::start(echo).unwrap();
    let away = format!("{}/away", other.endpoint());
    let server = Canned::start(move |request: &Request| match request.path.as_str() {
        "/here" => answer(302, &[("location", "/there")], ""),
        "/there" => answer(307, &[("location", &away)], ""),
        "/round" => answer(301, &[("location", "round")], ""),
        _ => echo(request),
    })
    .unwrap();
    let mut get = to(&server, "GET", "/here");
    get.headers = vec![("x-key".to_owned(), "open-sesame".to_owned())];
    let (called, log) = made(&get);
    assert!(called.unwrap().response.starts_with("GET /away"), "{log}");
    let keys = |server: &Canned| -> Vec<bool> {
        let requests = server.requests();
        requests
            .iter()
            .map(|one| one.headers.contains_key("x-key"))
            .collect()
    };
    assert_eq!(
        (keys(&server), keys(&other)),
        (vec![true, true], vec![false])
    );
    let error = made(&to(&server, "GET", "/round")).0.unwrap_err();
    assert!(error.contains("more than 10 times"), "{error}");
    let error = made(&to(&server, "POST", "/here")).0.unwrap_err();
    assert!(error.contains("the status is 302"), "{error}");
}

#[test]
fn what_cannot_be_called_is_told_apart_from_what_failed() {
    let call = |url: &str, status: &str| {
        let what = HttpCall {
            method: "GET".to_owned(),
            url: url.to_owned(),
            status: vec![status.to_owned()],
            ..HttpCall::default()
        };
        porpoise_executor_http::call(&what, &mut Vec::new()).unwrap_err()
    };
    assert!(matches!(call("nowhere", "200"), CallError::Impossible(_)));
    assert!(matches!(
        call("http://127.0.0.1:9/", "two"),
        CallError::Impossible(_)
    ));
    assert!(matches!(
        call("http://127.0.0.1:9/", "200"),
        CallError::Failed(_)
    ));
}
