//! Executes every example of docs/api.md, top to bottom, against one server.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request, header};
use futures_util::StreamExt;
use futures_util::future::FutureExt;
use porpoise_api::listed;
use serde_json::Value;

use crate::support::{HOST, Server, TOKEN, pieces};

const PAGE: &str = include_str!("../../../docs/api.md");
const ANYTHING: &str = "…";

/// A request of the page, and what it says that comes back.
#[derive(Debug, Default)]
struct Example {
    command: String,
    answer: String,
}

/// Blocks of the page: their language and text.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match (inside, line.strip_prefix("```")) {
            (false, Some(language)) => {
                inside = true;
                blocks.push((language, String::new()));
            }
            (true, Some(_)) => inside = false,
            (true, None) => {
                let (_, text) = blocks.last_mut().unwrap();
                text.push_str(line);
                text.push('\n');
            }
            (false, None) => {}
        }
    }
    blocks
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for (language, text) in blocks() {
        match language {
            "console" => examples.push(Example {
                command: text.trim().strip_prefix("$ curl ").unwrap().to_owned(),
                answer: String::new(),
            }),
            "json" | "text" => examples.last_mut().unwrap().answer = text,
            "sh" | "yaml" => {}
            other => panic!("a block of {other}"),
        }
    }
    examples
}

/// Words as a shell reads them: quotes keep spaces together.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in command.chars() {
        match quote {
            Some(end) if c == end => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == ' ' => words.push(String::new()),
            Some(_) | None => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// What curl would send, with these values for `$RUN` and the like.
fn request(command: &str, known: &BTreeMap<&str, String>) -> Request<Body> {
    let mut request = Request::builder().header(header::HOST, HOST);
    let (mut method, mut body, mut path) = (None, String::new(), String::new());
    let mut words = words(command).into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "-N" => {}
            "-X" => method = Some(value()),
            "-d" => body = value(),
            "--data-binary" => {
                assert_eq!(value(), "@orders.yaml");
                body = blocks()
                    .into_iter()
                    .find(|(language, _)| *language == "yaml")
                    .unwrap()
                    .1;
            }
            "-H" => {
                let given = value().replace("$AUTH", &format!("Authorization: Bearer {TOKEN}"));
                let (name, value) = given.split_once(": ").unwrap();
                request = request.header(name, value);
            }
            url => url.strip_prefix("$API").unwrap().clone_into(&mut path),
        }
    }
    for (name, value) in known {
        path = path.replace(name, value);
        body = body.replace(name, value);
    }
    assert!(!path.contains('$'), "{path}");
    let posts = if body.is_empty() { "GET" } else { "POST" };
    let method = method.unwrap_or_else(|| posts.to_owned());
    request
        .method(method.as_str())
        .uri(format!("/v1{path}"))
        .body(body.into())
        .unwrap()
}

/// Whether a text is as the page shows it, where `…` stands for anything.
fn is_like_text(real: &str, shown: &str) -> bool {
    let parts: Vec<_> = shown.split(ANYTHING).collect();
    let [first, between @ .., last] = parts.as_slice() else {
        return real == shown;
    };
    let mut rest = real.strip_prefix(first);
    for part in between {
        rest = rest
            .and_then(|rest| rest.split_once(part))
            .map(|(_, rest)| rest);
    }
    rest.is_some_and(|rest| rest.ends_with(last))
}

/// Whether an answer is as the page shows it. `…` at the end of a list, and as a field, stands for any more.
fn is_like(real: &Value, shown: &Value) -> bool {
    match (real, shown) {
        (_, Value::String(shown)) if shown == ANYTHING => true,
        (Value::String(real), Value::String(shown)) => is_like_text(real, shown),
        (Value::Array(real), Value::Array(shown)) => {
            let open = shown.last().is_some_and(|last| last == ANYTHING);
            let told = shown.len() - usize::from(open);
            let enough = if open {
                real.len() >= told
            } else {
                real.len() == told
            };
            enough
                && real
                    .iter()
                    .zip(&shown[..told])
                    .all(|(real, shown)| is_like(real, shown))
        }
        (Value::Object(real), Value::Object(shown)) => {
            let open = shown.contains_key(ANYTHING);
            let mut fields = shown.iter().filter(|(name, _)| *name != ANYTHING);
            let told = shown.len() - usize::from(open);
            let enough = open || real.len() == told;
            enough
                && fields
                    .all(|(name, shown)| real.get(name).is_some_and(|real| is_like(real, shown)))
        }
        (real, shown) => real == shown,
    }
}

