//! Workflows, their schedules, and the lists of runs.

use futures_util::FutureExt;
use jiff::Timestamp;
use porpoise_app::create::CreateRunError;
use porpoise_app::lists::{Filter, ListError};
use porpoise_engine::effect::NewRun;
use porpoise_engine::input::{Command, PoolCommand, PoolInput};
use porpoise_engine::{Input, pool::Pool, schedule::Schedule as ScheduleAggregate};
use porpoise_model::workflow::{
    Concurrency, ExcludedDay, Kind, MissedFires, PoolUse, Schedule, Task, Workflow,
};
use porpoise_model::{Actor, Address, CommandId, PoolId, RunId, RunState, ScheduleId, WorkflowId};

use crate::support::retail;
use crate::support::retail::project;
use crate::support::{Fault, Host, World};

fn workflow(name: &str, description: &str, cron: Option<&str>) -> Workflow {
    let only = Task::new("only".parse().unwrap(), Kind::Noop);
    Workflow {
        name: name.parse().unwrap(),
        description: description.to_owned(),
        schedule: cron.map(|cron| Schedule {
            cron: cron.to_owned(),
            timezone: "UTC".to_owned(),
            start: None,
            end: None,
            missed: MissedFires::Latest,
            offline: false,
            calendar: None,
            excluded: ExcludedDay::default(),
        }),
        ..retail::workflow(vec![only])
    }
}

fn calm() -> Host {
    Host::new(World::new(-1, Fault::Cut))
}

fn apply(host: &mut Host, workflow: &Workflow) -> porpoise_app::workflow_store::Applied {
    let actor = Actor::engine();
    host.insist(async |app| app.apply(workflow, &actor).await)
}

fn new_run(workflow: WorkflowId, key: &str, created: i64) -> NewRun {
    NewRun {
        created: Timestamp::from_second(1_767_225_600 + created).unwrap(),
        ..retail::new_run(workflow, key)
    }
}

fn runs(host: &mut Host, filter: &Filter) -> Vec<RunId> {
    let mut cursor = None;
    let mut runs = Vec::new();
    loop {
        let page = host.insist(async |app| app.runs(project(), filter, cursor.as_deref(), 2).await);
        runs.extend(page.runs.iter().map(|line| line.run));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return runs,
        }
    }
}

#[test]
fn applying_the_same_bytes_again_changes_nothing_and_says_so() {
    let mut host = calm();
    let first = apply(&mut host, &workflow("daily", "one", None));
    assert!(first.changed);
    let puts = |host: &Host| {
        let trace = host.world.trace();
        trace.iter().filter(|call| call.contains("put")).count()
    };
    let before = puts(&host);
    let again = apply(&mut host, &workflow("daily", "one", None));
    assert_eq!((again.changed, &again.head), (false, &first.head));
    assert_eq!(puts(&host), before);
}

#[test]
fn versions_are_listed_newest_first_and_an_old_one_can_come_back() {
    let mut host = calm();
    let one = apply(&mut host, &workflow("daily", "one", None)).head;
    let two = apply(&mut host, &workflow("daily", "two", None)).head;
    let back = apply(&mut host, &workflow("daily", "one", None)).head;
    assert_eq!(back.version, one.version);
    let versions = host.insist(async |app| app.versions(project(), one.workflow).await);
    let numbers: Vec<_> = versions.iter().map(|v| (v.number, v.version)).collect();
    assert_eq!(
        numbers,
        [(3, one.version), (2, two.version), (1, one.version)]
    );
    assert_eq!(versions[0].before, Some(two.version));
    let named = host.insist(async |app| app.workflow_named(project(), "daily").await);
    assert_eq!(named, Some(back.clone()));
    let stored = host.insist(async |app| app.version(project(), back.version).await);
    assert_eq!(stored.description, "one");
    let all = host.insist(async |app| app.workflows(project()).await);
    assert_eq!(all, [back]);
    let projects = host.insist(async |app| app.projects().await);
    assert_eq!(projects, [(project(), "retail".parse().unwrap())]);
}

#[test]
fn a_schedule_is_set_and_fires_whatever_call_of_its_apply_is_cut_off() {
    let scheduled = workflow("daily", "one", Some("0 * * * *"));
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in 0..40 {
            let mut host = Host::new(World::new(at, fault));
            apply(&mut host, &scheduled);
            host.drive(3);
            let found = runs(&mut host, &Filter::default());
            assert!(
                (2..=3).contains(&found.len()),
                "{fault:?} at {at}: {} runs in three hours",
                found.len()
            );
            let done = Filter {
                state: Some(RunState::Succeeded),
                trigger: Some("schedule".to_owned()),
                ..Filter::default()
            };
            assert_eq!(runs(&mut host, &done), found, "{fault:?} at {at}");
            let submits = host.world.submits.lock().unwrap().len();
            assert_eq!(submits, found.len(), "{fault:?} at {at}");
        }
    }
}

