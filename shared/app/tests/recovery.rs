//! Every call of every port is the last one of a process once, and fails after it took effect once: what is under
//! way ends as it would have, and nothing is done twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use porpoise_app::lists::Filter;
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::{Input, run::Run};
use porpoise_model::workflow::{Kind, Retry, Task, Workflow};
use porpoise_model::{Actor, Address, CommandId, RunId, RunState};

use crate::support;
use crate::support::retail::{new_run, project, run_of, workflow};
use crate::support::{Fault, Host, World};

fn task(name: &str, kind: Kind, after: &[u32]) -> Task {
    Task {
        after: after.to_vec(),
        ..Task::new(name.parse().unwrap(), kind)
    }
}

fn shell(script: &str) -> Kind {
    Kind::Shell {
        script: script.to_owned(),
    }
}

/// A diamond with a no-op, a process, and one that fails once and is tried again.
fn diamond() -> Workflow {
    let mut flaky = task("flaky", shell("false"), &[0]);
    flaky.retry = Retry {
        limit: 2,
        ..Retry::default()
    };
    workflow(vec![
        task("first", Kind::Noop, &[]),
        task("left", shell("true"), &[0]),
        flaky,
        task("last", Kind::Noop, &[1, 2]),
    ])
}

fn command_id(key: &str) -> CommandId {
    CommandId::of_key("test", key)
}

/// Applies, creates, and goes on until nothing is under way.
fn play(at: i64, fault: Fault, workflow: &Workflow, command: Option<RunCommand>) -> Host {
    play_in(World::new(at, fault), workflow, command)
}

fn play_in(world: Arc<World>, workflow: &Workflow, command: Option<RunCommand>) -> Host {
    let mut host = Host::new(world);
    let actor = Actor::engine();
    let head = host
        .insist(async |app| app.apply(workflow, &actor).await)
        .head;
    let new = new_run(head.workflow, "create");
    host.insist(async |app| app.create_run(new.clone()).await);
    if let Some(what) = command {
        let input = Input::Run(RunInput::Commanded(Command {
            id: command_id("command"),
            actor,
            what,
        }));
        let to = Address::run(project(), run_of("create"));
        host.insist(async |app| app.tell(&[(to, input.clone())]).await);
    }
    host.drive(2);
    host
}

fn state(host: &mut Host) -> Option<RunState> {
    let address = Address::run(project(), run_of("create"));
    let loaded = host.call(async |app| app.look::<Run>(address).await);
    loaded.unwrap().unwrap().state.state
}

fn check(host: &mut Host, expected: RunState, submits: &[(u32, u32)], hit: &str) {
    assert_eq!(state(host), Some(expected), "{hit}");
    let mut seen = host.world.submits.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, submits, "{hit}: attempts that became jobs");
    let listed = host.call(async |app| app.runs(project(), &Filter::default(), None, 10).await);
    let listed = listed.unwrap().unwrap().runs;
    let states: Vec<RunState> = listed.iter().map(|line| line.state).collect();
    assert_eq!(states, [expected], "{hit}: in the list");
    // What a repeated creation left behind goes with the next sweep.
    host.call(async |app| app.sweep().await).unwrap().unwrap();
    // Nor does a bill stay owed.
    host.world.advance(3_600_000);
    host.call(async |app| app.tick(support::PLACE).await)
        .unwrap()
        .unwrap();
    assert_eq!(host.world.open_entries(), Vec::<String>::new(), "{hit}");
}

fn hit_every_call(workflow: &Workflow, expected: RunState, submits: &[(u32, u32)]) {
    let mut calm = play(-1, Fault::Cut, workflow, None);
    let calls = i64::try_from(calm.world.calls()).unwrap();
    check(&mut calm, expected, submits, "calm");
    assert!(calls > 40, "{calls} calls");
    for fault in [Fault::Cut, Fault::LostAnswer] {
        let mut felt = 0;
        for at in 0..calls {
            let mut host = play(at, fault, workflow, None);
            felt += i64::from(host.deaths > 0)
                + i64::from(host.world.errors.load(std::sync::atomic::Ordering::SeqCst) > 0);
            check(
                &mut host,
                expected,
                submits,
                &format!("{fault:?} at call {at}"),
            );
        }
        assert!(felt > calls / 2, "{fault:?} was felt {felt} times only");
    }
}

