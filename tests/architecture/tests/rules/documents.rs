//! Which documents there have to be, and what stands in them.

use std::collections::BTreeSet;

use crate::manifests::workspace_dependencies;
use crate::workspace::{files, folder, metadata, none, text};

/// The headings of a decision record, in this order.
const HEADINGS: &[&str] = &[
    "Context",
    "Decision",
    "Consequences",
    "What would violate it",
];

fn decision_records() -> Vec<String> {
    let files = files();
    let records = files
        .into_iter()
        .filter(|file| file.starts_with("docs/adr/"));
    let records: Vec<String> = records.collect();
    assert!(!records.is_empty());
    records
}

#[test]
fn decision_records_have_the_same_headings() {
    let mut faults = Vec::new();
    for file in decision_records() {
        let text = text(&file).expect("UTF-8");
        let headings: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .collect();
        if headings != HEADINGS {
            faults.push(format!("{file} has {headings:?}, not {HEADINGS:?}"));
        }
        let number = file
            .trim_start_matches("docs/adr/")
            .get(..4)
            .unwrap_or_default();
        if !text.starts_with(&format!("# {number}. ")) {
            faults.push(format!("{file} does not begin with `# {number}. `"));
        }
    }
    none("decision records", &faults);
}

#[test]
fn decision_records_are_numbered_one_after_the_other() {
    let numbers: Vec<String> = decision_records()
        .iter()
        .map(|file| {
            file.trim_start_matches("docs/adr/")
                .chars()
                .take(4)
                .collect()
        })
        .collect();
    let wanted: Vec<String> = (1..=numbers.len())
        .map(|number| format!("{number:04}"))
        .collect();
    assert_eq!(numbers, wanted);
}

/// The names in the first column of the tables of a page.
fn first_column(page: &str) -> BTreeSet<String> {
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn every_dependency_is_explained_and_nothing_else() {
    let explained = first_column(&text("docs/dependencies.md").expect("UTF-8"));
    let wanted = workspace_dependencies();
    let wanted: BTreeSet<String> = wanted
        .keys()
        .filter(|name| !name.starts_with("porpoise"))
        .cloned()
        .collect();
    let missing = wanted
        .difference(&explained)
        .map(|name| format!("`{name}` is not explained"));
    let gone = explained
        .difference(&wanted)
        .map(|name| format!("`{name}` is no dependency"));
    none(
        "docs/dependencies.md",
        &missing.chain(gone).collect::<Vec<_>>(),
    );
}

#[test]
fn the_map_names_every_crate() {
    let map = text("ARCHITECTURE.md").expect("UTF-8");
    let metadata = metadata();
    let folders = metadata.workspace_packages().into_iter().map(folder);
    let missing = folders.filter(|folder| !map.contains(&format!("`{folder}`")));
    none(
        "crates that ARCHITECTURE.md does not name",
        &missing.collect::<Vec<_>>(),
    );
}
