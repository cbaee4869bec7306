//! One simulation: hosts that are called by events, and the loop that calls them.

mod agent;
mod client;
mod looping;
mod nag;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use porpoise_app::poll_loop::After;
use porpoise_app::poller::Next;
use porpoise_app::{App, Delivery, Executors, Ports};
use porpoise_engine::Input;
use porpoise_engine::backfill::Backfill;
use porpoise_engine::gate::Gate;
use porpoise_engine::pool::Pool;
use porpoise_engine::record::Snapshot;
use porpoise_engine::run::Run;
use porpoise_engine::schedule::Schedule;
use porpoise_engine::{Aggregate, Plan};
use porpoise_model::{Address, AggregateKind};
use porpoise_ports::table::{Condition, Item, Key};
use porpoise_ports::{Executor, Loops, Notices};

use crate::check::{Checks, Folded, project};
use crate::fault::{Fault, Matrix, Op, Rates};
use crate::mail::Leased;
use crate::random::Chance;
use crate::site::{self, Answer};
use crate::workload::{Profile, Workload, actor};
use crate::world::{
    AUDITOR, Event, HOUR, Hub, MINUTE, PLACE, SECOND, Shared, Violation, World, lock,
};

use agent::Agent;
use client::Client;

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

/// What an invocation came to.
enum Done {
    Messages(Vec<Address>),
    Intents(Option<bool>),
    Ticked(Option<Next>),
    LoopTicked(Option<After>),
    Mended,
    Checked,
    Swept,
    Acted(bool),
    Took(Option<agent::Took>),
    SiteChecked(bool),
    Served(Option<Answer>),
}

/// What an invocation is for: kept outside of its future, which may be dropped at any call.
enum Kind {
    Messages(Vec<Leased>),
    Intents(Vec<Bytes>),
    Tick { dispatched: u64 },
    LoopTick(u64, u32),
    Mend,
    Check,
    Sweep,
    Act(usize),
    Take(u64),
    SiteTick(u64),
    SiteCheck(u64),
    Serve(u64),
}

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

struct Invocation {
    host: usize,
    kind: Kind,
    work: Work,
    waker: Waker,
}

