//! What waits for agents, who takes it, and what they may say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use porpoise_app::job_item::JobId;
use porpoise_app::pull::{AgentId, ORDERS_MAX, PullBus, PullError, Receipt};
use porpoise_app::{App, Order};
use porpoise_engine::Input;
use porpoise_engine::effect::{Attempt, CancelIntent, Intent};
use porpoise_engine::input::{Report, ReportKind, RunInput};
use porpoise_model::job::{Job, Work};
use porpoise_model::{Cause, ProjectId, RunId};
use porpoise_ports::conformance::bus::{Dispatched, PLACES};
use porpoise_ports::conformance::run;
use porpoise_ports::{Bus, bus_conformance};

use crate::support::{Fault, Port, World};

const BERLIN: &str = "site.berlin";

fn bus(world: &Arc<World>) -> PullBus {
    let port = Arc::new(Port(Arc::clone(world)));
    PullBus::new(port.clone(), port)
}

/// The agents of all places of the suite.
#[derive(Debug)]
struct Agents(App);

#[async_trait]
impl Dispatched for Agents {
    async fn next(&self) -> Vec<(String, Vec<Bytes>)> {
        let mut arrived = Vec::new();
        for place in PLACES {
            let me = AgentId::of_secret(place);
            let taken = self.0.take(place, me, false, &[]).await.expect("take");
            let (receipts, orders): (Vec<Receipt>, Vec<Bytes>) = taken
                .orders
                .into_iter()
                .map(|handed| (handed.receipt, handed.order))
                .unzip();
            if orders.is_empty() {
                continue;
            }
            // what was recorded does not come again
            self.0
                .take(place, me, false, &receipts)
                .await
                .expect("tell");
            arrived.push((place.to_owned(), orders));
        }
        arrived
    }
}

bus_conformance!(pull_bus, async || {
    let world = World::new(-1, Fault::Cut);
    (bus(&world), Agents(world.app()), world)
});

fn job(task: u32) -> JobId {
    JobId {
        run: RunId::from_bytes([7; 16]),
        attempt: Attempt::of(task, 1),
        project: ProjectId::of_name("retail"),
    }
}

fn dispatch(task: u32, script: &str) -> Bytes {
    let JobId {
        run,
        attempt,
        project,
    } = job(task);
    let order = Order::Dispatch(Intent {
        place: BERLIN.to_owned(),
        job: Job {
            key: attempt.key(run),
            project,
            run,
            task,
            map: 0,
            attempt: 1,
            task_name: "load".to_owned(),
            work: Work::Shell {
                script: script.to_owned(),
            },
            env: BTreeMap::new(),
            outputs: BTreeMap::new(),
            dialect: "porpoise/1".to_owned(),
            secrets: BTreeSet::new(),
            target: None,
            residency: BTreeSet::new(),
            labels: BTreeMap::new(),
            files: BTreeMap::new(),
        },
        rank: (2, 1),
        since: Timestamp::UNIX_EPOCH,
    });
    minicbor::to_vec(order).unwrap().into()
}

fn cancel(task: u32) -> Bytes {
    let JobId {
        run,
        attempt,
        project,
    } = job(task);
    let order = Order::Cancel(CancelIntent {
        place: BERLIN.to_owned(),
        project,
        run,
        attempt,
    });
    minicbor::to_vec(order).unwrap().into()
}

fn accepted(task: u32) -> (JobId, Report) {
    let id = job(task);
    let report = Report {
        attempt: id.attempt,
        what: ReportKind::Accepted,
    };
    (id, report)
}

fn agent() -> AgentId {
    AgentId::of_secret("the agent of berlin")
}

/// Everything that the run was told.
fn told(world: &World) -> Vec<Report> {
    let queue = world.queue.lock().unwrap();
    let mut told = Vec::new();
    for body in queue.values().flatten() {
        match minicbor::decode::<Input>(body).unwrap() {
            Input::Run(RunInput::Reported(reports)) => told.extend(reports),
            other @ (Input::Run(_)
            | Input::Pool(_)
            | Input::Gate(_)
            | Input::Schedule(_)
            | Input::Backfill(_)) => {
                panic!("{other:?}")
            }
        }
    }
    told
}

