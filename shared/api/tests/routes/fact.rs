//! The log of a run: paged, waited for, streamed.

use std::pin::pin;

use axum::body::Body;
use axum::http::Method;
use futures_util::future::{FutureExt, join};
use futures_util::{Stream, StreamExt};
use serde_json::{Value, json};

use crate::support::{Server, asked, pieces};

const SLEEPS: &str = "workflow: sleeps\nproject: shop\ntasks: { first: { sleep: 1h }, second: { after: [first], noop: } }\n";

async fn sleeping() -> (Server, String) {
    let server = Server::still();
    server.apply("shop", SLEEPS).await;
    let run = server.begin("shop", "sleeps").await;
    (server, run)
}

fn sequences(facts: &Value) -> Vec<u64> {
    let items = facts["items"].as_array().unwrap().iter();
    items
        .map(|record| record["sequence"].as_u64().unwrap())
        .collect()
}

fn kinds(facts: &Value) -> Vec<&str> {
    let records = facts["items"].as_array().unwrap().iter();
    let facts = records.flat_map(|record| record["facts"].as_array().unwrap());
    facts.map(|fact| fact["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_log_is_told_without_a_gap_in_pages_of_any_size() {
    let (server, run) = sleeping().await;
    server.finish().await;
    let all = server
        .get(&format!("{run}/facts?limit=500"))
        .await
        .expect(200);
    let last = *sequences(&all).last().unwrap();
    assert_eq!(sequences(&all), (1..=last).collect::<Vec<_>>());
    assert_eq!(all["sequence"], last);
    let told = kinds(&all);
    assert_eq!(
        (
            told.first(),
            told.contains(&"started"),
            told.contains(&"ended")
        ),
        (Some(&"created"), true, true)
    );
    for limit in 1..4 {
        let (mut seen, mut after) = (Vec::new(), json!(0));
        loop {
            let page = server
                .get(&format!("{run}/facts?after={after}&limit={limit}"))
                .await
                .expect(200);
            if sequences(&page).is_empty() {
                assert_eq!(page["sequence"], after);
                break;
            }
            assert!(sequences(&page).len() <= limit);
            seen.extend(sequences(&page));
            after = page["sequence"].clone();
        }
        assert_eq!(seen, sequences(&all));
    }
}

#[tokio::test]
async fn a_question_far_ahead_is_answered_with_nothing() {
    let (server, run) = sleeping().await;
    for after in [1_000_000, u64::MAX] {
        let answer = server.get(&format!("{run}/facts?after={after}")).await;
        let facts = answer.expect(200);
        assert_eq!(
            (&facts["items"], &facts["sequence"]),
            (&json!([]), &json!(after))
        );
        let waited = server
            .meanwhile_live(&format!("{run}/facts?after={after}&wait=1s"))
            .await;
        assert_eq!(waited.expect(200)["items"], json!([]));
    }
}

#[tokio::test]
async fn a_long_poll_answers_as_soon_as_the_log_grows() {
    let (server, run) = sleeping().await;
    let after = server.get(&run).await.expect(200)["sequence"].clone();
    let before = server.world.now();
    let question = format!("{run}/facts?after={after}&wait=20s");
    let mut poll = pin!(server.get(&question));
    assert!(
        poll.as_mut().now_or_never().is_none(),
        "there was nothing new"
    );
    server.world.advance(3_000);
    assert!(
        poll.as_mut().now_or_never().is_none(),
        "there is nothing new yet"
    );
    let (answer, ()) = join(poll, async {
        server.world.end_jobs();
        server.drive().await;
    })
    .await;
    let facts = answer.expect(200);
    assert!(kinds(&facts).contains(&"succeeded"), "{facts:#}");
    assert_eq!(server.world.now().duration_since(before).as_secs(), 3);
}

#[tokio::test]
async fn a_long_poll_ends_when_its_time_is_up_and_never_waits_longer_than_20_seconds() {
    let (server, run) = sleeping().await;
    let after = server.get(&run).await.expect(200)["sequence"].clone();
    for (wait, millis) in [
        ("1500ms", 1_500),
        ("2", 2_000),
        ("20s", 20_000),
        ("1h", 20_000),
    ] {
        let question = format!("{run}/facts?after={after}&wait={wait}");
        let mut poll = pin!(server.get(&question));
        assert!(poll.as_mut().now_or_never().is_none(), "{wait}");
        server.world.advance(millis - 1);
        assert!(poll.as_mut().now_or_never().is_none(), "{wait}");
        server.world.advance(1);
        let facts = poll
            .now_or_never()
            .unwrap_or_else(|| panic!("{wait}"))
            .expect(200);
        assert_eq!((&facts["items"], &facts["sequence"]), (&json!([]), &after));
    }
    assert_eq!(
        server.world.waits.load(std::sync::atomic::Ordering::SeqCst),
        4
    );
}

#[tokio::test]
async fn what_is_there_already_is_not_waited_for() {
    let (server, run) = sleeping().await;
    let facts = server
        .get(&format!("{run}/facts?after=1&wait=20s"))
        .await
        .expect(200);
    assert!(!sequences(&facts).is_empty());
    assert_eq!(
        server.world.waits.load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn a_server_that_stops_lets_everybody_go() {
    let (server, run) = sleeping().await;
    let after = server.get(&run).await.expect(200)["sequence"].clone();
    let question = format!("{run}/facts?after={after}&wait=20s");
    let mut poll = pin!(server.get(&question));
    let stream = server
        .open(asked(
            Method::GET,
            &format!("{run}/events?after={after}"),
            Body::empty(),
        ))
        .await;
    let mut stream = pin!(pieces(stream));
    assert!(poll.as_mut().now_or_never().is_none() && stream.next().now_or_never().is_none());
    server.world.close();
    assert_eq!(poll.now_or_never().unwrap().expect(200)["items"], json!([]));
    assert_eq!(stream.next().now_or_never().unwrap(), None);
}

/// An event of a stream: its fields.
#[derive(Debug, PartialEq)]
struct Event {
    id: u64,
    record: Value,
}

fn next(stream: &mut (impl Stream<Item = String> + Unpin)) -> Option<Event> {
    let text = stream.next().now_or_never()??;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    assert_eq!(field("event:"), Some("record"), "{text}");
    Some(Event {
        id: field("id:").unwrap().parse().unwrap(),
        record: serde_json::from_str(field("data:").unwrap()).unwrap(),
    })
}

#[tokio::test]
async fn the_stream_tells_what_the_log_tells_and_goes_on_with_it() {
    let (server, run) = sleeping().await;
    let answer = server
        .open(asked(Method::GET, &format!("{run}/events"), Body::empty()))
        .await;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = Box::pin(pieces(answer));
    let mut seen = Vec::new();
    while let Some(event) = next(&mut stream) {
        assert_eq!(event.record["sequence"], event.id);
        seen.push(event.record);
    }
    let facts = server.get(&format!("{run}/facts")).await.expect(200);
    assert_eq!(json!(seen), facts["items"]);
    server.finish().await;
    while let Some(event) = next(&mut stream) {
        seen.push(event.record);
    }
    let facts = server.get(&format!("{run}/facts")).await.expect(200);
    assert_eq!(json!(seen), facts["items"]);
    assert!(kinds(&facts).contains(&"ended"));
}

#[tokio::test]
async fn a_stream_goes_on_after_the_last_event_that_was_seen() {
    let (server, run) = sleeping().await;
    server.finish().await;
    let last = server.get(&run).await.expect(200)["sequence"]
        .as_u64()
        .unwrap();
    for (query, header, first) in [
        ("", None, 1),
        ("?after=2", None, 3),
        ("", Some("2"), 3),
        // What the browser saw last comes before where its page began.
        ("?after=1", Some("3"), 4),
        ("", Some("nonsense"), 1),
    ] {
        let mut request = asked(Method::GET, &format!("{run}/events{query}"), Body::empty());
        if let Some(header) = header {
            request
                .headers_mut()
                .insert("last-event-id", header.parse().unwrap());
        }
        let mut stream = Box::pin(pieces(server.open(request).await));
        let mut ids = Vec::new();
        while let Some(event) = next(&mut stream) {
            ids.push(event.id);
        }
        assert_eq!(
            ids,
            (first..=last).collect::<Vec<_>>(),
            "{query} {header:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_with_nothing_to_tell_says_that_it_lives() {
    let (server, run) = sleeping().await;
    let after = server.get(&run).await.expect(200)["sequence"].clone();
    let answer = server
        .open(asked(
            Method::GET,
            &format!("{run}/events?after={after}"),
            Body::empty(),
        ))
        .await;
    let mut stream = Box::pin(pieces(answer));
    for _ in 0..3 {
        assert!(stream.next().now_or_never().is_none());
        server.world.advance(20_000);
        let piece = stream.next().now_or_never().unwrap().unwrap();
        assert!(piece.starts_with(':'), "{piece}");
    }
}
