//! Whole lives of runs through the real binary: applied, run, shown, stopped, run again, across restarts.

use rustix::process::Signal;

use crate::support::{Place, masked};

const FAILS: &str = "workflow: fails\ntasks:\n  good: { shell: echo fine }\n  bad: { after: [good], shell: 'exit 3' }\n  never: { after: [bad], noop: }\n";
const SLOW: &str = "workflow: slow\ntasks:\n  long: { shell: 'echo begun; sleep 2; echo over' }\n  after: { after: [long], shell: echo after }\n";

fn start(place: &Place, name: &str, text: &str) -> String {
    let file = format!("{name}.yaml");
    place.file(&file, text);
    place.ok(&["apply", &file]);
    place.ok(&["run", name, "--no-watch"]).trim().to_owned()
}

#[test]
fn a_run_that_fails_says_why_and_its_code_is_1() {
    let place = Place::up();
    place.file("fails.yaml", FAILS);
    place.ok(&["apply", "fails.yaml"]);
    let output = place.run(&["run", "fails"]);
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.contains("bad failed"), "{lines}");
    insta::assert_snapshot!(masked(&place.ok(&["show", "latest"]), &place.data()));
}

#[test]
fn what_nothing_here_runs_is_rejected_or_simulated_and_says_so() {
    let place = Place::up();
    let far = "external: { system: dolphinscheduler, name: SPARK }";
    place.file(
        "far.yaml",
        &format!("workflow: far\ntasks:\n  near: {{ shell: echo here }}\n  far: {{ after: [near], {far} }}\n"),
    );
    place.ok(&["apply", "far.yaml"]);
    assert_eq!(place.run(&["run", "far"]).status.code(), Some(1));
    let task = place.json(&["show", "latest", "far"]);
    assert_eq!(task["cause"]["kind"], "rejected", "{task}");
    assert_eq!(task["simulated"], false, "{task}");
    let why = task["cause"]["text"].as_str().unwrap();
    assert!(
        why.contains("`spark`") && why.contains("--simulate"),
        "{why}"
    );

    let output = place.run(&["run", "far", "--simulate"]);
    assert_eq!(output.status.code(), Some(0));
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.contains("far succeeded (simulated)"), "{lines}");
    let shown = [
        String::from_utf8(output.stdout).unwrap(),
        place.ok(&["show", "latest"]),
        place.ok(&["show", "latest", "far"]),
    ];
    insta::assert_snapshot!(masked(&shown.concat(), &place.data()));
    assert_eq!(place.json(&["show", "latest", "near"])["simulated"], false);
    let logs = place.run(&["logs", "latest", "far"]);
    let told = String::from_utf8(logs.stderr).unwrap();
    assert!(
        logs.stdout.is_empty() && told.contains("simulated"),
        "{told}"
    );
}

/// A task that fails, and is expected to, fails nothing; what was not picked is skipped.
#[test]
fn what_comes_next_is_picked_by_values_and_by_failures() {
    let place = Place::up();
    place.file(
        "branches.yaml",
        include_str!("../../examples/branches.yaml"),
    );
    place.ok(&["apply", "branches.yaml"]);
    let output = place.run(&["run", "branches"]);
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("size chose case 1: all-at-once"), "{told}");
    let shown = place.json(&["show", "latest"]);
    let tasks = shown["task_instances"].as_array().unwrap();
    let state = |task: &serde_json::Value| {
        let text = |name: &str| task[name].as_str().unwrap().to_owned();
        format!("{} {}", text("name"), text("state"))
    };
    let states: Vec<String> = tasks.iter().map(state).collect();
    insta::assert_snapshot!(states.join("\n"), @"
    count succeeded
    size succeeded
    all-at-once failed
    one-by-one skipped
    nothing skipped
    check succeeded
    report skipped
    in-parts succeeded
    end succeeded
    ");
    let chose = |task: &str| place.json(&["show", "latest", task])["cause"]["text"].clone();
    assert_eq!(chose("size"), "chose case 1: all-at-once");
    assert_eq!(chose("check"), "chose otherwise: in-parts");
}

#[test]
fn a_rerun_from_failed_runs_what_it_previewed() {
    let place = Place::up();
    let run = start(&place, "fails", FAILS);
    place.wait_for(&run, None, "failed");
    assert_eq!(
        place.ok(&["rerun", &run, "--from-failed", "--preview"]),
        "bad\nnever\n"
    );
    place.ok(&["rerun", &run, "--from-failed"]);
    let bad = place.wait_for(&run, Some("bad"), "failed");
    assert_eq!(bad["attempt"], 2, "{bad}");
}