#[test]
fn an_attempt_waits_once_until_it_was_recorded_and_comes_again_when_it_is_sent_again() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        for _ in 0..3 {
            let intents = vec![dispatch(1, "true"), cancel(1), dispatch(2, "true")];
            bus.send(BERLIN, intents).await.unwrap();
        }
        let first = app.take(BERLIN, agent(), false, &[]).await.unwrap();
        let orders: BTreeSet<Bytes> = first.orders.iter().map(|one| one.order.clone()).collect();
        let wanted = [dispatch(1, "true"), cancel(1), dispatch(2, "true")];
        assert_eq!((first.orders.len(), orders), (3, wanted.into()));
        assert_eq!(first.wait, SignedDuration::ZERO, "it has to tell");
        // its answer was lost
        assert_eq!(app.take(BERLIN, agent(), false, &[]).await.unwrap(), first);
        let [told, left @ ..] = &first.orders[..] else {
            panic!("{first:?}")
        };
        let recorded = [told.receipt.clone()];
        let second = app.take(BERLIN, agent(), false, &recorded).await.unwrap();
        assert_eq!(second.orders, left);
        let recorded: Vec<Receipt> = left.iter().map(|one| one.receipt.clone()).collect();
        let third = app.take(BERLIN, agent(), false, &recorded).await.unwrap();
        assert!(third.orders.is_empty() && third.wait > SignedDuration::ZERO);
        bus.send(BERLIN, vec![dispatch(2, "true")]).await.unwrap();
        let again = app.take(BERLIN, agent(), false, &[]).await.unwrap();
        assert_eq!(again.orders.len(), 1, "its run has not heard of it");
    });
}

#[test]
fn an_answer_holds_so_many_orders_and_the_rest_comes_with_the_next() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        let many = u32::try_from(ORDERS_MAX).unwrap() + 50;
        let intents = (0..many).map(|task| dispatch(task, "true")).collect();
        bus.send(BERLIN, intents).await.unwrap();
        let first = app.take(BERLIN, agent(), false, &[]).await.unwrap();
        assert_eq!(first.orders.len(), ORDERS_MAX);
        let recorded: Vec<Receipt> = first.orders.into_iter().map(|one| one.receipt).collect();
        let second = app.take(BERLIN, agent(), false, &recorded).await.unwrap();
        assert_eq!(second.orders.len(), 50);
    });
}

#[test]
fn a_place_has_one_agent_until_another_says_that_it_replaces_it() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        bus.send(BERLIN, vec![dispatch(1, "true")]).await.unwrap();
        let early = app.hear(BERLIN, agent(), vec![accepted(1)]).await;
        assert!(matches!(early, Err(PullError::NoAgent(_))), "{early:?}");
        app.take(BERLIN, agent(), false, &[]).await.unwrap();
        let other = AgentId::of_secret("somebody else");
        let refused = app.take(BERLIN, other, false, &[]).await;
        assert!(matches!(refused, Err(PullError::OtherAgent(_))));
        let refused = app.hear(BERLIN, other, vec![accepted(1)]).await;
        assert!(matches!(refused, Err(PullError::OtherAgent(_))));
        assert_eq!(told(&world), []);
        app.take(BERLIN, other, true, &[]).await.unwrap();
        let refused = app.take(BERLIN, agent(), false, &[]).await;
        assert!(matches!(refused, Err(PullError::OtherAgent(_))));
        app.hear(BERLIN, other, vec![accepted(1)]).await.unwrap();
        assert_eq!(told(&world).len(), 1);
    });
}

#[test]
fn an_agent_reports_only_of_what_was_sent_to_its_place_and_then_of_all_or_nothing() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        bus.send(BERLIN, vec![dispatch(1, "true")]).await.unwrap();
        bus.send("site.oslo", vec![dispatch(2, "true")])
            .await
            .unwrap();
        app.take(BERLIN, agent(), false, &[]).await.unwrap();
        let mut foreign = accepted(1);
        foreign.0.project = ProjectId::of_name("of others");
        for wrong in [accepted(2), accepted(3), foreign] {
            let reports = vec![accepted(1), wrong, accepted(1)];
            let refused = app.hear(BERLIN, agent(), reports).await;
            let Err(PullError::NotSent(place, which)) = refused else {
                panic!("{refused:?}");
            };
            assert_eq!((&*place, &which[..]), (BERLIN, &[1][..]));
        }
        assert_eq!(told(&world), [], "nothing of a batch with a wrong one");
        app.hear(BERLIN, agent(), vec![accepted(1)]).await.unwrap();
        assert_eq!(told(&world), [accepted(1).1]);
    });
}

