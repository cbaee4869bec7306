//! Home and a site with an agent, each with a store of its own. Every call of every port on either side is the last one
//! of its process once, and loses its answer once: every attempt has one job, and the run ends as it would have.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use porpoise_app::job_item::JobId;
use porpoise_app::pull::{AgentId, PullBus, Receipt};
use porpoise_app::target_store::TargetSpec;
use porpoise_app::{App, Delivery, Executors, Ports};
use porpoise_engine::input::{Command, RunCommand, RunInput};
use porpoise_engine::{Input, run::Run};
use porpoise_model::workflow::{Kind, Retry, Task, Workflow};
use porpoise_model::{Actor, Address, CommandId, RunId, RunState};
use porpoise_ports::queue::Message;
use porpoise_ports::{Bus, Executor, Queue, Table, Unavailable};

use crate::support::retail;
use crate::support::retail::{new_run, project, run_of};
use crate::support::{Fault, Host, Port, World};

const BERLIN: &str = "site.berlin";

fn agent() -> AgentId {
    AgentId::of_secret("the agent of berlin")
}

/// Home as an agent reaches it: by requests of which each may be the last one of the process that answers.
#[derive(Debug)]
struct Api {
    home: Arc<World>,
    site: Arc<World>,
}

impl Api {
    /// `None`: no answer.
    fn ask<T, E: std::fmt::Debug>(
        &self,
        work: impl AsyncFnOnce(&App) -> Result<T, E>,
    ) -> Option<T> {
        let process = self.home.app();
        work(&process).now_or_never()?.ok()
    }
}

#[async_trait]
impl Queue for Api {
    async fn send(&self, messages: Vec<Message>) -> Result<(), Unavailable> {
        let mut reports = Vec::new();
        for Message { group, body, .. } in messages {
            let Ok(Input::Run(RunInput::Reported(told))) = minicbor::decode(&body) else {
                panic!("an agent tells something else");
            };
            reports.extend(told.into_iter().map(|report| {
                let id = JobId {
                    run: RunId::from_bytes(group.id),
                    attempt: report.attempt,
                    project: group.project,
                };
                (id, report)
            }));
        }
        // The request is a call of the agent: it may die in it, or not hear of the answer.
        let request = Queue::send(&Port(Arc::clone(&self.site)), Vec::new()).await;
        let heard = request.is_ok();
        let told = self.ask(async |home| home.hear(BERLIN, agent(), reports).await);
        match told {
            Some(()) if heard => Ok(()),
            Some(()) | None => Err(Unavailable::new("home", "no answer")),
        }
    }
}

/// The process of the agent, which forgets all but its store when it dies.
#[derive(Debug)]
struct Site {
    world: Arc<World>,
    home: Arc<World>,
    app: App,
    recorded: Vec<Receipt>,
}

impl Site {
    fn new(home: &Arc<World>, world: Arc<World>) -> Self {
        let app = Self::app(home, &world);
        Self {
            world,
            home: Arc::clone(home),
            app,
            recorded: Vec::new(),
        }
    }

    fn app(home: &Arc<World>, world: &Arc<World>) -> App {
        let port = Arc::new(Port(Arc::clone(world)));
        let executor: Arc<dyn Executor> = port.clone();
        let api = Api {
            home: Arc::clone(home),
            site: Arc::clone(world),
        };
        let ports = Ports {
            table: port.clone(),
            blobs: port.clone(),
            queue: Arc::new(api),
            bus: port.clone(),
            timers: port.clone(),
            clock: port.clone(),
            ids: port,
        };
        App::new(ports, Executors::none().with(["process"], &executor))
    }

    /// One call of the agent; `None`: it died in it, and there is a new one.
    fn call<T>(&mut self, work: impl AsyncFnOnce(&App) -> T) -> Option<T> {
        let done = work(&self.app).now_or_never();
        if done.is_none() {
            self.app = Self::app(&self.home, &self.world);
            self.recorded.clear();
        }
        done
    }

