//! Finished runs that are edited and rerun, through the real binary.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Place, masked};

const NIGHT: &str = r#"
workflow: night
project: ops
parameters: { day: monday }
tasks:
  extract: { shell: 'echo "rows=42" >> "$PORPOISE_OUTPUT"', outputs: [rows] }
  load: { after: [extract], env: { rows: "${extract.rows}" }, shell: 'echo "loading $rows"; exit 3', pool: warehouse }
  report: { after: [load], shell: 'echo "report of $day"' }
"#;

/// A server with a run that failed because of its script.
fn failed() -> (Place, String) {
    let place = Place::up();
    place.file("night.yaml", NIGHT);
    place.ok(&["apply", "night.yaml"]);
    let run = place.ok(&["run", "night", "--no-watch"]).trim().to_owned();
    place.wait_for(&run, None, "failed");
    (place, run)
}

/// What somebody makes of what `show --definition` prints.
fn mend(place: &Place, run: &str, file: &str, change: impl Fn(String) -> String) {
    let definition = place.ok(&["show", run, "--definition"]);
    place.file(file, &change(definition));
}

/// How many versions the workflow has had.
fn current(place: &Place) -> u64 {
    let workflows = place.json(&["workflows", "--project", "ops"]);
    let mut lists = [&workflows, &workflows["items"], &workflows["workflows"]].into_iter();
    let list = lists.find_map(Value::as_array);
    list.unwrap_or_else(|| panic!("{workflows}"))[0]["number"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_run_that_failed_by_its_script_succeeds_with_another_and_the_definition_changes_only_if_that_is_wanted()
 {
    let (place, run) = failed();
    mend(&place, &run, "mended.yaml", |it| {
        it.replace("exit 3", "exit 0")
    });
    let preview = place.ok(&["rerun", &run, "--edit", "mended.yaml", "--preview"]);
    assert_eq!(preview, "load\nreport\n");
    let first = place.ok(&["rerun", &run, "--edit", "mended.yaml"]);
    place.wait_for(&run, None, "succeeded");
    assert_eq!(current(&place), 1);
    let said = place.ok(&["logs", &run, "load"]);
    assert!(said.trim_end().ends_with("out loading 42"), "{said}");
    let shown = place.ok(&["show", &run]);
    let again = place.ok(&[
        "rerun",
        &run,
        "--edit",
        "mended.yaml",
        "--all",
        "--write-back",
    ]);
    place.wait_for(&run, None, "succeeded");
    assert_eq!(current(&place), 2);
    // Somebody else changes the definition: nobody's change is replaced unseen.
    place.file("theirs.yaml", &NIGHT.replace("exit 3", "exit 4"));
    place.ok(&["apply", "theirs.yaml"]);
    mend(&place, &run, "mine.yaml", |it| {
        it.replace("report of", "figures of")
    });
    let refused = place.run(&["rerun", &run, "--edit", "mine.yaml", "--write-back"]);
    assert_eq!(refused.status.code(), Some(65));
    let refused = String::from_utf8(refused.stderr).unwrap();
    assert!(
        refused.contains("PP0018") && refused.contains("number 3"),
        "{refused}"
    );
    assert_eq!(current(&place), 3);
    place.ok(&[
        "rerun",
        &run,
        "--edit",
        "mine.yaml",
        "--write-back",
        "--force",
    ]);
    place.wait_for(&run, None, "succeeded");
    assert_eq!(current(&place), 4);
    let edits = place.json(&["show", &run])["edits"].clone();
    let back: Vec<_> = edits
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["written_back"])
        .collect();
    assert_eq!(
        back,
        [&Value::from(false), &Value::from(true), &Value::from(true)]
    );
    insta::assert_snapshot!(masked(&[first, shown, again].concat(), &place.data()));
}

#[test]
fn tasks_come_go_and_move_also_across_kills_of_the_server() {
    let (mut place, run) = failed();
    place.file(
        "moved.yaml",
        r#"
workflow: night
project: ops
parameters: { day: monday, region: eu }
tasks:
  first: { shell: 'echo "first in $region"; sleep 0.5' }
  load: { after: [extract, first], env: { rows: "${extract.rows}" }, shell: 'echo "loading $rows"; sleep 0.5' }
  extract: { shell: 'echo "rows=42" >> "$PORPOISE_OUTPUT"', outputs: [rows] }
"#,
    );
    let told = place.ok(&["rerun", &run, "--edit", "moved.yaml"]);
    assert!(told.contains("gone: report"), "{told}");
    for task in ["first", "load"] {
        place.wait_for(&run, Some(task), "running");
        place.stop(Signal::KILL);
        place.start();
    }
    place.wait_for(&run, None, "succeeded");
    let said = ["first", "load"].map(|task| place.ok(&["logs", &run, task]));
    assert!(
        said[0].contains("first in eu") && said[1].contains("loading 42"),
        "{said:?}"
    );
    let load = place.json(&["show", &run, "load"]);
    let numbers = load["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["number"].as_u64());
    assert_eq!(numbers.collect::<Vec<_>>(), [Some(1), Some(2)]);
    let extract = place.json(&["show", &run, "extract"]);
    assert_eq!(
        (&extract["attempt"], &extract["outputs"]["rows"]),
        (&1.into(), &"42".into())
    );
}

#[test]
fn what_cannot_be_edited_says_why() {
    let (place, run) = failed();
    let says = |arguments: &[&str]| {
        let output = place.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    place.file(
        "bad.yaml",
        &NIGHT
            .replace("after: [load]", "after: [laod]")
            .replace("pool:", "pol:"),
    );
    let faults = says(&["rerun", &run, "--edit", "bad.yaml"]);
    assert!(
        faults.contains("bad.yaml:7:") && faults.contains("bad.yaml:8:"),
        "{faults}"
    );
    place.file(
        "other.yaml",
        &NIGHT.replace("workflow: night", "workflow: day"),
    );
    let other = says(&["rerun", &run, "--edit", "other.yaml"]);
    assert!(
        other.contains("`ops/day`") && other.contains("`ops/night`"),
        "{other}"
    );
    assert!(says(&["rerun", &run, "--from-failed", "--write-back"]).contains("--edit"));
    assert!(place.json(&["show", &run]).get("edits").is_none());
}