#[tokio::test]
async fn the_examples_of_the_page_are_answered_as_it_says() {
    let server = Server::live();
    let mut known = BTreeMap::new();
    let examples = examples();
    assert!(examples.len() >= listed().len());
    for example in examples {
        let request = request(&example.command, &known);
        let response = server.open(request).await;
        let status = response.status();
        let kind = response.headers()[header::CONTENT_TYPE]
            .to_str()
            .unwrap()
            .to_owned();
        let mut body = String::new();
        let mut stream = Box::pin(pieces(response));
        // A stream has no end: what comes at once.
        while let Some(Some(piece)) = stream.next().now_or_never() {
            body.push_str(&piece);
        }
        server.drive().await;
        if !kind.contains("json") {
            assert!(
                is_like_text(&body, &example.answer),
                "$ curl {}\n{body}",
                example.command
            );
            continue;
        }
        let real: Value = serde_json::from_str(&body).unwrap();
        let shown: Value = serde_json::from_str(&example.answer)
            .unwrap_or_else(|error| panic!("{}: {error}", example.command));
        assert!(
            is_like(&real, &shown),
            "$ curl {}\n{real:#}",
            example.command
        );
        let told = real["status"].as_u64().unwrap_or(200);
        assert_eq!(status.is_success(), told < 400, "{real:#}");
        for (name, field) in [
            ("$RUN", "/run_id"),
            ("$BACKFILL", "/backfill_id"),
            ("$COMMAND", "/command_id"),
            ("$VERSION", "/workflows/0/version"),
        ] {
            if let Some(id) = real.pointer(field).and_then(Value::as_str) {
                known.insert(name, id.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn every_route_has_an_example() {
    let is_of = |pattern: &str, path: &str| {
        let path = path.split('?').next().unwrap();
        let (pattern, path): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len()
            && pattern
                .iter()
                .zip(path)
                .all(|(part, segment)| part.starts_with('{') || *part == segment)
    };
    let known = BTreeMap::from([
        ("$RUN", "r".to_owned()),
        ("$BACKFILL", "b".to_owned()),
        ("$COMMAND", "c".to_owned()),
        ("$VERSION", "v".to_owned()),
    ]);
    let requests: Vec<(Method, String)> = examples()
        .iter()
        .map(|example| request(&example.command, &known))
        .map(|request| (request.method().clone(), request.uri().to_string()))
        .collect();
    for route in listed() {
        let shown = requests
            .iter()
            .any(|(method, path)| *method == route.method && is_of(route.path, path));
        assert!(
            shown,
            "docs/api.md has no example of {} {}",
            route.method, route.path
        );
    }
}

#[test]
fn what_the_page_leaves_open_is_open_and_nothing_else() {
    let like = |real: &str, shown: &str| {
        is_like(
            &serde_json::from_str(real).unwrap(),
            &serde_json::from_str(shown).unwrap(),
        )
    };
    assert!(like(
        r#"{"a": [1, 2], "b": "x-1"}"#,
        r#"{"a": [1, "…"], "b": "x-…"}"#
    ));
    assert!(like(r#"{"a": 1, "b": 2}"#, r#"{"a": 1, "…": "…"}"#));
    assert!(!like(r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#));
    assert!(!like(r#"{"a": 1}"#, r#"{"a": 1, "b": "…"}"#));
    assert!(!like("[1, 2]", "[1]"));
    assert!(!like(r#""abc""#, r#""a…d""#));
    assert!(is_like_text("a\nb\nc\n", "a\n…c\n") && !is_like_text("a\nb\nc\n", "a\n…d\n"));
    assert!(!is_like_text("abc", "…b") && is_like_text("abc", "…b…"));
}
