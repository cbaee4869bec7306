//! Tasks that wait for runs of other workflows, wherever a process is cut off.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use porpoise_engine::Input;
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::run::Run;
use porpoise_model::dependence::{Need, Part, Period, Runs};
use porpoise_model::workflow::{Kind, Task, Workflow};
use porpoise_model::{Actor, Address, CommandId, RunState};
use porpoise_ports::Table;
use porpoise_ports::table::Query;

use crate::support::retail::{new_run, project, run_of, workflow};
use crate::support::{Fault, Host, World};

fn shell(script: &str) -> Kind {
    Kind::Shell {
        script: script.to_owned(),
    }
}

fn task(name: &str, kind: Kind, after: &[u32]) -> Task {
    Task {
        after: after.to_vec(),
        ..Task::new(name.parse().unwrap(), kind)
    }
}

/// One that is waited for.
fn orders(script: &str) -> Workflow {
    let mut orders = workflow(vec![task("extract", shell(script), &[])]);
    orders.name = "orders".parse().unwrap();
    orders
}

fn runs(part: Part) -> Need {
    Need::Runs(Box::new(Runs {
        project: None,
        workflow: "orders".parse().unwrap(),
        part,
        period: Period::Today,
        only_scheduled: false,
    }))
}

/// One that waits.
fn report(needs: Need, failure_wait: Duration) -> Workflow {
    let waits = Kind::Dependent {
        needs,
        timezone: None,
        failure_wait,
    };
    let mut report = workflow(vec![
        task("wait", waits, &[]),
        task("build", Kind::Noop, &[0]),
    ]);
    report.name = "report".parse().unwrap();
    report
}

/// Which is created first.
#[derive(Debug, Clone, Copy)]
enum Order {
    WaiterFirst,
    WaiterLast,
    /// Nothing is driven before both are there.
    Together,
}

fn play(world: Arc<World>, order: Order, (orders, report): &(Workflow, Workflow)) -> Host {
    let mut host = Host::new(world);
    let both = match order {
        Order::WaiterFirst | Order::Together => [("report", report), ("orders", orders)],
        Order::WaiterLast => [("orders", orders), ("report", report)],
    };
    for (key, workflow) in both {
        let actor = Actor::engine();
        let head = host.insist(async |app| app.apply(workflow, &actor).await);
        let new = new_run(head.head.workflow, key);
        host.insist(async |app| app.create_run(new.clone()).await);
        if !matches!(order, Order::Together) {
            drive(&mut host);
        }
    }
    drive(&mut host);
    host
}

/// For two hours, and not to a deadline after them.
fn drive(host: &mut Host) {
    host.last_wake = host.world.now_millis() + 7_200_000;
    host.drive(2);
}

fn state(host: &mut Host, key: &str) -> Option<RunState> {
    let address = Address::run(project(), run_of(key));
    let loaded = host.call(async |app| app.look::<Run>(address).await);
    loaded.unwrap().unwrap().state.state
}

/// Subscriptions that are left.
fn subscriptions(host: &Host) -> usize {
    let orders = porpoise_model::WorkflowId::first_named(project(), "orders");
    let query = Query::prefix(format!("{}/waits/{orders}", project()), "");
    let page = futures_util::FutureExt::now_or_never(host.world.table.query(&query));
    page.unwrap().unwrap().items.len()
}

fn command(host: &mut Host, key: &str, what: RunCommand) {
    let input = Input::Run(RunInput::Commanded(Command {
        id: CommandId::of_key("test", &format!("{key} {what:?}")),
        actor: Actor::engine(),
        what,
    }));
    let to = Address::run(project(), run_of(key));
    host.insist(async |app| app.tell(&[(to, input.clone())]).await);
    drive(host);
}

