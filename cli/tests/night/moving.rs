//! Each export of 3.1: imported, checked, applied; and its schedule as a person reads it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::civil::Weekday;
use jiff::{RoundMode, Timestamp, ToSpan as _, Unit, Zoned, ZonedRound};
use serde_json::Value;

use super::export::workflows;
use super::{data, import};
use crate::support::Place;

const FIRES_SHOWN: usize = 10;

#[test]
fn every_export_of_3_1_is_imported_twice_the_same_and_applied() {
    let Some(data) = data() else { return };
    let place = Place::up();
    let begun = Instant::now();
    let exports = exports(&data);
    let (mut files, mut scheduled) = (0, 0);
    for (name, file) in &exports {
        let first = import(&place, name, file, &format!("first/{name}"));
        let again = import(&place, name, file, &format!("again/{name}"));
        let texts = written(&place, &first);
        assert_eq!(texts, written(&place, &again), "{name}");
        assert_eq!(first["report"], again["report"], "{name}");
        // Over itself as well: nothing differs, so nothing is refused.
        assert_eq!(first, import(&place, name, file, &format!("first/{name}")));

        let of_export = workflows(file);
        assert_eq!(texts.len(), of_export.len(), "{name}");
        let paths: Vec<&str> = first["files"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        files += paths.len();
        place.ok(&[&["check"], paths.as_slice()].concat());
        let applied = place.ok(&[&["apply"], paths.as_slice()].concat());
        assert_eq!(
            applied.matches(": created").count(),
            paths.len(),
            "{applied}"
        );
        for workflow in &of_export {
            scheduled += usize::from(check_schedule(&place, name, workflow));
        }
    }
    println!(
        "{} exports, {files} definition files, {scheduled} schedules: imported three times, checked and applied in {:?}",
        exports.len(),
        begun.elapsed()
    );
}

/// Whether an instant is one of the workflow's, as a person reads its cron expression.
fn fires(workflow: &str, at: &Zoned) -> bool {
    let workday = !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday);
    match workflow {
        "nightly_320_tasks" => (at.hour(), at.minute()) == (1, 30),
        "orders_main" => workday && (6..=22).contains(&at.hour()) && at.minute() % 30 == 0,
        "orders_land" => at.minute() == 10,
        other => unreachable!("{other} has a schedule that nobody has read"),
    }
}

/// Workflows whose schedules a person has read.
const READ: [&str; 3] = ["nightly_320_tasks", "orders_main", "orders_land"];

/// Compares the schedule that is shown with that of the export, if it has one, minute by minute.
fn check_schedule(place: &Place, project: &str, workflow: &Value) -> bool {
    let name = workflow["processDefinition"]["name"].as_str().unwrap();
    let path = format!("{project}/{name}");
    let of_export = &workflow["schedule"];
    let listed = place.json(&["workflows", "--project", project]);
    let listed = listed["workflows"].as_array().unwrap().iter();
    let listed = listed
        .clone()
        .find(|listed| listed["name"] == name)
        .unwrap();
    assert_eq!(listed["scheduled"], of_export.is_object(), "{path}");
    if !of_export.is_object() {
        return false;
    }
    let before = Timestamp::now();
    let shown = place.json(&["schedule", &path]);
    assert_eq!(shown["cron"], of_export["crontab"]);
    assert_eq!(shown["timezone"], of_export["timezoneId"]);
    if !READ.contains(&name) {
        println!("SKIPPED: nobody has read the schedule of {path}");
        return true;
    }
    // An export says OFFLINE whatever it was; so it is here until a person switches it on.
    assert_eq!(of_export["releaseState"], "OFFLINE");
    assert_eq!(shown["online"], false);
    let zone = of_export["timezoneId"].as_str().unwrap();
    let from = before.in_tz(zone).unwrap();
    let round = ZonedRound::new()
        .smallest(Unit::Minute)
        .mode(RoundMode::Trunc);
    let from = from.round(round).unwrap();
    let minutes = (1..60 * 24 * 14).map(|minute| from.checked_add(minute.minutes()).unwrap());
    let expected = minutes.filter(|at| fires(name, at)).take(FIRES_SHOWN);
    let expected: Vec<Timestamp> = expected.map(|at| at.timestamp()).collect();
    let upcoming = shown["upcoming"].as_array().unwrap().iter();
    let upcoming: Vec<Timestamp> = upcoming
        .map(|at| at.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(upcoming, expected, "{path}");
    let told = place.ok(&["schedule", &path]);
    assert!(
        told.contains(": offline, ") && told.contains("would fire"),
        "{told}"
    );
    let online = place.json(&["schedule", &path, "--online"]);
    assert_eq!(
        (&online["online"], &online["upcoming"]),
        (&true.into(), &shown["upcoming"])
    );
    place.ok(&["schedule", &path, "--offline"]);
    true
}

/// Every export of 3.1: its short name and its file.
fn exports(data: &Path) -> Vec<(String, PathBuf)> {
    let files = |folder: &str| -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(data.join(folder)) else {
            println!("SKIPPED: {} has no {folder}", data.display());
            return Vec::new();
        };
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let mut all = files("exports/3.1");
    let made = files("synthetic");
    let is_3_1 = |path: &PathBuf| path.to_string_lossy().ends_with("-3.1.json");
    all.extend(made.into_iter().filter(is_3_1));
    all.sort();
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    all.into_iter().map(|path| (stem(&path), path)).collect()
}

fn written(place: &Place, answer: &Value) -> Vec<(String, Vec<u8>)> {
    let files = answer["files"].as_array().unwrap().iter();
    let read = |file: &Value| {
        let path = place.work().join(file.as_str().unwrap());
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read(path).unwrap())
    };
    files.map(read).collect()
}