    /// Takes what there is and carries it out; whether there was anything.
    fn take(&mut self) -> bool {
        let api = Api {
            home: Arc::clone(&self.home),
            site: Arc::clone(&self.world),
        };
        let recorded = std::mem::take(&mut self.recorded);
        let told = !recorded.is_empty();
        let taken = api.ask(async |home| home.take(BERLIN, agent(), false, &recorded).await);
        let Some(taken) = taken.filter(|taken| !taken.orders.is_empty()) else {
            return told;
        };
        let (receipts, intents) = taken
            .orders
            .into_iter()
            .map(|one| (one.receipt, one.order))
            .unzip();
        let done = self.call(async move |app| app.on_intents(BERLIN, intents).await);
        if matches!(done, Some(Ok(_))) {
            self.recorded = receipts;
        }
        true
    }
}

/// What is for the site goes its way, what fails is sent again by its run.
fn carry(home: &Host) -> bool {
    let batch = home.world.bus.lock().unwrap().pop_front();
    let Some((place, intents)) = batch else {
        return false;
    };
    assert_eq!(place, BERLIN);
    let port = Arc::new(Port(Arc::clone(&home.world)));
    let table: Arc<dyn Table> = port.clone();
    let bus = PullBus::new(table, port);
    drop(bus.send(&place, intents).now_or_never());
    true
}

fn step(home: &mut Host) -> bool {
    let group = {
        let queue = home.world.queue.lock().unwrap();
        let full = queue.iter().find(|(_, bodies)| !bodies.is_empty());
        full.map(|(address, bodies)| (*address, Vec::from(bodies.clone())))
    };
    let Some((address, bodies)) = group else {
        return false;
    };
    let batch = vec![(address, Delivery::Again, bodies.clone())];
    let returned = home.call(async move |app| app.on_messages(batch).await);
    if returned.is_some_and(|returned| returned.is_empty()) {
        let mut queue = home.world.queue.lock().unwrap();
        queue.get_mut(&address).unwrap().drain(..bodies.len());
    }
    true
}

/// Who is to be woken first, if nothing else happens.
fn wake(home: &mut Host) -> bool {
    let now = home.world.now_millis();
    let due = {
        let mut wakes = home.world.wakes.lock().unwrap();
        let due = wakes.iter().position(|(at, _)| *at <= now);
        due.map(|at| wakes.swap_remove(at))
    };
    let Some(due) = due else { return false };
    let woken = home.call(async |app| app.wake(due.1).await);
    if matches!(woken, None | Some(Err(_))) {
        home.world.wakes.lock().unwrap().push(due);
    }
    true
}

fn task(name: &str, script: &str, after: &[u32]) -> Task {
    let kind = Kind::Shell {
        script: script.to_owned(),
    };
    Task {
        after: after.to_vec(),
        target: Some("berlin".to_owned()),
        ..Task::new(name.parse().unwrap(), kind)
    }
}

/// Two beside each other, of which one fails once and is tried again, and one after them.
fn workflow() -> Workflow {
    let mut flaky = task("flaky", "false", &[]);
    flaky.retry = Retry {
        limit: 1,
        ..Retry::default()
    };
    retail::workflow(vec![
        task("left", "true", &[]),
        flaky,
        task("last", "true", &[0, 1]),
    ])
}

fn create(home: &mut Host) {
    let actor = Actor::engine();
    let target = TargetSpec {
        name: "berlin".parse().unwrap(),
        kind: "process".to_owned(),
        place: BERLIN.parse().unwrap(),
        served_by: BERLIN.parse().unwrap(),
        role: None,
        settings: "{}".to_owned(),
        default_for: std::collections::BTreeSet::new(),
    };
    home.insist(async |app| app.set_target(project(), target.clone(), &actor).await);
    let applied = home.insist(async |app| app.apply(&workflow(), &actor).await);
    let new = new_run(applied.head.workflow, "run");
    home.insist(async |app| app.create_run(new.clone()).await);
}