/// After each call in turn the process dies, or hears no answer; or all that is under way dies with it.
fn hit_every_call(of: &(Workflow, Workflow), ends: (RunState, RunState)) {
    for order in [Order::WaiterFirst, Order::WaiterLast] {
        let calm = play(World::new(-1, Fault::Cut), order, of);
        let calls = i64::try_from(calm.world.calls()).unwrap();
        for (fault, forgetful) in [
            (Fault::Cut, false),
            (Fault::LostAnswer, false),
            (Fault::Cut, true),
        ] {
            for at in -1..calls {
                let world = World::new(at, fault);
                world.forgetful.store(forgetful, Ordering::SeqCst);
                let mut host = play(world, order, of);
                let found = (state(&mut host, "orders"), state(&mut host, "report"));
                let hit = format!(
                    "{order:?}, {fault:?} at call {at}, forgetful {forgetful}: {:?}",
                    host.world.trace()
                );
                assert_eq!(found, (Some(ends.0), Some(ends.1)), "{hit}");
                assert_eq!(subscriptions(&host), 0, "{hit}");
            }
        }
    }
}

#[test]
fn who_waits_goes_on_wherever_a_process_is_cut_off() {
    let of = (orders("true"), report(runs(Part::Whole), Duration::ZERO));
    hit_every_call(&of, (RunState::Succeeded, RunState::Succeeded));
}

#[test]
fn who_waits_fails_wherever_a_process_is_cut_off() {
    let part = Part::Task("extract".parse().unwrap());
    let of = (orders("false"), report(runs(part), Duration::ZERO));
    hit_every_call(&of, (RunState::Failed, RunState::Failed));
}

/// Before each call in turn all that others have to do comes first: runs end just while somebody looks at them, and
/// somebody begins to wait just while they end.
fn stand_before_every_call(of: &(Workflow, Workflow), ends: (RunState, RunState)) {
    for order in [Order::WaiterFirst, Order::WaiterLast, Order::Together] {
        let calm = play(World::new(-1, Fault::Stand), order, of);
        for at in -1..i64::try_from(calm.world.calls()).unwrap() {
            let mut host = play(World::new(at, Fault::Stand), order, of);
            let found = (state(&mut host, "orders"), state(&mut host, "report"));
            let trace = host.world.trace();
            let ends = (Some(ends.0), Some(ends.1));
            assert_eq!(found, ends, "{order:?}, call {at}: {trace:?}");
            assert_eq!(subscriptions(&host), 0, "{order:?}, call {at}: {trace:?}");
        }
    }
}

#[test]
fn who_waits_goes_on_whatever_happens_between_two_calls() {
    let of = (orders("true"), report(runs(Part::Whole), Duration::ZERO));
    stand_before_every_call(&of, (RunState::Succeeded, RunState::Succeeded));
}

#[test]
fn runs_for_a_day_that_is_to_come_find_each_other() {
    let needs = runs(Part::Whole);
    let of = [orders("true"), report(needs, Duration::ZERO)];
    let mut host = Host::new(World::new(-1, Fault::Cut));
    for (workflow, key) in of.iter().zip(["orders", "report"]) {
        let actor = Actor::engine();
        let head = host.insist(async |app| app.apply(workflow, &actor).await);
        let mut new = new_run(head.head.workflow, key);
        new.logical_date += Duration::from_hours(20 * 24);
        host.insist(async |app| app.create_run(new.clone()).await);
        drive(&mut host);
    }
    assert_eq!(state(&mut host, "report"), Some(RunState::Succeeded));
}

