//! The agent of a site: a process that takes, looks after its jobs, and dies as a whole.

use std::sync::Arc;

use porpoise_app::poller::Next;
use porpoise_app::pull::{PullError, Receipt};
use porpoise_app::{App, Executors, Ports};
use porpoise_model::AttemptKey;
use porpoise_ports::Executor;

use super::{Done, Kind, Sim};
use crate::site::{self, Answer, Ask, PROCESS, SITE};
use crate::world::{Event, HOUR, Hub, MILLI, SECOND, Shared, lock};

/// The agent, or nobody between two of them.
pub(super) struct Agent {
    /// Its host, behind those at home.
    pub(super) host: usize,
    ports: site::Agent,
    app: Arc<App>,
    /// Counts its processes: what was meant for an earlier one is nobody's.
    life: u64,
    up: bool,
    /// What it will say that it has recorded. Lost when it dies.
    recorded: Vec<Receipt>,
    /// Its poll loop: whether it runs, and whether it is to go on when it thinks that nothing is left.
    looping: bool,
    wanted: bool,
    /// Ticks without anything new.
    idle: u32,
}

/// What a process of the agent took and did with it.
pub(super) struct Took {
    recorded: Option<Vec<Receipt>>,
    wait: i64,
}

impl Agent {
    pub(super) fn new(world: &Shared, host: usize) -> Self {
        let ports = site::Agent(Hub {
            world: Arc::clone(world),
            host,
        });
        Self {
            host,
            app: app(&ports),
            ports,
            life: 0,
            up: false,
            recorded: Vec::new(),
            looping: false,
            wanted: false,
            idle: 0,
        }
    }

    pub(super) const fn is_busy(&self) -> bool {
        !self.up || self.looping || !self.recorded.is_empty()
    }
}

impl Sim {
    /// The process that is to be called, if it is still this one.
    fn agent_of(&mut self, life: u64) -> Option<&mut Agent> {
        let agent = self.agent.as_mut();
        agent.filter(|agent| agent.up && agent.life == life)
    }

    pub(super) fn start_agent(&mut self, life: u64) {
        let Some(agent) = self.agent.as_mut().filter(|agent| agent.life == life) else {
            return;
        };
        agent.up = true;
        lock(&self.world).at(0, Event::Take(life));
        self.wake_site();
    }

    /// It dies, and what it had in memory with it. Its jobs go on.
    pub(super) fn kill_agent(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        agent.life += 1;
        agent.app = app(&agent.ports);
        (agent.up, agent.looping, agent.wanted) = (false, false, false);
        agent.recorded.clear();
        let mut world = lock(&self.world);
        world.site.hang_up();
        let away = match world.calm {
            true => SECOND,
            false => world.chance.log_between(100_000, 600_000_000) as i64,
        };
        world.after(away, Event::StartAgent(agent.life));
    }

    /// It says what it has recorded, and carries out what it is given.
    pub(super) fn take(&mut self, life: u64) {
        let Some(agent) = self.agent_of(life) else {
            return;
        };
        let (host, ports, app) = (agent.host, agent.ports.clone(), Arc::clone(&agent.app));
        let recorded = agent.recorded.clone();
        let work = async move {
            let Ok(Answer::Taken(taken)) = ports.ask(Ask::Take(recorded)).await else {
                return Done::Took(None);
            };
            let orders = taken.orders.into_iter();
            let (receipts, orders): (Vec<_>, Vec<_>) =
                orders.map(|one| (one.receipt, one.order)).unzip();
            let wait = i64::try_from(taken.wait.as_micros()).unwrap_or(HOUR);
            if orders.is_empty() {
                let recorded = Some(receipts);
                return Done::Took(Some(Took { recorded, wait }));
            }
            let carried = app.on_intents(SITE, orders).await;
            let recorded = carried.is_ok().then_some(receipts);
            Done::Took(Some(Took { recorded, wait: 0 }))
        };
        self.start(host, Kind::Take(life), Box::pin(work));
    }

