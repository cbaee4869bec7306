//! One simulation: hosts that are called by events, and the loop that calls them.

mod agent;
mod audit;
mod client;
mod disturb;
mod invocation;
mod looping;
mod nag;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use porpoise_app::{App, Delivery, Executors, Ports};
use porpoise_engine::Input;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_engine::{Aggregate, Plan};
use porpoise_model::{Address, AggregateKind};
use porpoise_ports::{Executor, Loops, Notices};

use crate::check::{Checks, project};
use crate::fault::{Matrix, Rates};
use crate::mail::Leased;
use crate::random::Chance;
use crate::site;
use crate::workload::{Profile, Workload, actor};
use crate::world::{
    AUDITOR, Event, HOUR, Hub, MINUTE, PLACE, SECOND, Shared, Violation, World, lock,
};

use agent::Agent;
use client::Client;
use invocation::{Done, Invocation, Kind, Work};

/// Between two sweeps.
const SWEEP: i64 = 5 * MINUTE;
/// Between two looks at poll loops.
const MEND: i64 = 15 * MINUTE;
/// Nothing is written for so long although nothing goes wrong any more: what is open is stuck.
const STUCK: i64 = 6 * HOUR;
/// A simulation that takes so many steps goes round in circles.
const STEPS_MAX: u64 = 3_000_000;

/// What one simulation came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// It is reproduced by this.
    pub seed: u64,
    /// Simulated events.
    pub steps: u64,
    /// Of everything that happened, in order.
    pub hash: u64,
    /// Records that were written.
    pub records: u64,
    /// Facts in them.
    pub facts: u64,
    /// Runs that were created.
    pub runs: usize,
    /// Jobs that were started.
    pub jobs: usize,
    /// Tasks of the largest workflow.
    pub largest: u64,
    /// Virtual time, in microseconds.
    pub time: i64,
    /// How often each fault hit each effect.
    pub matrix: Matrix,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// The last things that happened, if they were asked for.
    pub story: Vec<String>,
}

/// Runs one simulation to its end, or to the first invariant that does not hold.
///
/// A panic of the application is a finding like others.
pub fn simulate(seed: u64, profile: Profile, with_story: bool) -> Outcome {
    let mut sim = Sim::new(seed, profile, with_story);
    let ran = catch_unwind(AssertUnwindSafe(|| sim.run()));
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        lock(&sim.world).violate("no-panic", text.unwrap_or("a panic"));
    }
    sim.outcome(seed)
}

struct Sim {
    world: Shared,
    hosts: Vec<Arc<App>>,
    how: How,
    auditor: Arc<App>,
    agent: Option<Agent>,
    invocations: Vec<Option<Invocation>>,
    free: Vec<usize>,
    running: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
    clients: Vec<Client>,
    pools: Vec<String>,
    largest: u64,
    looping: bool,
    idle_ticks: u32,
    records_at_tick: u64,
    /// When the last record was written, as of the last sweep.
    last_news: (u64, i64),
    /// When faults stopped.
    calm_since: i64,
    finished: bool,
}

impl Sim {
    fn new(seed: u64, profile: Profile, with_story: bool) -> Self {
        let mut chance = Chance::new(seed);
        let workload = Workload::draw(profile, &mut chance);
        let hosts = *chance.pick(&[1, 2, 2, 3, 4]);
        let rates = Rates {
            slow: profile.slow,
            ..Rates::draw(&mut chance, workload.largest)
        };
        let mut checks = Checks::default();
        for workflow in &workload.workflows {
            let (_, version) = workflow.to_stored().expect("a stored form");
            let plan = Plan::compile(Arc::new(workflow.clone())).expect("a plan");
            checks.know(version, plan);
        }
        let how = How {
            prompt: chance.happens(0.5),
            outside: chance.happens(0.5),
        };
        let in_process = hosts == 1 && !how.outside && chance.happens(0.6);
        let mut world = World::new(chance, rates, checks, hosts + 1);
        world.fit(workload.largest);
        world.mail.in_process = in_process;
        world.story = with_story.then(VecDeque::new);
        let mut clients = Vec::new();
        for (at, action) in workload.actions {
            world.at(at, Event::Act(clients.len()));
            clients.push(Client {
                action,
                acknowledged: false,
                under_way: false,
                repeats: 0,
                given: None,
                edit: None,
                holder: None,
            });
        }
        world.at(workload.calm, Event::Calm);
        world.after(SWEEP, Event::Sweep);
        world.after(MINUTE, Event::Disturb);
        if how.outside {
            world.after(MEND, Event::Mend);
        }
        let now = world.now;
        let world = Arc::new(Mutex::new(world));
        let auditor = app(&world, AUDITOR, how);
        let agent = workload.sited.map(|_| {
            let actor = actor();
            let set = auditor.set_target(project(), site::target(), &actor);
            set.now_or_never().expect("no waits").expect("a target");
            lock(&world).at(0, Event::StartAgent(0));
            Agent::new(&world, hosts)
        });
        Self {
            hosts: (0..hosts).map(|host| app(&world, host, how)).collect(),
            auditor,
            agent,
            how,
            world,
            invocations: Vec::new(),
            free: Vec::new(),
            running: 0,
            ready: Arc::default(),
            clients,
            pools: workload.pools,
            largest: workload.largest,
            looping: false,
            idle_ticks: 0,
            records_at_tick: 0,
            last_news: (0, now),
            calm_since: now,
            finished: false,
        }
    }