#[test]
fn a_version_without_a_schedule_takes_it_offline() {
    let mut host = calm();
    let head = apply(&mut host, &workflow("daily", "one", Some("0 * * * *"))).head;
    host.drive(1);
    apply(&mut host, &workflow("daily", "one", None));
    host.drive(1);
    let before = runs(&mut host, &Filter::default()).len();
    host.drive(5);
    assert_eq!(runs(&mut host, &Filter::default()).len(), before);
    let address = Address::schedule(project(), ScheduleId::of_workflow(head.workflow));
    let schedule = host.insist(async |app| app.look::<ScheduleAggregate>(address).await);
    assert!(schedule.sequence > 1);
    assert_eq!(host.world.open_entries(), Vec::<String>::new());
}

#[test]
fn lists_are_paged_newest_first_and_filtered() {
    let mut host = calm();
    let daily = apply(&mut host, &workflow("daily", "", None)).head.workflow;
    let weekly = apply(&mut host, &workflow("weekly", "", None))
        .head
        .workflow;
    let mut expected = Vec::new();
    for number in 0..7 {
        let of = if number % 2 == 0 { daily } else { weekly };
        let new = new_run(of, &number.to_string(), number);
        expected.insert(0, new.run);
        host.insist(async |app| app.create_run(new.clone()).await);
    }
    host.drive(1);
    assert_eq!(runs(&mut host, &Filter::default()), expected);
    let of_daily: Vec<_> = expected.iter().copied().step_by(2).collect();
    let filter = Filter {
        workflow: Some(daily),
        ..Filter::default()
    };
    assert_eq!(runs(&mut host, &filter), of_daily);
    let failed = Filter {
        state: Some(RunState::Failed),
        ..Filter::default()
    };
    assert!(runs(&mut host, &failed).is_empty());
    let bad = host.call(async |app| {
        app.runs(project(), &Filter::default(), Some("no cursor!"), 2)
            .await
    });
    assert!(matches!(bad, Some(Err(ListError::Cursor(_)))));
}

#[test]
fn a_run_of_a_workflow_that_nobody_applied_is_refused() {
    let host = calm();
    let unknown = WorkflowId::first_named(project(), "unknown");
    let created = host
        .app
        .create_run(new_run(unknown, "x", 0))
        .now_or_never()
        .unwrap();
    assert!(matches!(created, Err(CreateRunError::UnknownWorkflow(..))));
    assert!(host.world.open_entries().is_empty());
}

#[test]
fn tasks_share_the_slots_of_a_pool_wherever_the_process_is_cut_off() {
    let mut tasks = vec![];
    for name in ["a", "b", "c"] {
        let kind = Kind::Shell {
            script: "true".to_owned(),
        };
        let mut task = Task::new(name.parse().unwrap(), kind);
        task.pool = Some(PoolUse {
            name: "warehouse".parse().unwrap(),
            slots: 1,
            weight: 0,
        });
        tasks.push(task);
    }
    let shared = Workflow {
        tasks,
        concurrency: Concurrency::SerialWait,
        ..workflow("shared", "", None)
    };
    let pool = Address::pool(project(), PoolId::of_name(project(), "warehouse"));
    let play = |at, fault| {
        let mut host = Host::new(World::new(at, fault));
        let resize = Input::Pool(PoolInput::Commanded(Command {
            id: CommandId::of_key("test", "pool"),
            actor: Actor::engine(),
            what: PoolCommand::Resize {
                slots: 1,
                name: "warehouse".to_owned(),
            },
        }));
        host.insist(async |app| app.tell(&[(pool, resize.clone())]).await);
        let head = apply(&mut host, &shared).head;
        for key in ["x", "y"] {
            let new = new_run(head.workflow, key, 0);
            host.insist(async |app| app.create_run(new.clone()).await);
        }
        host.drive(2);
        host
    };
    let calls = i64::try_from(play(-1, Fault::Cut).world.calls()).unwrap();
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in (-1..calls).step_by(2) {
            let mut host = play(at, fault);
            let done = Filter {
                state: Some(RunState::Succeeded),
                ..Filter::default()
            };
            assert_eq!(runs(&mut host, &done).len(), 2, "{fault:?} at {at}");
            assert_eq!(
                host.world.submits.lock().unwrap().len(),
                6,
                "{fault:?} at {at}"
            );
            host.call(async |app| app.sweep().await).unwrap().unwrap();
            host.drive(48);
            host.call(async |app| app.sweep().await).unwrap().unwrap();
            let open = host.world.open_entries();
            assert_eq!(open, Vec::<String>::new(), "{fault:?} at {at}");
            let state = host.insist(async |app| app.look::<Pool>(pool).await).state;
            assert!(state.held.is_empty(), "{fault:?} at {at}");
        }
    }
}