#[test]
fn whoever_knows_what_it_handed_out_reads_nothing_more_to_hear_of_it() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        bus.send(BERLIN, vec![dispatch(1, "true")]).await.unwrap();
        app.take(BERLIN, agent(), false, &[]).await.unwrap();
        let reads = |app: App| {
            let world = Arc::clone(&world);
            async move {
                let before = world.calls();
                for _ in 0..2 {
                    app.hear(BERLIN, agent(), vec![accepted(1)]).await.unwrap();
                }
                world.calls() - before
            }
        };
        // who the agent is, and a message
        assert_eq!(reads(app).await, 4);
        // another process looks once
        assert_eq!(reads(world.app()).await, 5);
    });
}

#[test]
fn a_job_that_no_agent_can_take_is_rejected_and_says_why() {
    run(async {
        let world = World::new(-1, Fault::Cut);
        let (bus, app) = (bus(&world), world.app());
        let large = dispatch(1, &"x".repeat(360 * 1024));
        bus.send(BERLIN, vec![large]).await.unwrap();
        let taken = app.take(BERLIN, agent(), false, &[]).await.unwrap();
        assert!(taken.orders.is_empty());
        let told = told(&world);
        let [Report { attempt, what }] = &told[..] else {
            panic!("{told:?}")
        };
        let ReportKind::Failed {
            cause: Cause::Rejected { message },
            ..
        } = what
        else {
            panic!("{what:?}")
        };
        assert_eq!(*attempt, job(1).attempt);
        assert!(message.contains("an agent takes 358400"), "{message}");
        app.take(BERLIN, agent(), false, &[]).await.unwrap();
        assert_eq!(self::told(&world).len(), 1, "once");
    });
}

/// Sends, takes, tells and reports; each call again until it goes through, by a new process where the old one was cut
/// off.
fn through(world: &Arc<World>) -> BTreeSet<Bytes> {
    fn insist<T>(mut once: impl FnMut() -> Option<Result<T, String>>) -> T {
        for _ in 0..4 {
            if let Some(Ok(done)) = once() {
                return done;
            }
        }
        panic!("not done in four tries");
    }
    let text = |error: &dyn std::error::Error| error.to_string();
    let bus = bus(world);
    let intents = vec![dispatch(1, "true"), dispatch(2, "true"), cancel(2)];
    insist(|| {
        let sent = bus.send(BERLIN, intents.clone()).now_or_never()?;
        Some(sent.map_err(|error| text(&error)))
    });
    let mut got = BTreeSet::new();
    let mut recorded = Vec::new();
    for _ in 0..3 {
        let taken = insist(|| {
            let app = world.app();
            let taken = app.take(BERLIN, agent(), false, &recorded).now_or_never()?;
            Some(taken.map_err(|error| text(&error)))
        });
        recorded = Vec::new();
        for handed in taken.orders {
            got.insert(handed.order);
            recorded.push(handed.receipt);
        }
    }
    insist(|| {
        let app = world.app();
        let reports = vec![accepted(1), accepted(2)];
        let heard = app.hear(BERLIN, agent(), reports).now_or_never()?;
        Some(heard.map_err(|error| text(&error)))
    });
    assert_eq!(recorded, [], "all that was recorded is gone");
    got
}

#[test]
fn nothing_is_lost_whichever_call_is_cut_off_or_loses_its_answer() {
    let calm = World::new(-1, Fault::Cut);
    let wanted: BTreeSet<Bytes> = [dispatch(1, "true"), dispatch(2, "true"), cancel(2)].into();
    assert_eq!(through(&calm), wanted);
    let calls = calm.calls();
    assert!(calls > 15, "{calls}");
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in 0..i64::try_from(calls).unwrap() {
            let world = World::new(at, fault);
            assert_eq!(through(&world), wanted, "call {at}, {fault:?}");
            let told: BTreeSet<u32> = told(&world).iter().map(|one| one.attempt.task).collect();
            assert_eq!(told, [1, 2].into(), "call {at}, {fault:?}");
        }
    }
}