    fn run(&mut self) {
        while !self.finished {
            loop {
                let next = {
                    let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
                    ready.pop_front()
                };
                let Some(invocation) = next else { break };
                self.poll(invocation);
            }
            let event = {
                let mut world = lock(&self.world);
                if world.steps > STEPS_MAX {
                    world.violate("nothing-stuck", "there is no end of it");
                }
                if world.violation.is_some() {
                    return;
                }
                world.next()
            };
            match event {
                Some(event) => self.handle(event),
                None => return,
            }
        }
    }

    fn outcome(&self, seed: u64) -> Outcome {
        let mut world = lock(&self.world);
        Outcome {
            seed,
            steps: world.steps,
            hash: world.hash,
            records: world.checks.records,
            facts: world.checks.facts,
            runs: world.checks.runs.len(),
            jobs: world.target.starts(),
            largest: self.largest,
            time: world.now - crate::world::BEGIN,
            matrix: world.matrix.clone(),
            violation: world.violation.clone(),
            story: world.story.take().map(Vec::from).unwrap_or_default(),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Resume(waker) => waker.wake(),
            Event::Deliver(address) => {
                let batch = lock(&self.world).deliver(address);
                if !batch.is_empty() {
                    self.hand_out(batch);
                }
            }
            Event::Lapse(address, lease) => lock(&self.world).lapse(address, lease),
            Event::Intents(intents) => self.dispatch(intents),
            Event::Wake(address) => {
                let woken = match address.kind {
                    AggregateKind::Run => Input::Run(Run::woken()),
                    AggregateKind::Pool => Input::Pool(Pool::woken()),
                    AggregateKind::Gate => Input::Gate(Gate::woken()),
                    AggregateKind::Schedule => Input::Schedule(Schedule::woken()),
                    AggregateKind::Backfill => Input::Backfill(Backfill::woken()),
                };
                self.tell(address, woken);
            }
            Event::Tick => self.tick(),
            Event::LoopTick(epoch, tick) => self.loop_tick(epoch, tick),
            Event::Mend => self.mend(),
            Event::StartAgent(life) => self.start_agent(life),
            Event::Take(life) => self.take(life),
            Event::SiteTick(life) => self.site_tick(life),
            Event::Request(number, ask) => self.serve(number, ask),
            Event::Signal(key) => self.signal(key),
            Event::Sweep => self.sweep(),
            Event::Recover => self.recover(),
            Event::Job(key, step) => lock(&self.world).job_step(key, step),
            Event::Act(client) => self.act(client),
            Event::Disturb => self.disturb(),
            Event::Calm => self.calm(),
            Event::Nag => self.nag(),
        }
    }

    fn any_host(&self) -> usize {
        lock(&self.world).chance.index(self.hosts.len())
    }

    fn hand_out(&mut self, batch: Vec<Leased>) {
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let bodies: Vec<(Address, Delivery, Vec<Bytes>)> = batch
            .iter()
            .map(|leased| (leased.group, leased.delivery, leased.bodies.clone()))
            .collect();
        lock(&self.world).tell(|| {
            let to: Vec<String> = bodies
                .iter()
                .map(|(to, _, b)| format!("{to} ({})", b.len()))
                .collect();
            format!("  host {host} steps {}", to.join(", "))
        });
        let work = async move {
            let returned = app.on_messages(bodies).await;
            Done::Messages(
                returned
                    .into_iter()
                    .map(|returned| returned.address)
                    .collect(),
            )
        };
        self.start(host, Kind::Messages(batch), Box::pin(work));
    }

    fn dispatch(&mut self, intents: Vec<Bytes>) {
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        {
            let mut world = lock(&self.world);
            world.dispatched += 1;
            world.tell(|| format!("  host {host} dispatches {}", intents.len()));
        }
        let sent = intents.clone();
        let work = async move {
            let dispatched = app.on_intents(PLACE, sent).await;
            Done::Intents(dispatched.ok().map(|dispatched| dispatched.open))
        };
        self.start(host, Kind::Intents(intents), Box::pin(work));
    }

