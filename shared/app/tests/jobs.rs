//! Dispatcher and poller: what a place does with intents that come twice, late, in the wrong order or to a process
//! that knows nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use porpoise_app::poller::Next;
use porpoise_app::{App, Order};
use porpoise_engine::Input;
use porpoise_engine::effect::{Attempt, CancelIntent, Intent};
use porpoise_engine::input::{ReportKind, RunInput};
use porpoise_model::job::{Job, Work};
use porpoise_model::{AttemptKey, Cause, ProjectId, RunId};

use crate::support::{Fault, PLACE, World};

fn run() -> RunId {
    RunId::from_bytes([5; 16])
}

fn key(task: u32) -> AttemptKey {
    Attempt::of(task, 1).key(run())
}

fn dispatch(task: u32, rank: u8, work: Work) -> Bytes {
    let order = Order::Dispatch(Intent {
        place: PLACE.to_owned(),
        job: Job {
            key: key(task),
            project: ProjectId::of_name("p"),
            run: run(),
            task,
            map: 0,
            attempt: 1,
            task_name: format!("task {task}"),
            work,
            env: BTreeMap::new(),
            outputs: BTreeMap::new(),
            dialect: "porpoise/1".to_owned(),
            secrets: std::collections::BTreeSet::new(),
            target: None,
            residency: std::collections::BTreeSet::new(),
            labels: std::collections::BTreeMap::new(),
            files: std::collections::BTreeMap::new(),
        },
        rank: (2, rank),
        since: Timestamp::from_millisecond(1_000 + i64::from(task)).unwrap(),
    });
    minicbor::to_vec(order).unwrap().into()
}

fn shell(task: u32) -> Bytes {
    dispatch(task, 2, shell_work())
}

fn shell_work() -> Work {
    Work::Shell {
        script: "true".to_owned(),
    }
}

fn cancel(task: u32) -> Bytes {
    let order = Order::Cancel(CancelIntent {
        place: PLACE.to_owned(),
        project: ProjectId::of_name("p"),
        run: run(),
        attempt: Attempt::of(task, 1),
    });
    minicbor::to_vec(order).unwrap().into()
}

fn send(app: &App, intents: Vec<Bytes>) {
    app.on_intents(PLACE, intents)
        .now_or_never()
        .unwrap()
        .unwrap();
}

fn tick(app: &App) -> Next {
    app.tick(PLACE).now_or_never().unwrap().unwrap()
}

