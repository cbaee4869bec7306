//! What a file of the tree may hold.

use std::path::Path;

use crate::workspace::{files, none, text};

/// Files tell one story in 150 to 300 lines; this is where it surely has become two.
const LINES_MAX: usize = 600;

#[test]
fn no_source_file_is_longer_than_a_story() {
    let is_rust = |file: &&String| Path::new(file).extension().is_some_and(|end| end == "rs");
    let files = files();
    let faults: Vec<String> = files
        .iter()
        .filter(is_rust)
        .filter_map(|file| {
            let lines = text(file).expect("UTF-8").lines().count();
            (lines > LINES_MAX).then(|| format!("{file} has {lines} lines: make it two"))
        })
        .collect();
    none("long files", &faults);
}

/// Where `text` names a folder that only one machine has: the home of a person, or of a build.
fn machine_path(text: &str) -> Option<&str> {
    let starts = ["work", "root", "home", "Users"].map(|folder| format!("/{folder}/"));
    text.lines().find(|line| {
        starts.iter().any(|start| {
            line.match_indices(start.as_str()).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                let after = line[at + start.len()..].chars().next();
                // `a/work/b` is a path inside something; `/home/…` and `/home/{name}` are not those of a machine
                !before.is_some_and(|char| char.is_alphanumeric() || "._-~}".contains(char))
                    && after.is_some_and(|char| char.is_ascii_alphanumeric() || char == '.')
            })
        })
    })
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut faults = Vec::new();
    for file in files() {
        let Some(text) = text(&file) else { continue };
        if let Some(line) = machine_path(&text) {
            faults.push(format!("{file}: {}", line.trim()));
        }
    }
    none("paths of one machine", &faults);
}

#[test]
fn paths_of_one_machine_are_seen() {
    let path = |folder: &str, rest: &str| format!("see /{folder}/{rest}");
    assert!(machine_path(&path("home", "ada/porpoise")).is_some());
    assert!(machine_path(&path("root", ".cache")).is_some());
    assert!(machine_path(&path("home", "…")).is_none());
    assert!(machine_path("shared/work/b and $HOME/.cache and https://example.org").is_none());
}