/// Puts an invocation on the list of those that are to be polled.
struct Bell {
    invocation: usize,
    ready: Arc<Mutex<VecDeque<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.push_back(self.invocation);
    }
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

    fn start(&mut self, host: usize, kind: Kind, work: Work) {
        let at = self.free.pop().unwrap_or_else(|| {
            self.invocations.push(None);
            self.invocations.len() - 1
        });
        let bell = Bell {
            invocation: at,
            ready: Arc::clone(&self.ready),
        };
        let waker = Waker::from(Arc::new(bell));
        self.invocations[at] = Some(Invocation {
            host,
            kind,
            work,
            waker,
        });
        self.running += 1;
        self.poll(at);
    }

    fn poll(&mut self, at: usize) {
        let Some(invocation) = &mut self.invocations[at] else {
            return;
        };
        let waker = invocation.waker.clone();
        let polled = invocation
            .work
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        let crash = lock(&self.world).crash.take();
        match (crash, polled) {
            (Some(crash), _) => {
                let host = invocation.host;
                self.drop_invocation(at);
                // an agent is one process
                if crash.host || host >= self.hosts.len() {
                    self.kill(host);
                }
            }
            (None, Poll::Ready(done)) => {
                if let Some(invocation) = self.invocations[at].take() {
                    self.free.push(at);
                    self.running -= 1;
                    drop(invocation.work);
                    self.done(invocation.kind, done);
                }
            }
            (None, Poll::Pending) => {}
        }
    }

    /// An invocation dies where it is.
    fn drop_invocation(&mut self, at: usize) {
        let Some(invocation) = self.invocations[at].take() else {
            return;
        };
        self.free.push(at);
        self.running -= 1;
        drop(invocation.work);
        match invocation.kind {
            // The queue hands them out again once they lapse.
            Kind::Messages(_) | Kind::Check | Kind::Sweep | Kind::Mend => {}
            // Whoever asked hears nothing; an agent goes with its invocations.
            Kind::Serve(_) | Kind::Take(_) | Kind::SiteTick(_) | Kind::SiteCheck(_) => {}
            Kind::LoopTick(epoch, tick) => {
                lock(&self.world).after(3 * SECOND, Event::LoopTick(epoch, tick));
            }
            Kind::Intents(intents) => self.again(intents),
            Kind::Tick { .. } => lock(&self.world).after(3 * SECOND, Event::Tick),
            Kind::Act(client) => {
                self.clients[client].under_way = false;
                lock(&self.world).after(5 * SECOND, Event::Act(client));
            }
        }
    }

    fn kill(&mut self, host: usize) {
        lock(&self.world).tell(|| format!("host {host} is lost"));
        for at in 0..self.invocations.len() {
            if self.invocations[at]
                .as_ref()
                .is_some_and(|i| i.host == host)
            {
                self.drop_invocation(at);
            }
        }
        match self.hosts.get_mut(host) {
            Some(dead) => {
                *dead = app(&self.world, host, self.how);
                self.forget();
            }
            None => self.kill_agent(),
        }
    }

    /// A server that has its queue, its timers and its bus in process starts again without what they held.
    fn forget(&mut self) {
        let mut world = lock(&self.world);
        if !world.mail.in_process {
            return;
        }
        world.lose_mail();
        self.looping = false;
        world.at(0, Event::Recover);
    }

    fn done(&mut self, kind: Kind, done: Done) {
        match (kind, done) {
            (Kind::Messages(batch), Done::Messages(returned)) => {
                let mut world = lock(&self.world);
                for leased in &batch {
                    if returned.contains(&leased.group) {
                        world.give_back(leased);
                    } else {
                        world.delete(leased);
                    }
                }
                drop(world);
                for leased in batch {
                    self.audit_sometimes(leased.group);
                }
            }
            (Kind::Intents(_), Done::Intents(Some(open))) if open => self.wake_loop(),
            (Kind::Intents(intents), Done::Intents(None)) => {
                self.wake_loop();
                self.again(intents);
            }
            (Kind::Tick { dispatched }, Done::Ticked(next)) => self.ticked(next, dispatched),
            (Kind::LoopTick(epoch, tick), Done::LoopTicked(after)) => {
                self.loop_ticked(epoch, tick, after);
            }
            (Kind::Act(client), Done::Acted(acknowledged)) => self.acted(client, acknowledged),
            (Kind::Take(life), Done::Took(took)) => self.took(life, took),
            (Kind::SiteTick(life), Done::Ticked(next)) => self.site_ticked(life, next),
            (Kind::SiteCheck(life), Done::SiteChecked(looked)) => self.site_checked(life, looked),
            (Kind::Serve(number), Done::Served(Some(answer))) => {
                lock(&self.world).answer(number, answer);
            }
            _ => {}
        }
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

    fn audit_sometimes(&self, address: Address) {
        let audits = {
            let mut world = lock(&self.world);
            let records = match world.checks.runs.get(&address) {
                Some((run, _)) => run.sequence + u64::from(run.state.tasks.len()) / 8,
                None => 20,
            };
            world.chance.happens(0.5 / (records.max(1) as f64))
        };
        if audits {
            self.audit(address);
        }
    }

    /// Snapshot and tail, read from the table, are what the records as they came make.
    fn audit(&self, address: Address) {
        match address.kind {
            AggregateKind::Run => {
                self.audit_of::<Run>(address, |c| c.runs.get(&address).map(|r| &r.0));
            }
            AggregateKind::Pool => self.audit_of::<Pool>(address, |c| c.pools.get(&address)),
            AggregateKind::Gate => self.audit_of::<Gate>(address, |c| c.gates.get(&address)),
            AggregateKind::Schedule => {
                self.audit_of::<Schedule>(address, |c| c.schedules.get(&address));
            }
            AggregateKind::Backfill => {
                self.audit_of::<Backfill>(address, |c| c.backfills.folded.get(&address));
            }
        }
    }

    fn audit_of<A>(&self, address: Address, truth: impl Fn(&Checks) -> Option<&Folded<A>>)
    where
        A: porpoise_app::context::Steppable,
    {
        let looked = self.auditor.look::<A>(address).now_or_never();
        let mut world = lock(&self.world);
        if let Err((invariant, what)) = world.checks.compare(address) {
            world.violate(invariant, format!("{address}: {what}"));
        }
        let found = match (looked, truth(&world.checks)) {
            (Some(Ok(loaded)), Some(folded)) => {
                let same = loaded.sequence == folded.sequence && loaded.state == folded.state;
                (!same).then(|| format!("{address} reads back other than it was written"))
            }
            (Some(Err(error)), _) => Some(format!("{address} cannot be read: {error}")),
            (Some(Ok(_)), None) | (None, _) => None,
        };
        if let Some(found) = found {
            world.violate("log-is-truth", found);
        }
    }

    fn disturb(&mut self) {
        // the agent is like another host
        let hosts = self.hosts.len() + usize::from(self.agent.is_some());
        let host = lock(&self.world).chance.index(hosts);
        let what = {
            let mut world = lock(&self.world);
            if world.calm {
                return;
            }
            let next = world.chance.log_between(5, 600) as i64 * SECOND;
            world.after(next, Event::Disturb);
            world.matrix.passed(Op::Host);
            world.chance.below(5)
        };
        match what {
            0 => {
                lock(&self.world).matrix.count(Fault::Broken, Op::Host);
                self.kill(host);
            }
            1 => {
                let mut world = lock(&self.world);
                let far = *world.chance.pick(&[2, 2, 60, 60, 900]) * SECOND;
                let skew = world.chance.below(2 * far as u64) as i64 - far;
                world.skews[host] = skew;
                world.tell(|| format!("the clock of host {host} is off by {skew} µs"));
            }
            2 => {
                let mut world = lock(&self.world);
                let alive = world.loops.iter().rfind(|(_, alive)| **alive);
                if let Some(epoch) = alive.map(|(epoch, _)| *epoch) {
                    world.loops.insert(epoch, false);
                    world.tell(|| format!("somebody stops the poll loop of epoch {epoch}"));
                }
            }
            _ => self.old_snapshot(),
        }
    }

    /// Another release writes the snapshot of a run: this one, or one whose fold made something else of the facts.
    fn old_snapshot(&self) {
        let mut guard = lock(&self.world);
        let world = &mut *guard;
        let at = world.chance.index(world.checks.runs.len().max(1));
        let Some((address, (run, _))) = world.checks.runs.iter().nth(at) else {
            return;
        };
        let address = *address;
        let mut state = run.state.clone();
        let foreign = world.chance.happens(0.5);
        if foreign {
            state.outbox = porpoise_engine::outbox::Outbox::default();
            state.ready.clear();
            state.listed += 1_000;
        }
        let snapshot = Snapshot {
            fold: Run::FOLD_VERSION - u32::from(foreign),
            sequence: run.sequence,
            version: run.version,
            state: Some(state),
        };
        let item = Item {
            key: Key::new(address.to_string(), "snapshot"),
            revision: run.sequence,
            body: minicbor::to_vec((
                1_u8,
                <&minicbor::bytes::ByteSlice>::from(&*snapshot.to_bytes()),
            ))
            .unwrap_or_default()
            .into(),
        };
        let condition = Condition::OlderThan(run.sequence);
        if item.size() < 390 * 1024 {
            drop(world.put(item, condition));
        }
        drop(guard);
        if foreign {
            self.audit(address);
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
