//! The direction of dependencies between our crates.

use cargo_metadata::DependencyKind;

use crate::workspace::{any, folder, matches, metadata, none};

/// A crate of this folder may depend on crates of those folders, and on no others of ours. Read it top down: the core
/// knows the vocabulary only; adapters know their port; only binaries know everything. A new arrow is a design
/// decision, which gets a record in docs/adr.
const ARROWS: &[(&str, &[&str])] = &[
    // the core, which does no I/O
    ("shared/model", &[]),
    ("shared/cron", &[]),
    ("shared/expression", &["shared/model"]),
    (
        "shared/definition",
        &["shared/model", "shared/expression", "shared/cron"],
    ),
    (
        "shared/engine",
        &["shared/model", "shared/expression", "shared/cron"],
    ),
    // what is asked of the world, and who answers
    ("shared/ports", &["shared/model"]),
    ("shared/store-*", &["shared/model", "shared/ports"]),
    ("shared/tls", &[]),
    (
        "shared/executor-*",
        &["shared/model", "shared/ports", "shared/tls"],
    ),
    ("shared/queue-*", &["shared/model", "shared/ports"]),
    ("shared/loops-*", &["shared/ports"]),
    ("shared/timers-*", &["shared/model", "shared/ports"]),
    ("shared/bus-*", &["shared/model", "shared/ports"]),
    ("shared/logs-*", &["shared/model", "shared/ports"]),
    ("shared/blobs-*", &["shared/model", "shared/ports"]),
    ("shared/notices-*", &["shared/model", "shared/ports"]),
    ("shared/secrets-*", &["shared/model", "shared/ports"]),
    ("shared/system", &["shared/ports"]),
    ("shared/bill", &["shared/ports"]),
    // the application
    (
        "shared/app",
        &[
            "shared/model",
            "shared/expression",
            "shared/definition",
            "shared/engine",
            "shared/ports",
        ],
    ),
    (
        "shared/api",
        &[
            "shared/model",
            "shared/expression",
            "shared/cron",
            "shared/definition",
            "shared/engine",
            "shared/ports",
            "shared/app",
        ],
    ),
    (
        "shared/import",
        &[
            "shared/model",
            "shared/expression",
            "shared/cron",
            "shared/definition",
        ],
    ),
    // binaries and what looks at everything from outside
    ("cli", &["shared/*"]),
    ("functions/*", &["shared/*", "functions/runtime"]),
    ("tests/night", &["shared/*", "tests/*", "functions/runtime"]),
    ("tests/*", &["shared/*", "cli", "tests/*"]),
    (
        "benches",
        &["shared/*", "cli", "tests/*", "functions/runtime"],
    ),
    ("xtask", &[]),
];

/// Tests may use these beside: adapters that have no outside, the components that stand in for AWS, what makes the
/// faults that they do not, and the queue that schedules send to.
const TEST_ARROWS: &[&str] = &[
    "shared/store-memory",
    "shared/system",
    "shared/queue-sqs",
    "tests/fake-aws",
    "tests/region",
    "tests/canned",
    "tests/databases",
    "tests/faults",
];

#[test]
fn our_crates_depend_in_one_direction() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let mut faults = Vec::new();
    for package in &members {
        let from = folder(package);
        let Some((_, allowed)) = ARROWS.iter().find(|(rule, _)| matches(rule, &from)) else {
            faults.push(format!("`{from}` has no row in the table of arrows"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(to) = members
                .iter()
                .find(|member| *member.name == dependency.name)
            else {
                continue;
            };
            let to = folder(to);
            let test_only = dependency.kind == DependencyKind::Development;
            let allowed = any(allowed, &to) || test_only && any(TEST_ARROWS, &to);
            // a crate may ask for another feature of what it depends on, also in its tests
            if !allowed {
                faults.push(format!("`{from}` may not depend on `{to}`"));
            }
        }
    }
    none("dependencies between crates", &faults);
}

#[test]
fn every_row_of_the_table_is_of_a_crate() {
    let metadata = metadata();
    let folders: Vec<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| folder(package))
        .collect();
    let rows = ARROWS.iter().map(|(rule, _)| *rule);
    let stale = rows.filter(|rule| !folders.iter().any(|folder| matches(rule, folder)));
    none(
        "rows without a crate",
        &stale.map(str::to_owned).collect::<Vec<_>>(),
    );
}
