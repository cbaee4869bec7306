//! What a workflow asks for is told, whatever is cut off, and a channel that does not listen holds up nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use porpoise_engine::effect::NewRun;
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::{Input, run::Run};
use porpoise_model::workflow::{Kind, Occasion, Task, Workflow};
use porpoise_model::{Actor, Address, CommandId, RunState};
use porpoise_ports::notices::{Notice, What};

use crate::support::retail;
use crate::support::retail::{new_run, project, run_of};
use crate::support::{Fault, Host, World};

fn task(name: &str, script: &str, after: &[u32]) -> Task {
    let script = script.to_owned();
    Task {
        after: after.to_vec(),
        ..Task::new(name.parse().unwrap(), Kind::Shell { script })
    }
}

fn workflow(script: &str, notify: &[Occasion]) -> Workflow {
    let tasks = vec![
        task("extract", "true", &[]),
        task("load", script, &[0]),
        task("report", "true", &[1]),
        task("archive", "true", &[0]),
        task("tidy", "true", &[3]),
    ];
    Workflow {
        notify: notify.iter().copied().collect(),
        ..retail::workflow(tasks)
    }
}

const ENDS: &[Occasion] = &[Occasion::Succeeded, Occasion::Failed];

fn command(key: &str) -> CommandId {
    CommandId::of_key("test", key)
}

fn run() -> Address {
    Address::run(project(), run_of("create"))
}

/// Applies, creates, and goes on for so many hours, or until nothing is under way.
fn play(world: Arc<World>, script: &str, notify: &[Occasion], hours: i64) -> Host {
    play_workflow(world, &workflow(script, notify), hours)
}

fn play_without_channel(script: &str) -> Host {
    run_through(World::new(-1, Fault::Cut), &workflow(script, &[]), 2)
}

fn play_workflow(world: Arc<World>, workflow: &Workflow, hours: i64) -> Host {
    world.channel.tells.store(true, Ordering::SeqCst);
    run_through(world, workflow, hours)
}

fn run_through(world: Arc<World>, workflow: &Workflow, hours: i64) -> Host {
    let mut host = Host::new(world);
    let actor = Actor::engine();
    let head = host
        .insist(async |app| app.apply(workflow, &actor).await)
        .head;
    let new = NewRun {
        workflow_name: "daily".to_owned(),
        ..new_run(head.workflow, "create")
    };
    host.insist(async |app| app.create_run(new.clone()).await);
    host.drive(hours);
    host
}

/// How the run ended: its state, and when.
fn ended(host: &mut Host) -> (RunState, Timestamp) {
    let loaded = host.call(async |app| app.look::<Run>(run()).await);
    let state = loaded.unwrap().unwrap().state;
    (state.state.unwrap(), state.ended.unwrap().0)
}

fn told(host: &Host) -> Vec<Notice> {
    host.world.channel.told.lock().unwrap().clone()
}

/// The ends that were told: how, and when.
fn ends(host: &Host) -> Vec<(RunState, Timestamp)> {
    let end = |notice: Notice| match &notice.what {
        What::Ended { state, .. } => (*state, notice.at),
        What::TaskFailed { .. } | What::TaskLate { .. } | What::Late { .. } => {
            panic!("{:?}", notice.what)
        }
    };
    told(host).into_iter().map(end).collect()
}

#[test]
fn the_end_is_told_with_what_failed_and_how_the_run_ended() {
    let mut host = play(World::new(-1, Fault::Cut), "false", ENDS, 2);
    let (state, at) = ended(&mut host);
    assert_eq!(state, RunState::Failed);
    let told = told(&host);
    let [notice] = told.as_slice() else {
        panic!("{told:?}");
    };
    let what = What::Ended {
        state,
        tasks: 5,
        failed: vec!["load".to_owned()],
        failed_count: 1,
    };
    assert_eq!((&notice.what, notice.at), (&what, at));
    assert_eq!((&*notice.project, &*notice.workflow), ("retail", "daily"));
    assert_eq!(notice.run.as_bytes(), &run().id);
}

#[test]
fn only_what_a_workflow_asks_for_is_told() {
    for (asked, script, told_of) in [
        (vec![Occasion::Succeeded], "true", vec!["succeeded"]),
        (
            vec![Occasion::Succeeded, Occasion::Canceled],
            "false",
            vec![],
        ),
        (vec![Occasion::Failed, Occasion::TaskFailed], "true", vec![]),
        (
            vec![Occasion::Failed, Occasion::TaskFailed],
            "false",
            vec!["task_failed", "failed"],
        ),
        (vec![Occasion::Late], "false", vec![]),
    ] {
        let host = play(World::new(-1, Fault::Cut), script, &asked, 2);
        let words: Vec<&str> = told(&host)
            .iter()
            .map(|notice| notice.what.word())
            .collect();
        assert_eq!(words, told_of, "{asked:?} of `{script}`");
    }
}

