//! Targets of a project, and where runs are placed.

use std::collections::BTreeSet;

use porpoise_app::target_store::TargetSpec;
use porpoise_engine::placement::Placement;
use porpoise_model::Actor;
use porpoise_model::workflow::{Kind, Task};

use crate::support::retail::{new_run, project, workflow};
use crate::support::{Fault, Host, World};

fn spec(name: &str, region: &str, default_for: &[&str]) -> TargetSpec {
    let place = format!("aws.{region}.111122223333");
    TargetSpec {
        name: name.parse().unwrap(),
        kind: "emr-serverless".to_owned(),
        place: place.parse().unwrap(),
        served_by: place.parse().unwrap(),
        role: None,
        settings: r#"{"application": "nightly"}"#.to_owned(),
        default_for: default_for.iter().map(ToString::to_string).collect(),
    }
}

fn spark(name: &str, target: Option<&str>) -> Task {
    let kind = Kind::External {
        system: "dolphinscheduler".to_owned(),
        name: "SPARK".to_owned(),
        parameters: serde_json::json!({}),
    };
    let mut task = Task::new(name.parse().unwrap(), kind);
    task.target = target.map(str::to_owned);
    task
}

fn create(host: &mut Host, tasks: Vec<Task>, key: &str) -> Result<Placement, String> {
    let workflow = workflow(tasks);
    let actor = Actor::engine();
    let applied = host.insist(async |app| app.apply(&workflow, &actor).await);
    let new = new_run(applied.head.workflow, key);
    let created = host.insist(async |app| {
        let created = app.create_run(new.clone()).await;
        Ok::<_, porpoise_app::JobsError>(created)
    });
    created
        .map(|created| created.run.placement)
        .map_err(|error| error.to_string())
}

#[test]
fn a_target_counts_its_changes_and_setting_what_stands_is_none() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let actor = Actor::engine();
    let mut set = |spec: TargetSpec| {
        host.insist(async |app| app.set_target(project(), spec.clone(), &actor).await)
    };
    let first = set(spec("eu", "eu-central-1", &[]));
    assert_eq!(first.revision, 1);
    assert_eq!(set(spec("eu", "eu-central-1", &[])), first);
    assert_eq!(set(spec("eu", "eu-central-1", &["spark"])).revision, 2);
    set(spec("a", "us-east-1", &[]));
    let targets = host.insist(async |app| app.targets(project()).await);
    let names: BTreeSet<String> = targets.iter().map(|t| t.spec.name.to_string()).collect();
    assert_eq!(names, BTreeSet::from(["a".to_owned(), "eu".to_owned()]));
}

#[test]
fn a_run_is_placed_on_the_targets_that_its_tasks_name_or_that_take_their_kind() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let actor = Actor::engine();
    for spec in [
        spec("eu", "eu-central-1", &["spark"]),
        spec("us", "us-east-1", &[]),
        spec("unused", "ap-south-1", &[]),
    ] {
        host.insist(async |app| app.set_target(project(), spec.clone(), &actor).await);
    }
    let tasks = || vec![spark("one", None), spark("two", Some("us"))];
    let placed = create(&mut host, tasks(), "first").unwrap();
    let place = |placed: &Placement, at: usize| placed.place(&tasks()[at]).to_string();
    assert_eq!(place(&placed, 0), "aws.eu-central-1.111122223333");
    assert_eq!(place(&placed, 1), "aws.us-east-1.111122223333");
    let names: Vec<&str> = placed
        .targets
        .iter()
        .map(|p| p.target.name.as_str())
        .collect();
    assert_eq!(names, ["eu", "us"], "each once, and no other");

    // A change is for runs that are created from then on.
    let moved = spec("us", "us-west-2", &[]);
    host.insist(async |app| app.set_target(project(), moved.clone(), &actor).await);
    let later = create(&mut host, tasks(), "second").unwrap();
    assert_eq!(place(&later, 1), "aws.us-west-2.111122223333");
    assert_eq!(later.targets[1].target.revision, 2);
}

#[test]
fn a_run_whose_target_is_not_there_is_refused_and_says_which_there_are() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let tasks = || vec![spark("load", Some("eu-wset"))];
    let refused = create(&mut host, tasks(), "none").unwrap_err();
    assert!(
        refused.contains("task `load` names the target `eu-wset`"),
        "{refused}"
    );
    assert!(refused.ends_with("it has none yet"), "{refused}");
    let actor = Actor::engine();
    let west = spec("eu-west", "eu-west-1", &[]);
    host.insist(async |app| app.set_target(project(), west.clone(), &actor).await);
    let refused = create(&mut host, tasks(), "other").unwrap_err();
    assert!(refused.ends_with("it has eu-west"), "{refused}");
}

