//! Who takes over a run from another process sends again what may be lost, and nothing else.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use porpoise_app::{App, Delivery};
use porpoise_engine::Input;
use porpoise_engine::effect::Attempt;
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::workflow::{Kind, Task, Workflow};
use porpoise_model::{Actor, Address};

use crate::support::retail::{new_run, project, run_of, workflow};
use crate::support::{Fault, World};

const WIDTH: u32 = 30;

fn now<T>(work: impl Future<Output = T>) -> T {
    work.now_or_never().unwrap()
}

fn wide() -> Workflow {
    let kind = Kind::Shell {
        script: "true".to_owned(),
    };
    let task = |at| Task::new(format!("t{at}").parse().unwrap(), kind.clone());
    workflow((0..WIDTH).map(task).collect())
}

/// Another process, which remembers nothing.
fn process(world: &Arc<World>) -> App {
    world.app().swept()
}

/// A run whose jobs were all sent out by the process that began it.
fn begun() -> Arc<World> {
    let world = World::new(-1, Fault::Cut);
    let app = process(&world);
    let head = now(app.apply(&wide(), &Actor::engine())).unwrap().head;
    let new = new_run(head.workflow, "create");
    now(app.create_run(new)).unwrap();
    assert_eq!(
        step(&world, &process(&world), Delivery::First, &RunInput::Start),
        usize::try_from(WIDTH).unwrap(),
        "who creates a run sends nothing of it"
    );
    world
}

/// Steps the run; says how many orders went out.
fn step(world: &World, app: &App, delivery: Delivery, input: &RunInput) -> usize {
    let body: Bytes = minicbor::to_vec(Input::Run(input.clone())).unwrap().into();
    let address = Address::run(project(), run_of("create"));
    now(app.on_group(address, delivery, vec![body])).unwrap();
    let sent = std::mem::take(&mut *world.bus.lock().unwrap());
    sent.iter().map(|(_, orders)| orders.len()).sum()
}

fn accepted(task: u32) -> RunInput {
    RunInput::Reported(vec![Report {
        attempt: Attempt::of(task, 1),
        what: ReportKind::Accepted,
    }])
}

#[test]
fn what_another_process_sent_is_not_sent_again() {
    let world = begun();
    let orders = step(&world, &process(&world), Delivery::First, &accepted(0));
    assert_eq!(orders, 0);
    world.advance(600_000);
    let orders = step(&world, &process(&world), Delivery::First, &accepted(1));
    assert_eq!(orders, 0, "however old: the sweep looks after that");
}

#[test]
fn after_a_step_that_may_have_been_cut_off_all_is_sent_again() {
    let world = begun();
    let app = process(&world);
    assert_eq!(step(&world, &app, Delivery::First, &accepted(0)), 0);
    assert_eq!(step(&world, &app, Delivery::Again, &accepted(0)), 29);
    assert_eq!(step(&world, &app, Delivery::First, &accepted(1)), 0);
}

#[test]
fn who_is_woken_sends_again_what_waits_for_long() {
    let world = begun();
    let woken = RunInput::Woken;
    assert_eq!(step(&world, &process(&world), Delivery::First, &woken), 0);
    world.advance(119_000);
    assert_eq!(step(&world, &process(&world), Delivery::First, &woken), 0);
    world.advance(1_000);
    assert_eq!(step(&world, &process(&world), Delivery::First, &woken), 30);
}