fn state(home: &mut Host) -> Option<RunState> {
    let address = Address::run(project(), run_of("run"));
    let loaded = home.call(async |app| app.look::<Run>(address).await);
    loaded?.ok()?.state.state
}

fn is_quiet(home: &Host) -> bool {
    let queue = home.world.queue.lock().unwrap();
    queue.values().all(VecDeque::is_empty)
}

/// Creates the run and goes on until it has ended and nothing is under way. `kill`: it is killed when a job runs.
fn play(home: Arc<World>, site: Arc<World>, kill: bool) -> (Host, Site) {
    let mut site = Site::new(&home, site);
    let mut home = Host::new(home);
    create(&mut home);
    let mut to_kill = kill;
    for _ in 0..4_000 {
        if to_kill && site.world.running() > 0 {
            to_kill = false;
            let input = Input::Run(RunInput::Commanded(Command {
                id: CommandId::of_key("test", "kill"),
                actor: Actor::engine(),
                what: RunCommand::Kill,
            }));
            let to = Address::run(project(), run_of("run"));
            home.insist(async |app| app.tell(&[(to, input.clone())]).await);
        }
        if step(&mut home) || carry(&home) || site.take() {
            continue;
        }
        let ticked = site.call(async |app| app.tick(BERLIN).await);
        let quiet = is_quiet(&home);
        if !quiet || !matches!(ticked, Some(Ok(_))) || wake(&mut home) {
            continue;
        }
        let over = matches!(
            state(&mut home),
            Some(RunState::Succeeded | RunState::Failed | RunState::Canceled)
        );
        if over && site.world.running() == 0 {
            return (home, site);
        }
        home.world.advance(1_000);
        site.world.advance(1_000);
        site.world.end_jobs();
    }
    panic!("not over after hours: {:?}", state(&mut home));
}

fn calm() -> Arc<World> {
    World::new(-1, Fault::Cut)
}

/// What was submitted, sorted.
fn jobs(site: &Site) -> Vec<(u32, u32)> {
    let mut jobs = site.world.submits.lock().unwrap().clone();
    jobs.sort_unstable();
    jobs
}

fn waits(home: &Host) -> usize {
    let mut waits = 0;
    home.world.table.for_each(|partition, sort, _, _| {
        waits += usize::from(partition.starts_with("pull/") && sort.starts_with("wait/"));
    });
    waits
}

/// Plays with a fault at each call of either side, and looks at what became of it.
fn with_every_fault(kill: bool, look: impl Fn(&mut Host, &Site, &str)) {
    let (mut home, site) = play(calm(), calm(), kill);
    let counts = [home.world.calls(), site.world.calls()];
    look(&mut home, &site, "calm");
    assert!(counts.iter().all(|calls| *calls > 15), "{counts:?}");
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for (side, calls) in ["home", "the site"].into_iter().zip(counts) {
            for at in 0..i64::try_from(calls).unwrap() {
                let faulty = World::new(at, fault);
                let (mut home, site) = match side {
                    "home" => play(faulty, calm(), kill),
                    _ => play(calm(), faulty, kill),
                };
                let told = format!("{fault:?} of call {at} of {side}");
                look(&mut home, &site, &told);
            }
        }
    }
}

#[test]
fn every_attempt_has_one_job_and_the_run_succeeds() {
    with_every_fault(false, |home, site, told| {
        assert_eq!(state(home), Some(RunState::Succeeded), "{told}");
        assert_eq!(jobs(site), [(0, 1), (1, 1), (1, 2), (2, 1)], "{told}");
    });
    let (home, _) = play(calm(), calm(), false);
    assert_eq!(waits(&home), 0, "nothing is left behind");
}

#[test]
fn a_run_that_is_killed_ends_and_no_attempt_has_two_jobs() {
    with_every_fault(true, |home, site, told| {
        assert_eq!(state(home), Some(RunState::Canceled), "{told}");
        let jobs = jobs(site);
        let mut once = jobs.clone();
        once.dedup();
        assert_eq!(jobs, once, "{told}");
        assert_eq!(site.world.running(), 0, "{told}");
    });
}