#[test]
fn a_run_ends_the_same_wherever_its_process_is_cut_off() {
    let submits = [(0, 1), (1, 1), (2, 1), (2, 2), (3, 1)];
    hit_every_call(&diamond(), RunState::Succeeded, &submits);
}

/// After each call in turn, the process dies, and everything that was under way to somebody with it.
#[test]
fn a_run_ends_the_same_whatever_dies_with_a_queue_in_process() {
    for remembers in [false, true] {
        let world = |at| {
            let world = World::new(at, Fault::Cut);
            world.remembers.store(remembers, Ordering::SeqCst);
            world
        };
        let submits = [(0, 1), (1, 1), (2, 1), (2, 2), (3, 1)];
        let calls = play_in(world(-1), &diamond(), None).world.calls();
        for at in 0..i64::try_from(calls).unwrap() {
            let world = world(at);
            world.forgetful.store(true, Ordering::SeqCst);
            let mut host = play_in(world, &diamond(), None);
            let hit = format!(
                "everything forgotten at call {at}, by all but the target {remembers}: {:?}",
                host.world.trace()
            );
            check(&mut host, RunState::Succeeded, &submits, &hit);
        }
    }
}

#[test]
fn a_run_that_fails_fails_the_same_wherever_its_process_is_cut_off() {
    let tasks = vec![
        task("first", shell("false"), &[]),
        task("second", Kind::Noop, &[0]),
    ];
    hit_every_call(&workflow(tasks), RunState::Failed, &[(0, 1)]);
}

#[test]
fn a_kill_is_confirmed_wherever_its_process_is_cut_off() {
    let workflow = workflow(vec![
        task("first", shell("true"), &[]),
        task("second", Kind::Noop, &[0]),
    ]);
    let calm = play(-1, Fault::Cut, &workflow, Some(RunCommand::Kill));
    let calls = i64::try_from(calm.world.calls()).unwrap();
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in -1..calls {
            let mut host = play(at, fault, &workflow, Some(RunCommand::Kill));
            let end = state(&mut host);
            assert!(
                end.is_some_and(RunState::is_terminal),
                "{fault:?} at {at}: {end:?}"
            );
            assert_eq!(host.world.running(), 0, "{fault:?} at {at}");
        }
    }
}

#[test]
fn a_run_is_seen_with_every_attempt_of_its_tasks() {
    let mut host = play(-1, Fault::Cut, &diamond(), None);
    let seen = host.insist(async |app| app.run_view(project(), run_of("create")).await);
    let seen = seen.unwrap();
    let causes: Vec<_> = [0, 1, 2, 3]
        .map(|task| seen.view.attempts.get(&task).unwrap().len())
        .into();
    assert_eq!(causes, [1, 1, 2, 1]);
    assert_eq!(seen.view.state.state, Some(RunState::Succeeded));
    let loaded = host.insist(async |app| {
        app.look::<Run>(Address::run(project(), run_of("create")))
            .await
    });
    assert_eq!(seen.sequence, loaded.sequence);
    assert_eq!(seen.view.state, loaded.state);
    let none = host.insist(async |app| app.run_view(project(), RunId::from_bytes([0; 16])).await);
    assert!(none.is_none());
}

/// Bugs on purpose that only a cut at the right call brings to light.
#[cfg(feature = "mutants")]
mod mutants {
    use porpoise_engine::mutant::{Mutant, activate};

    use super::*;

    fn stuck(mutant: Mutant) -> usize {
        let mut stuck = 0;
        for at in 0..60 {
            activate(Some(mutant));
            let mut host = play(at, Fault::Cut, &diamond(), None);
            activate(None);
            stuck += usize::from(state(&mut host) != Some(RunState::Succeeded));
        }
        stuck
    }

    #[test]
    fn without_resends_a_cut_leaves_a_run_that_never_ends() {
        assert!(stuck(Mutant::NoResend) > 0);
    }

    #[test]
    fn a_creation_that_is_not_repeated_whole_leaves_a_run_that_never_starts() {
        assert!(stuck(Mutant::CreateWithoutStart) > 0);
    }
}