#[test]
fn what_had_failed_over_there_may_still_be_mended() {
    let begin = || {
        let part = Part::Task("extract".parse().unwrap());
        let of = (
            orders("false"),
            report(runs(part), Duration::from_hours(24)),
        );
        let mut host = play(World::new(-1, Fault::Cut), Order::WaiterFirst, &of);
        assert_eq!(state(&mut host, "report"), Some(RunState::Running));
        assert_eq!(subscriptions(&host), 1);
        host
    };
    // The second attempt succeeds.
    let mut host = begin();
    command(&mut host, "orders", RunCommand::RerunFailed);
    assert_eq!(state(&mut host, "orders"), Some(RunState::Succeeded));
    assert_eq!(state(&mut host, "report"), Some(RunState::Succeeded));
    assert_eq!(subscriptions(&host), 0);
    // The run is over and has failed; its task counts as one that succeeded from now on.
    let mut host = begin();
    let tasks = vec![0];
    command(&mut host, "orders", RunCommand::MarkSucceeded { tasks });
    assert_eq!(state(&mut host, "orders"), Some(RunState::Failed));
    assert_eq!(state(&mut host, "report"), Some(RunState::Succeeded));
    assert_eq!(subscriptions(&host), 0);
}

#[test]
fn the_first_run_of_a_workflow_does_not_wait_for_itself() {
    let waits = |period| {
        let needs = Need::Runs(Box::new(Runs {
            project: Some("retail".parse().unwrap()),
            workflow: "daily".parse().unwrap(),
            part: Part::Whole,
            period,
            only_scheduled: false,
        }));
        Kind::Dependent {
            needs,
            timezone: None,
            failure_wait: Duration::ZERO,
        }
    };
    let daily = workflow(vec![task("yesterday", waits(Period::LastDay), &[])]);
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let actor = Actor::engine();
    let head = host
        .insist(async |app| app.apply(&daily, &actor).await)
        .head;
    let mut create = |key: &str, day: i64| {
        let mut new = new_run(head.workflow, key);
        new.logical_date = jiff::Timestamp::from_second(day * 86_400).unwrap();
        new.created += jiff::SignedDuration::from_hours(day);
        host.insist(async |app| app.create_run(new.clone()).await);
        host.drive(2);
    };
    create("first", 1);
    create("third", 3);
    create("second", 2);
    for (key, ends) in [
        ("first", RunState::Succeeded),
        ("second", RunState::Succeeded),
        ("third", RunState::Succeeded),
    ] {
        assert_eq!(state(&mut host, key), Some(ends), "{key}");
    }
}

/// One that is waited for, and goes on when its first task has ended: somebody has to approve the second.
fn orders_that_go_on(script: &str) -> Workflow {
    let confirm = Kind::Approval {
        question: String::new(),
    };
    let mut orders = orders(script);
    orders.tasks.push(task("confirm", confirm, &[]));
    orders
}

fn extract() -> Need {
    runs(Part::Task("extract".parse().unwrap()))
}

#[test]
fn who_waits_for_a_task_goes_on_although_its_run_does_too_wherever_a_process_is_cut_off() {
    let of = (orders_that_go_on("true"), report(extract(), Duration::ZERO));
    hit_every_call(&of, (RunState::Running, RunState::Succeeded));
}

#[test]
fn who_waits_for_a_task_goes_on_whatever_happens_between_two_calls() {
    for (script, end) in [("true", RunState::Succeeded), ("false", RunState::Failed)] {
        let of = (orders_that_go_on(script), report(extract(), Duration::ZERO));
        stand_before_every_call(&of, (RunState::Running, end));
    }
}

/// A run that nobody waits for pays two queries of who waits, when it has begun and when it has ended, and writes nothing
/// for it.
#[test]
fn a_run_that_nobody_waits_for_costs_two_queries_more() {
    let of = (orders("true"), report(runs(Part::Whole), Duration::ZERO));
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let actor = Actor::engine();
    let head = host.insist(async |app| app.apply(&of.0, &actor).await).head;
    let new = new_run(head.workflow, "orders");
    host.insist(async |app| app.create_run(new.clone()).await);
    host.drive(2);
    let trace = host.world.trace();
    let about: Vec<_> = trace
        .iter()
        .filter(|call| call.contains("/waits/"))
        .collect();
    assert_eq!(about.len(), 2, "{trace:?}");
    assert!(about.iter().all(|call| call.contains("query")), "{about:?}");
}
