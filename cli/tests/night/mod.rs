//! Moving in from DolphinScheduler through the real binary: every export of 3.1 is imported and applied, and the night of
//! 320 tasks runs to its end. What is expected is read from the exports themselves.
//!
//! The files are those of others: `PORPOISE_DS_DATA` names their folder; without it, or without Python, these tests say
//! that they were skipped.

mod export;
mod moving;
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::civil::{Date, date};
use serde_json::Value;

use crate::support::Place;
use export::{Export, statuses};
use reference::{End, check_values, ends, some_that_fail};

const NIGHT: &str = "synthetic/nightly-320-tasks-3.1.json";
const MINUTES_THERE: &str = "delay: 2m";
const SECONDS_HERE: &str = "delay: 1s";
const DAY: Date = date(2026, 3, 1);
/// Its keys are those of 3.2; its collectors filed it under 3.1.
const OF_3_2: &str = "shell-shell-python";

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("PORPOISE_DS_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: PORPOISE_DS_DATA is not set, the exports of others are not there");
    }
    folder
}

/// One of their files.
fn file(name: &str) -> Option<PathBuf> {
    let file = data()?.join(name);
    if !file.exists() {
        println!("SKIPPED: there is no {}", file.display());
    }
    file.exists().then_some(file)
}

/// The night has tasks in Python.
fn has_python() -> bool {
    let python = Command::new("python3")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let found = python.is_ok_and(|status| status.success());
    if !found {
        println!("SKIPPED: this machine has no python3");
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Imports an export for a project of its own into a folder; gives the answer.
fn import(place: &Place, name: &str, file: &Path, out: &str) -> Value {
    let mut arguments = vec![
        "import",
        "dolphinscheduler",
        text(file),
        "--out",
        out,
        "--project",
        name,
    ];
    if name == OF_3_2 {
        arguments.extend(["--from-version", "3.1"]);
    }
    place.json(&arguments)
}

#[test]
fn what_has_no_executor_fails_with_its_reason_unless_it_is_simulated() {
    let Some(file) = file("exports/3.1/spark-scala-jar.json") else {
        return;
    };
    let place = Place::up();
    place.ok(&["import", "dolphinscheduler", text(&file), "--apply"]);
    let output = place.run(&["run", "spark_process1"]);
    assert_eq!(output.status.code(), Some(1));
    let task = place.json(&["show", "latest", "spark_task1"]);
    assert_eq!(
        (&task["state"], &task["cause"]["kind"]),
        (&"failed".into(), &"rejected".into())
    );
    assert_eq!(task["simulated"], false);
    let why = task["cause"]["text"].as_str().unwrap();
    assert!(
        why.contains("`spark`") && why.contains("--simulate"),
        "{why}"
    );

    let ended = place.ok(&["run", "spark_process1", "--simulate"]);
    assert!(
        ended.contains("1 succeeded; 1 of them simulated (spark 1)"),
        "{ended}"
    );
    assert!(place.ok(&["show", "latest"]).contains("spark (simulated)"));
    let task = place.json(&["show", "latest", "spark_task1"]);
    assert_eq!(
        (&task["state"], &task["simulated"]),
        (&"succeeded".into(), &true.into())
    );
    let logs = place.run(&["logs", "latest", "spark_task1"]);
    assert!(logs.stdout.is_empty());
    assert!(
        String::from_utf8(logs.stderr)
            .unwrap()
            .contains("simulated")
    );
}

#[test]
fn what_fails_there_fails_here() {
    let Some(file) = file("exports/3.1/switch-invalid-conditions.json") else {
        return;
    };
    let place = Place::up();
    place.ok(&["import", "dolphinscheduler", text(&file), "--apply"]);
    assert_eq!(
        place
            .run(&["run", "switch_proc1", "--simulate"])
            .status
            .code(),
        Some(1)
    );
    // Its cases are `if $test==1` and `if $test==2`, which are no conditions: DolphinScheduler 3.1 fails such a task.
    let switch = place.json(&["show", "latest", "switch_task1"]);
    let why = switch["cause"]["text"].as_str().unwrap();
    assert!(why.starts_with("unresolved: case 1: `if`"), "{why}");
    place.ok(&["mark-succeeded", "latest", "switch_task1"]);
    let both = "switch_shell1,switch_shell2";
    place.ok(&["rerun", "latest", "--tasks", both]);
    while place.json(&["show", "latest"])["state"] != "failed" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // Their scripts are `eco1` and `eww`, which no machine has.
    for task in ["switch_shell1", "switch_shell2"] {
        let task = place.json(&["show", "latest", task]);
        assert_eq!(
            (&task["simulated"], &task["cause"]["kind"]),
            (&false.into(), &"exit".into()),
            "{task}"
        );
    }
    assert!(
        place
            .ok(&["logs", "latest", "switch_shell1"])
            .contains("eco1")
    );
}

#[test]
fn the_night_of_320_tasks_runs_to_its_end() {
    let Some(night) = file(NIGHT) else { return };
    if !has_python() {
        return;
    }
    let export = Export::read(&night);
    let place = Place::up();
    let answer = import(&place, "night", &night, ".");
    let file = answer["files"][0].as_str().unwrap().to_owned();
    let pools = answer["report"]["entries"].as_array().unwrap().iter();
    let pools = pools.filter(|entry| entry["topic"] == "task_group");
    let said = pools.map(|entry| entry["message"].as_str().unwrap());
    assert_eq!(
        said.filter(|said| said.contains("porpoise pool night/task-group-3 --slots"))
            .count(),
        export.tasks.values().filter(|task| task.grouped).count()
    );
    let file = place.work().join(&file);
    let definition = std::fs::read_to_string(&file).unwrap();
    let night = Night::run(&place, &export, &definition, 0);
    let Night {
        run,
        ended,
        lines,
        tasks,
        took,
    } = &night;
    let shown = place.json(&["show", run]);
    assert_eq!(shown["parameters"]["biz_date"], "20260228");
    assert_eq!(shown["parameters"]["month_begin"], "20260301");

    let simulated = export.check_ends(tasks, &ends(&export, &BTreeSet::new()));
    assert!(
        ended.contains(&format!("; {simulated} of them simulated (spark ")),
        "{ended}"
    );
    assert_eq!(lines.matches("(simulated)").count(), simulated);
    assert!(
        place
            .ok(&["show", run])
            .contains(&format!("{simulated} tasks did nothing"))
    );
    let edges = export.check_order(tasks);
    assert!(edges > 600, "{edges}");
    check_values(&place, run, &export, tasks, DAY);
    let processes = export.check_processes(&place, run, tasks);
    assert_eq!(statuses(&place.data().join("attempts")), processes); // and nothing else ran
    let delayed = export.tasks.values().filter(|task| task.delayed).count();
    println!("{}", ended.trim());
    println!(
        "320 tasks: {processes} real processes, {simulated} simulated, {} disabled; {took:?} with the command line, \
         {delayed} delays of a second on the way",
        320 - processes - simulated
    );
}

/// Where scripts fail, all that follows from that never starts, and all else ends as if nothing were wrong.
#[test]
fn of_a_night_in_which_tasks_fail_the_rest_goes_on() {
    let Some(night) = file(NIGHT) else { return };
    if !has_python() {
        return;
    }
    let export = Export::read(&night);
    let place = Place::up();
    let answer = import(&place, "night", &night, ".");
    let file = answer["files"][0].as_str().unwrap();
    let mut definition = std::fs::read_to_string(place.work().join(file)).unwrap();
    let failing = some_that_fail(&export);
    for name in &failing {
        let script = &export.tasks[*name].script;
        assert_eq!(definition.matches(script).count(), 1, "{name}");
        definition = definition.replace(script, "exit 3");
    }
    let night = Night::run(&place, &export, &definition, 1);
    let ends = ends(&export, &failing);
    export.check_ends(&night.tasks, &ends);
    let edges = export.check_order(&night.tasks);
    assert!(edges > 100, "{edges}");
    check_values(&place, &night.run, &export, &night.tasks, DAY);
    let processes = export.check_processes(&place, &night.run, &night.tasks);
    let count = |of: End| ends.values().filter(|end| **end == of).count();
    assert_eq!(
        statuses(&place.data().join("attempts")),
        processes + count(End::Failed)
    );
    let (failed, never) = (count(End::Failed), count(End::UpstreamFailed));
    println!(
        "{failed} failed, {never} after those never started, {processes} real processes succeeded"
    );
    // It says something only if all of it is there.
    assert!(failed >= 2 && never >= 30 && processes >= 30);
}

/// A run of the night, to its end.
struct Night {
    run: String,
    ended: String,
    lines: String,
    tasks: BTreeMap<String, Value>,
    took: Duration,
}

impl Night {
    fn run(place: &Place, export: &Export, definition: &str, code: i32) -> Self {
        // Six tasks wait for two minutes, twelve on the longest way: a second each does here.
        let delayed = export.tasks.values().filter(|task| task.delayed).count();
        assert_eq!(definition.matches(MINUTES_THERE).count(), delayed);
        place.file(
            "night.yaml",
            &definition.replace(MINUTES_THERE, SECONDS_HERE),
        );
        place.ok(&["apply", "night.yaml"]);
        place.ok(&["pool", "night/task-group-3", "--slots", "4"]);
        let begun = Instant::now();
        let at = format!("{DAY}T01:30:00+08:00");
        let output = place.run(&["run", "nightly_320_tasks", "--simulate", "--date", &at]);
        let took = begun.elapsed();
        let ended = String::from_utf8(output.stdout).unwrap();
        let lines = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{ended}{lines}");
        let run = ended.split_whitespace().next().unwrap().to_owned();
        let shown = place.json(&["show", &run]);
        let tasks = shown["task_instances"].as_array().unwrap().iter();
        let tasks = tasks.map(|task| (task["name"].as_str().unwrap().to_owned(), task.clone()));
        Self {
            tasks: tasks.collect(),
            run,
            ended,
            lines,
            took,
        }
    }
}
