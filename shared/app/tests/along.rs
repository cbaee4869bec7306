//! Workflows that go along with a backfill, wherever a process is cut off and whatever happens between two calls: each of
//! their runs is there once, and its wait finds the run of the backfill, not one of before that stood for the same date.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use porpoise_app::along::Backfilled;
use porpoise_app::lists::Filter;
use porpoise_engine::backfill::{AfterFailure, Dates, Dependents, Levels, NewBackfill};
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::workflow::{Kind, Task, Workflow};
use porpoise_model::{Actor, Address, BackfillId, CommandId, RunState, WorkflowId};

use crate::support::retail::{new_run, project, workflow};
use crate::support::{Fault, Host, World};

fn id() -> BackfillId {
    BackfillId::of_command(CommandId::of_key("test", "backfill"))
}

fn named(name: &str, kind: Kind) -> Workflow {
    let mut workflow = workflow(vec![Task::new("it".parse().unwrap(), kind)]);
    workflow.name = name.parse().unwrap();
    workflow
}

/// One that waits for another, and gives up as soon as that has failed.
fn waiting(name: &str, of: &str) -> Workflow {
    let needs = Need::Runs(Box::new(Runs {
        project: None,
        workflow: of.parse().unwrap(),
        part: Part::Whole,
        period: Period::Today,
        only_scheduled: false,
    }));
    let kind = Kind::Dependent {
        needs,
        timezone: None,
        failure_wait: Duration::ZERO,
    };
    named(name, kind)
}

fn apply(host: &mut Host, workflow: &Workflow) -> WorkflowId {
    let actor = Actor::engine();
    let applied = host.insist(async |app| app.apply(workflow, &actor).await);
    applied.head.workflow
}

fn drive(host: &mut Host) {
    host.last_wake = host.world.now_millis() + 7_200_000;
    host.drive(2);
}

/// Every workflow has had a run of that date, which failed or will; then all are backfilled.
fn play(world: Arc<World>) -> Host {
    let mut host = Host::new(world);
    let script = "false".to_owned();
    let orders = apply(&mut host, &named("orders", Kind::Shell { script }));
    let report = apply(&mut host, &waiting("report", "orders"));
    apply(&mut host, &waiting("books", "report"));
    for (workflow, key) in [(orders, "orders"), (report, "report")] {
        let before = new_run(workflow, key);
        host.insist(async |app| app.create_run(before.clone()).await);
        drive(&mut host);
    }
    host.world.advance(60_000);
    // It begins and ends in one step.
    apply(&mut host, &named("orders", Kind::Noop));
    let head = host.insist(async |app| app.head(project(), orders).await);
    let of = Backfilled {
        which: (project(), orders),
        cron: "0 0 * * *",
        timezone: "UTC",
    };
    let along = host.insist(async |app| app.dependents_of(of, Levels::All).await);
    let now = Timestamp::from_millisecond(host.world.now_millis()).unwrap();
    let new = NewBackfill {
        backfill: id(),
        like: NewRun {
            version: head.map(|head| head.version),
            trigger: Trigger::Backfill {
                backfill: id(),
                dependent: None,
            },
            created: now,
            ..new_run(orders, "like")
        },
        dates: Dates::list(vec![Timestamp::UNIX_EPOCH]),
        descending: false,
        parallel: 1,
        after_failure: AfterFailure::Stop,
        dependents: Some(Dependents {
            levels: Levels::All,
            found: along.dependents,
        }),
    };
    // A queue in memory may forget that it was asked for: whoever asks repeats it.
    for _ in 0..2 {
        host.insist(async |app| app.begin_backfill(new.clone()).await);
        drive(&mut host);
    }
    host
}

fn check(host: &mut Host, hit: &str) {
    let trace = host.world.trace();
    let found = host.call(async |app| app.backfill(project(), id()).await);
    let found = found.unwrap().unwrap().unwrap();
    let (state, new) = (&found.state, &found.new);
    assert_eq!(
        state.run_state(),
        RunState::Succeeded,
        "{hit}: {state:?}\n{trace:?}"
    );
    let names: Vec<_> = new
        .dependents()
        .iter()
        .map(|one| one.workflow_name.as_str())
        .collect();
    assert_eq!(names, ["report", "books"], "{hit}");
    let filter = Filter {
        trigger: Some("backfill".to_owned()),
        ..Filter::default()
    };
    let listed = host.call(async |app| app.runs(project(), &filter, None, 10).await);
    let runs = listed.unwrap().unwrap().runs;
    let ends: Vec<RunState> = runs.iter().map(|line| line.state).collect();
    assert_eq!(ends, [RunState::Succeeded; 3], "{hit}");
    assert!(
        runs.iter().any(|line| {
            let books = new.dependents().last();
            books.is_some_and(|books| books.run(id(), Timestamp::UNIX_EPOCH) == line.run)
        }),
        "{hit}"
    );
    host.call(async |app| app.sweep().await).unwrap().unwrap();
    let backfill = Address::backfill(project(), id()).to_string();
    let open = host.world.open_entries();
    assert!(
        !open.iter().any(|entry| entry.contains(&backfill)),
        "{hit}: {open:?}"
    );
}

fn hit_every_call(fault: Fault, forgetful: bool) {
    let calm = play(World::new(-1, fault));
    for at in -1..i64::try_from(calm.world.calls()).unwrap() {
        let world = World::new(at, fault);
        world.forgetful.store(forgetful, Ordering::SeqCst);
        let mut host = play(world);
        check(
            &mut host,
            &format!("{fault:?} at call {at}, forgetful {forgetful}"),
        );
    }
}

#[test]
fn they_run_once_and_find_the_run_of_the_backfill_wherever_a_process_is_cut_off() {
    hit_every_call(Fault::Cut, false);
    hit_every_call(Fault::Cut, true);
    hit_every_call(Fault::LostAnswer, false);
}

#[test]
fn they_run_once_and_find_the_run_of_the_backfill_whatever_happens_between_two_calls() {
    hit_every_call(Fault::Stand, false);
}