#[test]
fn a_kill_ends_the_run_and_its_process() {
    let place = Place::up();
    let run = start(&place, "slow", SLOW);
    place.wait_for(&run, Some("long"), "running");
    place.ok(&["kill", &run]);
    place.wait_for(&run, None, "canceled");
    assert!(!place.ok(&["logs", &run, "long"]).contains("over"));
}

#[test]
fn what_is_on_hold_waits_and_says_for_whom() {
    let place = Place::up();
    let run = start(&place, "slow", &SLOW.replace("sleep 2", "sleep 0.2"));
    place.ok(&["hold", &run, "after", "--why", "the source is late"]);
    place.wait_for(&run, Some("long"), "succeeded");
    assert!(place.ok(&["show", &run]).contains("the source is late"));
    place.ok(&["release", &run, "after"]);
    place.wait_for(&run, None, "succeeded");
}

#[test]
fn a_job_outlives_its_server_and_is_found_again() {
    let mut place = Place::up();
    let run = start(&place, "slow", SLOW);
    place.wait_for(&run, Some("long"), "running");
    place.stop(Signal::KILL);
    place.start();
    let ended = place.wait_for(&run, None, "succeeded");
    assert_eq!(ended["state"], "succeeded");
    let log = place.ok(&["logs", &run, "long"]);
    assert_eq!(
        (log.matches("begun").count(), log.matches("over").count()),
        (1, 1),
        "{log}"
    );
}

#[test]
fn logs_follow_to_the_end() {
    let place = Place::up();
    let run = start(&place, "slow", SLOW);
    let log = place.ok(&["logs", &run, "long", "-f"]);
    assert!(log.contains("begun") && log.contains("over"), "{log}");
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_id() {
    let place = Place::up();
    let run = start(&place, "slow", SLOW);
    assert_eq!(place.json(&["show", &run[..12]])["id"], run.as_str());
    let unknown = place.run(&["show", "zzzz"]);
    assert_eq!(unknown.status.code(), Some(65));
}

/// A run waits for a person, who is recorded with what they say.
#[test]
fn an_approval_lets_a_run_go_on() {
    let place = Place::up();
    let text = "workflow: release\ntasks:\n  ask: { approval: Release the figures? }\n  publish: { after: [ask], shell: echo out }\n";
    let run = start(&place, "release", text);
    let waits = || place.json(&["show", &run, "ask"])["reason"]["text"].clone();
    while waits() != "waits for an approval: Release the figures?" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let early = place.run(&["approve", &run, "publish"]);
    let told = String::from_utf8(early.stderr).unwrap();
    assert!(told.contains("it asks nothing"), "{told}");
    place.ok(&["approve", &run, "ask", "--why", "checked"]);
    while place.json(&["show", &run])["state"] != "succeeded" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let cause = place.json(&["show", &run, "ask"])["cause"].clone();
    let text = cause["text"].as_str().unwrap();
    assert_eq!(cause["kind"], "approved_by", "{cause}");
    assert!(text.ends_with(": checked"), "{text}");
}

/// A run waits for a run of another workflow, says so, goes on when that has ended, and has its outputs.
#[test]
fn a_run_waits_for_another_workflow() {
    let place = Place::up();
    let text = "workflow: report\ntasks:\n  \
        wait: { dependent: { needs: { workflow: orders, period: today }, timezone: UTC }, outputs: [rows] }\n  \
        build: { after: [wait], shell: echo \"$ROWS rows\", env: { ROWS: \"${wait.rows}\" } }\n";
    let run = start(&place, "report", text);
    let waits = || {
        let reason = place.json(&["show", &run, "wait"])["reason"]["text"].clone();
        reason.as_str().unwrap_or_default().to_owned()
    };
    while !waits().contains("there was no such workflow") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(
        waits().starts_with("waits for `orders` (today)"),
        "{}",
        waits()
    );
    let text = "workflow: orders\ntasks:\n  \
        count: { shell: echo rows=42 >> \"$PORPOISE_OUTPUT\", outputs: [rows] }\n";
    let upstream = start(&place, "orders", text);
    while place.json(&["show", &run])["state"] != "succeeded" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let cause = place.json(&["show", &run, "wait"])["cause"].clone();
    assert_eq!(cause["kind"], "met", "{cause}");
    assert_eq!(
        cause["text"],
        format!("met: `orders` (today): run {upstream}"),
        "{cause}"
    );
    let log = place.ok(&["logs", &run, "build"]);
    assert!(log.contains("42 rows"), "{log}");
}