    pub(super) fn took(&mut self, life: u64, took: Option<Took>) {
        let Some(agent) = self.agent_of(life) else {
            return;
        };
        let mut news = false;
        let wait = match took {
            Some(Took { recorded, wait }) => {
                let carried = recorded.is_some();
                agent.recorded = recorded.unwrap_or_default();
                news = !carried || !agent.recorded.is_empty();
                if carried { wait } else { SECOND }
            }
            None => SECOND,
        };
        let mut world = lock(&self.world);
        // it need not ask as often as it may
        let longer = world.chance.log_between(1_000, 60_000) as i64 * MILLI;
        let wait = if news { wait } else { wait.max(longer) };
        world.after(wait, Event::Take(life));
        drop(world);
        if news {
            self.wake_site();
        }
    }

    /// Its poll loop has something to look after.
    fn wake_site(&mut self) {
        let Some(agent) = &mut self.agent else { return };
        agent.idle = 0;
        if agent.looping {
            agent.wanted = true;
            return;
        }
        agent.looping = true;
        lock(&self.world).at(0, Event::SiteTick(agent.life));
    }

    pub(super) fn site_tick(&mut self, life: u64) {
        let Some(agent) = self.agent_of(life) else {
            return;
        };
        let (host, app) = (agent.host, Arc::clone(&agent.app));
        let work = async move { Done::Ticked(app.tick(SITE).await.ok()) };
        self.start(host, Kind::SiteTick(life), Box::pin(work));
    }

    pub(super) fn site_ticked(&mut self, life: u64, next: Option<Next>) {
        let Some(agent) = self.agent_of(life) else {
            return;
        };
        if matches!(next, Some(Next::Idle)) && !std::mem::take(&mut agent.wanted) {
            agent.looping = false;
            return;
        }
        let wait = SECOND << agent.idle;
        agent.idle = (agent.idle + 1).min(5);
        lock(&self.world).after(wait, Event::SiteTick(life));
    }

    /// A process ends, and the agent sees it if it is there.
    pub(super) fn site_signal(&mut self, key: AttemptKey) {
        let Some(agent) = self.agent.as_mut().filter(|agent| agent.up) else {
            return;
        };
        agent.idle = 0;
        let (host, app, life) = (agent.host, Arc::clone(&agent.app), agent.life);
        let work = async move { Done::SiteChecked(app.check(SITE, &[key]).await.is_ok()) };
        self.start(host, Kind::SiteCheck(life), Box::pin(work));
    }

    pub(super) fn site_checked(&mut self, life: u64, looked: bool) {
        if !looked && self.agent_of(life).is_some() {
            self.wake_site();
        }
    }

    /// A request arrives at a host at home.
    pub(super) fn serve(&mut self, number: u64, ask: Ask) {
        let host = self.any_host();
        let app = Arc::clone(&self.hosts[host]);
        let agent = site::agent_id();
        let work = async move {
            let answer = match ask {
                Ask::Take(recorded) => {
                    let taken = app.take(SITE, agent, false, &recorded).await;
                    taken.map(Answer::Taken)
                }
                Ask::Report(reports) => match app.hear(SITE, agent, reports).await {
                    Err(PullError::NotSent(_, which)) => Ok(Answer::NotSent(which)),
                    heard => heard.map(|()| Answer::Heard),
                },
            };
            Done::Served(answer.ok())
        };
        self.start(host, Kind::Serve(number), Box::pin(work));
    }
}

fn app(ports: &site::Agent) -> Arc<App> {
    let agent = Arc::new(ports.clone());
    let hub = Arc::new(ports.0.clone());
    let ports = Ports {
        table: Arc::clone(&agent) as _,
        blobs: Arc::clone(&agent) as _,
        queue: Arc::clone(&agent) as _,
        bus: Arc::clone(&agent) as _,
        timers: Arc::clone(&agent) as _,
        clock: Arc::clone(&hub) as _,
        ids: hub,
    };
    let executor: Arc<dyn Executor> = agent;
    Arc::new(App::new(
        ports,
        Executors::none().with([PROCESS], &executor),
    ))
}
