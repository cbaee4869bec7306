//! The server itself, the door before it, and what is wrong with any request.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use porpoise_api::{Principal, listed};

use crate::support::ports::SECRET;
use crate::support::{HOST, ORIGIN, Server, TOKEN, asked, bare};

const DAILY: &str = "workflow: daily\nproject: shop\ntasks: { load: { noop: } }\n";

#[tokio::test]
async fn the_server_says_how_it_is_and_what_it_is() {
    let server = Server::still();
    assert_eq!(server.get("/v1/health").await.expect(200)["status"], "ok");
    let version = server.get("/v1/version").await.expect(200);
    assert_eq!(
        (&version["name"], &version["api"]),
        (&"porpoise".into(), &"v1".into())
    );
    let document = server.get("/v1/openapi.json").await;
    assert_eq!(document.text(), porpoise_api::document());
    assert_eq!(document.header("content-type"), "application/json");
}

#[tokio::test]
async fn no_answer_is_kept_or_guessed_at() {
    let server = Server::still();
    for path in ["/v1/version", "/v1/projects", "/nowhere"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_done_there_are_told_apart() {
    let server = Server::still();
    for path in [
        "/",
        "/v1",
        "/v2/projects",
        "/v1/projects/",
        "/v1/projects/shop/run",
    ] {
        server.get(path).await.problem(404, "PP0004");
    }
    let wrong = server.put("/v1/projects", "{}").await;
    let problem = wrong.problem(405, "PP0004");
    assert!(problem["title"].as_str().unwrap().contains("PUT"));
    assert!(wrong.header("allow").contains("GET"), "{wrong:?}");
}

async fn with(server: &Server, host: &str, origin: Option<&str>) -> StatusCode {
    let request = Request::builder()
        .uri("/v1/version")
        .header(header::HOST, host);
    let request = match origin {
        Some(origin) => request.header(header::ORIGIN, origin),
        None => request,
    };
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    if answer.status == StatusCode::FORBIDDEN {
        answer.problem(403, "PP0002");
    }
    answer.status
}

#[tokio::test]
async fn a_page_that_made_its_name_point_here_is_turned_away() {
    let server = Server::still();
    assert_eq!(with(&server, HOST, None).await, 200);
    for host in [
        "evil.example",
        "evil.example:7010",
        "127.0.0.1",
        "127.0.0.1:7011",
        "",
        "localhost:7010.evil",
    ] {
        assert_eq!(with(&server, host, None).await, 403, "{host}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_is_turned_away() {
    let server = Server::still();
    assert_eq!(with(&server, HOST, Some(ORIGIN)).await, 200);
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1:7010",
        "http://127.0.0.1:7010.evil",
    ] {
        assert_eq!(with(&server, HOST, Some(origin)).await, 403, "{origin}");
    }
}

/// Over HTTP/2, and in an absolute address, the authority stands where `Host` would.
#[tokio::test]
async fn a_host_in_the_address_counts_as_one() {
    let server = Server::still();
    for (authority, status) in [(HOST, 200), ("evil.example", 403)] {
        let request = Request::builder().uri(format!("http://{authority}/v1/version"));
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, status, "{authority}");
    }
}

#[tokio::test]
async fn two_hosts_are_none() {
    let server = Server::still();
    for hosts in [
        &[][..],
        &[HOST, HOST],
        &[HOST, "evil.example"],
        &["evil.example", HOST],
    ] {
        let mut request = Request::builder().uri("/v1/version");
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        answer.problem(403, "PP0002");
    }
}

#[tokio::test]
async fn the_door_is_shut_before_the_address_is_looked_up() {
    let server = Server::still();
    let request = Request::builder()
        .uri("/nowhere")
        .header(header::HOST, "evil.example");
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    answer.problem(403, "PP0002");
}

#[tokio::test]
async fn only_the_whole_token_opens() {
    let server = Server::still();
    let longer = format!("Bearer {TOKEN}x");
    let shorter = format!("Bearer {}", &TOKEN[1..]);
    let basic = format!("Basic {TOKEN}");
    for wrong in [
        longer.as_str(),
        shorter.as_str(),
        basic.as_str(),
        TOKEN,
        "Bearer",
        "Bearer ",
        "",
    ] {
        let request = bare(Method::GET, "/v1/projects").header(header::AUTHORIZATION, wrong);
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        answer.problem(401, "PP0001");
        assert!(!answer.text().contains(TOKEN), "{wrong}");
    }
    let other_case =
        bare(Method::GET, "/v1/projects").header(header::AUTHORIZATION, format!("bearer {TOKEN}"));
    let answer = server.send(other_case.body(Body::empty()).unwrap()).await;
    answer.expect(200);
}

#[tokio::test]
async fn whom_the_gateway_let_in_needs_no_token_and_is_the_actor() {
    let server = Server::still();
    let definition = "workflow: hello\nproject: demo\ntasks: { wave: { noop: } }\n";
    let path = "/v1/projects/demo/workflows";
    let mut request = bare(Method::POST, path)
        .body(Body::from(definition))
        .unwrap();
    request
        .extensions_mut()
        .insert(Principal("arn:aws:iam::1:user/grace".to_owned()));
    let applied = server.send(request).await;
    assert_eq!(applied.status, 200, "{applied:?}");
    let versions = server
        .get(&format!("{path}/hello/versions"))
        .await
        .expect(200);
    let text = versions.to_string();
    assert!(
        text.contains("user/grace") && !text.contains("ada"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_in_the_address_is_none() {
    let server = Server::still();
    let path = format!("/v1/projects?token={TOKEN}&access_token={TOKEN}");
    let answer = server
        .send(bare(Method::GET, &path).body(Body::empty()).unwrap())
        .await;
    answer.problem(401, "PP0001");
}

#[tokio::test]
async fn a_store_that_is_down_makes_every_reading_route_say_try_again() {
    const GRANT: &str = r#"{"command": "grant", "run": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "task": "a"}"#;
    const SERVE: &str = "{\"secret\": \"0123456789abcdef0123456789abcdef\"}";
    const TARGET: &str = "{\"kind\": \"athena\", \"place\": \"aws.eu-west-1.111122223333\"}";
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    let run = run.rsplit('/').next().unwrap().to_owned();
    let server = server.restarted();
    server.cut_the_store();
    let unread = ["/v1/version", "/v1/openapi.json"];
    for route in listed() {
        if unread.contains(&route.path) {
            continue;
        }
        let path = route
            .path
            .replace("{project}", "shop")
            .replace("{workflow}", "daily");
        let path = path
            .replace("{run}", &run)
            .replace("{task}", "load")
            .replace("{attempt}", "1");
        let version = "0".repeat(64);
        let path = path
            .replace("{command}", &run)
            .replace("{backfill}", &run)
            .replace("{pool}", "any")
            .replace("{target}", "any")
            .replace("{place}", "site.berlin")
            .replace("{version}", &version);
        let body = match route.path.rsplit('/').next().unwrap() {
            "workflows" if route.method == Method::POST => DAILY,
            "schedule" => "{\"online\": true}",
            "{pool}" => "{\"slots\": 1}",
            "{target}" if route.method == Method::PUT => TARGET,
            "residency" if route.method == Method::PUT => "{\"places\": []}",
            "take" | "reports" => SERVE,
            "commands" if route.path.contains("{pool}") => GRANT,
            "commands" => "{\"command\": \"pause\"}",
            "rerun-preview" => "{\"command\": \"rerun_failed\"}",
            "edit" => "{\"definition\": \"\"}",
            _ => "",
        };
        let answer = server
            .send(asked(route.method.clone(), &path, body.into()))
            .await;
        let problem = answer.problem(503, "PP0019");
        assert_eq!(
            problem["request_id"],
            answer.header("x-request-id"),
            "{path}"
        );
        assert!(!answer.text().contains(SECRET), "{path}");
        assert!(
            !answer.text().contains("table"),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn hostile_segments_are_answered_and_nothing_breaks() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    let long = "a".repeat(20_000);
    let segments = [
        "%00",
        "%2e%2e",
        "..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "a%2Fb",
        "%0d%0aSet-Cookie:%20x",
        "%1b%5b31m",
        "%20",
        "%F0%9F%90%AC",
        "%E4%BE%9D",
        "%7f",
        "*",
        "~",
        "%25",
        "%c2%80",
        "%e2%80%ae",
        long.as_str(),
    ];
    for segment in segments {
        let paths = [
            format!("/v1/projects/{segment}/workflows"),
            format!("/v1/projects/{segment}/runs"),
            format!("/v1/projects/{segment}/runs/{segment}"),
            format!("/v1/projects/shop/workflows/{segment}"),
            format!("/v1/projects/shop/workflows/{segment}/schedule"),
            format!("/v1/projects/shop/workflows/daily/versions/{segment}"),
            format!("/v1/projects/shop/runs/{segment}"),
            format!("/v1/projects/shop/runs/{segment}/facts"),
            format!("{run}/tasks/{segment}"),
            format!("{run}/commands/{segment}"),
            format!("{run}/tasks/{segment}/attempts/1/log"),
            format!("{run}/tasks/load/attempts/{segment}/log"),
            format!("/v1/projects/shop/pools/{segment}"),
        ];
        for path in paths {
            let answer = server.get(&path).await;
            let told: String = path.chars().take(100).collect();
            let status = answer.status.as_u16();
            assert!(status == 404 || status == 400, "{told}: {status}");
            assert!(
                answer.body.len() < 2_000,
                "{told}: {} bytes",
                answer.body.len()
            );
            let raw = answer
                .text()
                .chars()
                .any(|c| c.is_control() || c == '\u{202e}');
            assert!(!raw, "{told}: {}", answer.text());
        }
    }
    for segment in segments {
        let path = format!("/v1/projects/shop/pools/{segment}");
        let put = server.put(&path, "{\"slots\": 1}").await;
        let told = put.text();
        assert!(put.status == 202 || put.status == 400, "{told}");
        let found = server.get(&path).await.status;
        assert_eq!(found == 200, put.status == 202, "{told}");
    }
}

/// A segment must be UTF-8.
#[tokio::test]
async fn segments_that_are_no_text_are_refused() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    for segment in ["%ff", "%c0%80", "%ed%a0%80", "a%80"] {
        for path in [
            format!("/v1/projects/{segment}/workflows"),
            format!("/v1/projects/shop/workflows/{segment}"),
            format!("/v1/projects/shop/runs/{segment}"),
        ] {
            server.get(&path).await.problem(400, "PP0013");
        }
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_read_are_refused() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    for query in [
        "/v1/projects?limit=many".to_owned(),
        "/v1/projects?limit=-1".to_owned(),
        "/v1/projects/shop/runs?limit=99999999999999999999".to_owned(),
        format!("{run}/facts?after=first"),
        format!("{run}/facts?wait=soon"),
        format!("{run}/events?after=-1"),
        format!("{run}/commands/00000000000000000000000000?wait=-1s"),
        format!("{run}/tasks/load/attempts/1/log?from=-1"),
        format!("{run}/tasks/load/attempts/1/log?follow=maybe"),
        "/v1/projects/shop/workflows?cursor=%00".to_owned(),
    ] {
        server.get(&query).await.problem(400, "PP0013");
    }
}

#[tokio::test]
async fn cursors_that_nobody_gave_are_refused() {
    let server = Server::still();
    server.apply("shop", DAILY).await;
    let run = server.begin("shop", "daily").await;
    let invalid = "7".repeat(10_001);
    for cursor in [
        "!",
        "0",
        "a%00",
        "%F0%9F%90%AC",
        "ZZZZZZZZ1",
        "a",
        invalid.as_str(),
    ] {
        for list in [
            "/v1/projects".to_owned(),
            "/v1/projects/shop/workflows".to_owned(),
            "/v1/projects/shop/workflows/daily/versions".to_owned(),
            "/v1/projects/shop/schedules".to_owned(),
            "/v1/projects/shop/pools".to_owned(),
            "/v1/projects/shop/runs".to_owned(),
            format!("{run}/tasks"),
        ] {
            let answer = server.get(&format!("{list}?cursor={cursor}")).await;
            let told: String = format!("{list} {cursor}").chars().take(100).collect();
            assert_eq!(answer.status, 400, "{told}: {}", answer.text());
            answer.problem(400, "PP0013");
            assert!(answer.body.len() < 1_000, "{told}");
        }
    }
}
