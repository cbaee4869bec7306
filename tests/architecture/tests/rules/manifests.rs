//! What every manifest says.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

use crate::workspace::{files, folder, metadata, none, text};

/// What a member inherits from the workspace.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

fn manifest(folder: &str) -> Table {
    let path = format!("{folder}/Cargo.toml");
    let text = text(path.trim_start_matches('/')).expect("UTF-8");
    text.parse().expect(&path)
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true))
}

/// The tables of dependencies of a manifest, also those of a platform.
fn dependencies(manifest: &Table) -> Vec<(&String, &Value)> {
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms
        .into_iter()
        .flat_map(|target| target.values().filter_map(Value::as_table));
    let tables = std::iter::once(manifest).chain(platforms);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables =
        tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    tables.flatten().collect()
}

/// The names in `[workspace.dependencies]`, ours and theirs.
pub(crate) fn workspace_dependencies() -> Table {
    let root = manifest("");
    root["workspace"]["dependencies"]
        .as_table()
        .expect("a table")
        .clone()
}

#[test]
fn every_version_stands_in_the_manifest_of_the_workspace() {
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        let folder = folder(package);
        let manifest = manifest(&folder);
        let own = dependencies(&manifest)
            .into_iter()
            .filter(|(_, value)| !inherits(Some(value)));
        faults.extend(own.map(|(name, _)| format!("{folder}: `{name}` has a version of its own")));
    }
    none("dependencies without `workspace = true`", &faults);
}

#[test]
fn every_member_inherits_lints_edition_and_that_it_is_not_published() {
    let mut faults = Vec::new();
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let folder = folder(package);
        let manifest = manifest(&folder);
        if !inherits(manifest.get("lints")) {
            faults.push(format!("{folder}: `lints`"));
        }
        let own = INHERITED
            .iter()
            .filter(|key| !inherits(manifest["package"].get(key)));
        faults.extend(own.map(|key| format!("{folder}: `{key}`")));
        if package.publish != Some(Vec::new()) {
            faults.push(format!("{folder} could be published"));
        }
    }
    none("what is not inherited from the workspace", &faults);
}

#[test]
fn packages_are_called_as_their_folders() {
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        let folder = folder(package);
        let wanted = match folder.as_str() {
            "cli" => "porpoise".to_owned(),
            "xtask" => "xtask".to_owned(),
            "functions/runtime" => "porpoise-functions".to_owned(),
            // `api` is the name of a library too
            folder if folder.starts_with("functions/") => {
                folder.replace("functions/", "porpoise-function-")
            }
            folder => format!("porpoise-{}", folder.rsplit('/').next().unwrap_or_default()),
        };
        if *package.name != wanted {
            faults.push(format!("{folder}: `{}`, not `{wanted}`", package.name));
        }
    }
    none("names of packages", &faults);
}

#[test]
fn every_dependency_of_the_workspace_is_used_by_a_member() {
    let mut used = BTreeSet::new();
    for package in metadata().workspace_packages() {
        let manifest = manifest(&folder(package));
        used.extend(
            dependencies(&manifest)
                .into_iter()
                .map(|(name, _)| name.clone()),
        );
    }
    let unused = workspace_dependencies();
    // ours may wait for the crate that will use them
    let unused = unused
        .keys()
        .filter(|name| !name.starts_with("porpoise") && !used.contains(*name));
    none(
        "dependencies that no member uses",
        &unused.cloned().collect::<Vec<_>>(),
    );
}

/// Packages whose tests are several programs: one of the simulator's needs the bugs on purpose, which no other may have.
const MORE_PROGRAMS: &[&str] = &["tests/simulation"];

/// Each program of tests is linked, and compiles again what it shares with others: that was half of the time of a build.
#[test]
fn the_tests_of_a_package_are_one_program_that_has_all_their_files() {
    let mut faults = Vec::new();
    let files = files();
    for package in metadata().workspace_packages() {
        let folder = folder(package);
        let programs: Vec<_> = package
            .targets
            .iter()
            .filter(|target| target.is_test())
            .collect();
        if programs.len() > 1 && !MORE_PROGRAMS.contains(&folder.as_str()) {
            faults.push(format!("{folder}: {} programs of tests", programs.len()));
        }
        let root = format!("{folder}/tests/main.rs");
        if !files.contains(&root) {
            continue;
        }
        let root = text(&root).expect("UTF-8");
        for file in &files {
            let Some(inside) = file.strip_prefix(&format!("{folder}/tests/")) else {
                continue;
            };
            let module = match inside.split_once('/') {
                None if Path::new(inside).extension().is_some_and(|end| end == "rs") => {
                    inside.trim_end_matches(".rs")
                }
                Some((folder, "mod.rs")) => folder,
                _ => continue,
            };
            if module != "main" && !root.lines().any(|line| line == format!("mod {module};")) {
                faults.push(format!("{file} is in no program of tests"));
            }
        }
    }
    none("programs of tests", &faults);
}
