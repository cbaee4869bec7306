//! Workflows that are tasks of others, through the real binary.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Place, masked};

const BELOW: &str = "workflow: below\nparameters: { pause: 0 }\noutputs: { rows: '${b.rows}' }\ntasks:\n  a: { shell: 'sleep $pause' }\n  b: { after: [a], shell: 'echo rows=7 >> \"$PORPOISE_OUTPUT\"', outputs: [rows] }\n";

fn above(pause: &str) -> String {
    format!(
        "workflow: above\ntasks:\n  call: {{ workflow: below, parameters: {{ pause: {pause} }}, outputs: [rows] }}\n  \
         use: {{ after: [call], env: {{ ROWS: '${{call.rows}}' }}, shell: 'echo \"rows $ROWS\"' }}\n"
    )
}

/// A server with both, and a run of the upper one.
fn begun(pause: &str) -> (Place, String) {
    let place = Place::up();
    place.file("below.yaml", BELOW);
    place.file("above.yaml", &above(pause));
    place.ok(&["apply", "below.yaml", "above.yaml"]);
    let run = place.ok(&["run", "above", "--no-watch"]).trim().to_owned();
    (place, run)
}

fn below(place: &Place, run: &str) -> String {
    let shown = place.json(&["show", run, "call"]);
    shown["child_run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_task_that_is_a_workflow_ends_as_its_run_ends_and_hands_on_what_that_set() {
    let (place, run) = begun("0");
    place.wait_for(&run, None, "succeeded");
    let said = place.ok(&["logs", &run, "use"]);
    assert!(said.ends_with(" out rows 7\n"), "{said}");
    let child = below(&place, &run);
    let shown = place.json(&["show", &child]);
    assert_eq!(
        (&shown["state"], &shown["trigger"]),
        (&"succeeded".into(), &"parent".into())
    );
    assert_eq!(shown["parent"]["run_id"], Value::from(run.as_str()));
    assert_eq!(shown["parameters"]["pause"], "0");
    let texts = [place.ok(&["show", &run]), place.ok(&["show", &child])];
    insta::assert_snapshot!(masked(&texts.concat(), &place.data()));
    assert_eq!(
        place.json(&["show", "latest"])["id"],
        Value::from(run.as_str())
    );
    let listed = place.ok(&["runs", "--workflow", "below"]);
    assert!(listed.contains(&child), "{listed}");
}

#[test]
fn a_kill_goes_down_and_so_do_a_pause_and_its_end() {
    let (place, run) = begun("30");
    place.wait_for(&run, Some("call"), "running");
    let child = below(&place, &run);
    place.wait_for(&child, Some("a"), "running");
    place.ok(&["pause", &run]);
    place.wait_for(&child, None, "pausing");
    place.ok(&["resume", &run]);
    place.wait_for(&child, None, "running");
    place.ok(&["kill", &run]);
    place.wait_for(&run, None, "canceled");
    place.wait_for(&child, None, "canceled");
    assert_eq!(place.json(&["show", &run, "call"])["state"], "canceled");
}

#[test]
fn a_run_that_is_killed_alone_cancels_its_task_which_says_so() {
    let (place, run) = begun("30");
    place.wait_for(&run, Some("call"), "running");
    let child = below(&place, &run);
    place.ok(&["kill", &child]);
    place.wait_for(&run, None, "failed");
    let shown = place.json(&["show", &run, "call"]);
    let why = shown["cause"]["text"].as_str().unwrap();
    assert!(
        why.starts_with(&format!("run {child} was canceled: killed_by(")),
        "{why}"
    );
}

#[test]
fn a_server_that_is_killed_goes_on_with_both_runs() {
    let (mut place, run) = begun("1");
    place.wait_for(&run, Some("call"), "running");
    let child = below(&place, &run);
    place.stop(Signal::KILL);
    place.start();
    place.wait_for(&run, None, "succeeded");
    assert_eq!(below(&place, &run), child);
    let said = place.ok(&["logs", &run, "use"]);
    assert!(said.ends_with(" out rows 7\n"), "{said}");
}

/// `a` says that it ran, `b` fails until a file is there, and takes a while then.
fn failed_below(place: &Place) -> (String, String) {
    let done = place.work().join("done").display().to_string();
    let ran = place.work().join("ran").display().to_string();
    place.file(
        "below.yaml",
        &format!(
            "workflow: below\ntasks:\n  a: {{ shell: 'echo ran >> \"{ran}\"' }}\n  \
             b: {{ after: [a], shell: 'test -f \"{done}\" && sleep 1' }}\n"
        ),
    );
    place.file(
        "above.yaml",
        "workflow: above\ntasks:\n  call: { workflow: below }\n  use: { after: [call], shell: 'true' }\n",
    );
    place.ok(&["apply", "below.yaml", "above.yaml"]);
    let run = place.ok(&["run", "above", "--no-watch"]).trim().to_owned();
    place.wait_for(&run, None, "failed");
    let child = below(place, &run);
    place.file("done", "");
    (run, child)
}

fn times_ran(place: &Place) -> usize {
    let ran = std::fs::read_to_string(place.work().join("ran")).unwrap();
    ran.lines().count()
}

#[test]
fn what_failed_below_is_run_again_and_no_more_also_across_a_kill() {
    let mut place = Place::up();
    let (run, child) = failed_below(&place);
    place.ok(&["rerun", &run, "--from-failed"]);
    place.wait_for(&child, Some("b"), "running");
    place.stop(Signal::KILL);
    place.start();
    place.wait_for(&run, None, "succeeded");
    assert_eq!((below(&place, &run), times_ran(&place)), (child.clone(), 1));
    let call = place.json(&["show", &run, "call"]);
    let attempts = call["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2);
    let same = |attempt: &Value| attempt["child_run_id"] == child.as_str();
    assert!(attempts.iter().all(same), "{attempts:#?}");
    let b = place.json(&["show", &child, "b"]);
    assert_eq!(b["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_named_or_all_of_it_runs_anew_below() {
    let place = Place::up();
    let (run, child) = failed_below(&place);
    for (again, ran) in [
        (["--tasks", "call", "--downstream"].as_slice(), 2),
        (&["--all"], 3),
    ] {
        place.ok(&[&["rerun", &run], again].concat());
        place.wait_for(&run, None, "succeeded");
        assert_ne!(below(&place, &run), child);
        assert_eq!(times_ran(&place), ran);
    }
    let all = place.ok(&["rerun", &run, "--all", "--preview"]);
    assert_eq!(all, "call\nuse\n");
}

#[test]
fn a_workflow_that_is_not_there_fails_the_task_until_it_is() {
    let place = Place::up();
    place.file("above.yaml", &above("0"));
    place.ok(&["apply", "above.yaml"]);
    assert_eq!(place.run(&["run", "above"]).status.code(), Some(1));
    let why = place.json(&["show", "latest", "call"])["cause"]["text"].clone();
    assert_eq!(
        why,
        "rejected: workflow `below` of project `default` cannot be run from here: it does not exist: \
         apply it, or mend the name"
    );
    place.file("below.yaml", BELOW);
    place.ok(&["apply", "below.yaml"]);
    let run = place.json(&["show", "latest"])["id"].clone();
    let run = run.as_str().unwrap();
    place.ok(&["rerun", run, "--from-failed"]);
    place.wait_for(run, None, "succeeded");
}

#[test]
fn workflows_that_run_each_other_are_stopped() {
    let place = Place::up();
    let file = "workflow: NAME\ntasks: { call: { workflow: OTHER } }\n";
    for (name, other) in [("ping", "pong"), ("pong", "ping")] {
        let text = file.replace("NAME", name).replace("OTHER", other);
        place.file(&format!("{name}.yaml"), &text);
        place.ok(&["apply", &format!("{name}.yaml")]);
    }
    assert_eq!(place.run(&["run", "ping"]).status.code(), Some(1));
    let shown = place.json(&["show", "latest"]);
    let mut task = place.json(&["show", shown["id"].as_str().unwrap(), "call"]);
    // `latest` may be either of the two.
    if let Some(child) = task["child_run_id"]
        .as_str()
        .filter(|_| shown["workflow"] == "ping")
    {
        task = place.json(&["show", child, "call"]);
    }
    let why = task["cause"]["text"].as_str().unwrap();
    assert!(
        why.contains("workflow `ping` runs above it already"),
        "{why}"
    );
}
