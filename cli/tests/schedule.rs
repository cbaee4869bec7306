//! Schedules of the real server: each instant makes one run, also when the server is killed in between.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::process::Signal;

use crate::support::Place;

const TICKS: &str = "workflow: ticks\nschedule: { cron: '* * * * * ?', timezone: Europe/Berlin }\ntasks:\n  a: { noop: }\n";

/// The logical dates of all runs that a schedule made, oldest first.
fn instants(place: &Place) -> Vec<Timestamp> {
    let runs = place.json(&["runs", "--limit", "500"]);
    let runs = runs["runs"].as_array().unwrap().clone();
    let scheduled = runs.iter().filter(|run| run["trigger"] == "schedule");
    let date = |run: &serde_json::Value| run["logical_date"].as_str().unwrap().parse().unwrap();
    let mut instants: Vec<Timestamp> = scheduled.map(date).collect();
    instants.sort();
    instants
}

#[test]
fn every_second_makes_one_run_while_the_server_is_killed_again_and_again() {
    let mut place = Place::up();
    place.file("ticks.yaml", TICKS);
    place.ok(&["apply", "ticks.yaml"]);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_700));
        place.stop(Signal::KILL);
        std::thread::sleep(Duration::from_millis(900));
        place.start();
    }
    std::thread::sleep(Duration::from_millis(1_500));
    let told = place.ok(&["schedule", "ticks", "--offline"]);
    assert!(told.contains("offline"), "{told}");
    // What fired in the last moment is still on its way into the list.
    std::thread::sleep(Duration::from_millis(500));
    let instants = instants(&place);
    assert!(instants.len() >= 8, "{instants:?}");
    for pair in instants.windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert_eq!(apart, SignedDuration::from_secs(1), "{pair:?}");
    }
    let count = instants.len();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(
        self::instants(&place).len(),
        count,
        "it fires while it is offline"
    );
}

#[test]
fn a_version_without_a_schedule_ends_it() {
    let place = Place::up();
    place.file("ticks.yaml", TICKS);
    place.ok(&["apply", "ticks.yaml"]);
    let shown = place.json(&["schedule", "ticks"]);
    assert_eq!(
        (
            &shown["online"],
            shown["upcoming"].as_array().unwrap().len()
        ),
        (&true.into(), 10)
    );
    let without: Vec<_> = TICKS
        .lines()
        .filter(|line| !line.starts_with("schedule"))
        .collect();
    place.file("ticks.yaml", &without.join("\n"));
    place.ok(&["apply", "ticks.yaml"]);
    std::thread::sleep(Duration::from_millis(500));
    let count = instants(&place).len();
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(instants(&place).len(), count);
    let none = place.run(&["schedule", "ticks"]);
    let told = String::from_utf8(none.stderr).unwrap();
    assert!(told.contains("has no schedule"), "{told}");
    // With its schedule it comes back as at first.
    place.file("ticks.yaml", TICKS);
    place.ok(&["apply", "ticks.yaml"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(place.json(&["schedule", "ticks"])["online"], true);
}
