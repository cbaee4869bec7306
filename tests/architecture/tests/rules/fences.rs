//! What of other people's crates may be where.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use crate::workspace::{any, folder, metadata, none};

/// Runtimes, networks, databases: the world.
const WORLD: &[&str] = &[
    "tokio",
    "tokio-*",
    "async-std",
    "smol",
    "axum",
    "axum-*",
    "hyper",
    "hyper-*",
    "reqwest",
    "ureq",
    "rusqlite",
    "libsqlite3-sys",
    "aws-*",
    "lambda_*",
    "kube",
    "kube-*",
];

/// Crates of these folders reach none of those crates, however far down. (What `ports` has under a feature, for the
/// conformance suites that run in tests, does not count.)
const UNREACHABLE: &[(&[&str], &[&str])] = &[
    (
        &[
            "shared/model",
            "shared/cron",
            "shared/expression",
            "shared/definition",
            "shared/engine",
        ],
        WORLD,
    ),
    (&["shared/ports", "shared/app", "shared/import"], WORLD),
    (&["shared/*", "cli"], &["lambda_*"]),
    (
        &["shared/api"],
        &["rusqlite", "aws-*", "reqwest", "ureq", "kube"],
    ),
];

/// These crates are named in the manifests of those folders only; tests may do as they like.
const NAMED_ONLY_BY: &[(&str, &[&str])] = &[
    (
        "aws-*",
        &[
            "shared/store-*",
            "shared/executor-*",
            "shared/queue-*",
            "shared/loops-*",
            "shared/timers-*",
            "shared/bus-*",
            "shared/logs-*",
            "shared/blobs-*",
            "shared/notices-*",
            "shared/secrets-*",
            "functions/*",
            "cli", // signs; a client of a service it has not: the next rule
            "tests/faults",
            "tests/cloud",
            "tests/night",
        ],
    ),
    (
        "aws-sdk-*",
        &[
            "shared/store-*",
            "shared/executor-*",
            "shared/queue-*",
            "shared/loops-*",
            "shared/timers-*",
            "shared/bus-*",
            "shared/logs-*",
            "shared/blobs-*",
            "shared/notices-*",
            "shared/secrets-*",
            "functions/*",
            "tests/faults",
            "tests/cloud",
            "tests/night",
        ],
    ),
    ("lambda_*", &["functions/*"]),
    ("kube", &["shared/executor-*"]),
    ("rusqlite", &["shared/store-*", "shared/executor-sql"]),
    ("tokio-postgres*", &["shared/executor-sql"]),
    ("mysql_async", &["shared/executor-sql"]),
    (
        "axum",
        &[
            "shared/api",
            "cli",
            "functions/api",
            "tests/fake-aws",
            "tests/cloud",
            "tests/night",
        ],
    ),
    (
        "ureq",
        &[
            "cli",
            "shared/executor-http",
            "shared/tls",
            "tests/fake-aws",
            "tests/cloud",
            "tests/night",
            "benches",
        ],
    ),
    ("utoipa", &["shared/api"]),
    ("clap", &["cli", "tests/*", "benches", "xtask"]),
    (
        "anyhow",
        &[
            "cli",
            "functions/*",
            "tests/fake-aws",
            "tests/region",
            "tests/databases",
            "tests/cloud",
            "tests/golden",
            "tests/night",
            "benches",
            "xtask",
        ],
    ),
    ("getrandom", &["cli", "shared/system"]),
    ("tracing-subscriber", &["cli", "functions/*"]),
];

#[test]
fn the_core_reaches_no_runtime_no_network_and_no_database() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for package in metadata.workspace_packages() {
        let from = folder(package);
        let reached = reached(&metadata, package);
        for (_, barred) in UNREACHABLE
            .iter()
            .filter(|(folders, _)| any(folders, &from))
        {
            let bad = reached.iter().filter(|name| any(barred, name));
            faults.extend(bad.map(|name| format!("`{from}` reaches `{name}`")));
        }
    }
    none("what these crates may not reach", &faults);
}

#[test]
fn crates_of_one_purpose_are_named_in_one_place() {
    let mut faults = Vec::new();
    for package in metadata().workspace_packages() {
        let from = folder(package);
        let shipped = package
            .dependencies
            .iter()
            .filter(|one| one.kind != DependencyKind::Development);
        for dependency in shipped {
            let mut rules = NAMED_ONLY_BY
                .iter()
                .filter(|(name, _)| any(&[*name], &dependency.name));
            if rules.any(|(_, folders)| !any(folders, &from)) {
                faults.push(format!("`{from}` names `{}`", dependency.name));
            }
        }
    }
    none("what only some folders may name", &faults);
}

/// The names of all packages that `package` builds on, itself left out, without what only tests need and without what
/// our own crates have under a feature.
fn reached(metadata: &Metadata, package: &Package) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let mut seen: BTreeSet<&PackageId> = BTreeSet::new();
    let mut open = vec![&package.id];
    while let Some(id) = open.pop() {
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == *id)
            .expect("a node");
        let shipped = node.deps.iter().filter(|dep| {
            let mut kinds = dep.dep_kinds.iter();
            kinds.any(|kind| kind.kind != DependencyKind::Development)
                && !is_optional_of_ours(metadata, id, &dep.pkg)
        });
        open.extend(shipped.map(|dep| &dep.pkg).filter(|pkg| seen.insert(pkg)));
    }
    seen.iter()
        .map(|id| metadata[*id].name.to_string())
        .collect()
}

fn is_optional_of_ours(metadata: &Metadata, from: &PackageId, to: &PackageId) -> bool {
    let name = &metadata[to].name;
    metadata.workspace_members.contains(from)
        && metadata[from]
            .dependencies
            .iter()
            .any(|one| one.name == **name && one.optional)
}

#[test]
fn the_binary_reaches_what_the_core_may_not() {
    // else the rule above could hold because nothing is ever reached
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let cli = members
        .iter()
        .find(|package| folder(package) == "cli")
        .expect("cli");
    let reached = reached(&metadata, cli);
    for name in ["tokio", "axum", "libsqlite3-sys", "porpoise-engine"] {
        assert!(reached.contains(name), "{name} is not in {reached:?}");
    }
}