    /// The bus tries again what its dispatcher did not take; sometimes it gives up.
    fn again(&mut self, intents: Vec<Bytes>) {
        let mut world = lock(&self.world);
        if world.calm || world.chance.happens(0.7) {
            let delay = world.chance.between(1, 60) as i64 * SECOND;
            world.after(delay, Event::Intents(intents));
        }
    }

    fn tell(&self, to: Address, input: Input) {
        drop(self.auditor.tell(&[(to, input)]).now_or_never());
    }

    fn sweep(&mut self) {
        let calm = {
            let mut world = lock(&self.world);
            world.after(SWEEP, Event::Sweep);
            world.calm
        };
        if calm && self.rests() {
            return self.finish();
        }
        self.recover();
    }

    /// What is open goes on.
    fn recover(&mut self) {
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let in_process = lock(&self.world).mail.in_process;
        let work = async move {
            if in_process {
                drop(app.recall(PLACE).await);
            }
            drop(app.sweep().await);
            Done::Swept
        };
        self.start(host, Kind::Sweep, Box::pin(work));
        self.wake_loop();
    }

    fn rests(&mut self) -> bool {
        let open = self.auditor.open_aggregates(None).now_or_never();
        let open = open.and_then(Result::ok).unwrap_or_default();
        let acknowledged = self.clients.iter().all(|client| client.acknowledged);
        let mut world = lock(&self.world);
        let looping = world.loops.values().any(|alive| *alive);
        let unbilled = world.unbilled();
        let serving = self.agent.as_ref().is_some_and(Agent::is_busy) || world.orders_wait();
        let looping = looping || self.looping || unbilled.is_some() || serving;
        let busy = world.target.busy() > 0 || !world.mail.is_empty() || self.running > 0 || looping;
        let records = world.checks.records;
        if records != self.last_news.0 || world.target.busy() > 0 {
            self.last_news = (records, world.now);
        }
        let restless = world.checks.restless();
        if restless.is_none() && open.is_empty() && acknowledged && !busy {
            return true;
        }
        if world.now - self.last_news.1 > STUCK {
            let what = restless.unwrap_or_else(|| {
                format!(
                    "open index {open:?}, all acknowledged: {acknowledged}, busy: {busy}, not billed: {unbilled:?}, \
                     busy at the site: {serving}"
                )
            });
            world.violate("nothing-stuck", what);
        }
        false
    }

    fn finish(&mut self) {
        self.finished = true;
        let addresses: Vec<Address> = {
            let world = lock(&self.world);
            let checks = &world.checks;
            let runs = checks.runs.keys().chain(checks.pools.keys());
            runs.chain(checks.gates.keys())
                .chain(checks.schedules.keys())
                .chain(checks.backfills.folded.keys())
                .copied()
                .collect()
        };
        for address in addresses {
            self.audit(address);
        }
        let mut world = lock(&self.world);
        if let Err((invariant, what)) = world.checks.last() {
            world.violate(invariant, what);
        }
    }
}

/// How the hosts of a simulation work.
#[derive(Debug, Clone, Copy)]
struct How {
    /// Quick jobs are asked for at once.
    prompt: bool,
    /// The poll loop is an execution outside of them.
    outside: bool,
}

fn app(world: &Shared, host: usize, how: How) -> Arc<App> {
    let hub = Arc::new(Hub {
        world: Arc::clone(world),
        host,
    });
    let ports = Ports {
        table: Arc::clone(&hub) as _,
        blobs: Arc::clone(&hub) as _,
        queue: Arc::clone(&hub) as _,
        bus: Arc::clone(&hub) as _,
        timers: Arc::clone(&hub) as _,
        clock: Arc::clone(&hub) as _,
        ids: Arc::clone(&hub) as _,
    };
    let loops: Arc<dyn Loops> = Arc::clone(&hub) as _;
    let notices: Arc<dyn Notices> = Arc::clone(&hub) as _;
    let executor: Arc<dyn Executor> = hub;
    let executors = Executors::none().with(["shell", "python", "command", "spark"], &executor);
    let quick = ["noop", "sleep"];
    let executors = if how.prompt {
        executors.with_prompt(quick, &executor)
    } else {
        executors.with(quick, &executor)
    };
    // Some processes look for the snapshot at once, some only of a long log.
    let read_first = if host.is_multiple_of(2) { 2 } else { 64 };
    let app = App::new(ports, executors).with_notices(notices);
    let app = app.reading_first(read_first);
    Arc::new(if how.outside {
        app.with_loops(loops).swept()
    } else {
        app
    })
}