#[test]
fn a_run_that_needs_no_target_is_placed_at_home() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let task = Task::new("only".parse().unwrap(), Kind::Noop);
    let placed = create(&mut host, vec![task], "home").unwrap();
    assert_eq!(placed, Placement::default());
}

#[test]
fn a_kind_that_only_a_target_runs_is_refused_without_one() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let tasks = |target: Option<&str>| {
        let kind = Kind::Sql {
            statement: "select 1".to_owned(),
            arguments: Vec::new(),
            database: None,
            request: serde_json::Map::new(),
            before: Vec::new(),
            after: Vec::new(),
            rows: None,
            limit: None,
        };
        let mut task = Task::new("count".parse().unwrap(), kind);
        task.target = target.map(str::to_owned);
        vec![task]
    };
    let refused = create(&mut host, tasks(None), "none").unwrap_err();
    for wanted in [
        "task `count` is of kind `sql`",
        "default for `sql`",
        "it has none yet",
    ] {
        assert!(refused.contains(wanted), "{refused}");
    }
    let actor = Actor::engine();
    let lake = spec("lake", "eu-west-1", &[]);
    host.insist(async |app| app.set_target(project(), lake.clone(), &actor).await);
    let refused = create(&mut host, tasks(None), "other").unwrap_err();
    assert!(refused.ends_with("it has lake"), "{refused}");
    let placed = create(&mut host, tasks(Some("lake")), "named").unwrap();
    assert_eq!(placed.targets.len(), 1);
    let lake = spec("lake", "eu-west-1", &["sql"]);
    host.insist(async |app| app.set_target(project(), lake.clone(), &actor).await);
    let placed = create(&mut host, tasks(None), "default").unwrap();
    assert_eq!(placed.defaults.get("sql"), Some(&0));
}

fn places(texts: &[&str]) -> BTreeSet<porpoise_model::Place> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn reside(host: &mut Host, texts: &[&str]) -> Result<u64, String> {
    let places = places(texts);
    let set = host.call(async |app| {
        app.set_residency(project(), places.clone(), &Actor::engine())
            .await
    });
    let set = set.unwrap();
    set.map(|stored| stored.revision)
        .map_err(|error| error.to_string())
}

fn set(host: &mut Host, spec: &TargetSpec) -> Result<u64, String> {
    let set = host.call(async |app| {
        app.set_target(project(), spec.clone(), &Actor::engine())
            .await
    });
    let set = set.unwrap();
    set.map(|stored| stored.revision)
        .map_err(|error| error.to_string())
}

const EU: &str = "aws.eu-central-1.111122223333";

#[test]
fn data_stays_in_its_places_when_targets_are_set_and_when_runs_are_placed() {
    let world = World::new(-1, Fault::Cut);
    let mut host = Host::new(world);
    assert_eq!(reside(&mut host, &[EU]), Ok(1));
    assert_eq!(reside(&mut host, &[EU]), Ok(1), "nothing changed");
    set(&mut host, &spec("eu", "eu-central-1", &["spark"])).unwrap();
    let error = set(&mut host, &spec("us", "us-east-1", &[])).unwrap_err();
    assert!(error.contains("aws.us-east-1.111122223333"), "{error}");
    let placement = create(&mut host, vec![spark("load", Some("eu"))], "1").unwrap();
    assert_eq!(placement.residency, places(&[EU]));
    let shell = Task::new(
        "clean".parse().unwrap(),
        Kind::Shell {
            script: "true".to_owned(),
        },
    );
    let error = create(&mut host, vec![shell.clone()], "2").unwrap_err();
    assert!(
        error.contains("task `clean` would execute at `local`"),
        "{error}"
    );
    let noop = Task::new("wait".parse().unwrap(), Kind::Noop);
    create(&mut host, vec![noop], "3").unwrap();
    assert_eq!(reside(&mut host, &[EU, "local"]), Ok(2));
    create(&mut host, vec![shell], "4").unwrap();
    let error = reside(&mut host, &["local"]).unwrap_err();
    assert!(
        error.contains("`eu` at `aws.eu-central-1.111122223333`"),
        "{error}"
    );
}