/// What was reported since the last call, one line a report; a blank line between messages.
fn reports(world: &World) -> String {
    let mut queue = world.queue.lock().unwrap();
    let messages = queue.values_mut().flat_map(std::mem::take);
    let message = |body: Bytes| {
        let Input::Run(RunInput::Reported(reports)) = minicbor::decode(&body).unwrap() else {
            panic!("no reports");
        };
        let line = |report: &porpoise_engine::input::Report| {
            let what = match &report.what {
                ReportKind::Accepted => "accepted".to_owned(),
                ReportKind::Waiting { why } => format!("waiting {why}"),
                ReportKind::Started { .. } => "started".to_owned(),
                ReportKind::Succeeded { .. } => "succeeded".to_owned(),
                ReportKind::Failed { cause, .. } if *cause == Cause::Lost => "lost".to_owned(),
                ReportKind::Failed { cause, .. } => format!("failed {cause}"),
                ReportKind::Canceled { .. } => "canceled".to_owned(),
            };
            format!("{} {what}", report.attempt.task)
        };
        reports.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    messages.map(message).collect::<Vec<_>>().join(" | ")
}

fn world() -> (Arc<World>, App) {
    let world = World::new(-1, Fault::Cut);
    let app = world.app();
    (world, app)
}

#[test]
fn a_noop_is_recorded_submitted_and_reported_in_four_calls() {
    let (world, app) = world();
    send(&app, vec![dispatch(0, 2, Work::Noop)]);
    assert_eq!(reports(&world), "0 succeeded");
    let calls: Vec<String> = world
        .trace()
        .iter()
        .map(|call| call.split(' ').take(1).collect())
        .collect();
    assert_eq!(calls[..4], ["put", "submit", "list", "queue"]);
    assert_eq!(calls[4..], ["put"]);
    assert_eq!(tick(&app), Next::Idle);
    assert!(world.open_entries().is_empty(), "nothing is left open");
}

#[test]
fn a_batch_is_reported_in_one_message_and_followed_to_its_end() {
    let (world, app) = world();
    send(&app, (0..40).map(shell).collect());
    assert!(!reports(&world).contains('|'));
    assert_eq!(world.submits.lock().unwrap().len(), 40);
    assert!(matches!(tick(&app), Next::In(_)));
    assert_eq!(reports(&world).matches("started").count(), 40);
    tick(&app);
    assert_eq!(reports(&world), "", "no news");
    world.end_jobs();
    app.check(PLACE, &[key(3)]).now_or_never().unwrap().unwrap();
    assert_eq!(reports(&world), "3 succeeded", "whoever is asked for");
    assert_eq!(tick(&app), Next::Idle);
    assert_eq!(reports(&world).matches("succeeded").count(), 39);
    assert!(world.open_entries().is_empty());
}

fn hear(app: &App, event: &str) -> bool {
    app.on_news(PLACE, event).now_or_never().unwrap().unwrap()
}

#[test]
fn an_event_of_a_service_reports_the_job_that_it_is_about_and_no_other() {
    let (world, app) = world();
    send(&app, (0..3).map(shell).collect());
    reports(&world);
    world.end_jobs();
    let about = |task| format!("job of {}", key(task));
    assert!(hear(&app, &about(1)), "whoever knows the job");
    assert_eq!(reports(&world), "1 succeeded");
    assert!(hear(&world.app(), &about(2)), "whoever does not");
    assert_eq!(reports(&world), "2 succeeded");
    assert!(!hear(&app, &about(1)), "it comes late, or again");
    assert!(!hear(&app, "job of somebody else"));
    assert_eq!(reports(&world), "");
    assert!(hear(&world.app(), "what nobody can read"));
    assert_eq!(reports(&world), "0 succeeded");
}

#[test]
fn a_process_that_knows_nothing_finds_every_job_again() {
    let (world, app) = world();
    send(&app, vec![shell(0), shell(1)]);
    reports(&world);
    world.end_jobs();
    let other = world.app();
    other
        .check(PLACE, &[key(1)])
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(reports(&world), "1 succeeded");
    assert_eq!(tick(&world.app()), Next::Idle);
    assert_eq!(reports(&world), "0 succeeded");
    assert!(world.open_entries().is_empty());
}

#[test]
fn a_job_that_ends_before_its_submission_is_noted_is_reported_at_once() {
    let fuse = World::new(-1, Fault::Cut);
    send(&fuse.app(), vec![shell(0)]);
    let noted = fuse
        .trace()
        .iter()
        .rposition(|call| call.starts_with("put jobs/"));
    let world = World::new(i64::try_from(noted.unwrap()).unwrap(), Fault::LostAnswer);
    let app = world.app();
    let sent = app.on_intents(PLACE, vec![shell(0)]).now_or_never();
    assert!(sent.unwrap().is_err(), "nobody knows whether it was noted");
    reports(&world);
    world.end_jobs();
    app.check(PLACE, &[key(0)]).now_or_never().unwrap().unwrap();
    assert_eq!(reports(&world), "0 succeeded");
}

#[test]
fn a_batch_of_more_intents_than_an_entry_of_the_index_holds_is_taken() {
    let (world, app) = world();
    send(
        &app,
        (0..10_000)
            .map(|task| dispatch(task, 2, Work::Noop))
            .collect(),
    );
    assert_eq!(reports(&world).matches("succeeded").count(), 10_000);
    assert_eq!(tick(&app), Next::Idle);
    assert!(world.open_entries().is_empty());
}

#[test]
fn jobs_that_come_one_by_one_share_an_entry_of_the_index_until_it_is_full() {
    let (world, app) = world();
    for task in 0..10 {
        send(&app, vec![shell(task)]);
        assert_eq!(world.open_entries().len(), 1);
    }
    for task in 10..200 {
        send(&app, vec![shell(task)]);
    }
    assert!((2..5).contains(&world.open_entries().len()));
    let other = world.app();
    tick(&other);
    world.end_jobs();
    reports(&world);
    assert_eq!(tick(&other), Next::Idle);
    assert_eq!(reports(&world).matches("succeeded").count(), 200);
    assert!(world.open_entries().is_empty());
    send(&app, vec![shell(200)]);
    assert_eq!(
        world.open_entries().len(),
        1,
        "the one that it knew is gone"
    );
    reports(&world);
    world.end_jobs();
    tick(&other);
    assert_eq!(reports(&world), "200 succeeded");
}

#[test]
fn an_entry_that_grows_is_not_removed_by_who_saw_less_of_it() {
    let (world, app) = world();
    send(&app, vec![shell(0)]);
    let other = world.app();
    tick(&other);
    world.end_jobs();
    send(&app, vec![shell(1)]);
    reports(&world);
    other
        .check(PLACE, &[key(0)])
        .now_or_never()
        .unwrap()
        .unwrap();
    assert_eq!(reports(&world), "0 succeeded");
    world.end_jobs();
    assert_eq!(tick(&other), Next::Idle);
    assert_eq!(
        reports(&world),
        "1 succeeded",
        "and nothing of the first again"
    );
}

#[test]
fn a_job_whose_data_may_not_be_here_is_refused_whatever_placed_it() {
    let (world, app) = world();
    let restricted = |task: u32, places: &[&str]| {
        let Order::Dispatch(mut intent) = minicbor::decode(&shell(task)).unwrap() else {
            panic!("no dispatch");
        };
        intent.job.residency = places.iter().map(|place| place.parse().unwrap()).collect();
        Bytes::from(minicbor::to_vec(Order::Dispatch(intent)).unwrap())
    };
    let there = "aws.eu-central-1.111122223333";
    send(
        &app,
        vec![restricted(0, &[there]), restricted(1, &[there, PLACE])],
    );
    let told = reports(&world);
    assert!(
        told.contains("0 failed") && told.contains("1 accepted"),
        "{told}"
    );
    assert_eq!(*world.submits.lock().unwrap(), [(1, 1)]);
}

#[test]
fn a_dispatch_that_is_repeated_starts_nothing_and_hears_what_became_of_it() {
    let (world, app) = world();
    for app in [&app, &app, &world.app()] {
        send(app, vec![shell(0)]);
        assert_eq!(reports(&world), "0 accepted");
    }
    assert_eq!(world.submits.lock().unwrap().len(), 1);
    world.end_jobs();
    assert_eq!(tick(&app), Next::Idle);
    reports(&world);
    for app in [&app, &world.app()] {
        send(app, vec![shell(0)]);
        assert_eq!(reports(&world), "0 succeeded");
        assert_eq!(tick(app), Next::Idle);
    }
    assert_eq!(world.submits.lock().unwrap().len(), 1);
}

#[test]
fn a_cancel_before_its_dispatch_keeps_the_job_from_ever_starting() {
    let (world, app) = world();
    send(&app, vec![cancel(0)]);
    assert_eq!(reports(&world), "0 canceled");
    send(&app, vec![shell(0)]);
    assert_eq!(reports(&world), "0 canceled");
    send(&app, vec![cancel(0)]);
    assert_eq!(reports(&world), "0 canceled");
    assert!(world.submits.lock().unwrap().is_empty());
    assert_eq!(tick(&app), Next::Idle);
}

#[test]
fn a_cancel_stops_a_running_job_and_one_that_waits() {
    let (world, app) = world();
    world.capacity.store(1, Ordering::SeqCst);
    send(&app, vec![shell(0), shell(1)]);
    assert_eq!(reports(&world), "0 accepted, 1 waiting budget");
    send(&app, vec![cancel(0), cancel(1)]);
    assert_eq!(reports(&world), "0 canceled, 1 canceled");
    assert_eq!(tick(&app), Next::Idle);
    assert_eq!(world.submits.lock().unwrap().len(), 1);
}

#[test]
fn jobs_that_wait_are_submitted_in_the_order_of_their_ranks_as_others_end() {
    let (world, app) = world();
    world.capacity.store(1, Ordering::SeqCst);
    send(&app, vec![shell(0)]);
    send(
        &app,
        vec![
            shell(1),
            dispatch(2, 0, shell_work()),
            shell(3),
            dispatch(4, 1, shell_work()),
        ],
    );
    reports(&world);
    let mut order = Vec::new();
    for _ in 0..4 {
        world.end_jobs();
        tick(&app);
        order.push(world.submits.lock().unwrap().last().unwrap().0);
    }
    assert_eq!(order, [2, 4, 1, 3]);
}

#[test]
fn a_target_that_is_called_too_often_is_left_alone_for_a_while() {
    let (world, app) = world();
    let submissions = || {
        world
            .trace()
            .iter()
            .filter(|call| call.starts_with("submit"))
            .count()
    };
    world.throttled.store(3, Ordering::SeqCst);
    send(&app, vec![shell(0), shell(1)]);
    assert_eq!(reports(&world), "0 waiting throttled, 1 waiting throttled");
    let Next::In(rest) = tick(&app) else {
        panic!("they are still to be submitted");
    };
    assert!(rest > SignedDuration::from_millis(499) && rest <= SignedDuration::from_secs(1));
    assert_eq!((submissions(), reports(&world)), (2, String::new()));
    world.advance(1_000);
    tick(&app);
    assert_eq!(
        (submissions(), reports(&world)),
        (4, "1 accepted".to_owned())
    );
    world.advance(999);
    tick(&app);
    assert_eq!(submissions(), 4, "the second rest is twice as long");
    world.advance(1_000);
    tick(&app);
    assert_eq!(submissions(), 5);
    assert!(reports(&world).contains("0 accepted"));
}

#[test]
fn a_table_that_is_called_too_often_lets_the_poll_loop_rest() {
    let (world, app) = world();
    world.throttled_queries.store(2, Ordering::SeqCst);
    for longest in [1, 2] {
        let longest = SignedDuration::from_secs(longest);
        let rests = |next| matches!(next, Next::In(rest) if rest >= longest / 2 && rest <= longest);
        assert!(rests(tick(&app)));
    }
    assert_eq!(tick(&app), Next::Idle);
}

#[test]
fn a_kind_that_nobody_runs_is_rejected_with_what_to_do() {
    let (world, app) = world();
    let spark = Work::External {
        system: "dolphinscheduler".to_owned(),
        name: "SPARK".to_owned(),
        parameters: "{}".to_owned(),
    };
    for _ in 0..2 {
        send(&app, vec![dispatch(0, 2, spark.clone())]);
        let said = reports(&world);
        assert!(
            said.contains("`spark`") && said.contains("--simulate"),
            "{said}"
        );
    }
    assert_eq!(tick(&app), Next::Idle);
}

#[test]
fn a_job_that_its_target_lost_is_reported_as_lost() {
    let (world, app) = world();
    send(&app, vec![shell(0)]);
    reports(&world);
    world.jobs.lock().unwrap().clear();
    assert_eq!(tick(&app), Next::Idle);
    assert_eq!(reports(&world), "0 lost");
    assert_eq!(
        world.canceled.lock().unwrap().len(),
        1,
        "and never comes back"
    );
}

#[test]
fn intents_and_ticks_that_are_cut_off_anywhere_end_the_same() {
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in 0..60 {
            let world = World::new(at, fault);
            let mut app = world.app();
            for intents in [vec![shell(0), shell(1)], vec![cancel(1)]] {
                // Whoever hears nothing sends again.
                for _ in 0..2 {
                    match app.on_intents(PLACE, intents.clone()).now_or_never() {
                        None => app = world.app(),
                        Some(Err(_)) => {}
                        Some(Ok(_)) => break,
                    }
                }
            }
            world.end_jobs();
            for _ in 0..3 {
                if app.tick(PLACE).now_or_never().is_none() {
                    app = world.app();
                }
            }
            let hit = format!("{fault:?} at {at}");
            let said = reports(&world);
            assert!(said.contains("0 succeeded"), "{hit}: {said}");
            assert!(said.contains("1 canceled"), "{hit}: {said}");
            let submits = world.submits.lock().unwrap().clone();
            let firsts = submits.iter().filter(|(task, _)| *task == 0).count();
            assert_eq!(firsts, 1, "{hit}: {submits:?}");
            assert_eq!(world.running(), 0, "{hit}");
            assert!(world.open_entries().is_empty(), "{hit}");
        }
    }
}

/// Each bug on purpose that lives in the dispatcher shows in what the tests above look at.
#[cfg(feature = "mutants")]
mod mutants {
    use porpoise_engine::mutant::{Mutant, activate};

    use super::*;

    #[test]
    fn without_a_tombstone_a_canceled_job_starts() {
        let (world, app) = world();
        activate(Some(Mutant::CancelBeforeDispatchIgnored));
        send(&app, vec![cancel(0)]);
        send(&app, vec![shell(0)]);
        assert_eq!(world.submits.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_dispatch_that_is_repeated_starts_a_second_job() {
        let (world, app) = world();
        send(&app, vec![shell(0)]);
        activate(Some(Mutant::SubmitTwice));
        send(&app, vec![shell(0)]);
        assert_eq!(world.submits.lock().unwrap().len(), 2);
    }
}
