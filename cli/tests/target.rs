//! Targets of the real server, from the command line.

use serde_json::json;

use crate::support::Place;

const NIGHTLY: &str = r#"{"name": "nightly", "kind": "athena", "place": "aws.eu-central-1.111122223333",
    "role": {"arn": "arn:aws:iam::111122223333:role/porpoise-target-a", "external_id": "night"}, "settings": {"workgroup": "w"}}"#;

fn workflow(project: &str) -> String {
    format!("workflow: w\nproject: {project}\ntasks:\n  a: {{ noop: }}\n")
}

/// A server with these projects.
fn with(projects: &[&str]) -> Place {
    let place = Place::up();
    for project in projects {
        place.file("w.yaml", &workflow(project));
        place.ok(&["apply", "w.yaml"]);
    }
    place.file("nightly.json", NIGHTLY);
    place
}

#[test]
fn what_show_prints_can_be_put_again_also_elsewhere() {
    let place = with(&["one", "two"]);
    place.ok(&["target", "put", "nightly.json", "--project", "one"]);
    let shown = place.json(&["target", "show", "nightly"]);
    assert_eq!(
        (
            &shown["project"],
            &shown["revision"],
            &shown["role"]["external_id"]
        ),
        (&json!("one"), &json!(1), &json!("night"))
    );
    place.file("shown.json", &shown.to_string());
    let told = place.ok(&["target", "put", "shown.json"]);
    // a change is what differs, so this is none or the next one
    assert!(told.starts_with("one/nightly: revision "), "{told}");
    place.ok(&["target", "put", "shown.json", "--name", "two/nightly"]);
    let listed = place.json(&["target", "list"]);
    let projects: Vec<_> = listed["targets"].as_array().unwrap().iter().collect();
    assert_eq!(
        projects
            .iter()
            .map(|target| &target["project"])
            .collect::<Vec<_>>(),
        [&json!("one"), &json!("two")]
    );
    let several = place.run(&["target", "show", "nightly"]);
    let told = String::from_utf8(several.stderr).unwrap();
    assert!(told.contains("`nightly` is in several projects"), "{told}");
    assert_eq!(several.status.code(), Some(65));
    let second = place.json(&["target", "show", "two/nightly"]);
    assert_eq!(second["settings"], json!({"workgroup": "w"}));
}

#[test]
fn what_is_no_target_is_told_and_changes_nothing() {
    let place = with(&["one"]);
    place.file("list.json", "[]");
    place.file("nameless.json", r#"{"kind": "athena"}"#);
    place.file("odd.json", &NIGHTLY.replace("athena", "abacus"));
    for (file, code, told) in [
        ("list.json", 65, "`list.json` holds no target"),
        ("nameless.json", 64, "does not say which target it is"),
        ("odd.json", 65, "abacus"),
        ("none.json", 64, "cannot read `none.json`"),
    ] {
        let output = place.run(&["target", "put", file]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(told), "{said}");
    }
    assert_eq!(place.json(&["target", "list"])["targets"], json!([]));
    let none = place.run(&["target", "show", "nightly"]);
    assert_eq!(none.status.code(), Some(65));
    let said = String::from_utf8(none.stderr).unwrap();
    assert!(said.contains("there is no target `nightly`"), "{said}");
}