/// Not one call more, and the same log to the byte.
#[test]
fn a_run_that_asks_for_nothing_costs_what_it_cost_without_a_channel() {
    for script in ["true", "false"] {
        let asked = play(World::new(-1, Fault::Cut), script, &[], 2);
        let silent = play_without_channel(script);
        assert_eq!(asked.world.trace(), silent.world.trace());
        assert_eq!(told(&asked), []);
    }
}

/// The task fails while others go on: it is told before the end, once nothing is lost.
#[test]
fn a_task_that_failed_for_good_is_told_while_its_run_goes_on() {
    let asked = [Occasion::TaskFailed];
    let mut host = play(World::new(-1, Fault::Cut), "false", &asked, 2);
    let (_, end) = ended(&mut host);
    let told = told(&host);
    let [notice] = told.as_slice() else {
        panic!("{told:?}");
    };
    let what = What::TaskFailed {
        task: "load".to_owned(),
        attempt: 1,
    };
    assert_eq!(notice.what, what);
    assert!(notice.at < end, "{} is not before {end}", notice.at);
}

#[test]
fn a_task_with_a_further_attempt_is_nothing_to_tell() {
    let world = World::new(-1, Fault::Cut);
    let asked = [Occasion::TaskFailed, Occasion::Succeeded];
    let mut workflow = workflow("false", &asked);
    workflow.tasks[1].retry.limit = 1;
    let host = play_workflow(world, &workflow, 2);
    let [(state, _)] = ends(&host)[..] else {
        panic!("{:?}", told(&host));
    };
    assert_eq!(state, RunState::Succeeded);
}

#[test]
fn what_is_asked_for_is_told_wherever_the_process_is_cut_off_or_an_answer_is_lost() {
    for (script, asked) in [
        ("true", ENDS),
        ("false", &[Occasion::Failed, Occasion::TaskFailed]),
    ] {
        let calm = play(World::new(-1, Fault::Cut), script, asked, 2);
        let calls = i64::try_from(calm.world.calls()).unwrap();
        let wanted: Vec<What> = told(&calm).into_iter().map(|notice| notice.what).collect();
        for fault in [Fault::Cut, Fault::LostAnswer] {
            for at in 0..calls {
                let mut host = play(World::new(at, fault), script, asked, 2);
                let (state, ended) = ended(&mut host);
                let told = told(&host);
                let hit = format!("{script}, {fault:?} at call {at}: {told:?}");
                for what in &wanted {
                    assert!(told.iter().any(|notice| notice.what == *what), "{hit}");
                }
                assert!(
                    told.iter().all(|notice| wanted.contains(&notice.what)),
                    "{hit}"
                );
                let end = told
                    .iter()
                    .filter(|notice| notice.what.word() == state.as_str());
                assert!(
                    end.clone().count() > 0 && end.clone().all(|notice| notice.at == ended),
                    "{hit}"
                );
                host.call(async |app| app.sweep().await).unwrap().unwrap();
                assert_eq!(host.world.open_entries(), Vec::<String>::new(), "{hit}");
            }
        }
    }
}

#[test]
fn a_channel_that_does_not_listen_holds_up_nothing_and_hears_of_it_later() {
    let world = World::new(-1, Fault::Cut);
    world.channel.deaf.store(5, Ordering::SeqCst);
    let mut host = play(world, "true", ENDS, 2);
    let (state, at) = ended(&mut host);
    assert_eq!(state, RunState::Succeeded);
    assert_eq!(host.world.errors.load(Ordering::SeqCst), 0, "a step failed");
    assert_eq!(ends(&host), [(state, at)]);
    let now = host.world.now_millis();
    assert!(now > at.as_millisecond(), "it was told at once");
    assert_eq!(host.world.open_entries(), Vec::<String>::new());
}

#[test]
fn a_channel_that_never_listens_keeps_no_run_open_for_ever() {
    let world = World::new(-1, Fault::Cut);
    world.channel.deaf.store(u64::MAX, Ordering::SeqCst);
    let asked = [Occasion::Failed, Occasion::TaskFailed];
    let mut host = play(world, "false", &asked, 48);
    let (_, at) = ended(&mut host);
    assert_eq!(told(&host), []);
    assert_eq!(host.world.open_entries(), Vec::<String>::new());
    let hours = (host.world.now_millis() - at.as_millisecond()) / 3_600_000;
    assert!((24..26).contains(&hours), "given up after {hours} hours");
}

#[test]
fn a_run_that_is_run_again_ends_again() {
    let mut host = play(World::new(-1, Fault::Cut), "false", ENDS, 2);
    let (_, first) = ended(&mut host);
    let what = RunCommand::RerunFailed;
    let again = Input::Run(RunInput::Commanded(Command {
        id: command("again"),
        actor: Actor::engine(),
        what,
    }));
    host.world.advance(60_000);
    host.insist(async |app| app.tell(&[(run(), again.clone())]).await);
    host.drive(2);
    let (_, second) = ended(&mut host);
    let at: Vec<Timestamp> = ends(&host).into_iter().map(|(_, at)| at).collect();
    assert_eq!(at, [first, second]);
}
