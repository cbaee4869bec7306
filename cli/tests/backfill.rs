//! Backfills with workflows that go along, through the real binary.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::Place;

const ORDERS: &str = r#"
workflow: orders
project: shop
schedule: { cron: "30 2 * * *", timezone: Europe/Berlin }
parameters: { pause: "0" }
tasks:
  load: { shell: 'sleep $pause; echo loaded' }
---
workflow: report
project: shop
tasks:
  upstream: { dependent: { needs: { all: [{ workflow: orders, period: today }] } } }
  build: { after: [upstream], shell: 'echo built' }
---
workflow: weekly
project: shop
tasks:
  upstream: { dependent: { needs: { all: [{ workflow: orders, period: last_week }] } } }
"#;
const RANGE: [&str; 6] = [
    "backfill",
    "orders",
    "--from",
    "2025-12-01",
    "--to",
    "2025-12-02",
];

fn place() -> Place {
    let place = Place::up();
    place.file("orders.yaml", ORDERS);
    place.ok(&["apply", "orders.yaml"]);
    place
}

fn with(more: &[&'static str]) -> Vec<&'static str> {
    RANGE.iter().chain(more).copied().collect()
}

fn until_over(place: &Place) -> Value {
    let begun = Instant::now();
    loop {
        let shown = place.json(&["backfill", "show", "latest"]);
        if !shown["ended"].is_null() {
            return shown;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "not over: {shown}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn each_date_goes_on_with_the_workflow_that_waits_and_its_wait_finds_the_run_of_the_backfill() {
    let place = place();
    let preview = place.ok(&with(&["--dependents", "--preview"]));
    let lines: Vec<&str> = preview.lines().collect();
    assert_eq!(lines.first(), Some(&"2 dates, 4 runs"));
    assert_eq!(
        lines.get(3),
        Some(&"  with shop/report: `upstream` waits for orders")
    );
    assert!(
        preview.contains("  without shop/weekly (`upstream`): "),
        "{preview}"
    );
    place.ok(&with(&["--dependents", "all"]));
    let over = until_over(&place);
    assert_eq!(
        (&over["state"], &over["dependents"][0]["succeeded"]),
        (&"succeeded".into(), &2.into()),
        "{over}"
    );
    for date in over["dates"].as_array().unwrap() {
        let report = &date["dependents"][0];
        let run = report["run_id"].as_str().unwrap();
        let met = place.ok(&["show", run, "upstream"]);
        assert!(met.contains(date["run_id"].as_str().unwrap()), "{met}");
    }
    let shown = place.ok(&["backfill", "show", "latest"]);
    assert!(
        shown.contains("  with shop/report: 2 succeeded, 0 failed\n"),
        "{shown}"
    );
    assert!(place.ok(&["backfill", "list"]).contains("shop/orders +1"));
}

#[test]
fn a_server_that_dies_between_a_run_and_those_that_wait_for_it_goes_on_where_it_was() {
    let mut place = place();
    place.ok(&with(&["--dependents", "--parallel", "2", "-p", "pause=1"]));
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(450));
        place.stop(Signal::KILL);
        place.start();
    }
    let over = until_over(&place);
    assert_eq!(over["state"], "succeeded", "{over}");
    let runs = place.json(&["runs", "--limit", "20"]);
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(4), "{runs}");
}
