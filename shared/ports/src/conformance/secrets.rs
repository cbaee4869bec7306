//! What every resolver of secrets promises. A suite says how a secret gets its value.

use async_trait::async_trait;
use porpoise_model::ProjectId;

use crate::Secrets;

/// Whoever gives secrets their values: a person, or what rotates them.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Gives a secret its value, its first or another, and returns when a resolver has to see it: an adapter that
    /// remembers values for a while has forgotten this one.
    async fn put(&self, project: ProjectId, name: &str, value: &str);
}

const VALUE: &str = "sesame öffne dich / 'quoted' \"twice\" $HOME";

fn project() -> ProjectId {
    ProjectId::of_name("retail")
}

/// As it was given, and under its version.
pub async fn a_secret_is_resolved<S: Secrets, K: Keeper, G>(make: impl AsyncFn() -> (S, K, G)) {
    let (secrets, keeper, _guard) = make().await;
    let long = "long ".repeat(2_000);
    for (name, value) in [("WAREHOUSE_TOKEN", VALUE), ("other.name-2", long.as_str())] {
        keeper.put(project(), name, value).await;
        let first = secrets.resolve(project(), name).await.expect("resolve");
        let first = first.expect("there is one");
        assert_eq!(first.value, value);
        assert!(!first.version.is_empty());
        let again = secrets.resolve(project(), name).await.expect("resolve");
        assert_eq!(again.expect("still there").version, first.version);
    }
}

/// Neither is what a name cannot be.
pub async fn an_unknown_secret_is_not_found<S: Secrets, K: Keeper, G>(
    make: impl AsyncFn() -> (S, K, G),
) {
    let (secrets, keeper, _guard) = make().await;
    keeper.put(project(), "KNOWN", VALUE).await;
    for name in [
        "UNKNOWN",
        "known",
        "KNOW",
        "KNOWN ",
        "",
        "näme",
        "${x}",
        "../KNOWN",
        "a/../KNOWN",
    ] {
        let found = secrets.resolve(project(), name).await.expect("resolve");
        assert!(found.is_none(), "`{name}`: {found:?}");
    }
}

/// And says so by its version.
pub async fn another_value_is_another_version<S: Secrets, K: Keeper, G>(
    make: impl AsyncFn() -> (S, K, G),
) {
    let (secrets, keeper, _guard) = make().await;
    let mut versions = Vec::new();
    for value in ["first", "second"] {
        keeper.put(project(), "TOKEN", value).await;
        let found = secrets.resolve(project(), "TOKEN").await.expect("resolve");
        let found = found.expect("there is one");
        assert_eq!(found.value, value);
        versions.push(found.version);
    }
    versions.dedup();
    assert_eq!(versions.len(), 2, "{versions:?}");
}

/// Whoever prints what it got, or where it came from, prints no value.
pub async fn a_secret_never_prints<S: Secrets, K: Keeper, G>(make: impl AsyncFn() -> (S, K, G)) {
    let (secrets, keeper, _guard) = make().await;
    keeper.put(project(), "TOKEN", "sesame-open").await;
    let found = secrets.resolve(project(), "TOKEN").await;
    for printed in [
        format!("{found:?} {secrets:?}"),
        format!("{found:#?} {secrets:#?}"),
    ] {
        assert!(!printed.contains("sesame"), "{printed}");
    }
    assert_eq!(
        found.expect("resolve").expect("there is one").value,
        "sesame-open"
    );
}
