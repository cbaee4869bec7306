//! Tasks that run another workflow for each element of lists, through the real binary.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Place, masked};

const BELOW: &str = r#"
workflow: below
parameters: { pause: 0, region: "", day: "" }
outputs: { rows: "${b.rows}" }
tasks:
  b: { shell: 'sleep $pause; test "$region" != bad || exit 3; echo rows=$region/$day >> "$PORPOISE_OUTPUT"', outputs: [rows] }
"#;

fn above(regions: &str, pause: &str) -> String {
    format!(
        r#"
workflow: above
tasks:
  list: {{ shell: 'echo days="[1, \"2\", \"x\"]" >> "$PORPOISE_OUTPUT"', outputs: [days] }}
  load:
    after: [list]
    parameters: {{ pause: {pause} }}
    outputs: [rows]
    workflow:
      name: below
      for_each: {{ region: {regions}, day: "${{list.days}}" }}
      without: [x]
      at_most: 5
      parallel: 2
  use: {{ after: [load], env: {{ ROWS: '${{load.rows}}' }}, shell: 'echo "rows $ROWS"' }}
"#
    )
}

/// A server with both, and a run of the upper one.
fn begun(regions: &str, pause: &str) -> (Place, String) {
    let place = Place::up();
    place.file("below.yaml", BELOW);
    place.file("above.yaml", &above(regions, pause));
    place.ok(&["apply", "below.yaml", "above.yaml"]);
    let run = place.ok(&["run", "above", "--no-watch"]).trim().to_owned();
    (place, run)
}

#[test]
fn each_element_has_a_run_and_what_they_hand_up_is_a_list() {
    let (place, run) = begun("[eu, us, ap]", "0");
    place.wait_for(&run, None, "succeeded");
    let said = place.ok(&["logs", &run, "use"]);
    let rows = r#" out rows ["eu/1","eu/2","us/1","us/2","ap/1"]"#;
    assert!(said.trim_end().ends_with(rows), "{said}");
    let task = place.json(&["show", &run, "load"]);
    assert_eq!(task["elements"]["count"], 5);
    assert_eq!(
        (&task["elements"]["cut"], &task["child_run_id"]),
        (&1.into(), &Value::Null)
    );
    let third = &task["started_elements"][2];
    assert_eq!(third["parameters"]["region"], "us");
    let child = third["run_id"].as_str().unwrap();
    let shown = place.json(&["show", child]);
    assert_eq!(shown["parent"]["run_id"], Value::from(run.as_str()));
    assert_eq!(
        (&shown["parent"]["element"], &shown["parameters"]["day"]),
        (&3.into(), &"1".into())
    );
    let texts = [
        place.ok(&["show", &run]),
        place.ok(&["show", &run, "load"]),
        place.ok(&["show", child]),
    ];
    insta::assert_snapshot!(masked(&texts.concat(), &place.data()));
}

#[test]
fn a_server_that_is_killed_goes_on_with_the_elements_that_are_left() {
    let (mut place, run) = begun("[eu, us, ap]", "0.3");
    for _ in 0..3 {
        place.wait_for(&run, Some("load"), "running");
        place.stop(Signal::KILL);
        place.start();
    }
    place.wait_for(&run, None, "succeeded");
    let listed = place.ok(&["runs", "--workflow", "below"]);
    assert_eq!(listed.matches("below").count(), 5, "{listed}");
}

/// `us` fails until a file is there.
#[test]
fn a_recovery_runs_only_the_elements_that_had_not_succeeded_also_across_a_kill() {
    let mut place = Place::up();
    let done = place.work().join("done").display().to_string();
    let script = format!("test \"$region\" != us -o -f \"{done}\" && sleep 1");
    place.file(
        "below.yaml",
        &format!(
            "workflow: below\nparameters: {{ region: '' }}\ntasks: {{ b: {{ shell: '{script}' }} }}\n"
        ),
    );
    place.file(
        "above.yaml",
        "workflow: above\ntasks:\n  load: { workflow: { name: below, for_each: { region: [eu, us, ap] }, parallel: 3 } }\n",
    );
    place.ok(&["apply", "below.yaml", "above.yaml"]);
    let run = place.ok(&["run", "above", "--no-watch"]).trim().to_owned();
    place.wait_for(&run, None, "failed");
    let runs = |place: &Place| -> Vec<String> {
        let task = place.json(&["show", &run, "load"]);
        let elements = task["started_elements"].as_array().unwrap().iter();
        let run_id = |element: &Value| element["run_id"].as_str().unwrap().to_owned();
        elements.map(run_id).collect()
    };
    let before = runs(&place);
    place.file("done", "");
    place.ok(&["rerun", &run, "--from-failed"]);
    place.wait_for(&run, Some("load"), "running");
    place.stop(Signal::KILL);
    place.start();
    place.wait_for(&run, None, "succeeded");
    let after = runs(&place);
    assert_eq!((&before[0], &before[2]), (&after[0], &after[2]));
    assert_ne!(before[1], after[1]);
    let listed = place.ok(&["runs", "--workflow", "below"]);
    assert_eq!(listed.matches("below").count(), 4, "{listed}");
}

#[test]
fn an_element_that_fails_fails_the_task_and_a_kill_stops_those_that_are_there() {
    let (place, run) = begun("[bad, eu, us]", "0");
    place.wait_for(&run, None, "failed");
    let task = place.json(&["show", &run, "load"]);
    assert_eq!(
        (&task["state"], &task["elements"]["failed"]),
        (&"failed".into(), &2.into())
    );
    assert_eq!(task["elements"]["waiting"], 3);
    let why = task["cause"]["text"].as_str().unwrap();
    assert!(why.contains("(region=bad, day="), "{why}");
    let (place, run) = begun("[eu, us]", "30");
    place.wait_for(&run, Some("load"), "running");
    place.ok(&["kill", &run]);
    place.wait_for(&run, None, "canceled");
    let task = place.json(&["show", &run, "load"]);
    assert_eq!(
        (&task["elements"]["canceled"], &task["elements"]["waiting"]),
        (&2.into(), &2.into())
    );
}
