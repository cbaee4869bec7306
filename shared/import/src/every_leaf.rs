//! Proves that nothing is silent: each leaf of an input is in the result, in the report, or ignored by a named rule.
//!
//! The marks alone would be a claim of the mapping about itself. So each leaf that is said to be used is changed, one
//! at a time: the result must change as well.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::json::{At, Mark, Step, Tree};
use crate::{Imported, Input, Options, document};

const FIXTURES: [(&str, &str); 9] = [
    ("orders", include_str!("../tests/fixtures/orders.json")),
    ("minimal", include_str!("../tests/fixtures/minimal.json")),
    ("2.0", include_str!("../tests/fixtures/page-2.0.json")),
    ("3.2", include_str!("../tests/fixtures/export-3.2.json")),
    ("3.3", include_str!("../tests/fixtures/export-3.3.json")),
    ("create", include_str!("../tests/fixtures/create.json")),
    ("1.3", include_str!("../tests/fixtures/old.json")),
    ("1.3 page", include_str!("../tests/fixtures/page-1.3.json")),
    (
        "sdk.yaml",
        include_str!("../tests/fixtures/orders-sdk.yaml"),
    ),
];

fn steps(at: At<'_>) -> Vec<Step> {
    let mut steps = vec![at.step().clone()];
    let mut at = at;
    while let Some(parent) = at.parent() {
        steps.push(parent.step().clone());
        at = parent;
    }
    steps.reverse();
    steps
}

/// Changes the value at the end of the steps into another one of its sort.
fn change(value: &mut Value, steps: &[Step]) {
    match steps.split_first() {
        Some((Step::Root, rest)) => change(value, rest),
        Some((Step::Key(key), rest)) => change(&mut value[&**key], rest),
        Some((Step::Index(index), rest)) => change(&mut value[*index], rest),
        Some((Step::Inside, rest)) => {
            let text = value.as_str().unwrap();
            let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
            let mut inner = stream.next().unwrap().unwrap();
            let trailing = text[stream.byte_offset()..].to_owned();
            change(&mut inner, rest);
            *value = Value::String(format!("{inner}{trailing}"));
        }
        None => {
            *value = match &*value {
                Value::Null | Value::Array(_) | Value::Object(_) => 7.into(),
                Value::Bool(bool) => (!bool).into(),
                Value::Number(number) => number
                    .as_i64()
                    .map_or_else(|| 0.25.into(), |number| (number + 1).into()),
                Value::String(text) => format!("{text}~").into(),
            }
        }
    }
}

/// Files that are read with another one.
type Beside = [(&'static str, &'static str)];

fn read(name: &str, text: &str, beside: &Beside) -> Option<(Imported, Tree)> {
    let options = Options::default();
    let beside = beside.iter().copied();
    let inputs = beside.chain([(name, text)]);
    let inputs = inputs.map(|(name, text)| Input::new(name, text.as_bytes()));
    let mut documents = document::read_all(&inputs.collect::<Vec<_>>(), &options).ok()?;
    let imported = document::import(&documents, &options).ok()?;
    Some((imported, documents.pop()?.tree))
}

/// Checks every leaf, and changes every `stride`th one that is used. Gives how many it changed.
fn check(name: &str, text: &str, beside: &Beside, stride: usize) -> usize {
    let (imported, tree) = read(name, text, beside).unwrap_or_else(|| panic!("{name} is refused"));
    let report = &imported.report;
    let ignored: usize = report.ignored.values().sum();
    assert_eq!(
        report.used + report.reported + ignored,
        report.leaves,
        "{name}"
    );
    // What is changed is JSON, which is YAML as well; its aliases are written out there.
    let original: Value = serde_json::from_str(text).unwrap_or_else(|_| tree.root().to_value());
    let text = original.to_string();
    let (imported, tree) =
        read(name, &text, beside).unwrap_or_else(|| panic!("{name} is refused as JSON"));
    let report = &imported.report;
    let mut changed = 0;
    for (number, leaf) in tree.leaves().enumerate() {
        let path = leaf.path();
        match leaf.mark() {
            Mark::Unseen => panic!("{name}: nobody looked at {path}"),
            Mark::Ignored(_) => {}
            Mark::Reported => {
                let is_said = report
                    .entries
                    .iter()
                    .any(|entry| path.starts_with(&entry.path));
                assert!(is_said, "{name}: no entry speaks of {path}");
            }
            Mark::Used if number % stride != 0 => {}
            Mark::Used => {
                let mut other = original.clone();
                change(&mut other, &steps(leaf));
                assert_ne!(other, original, "{name}: {path} was not changed");
                let Some((other, _)) = read(name, &other.to_string(), beside) else {
                    continue;
                };
                let same = other.workflows == imported.workflows
                    && other.parameters == imported.parameters
                    && other.report.entries == report.entries;
                assert!(!same, "{name}: a change of {path} changes nothing");
                changed += 1;
            }
        }
    }
    changed
}

#[test]
fn every_leaf_of_our_fixtures_is_used_ignored_by_rule_or_reported() {
    for (name, text) in FIXTURES {
        assert!(check(name, text, &[], 1) > 5, "{name}");
    }
}

#[test]
fn every_leaf_of_a_list_of_parameters_is_used_ignored_by_rule_or_reported() {
    let text = include_str!("../tests/fixtures/project-parameters.json");
    let projects = r#"[{"code":42,"name":"retail","perm":7},{"code":43,"name":"other","perm":7}]"#;
    let minimal = include_str!("../tests/fixtures/minimal.json");
    for beside in [
        &[("minimal", minimal)][..],
        &[("minimal", minimal), ("projects", projects)],
    ] {
        assert!(check("parameters", text, beside, 1) > 5);
    }
}

#[test]
fn every_leaf_of_every_input_of_others_is_used_ignored_by_rule_or_reported() {
    let Some(data) = std::env::var_os("PORPOISE_DS_DATA") else {
        println!("SKIPPED: PORPOISE_DS_DATA is not set, the exports of others are not there");
        return;
    };
    let mut files = 0;
    for folder in [
        "exports/1.3",
        "exports/2.0",
        "exports/3.1",
        "exports/3.2",
        "exports/3.3",
        "synthetic",
        "create-requests",
        "pydolphinscheduler/golden",
        "pydolphinscheduler",
        "pydolphinscheduler/community",
    ] {
        let Ok(entries) = fs::read_dir(Path::new(&data).join(folder)) else {
            println!("SKIPPED: {} has no {folder}", data.display());
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // Tasks without a workflow, and a template that is no JSON yet.
            let extension = path.extension().and_then(|extension| extension.to_str());
            let is_read = match extension {
                Some("json") => !folder.ends_with("pydolphinscheduler"),
                Some("yaml") => true,
                _ => false,
            };
            if name == "taskDefinition.json" || !is_read {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.trim_start_matches('\u{feff}');
            // A change means a further import: of large files only some leaves are changed, all are checked.
            let stride = 1 + text.len() / 12_000 * text.len() / 12_000;
            assert!(check(&name, text, &[], stride) > 0, "{name}");
            files += 1;
        }
    }
    println!("{files} files");
}
