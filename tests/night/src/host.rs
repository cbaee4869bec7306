//! Lambda and what calls it: queues, buses, rules, state machines. Functions are futures that are polled until they end,
//! or are dropped where they are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::FutureExt as _;
use porpoise_app::App;
use porpoise_functions::place::Tock;
use porpoise_model::Address;

use crate::call::{Cause, Done, Work, words, work};
use crate::check::{Known, Watcher};
use crate::client::Client;
use crate::function::{Environment, Function};
use crate::mutant::Mutant;
use crate::ports::{PLACES, number};
use crate::world::{
    BEGIN, Event, HOUR, MILLI, MINUTE, Next, SECOND, Shared, Ticking, lock, micros,
};

/// Rules of the templates.
const SWEEP: i64 = 10 * MINUTE;
const MEND: i64 = 10 * MINUTE;
/// Lambda tries an event that was not handled again: how often, and after how many minutes more each time.
const ASYNCHRONOUS: u32 = 2;
/// The state machine tries a tick again: after how many seconds first, and at most.
const AGAIN: i64 = 5 * SECOND;
const AGAIN_MAX: i64 = 600 * SECOND;
/// Environments of a function.
const ENVIRONMENTS: usize = 3;
/// A night that takes longer never ends.
const LONGEST: i64 = 48 * HOUR;
/// After the run has ended, whatever looks after its jobs has to end too.
const MORNING: i64 = 90 * MINUTE;

pub(crate) struct Invocation {
    serial: u64,
    environment: usize,
    cause: Cause,
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

pub(crate) struct Host {
    pub(crate) world: Shared,
    pub(crate) watcher: Watcher<Client>,
    /// Somebody whom nothing befalls.
    onlooker: Arc<App>,
    scratch: std::path::PathBuf,
    environments: Vec<Option<Environment>>,
    pub(crate) running: Vec<Option<Invocation>>,
    ready: Arc<Mutex<VecDeque<usize>>>,
    serial: u64,
    over: bool,
}

impl Host {
    pub(crate) fn new(
        world: Shared,
        (onlooker, watcher): (Arc<App>, Watcher<Client>),
        scratch: std::path::PathBuf,
    ) -> Self {
        {
            let mut world = lock(&world);
            world.after(SWEEP, Event::Sweep(0));
            for place in 0..PLACES.len() {
                let first = world.chance.between(0, MEND);
                world.after(first, Event::Mend(place, 0));
                if world.chance.happens(500) {
                    let at = world.chance.between(10 * MINUTE, 3 * HOUR);
                    world.after(at, Event::StopLoop(place));
                }
            }
            world.after(MINUTE, Event::Sample);
            world.service.rage();
        }
        Self {
            world,
            watcher,
            onlooker,
            scratch,
            environments: Vec::new(),
            running: Vec::new(),
            ready: Arc::default(),
            serial: 0,
            over: false,
        }
    }

    pub(crate) fn run(&mut self) -> anyhow::Result<()> {
        while !self.over {
            while let Some(invocation) = self.first_ready() {
                self.poll(invocation);
            }
            let next = {
                let mut world = lock(&self.world);
                if world.now - BEGIN > LONGEST {
                    let what = format!("the run is not over: {}", self.watcher.unfinished());
                    world.violate("nothing-stuck", what);
                }
                if world.violation.is_some() {
                    return Ok(());
                }
                world.next()
            };
            match next {
                Some(Next::Event(event)) => self.handle(event)?,
                Some(Next::Service) => self.listen(),
                None => anyhow::bail!("a night without an event"),
            }
        }
        Ok(())
    }

    fn first_ready(&self) -> Option<usize> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.pop_front()
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Resume(waker) => waker.wake(),
            Event::Inputs(address) => self.inputs(address),
            Event::Lapse(address, lease) => lock(&self.world).lapse(address, lease),
            Event::Intents(place, intents, tries) => {
                self.call(
                    Function::Dispatcher(place),
                    Cause::Intents(place, intents, tries),
                );
            }
            Event::Wake(address, at) => self.call(Function::Trigger, Cause::Wake(address, at)),
            Event::Sweep(tries) => {
                if tries == 0 {
                    lock(&self.world).after(SWEEP, Event::Sweep(0));
                }
                self.call(Function::Trigger, Cause::Sweep(tries));
            }
            Event::Mend(place, tries) => {
                if tries == 0 {
                    lock(&self.world).after(MEND, Event::Mend(place, 0));
                }
                self.call(Function::Poller(place), Cause::Mend(place, tries));
            }
            Event::News(place, event, tries) => {
                self.call(Function::Poller(place), Cause::News(place, event, tries));
            }
            Event::Tick(tick) => {
                let goes_on = lock(&self.world).loops.get(&(tick.place, tick.epoch)) == Some(&true);
                if goes_on {
                    self.call(Function::Poller(tick.place), Cause::Tick(tick));
                }
            }
            Event::StopLoop(place) => self.stop_loop(place),
            Event::TimeUp(serial) => self.time_up(serial),
            Event::Sample => self.sample()?,
            Event::Morning => self.morning()?,
        }
        Ok(())
    }

    /// Events of services reach the places in whose regions they are told, if a rule of the template wants them.
    fn listen(&mut self) {
        let mut world = lock(&self.world);
        for event in world.service.take_events() {
            let text = |name: &str| event[name].as_str().unwrap_or_default();
            let place = format!("aws.{}.{}", text("region"), text("account"));
            let state = event["detail"]["state"].as_str().unwrap_or_default();
            let wanted = text("detail-type") == "EMR Serverless Job Run State Change"
                && ["SUCCESS", "FAILED", "CANCELLED"].contains(&state);
            if let Some(place) = number(&place).filter(|_| wanted) {
                world.count("told", "news");
                let delay = world.chance.between(10 * MILLI, SECOND);
                world.after(delay, Event::News(place, event.to_string(), 0));
            }
        }
    }

    fn inputs(&mut self, address: Address) {
        if self.free(Function::Stepper).is_none() {
            return lock(&self.world).put_off(address);
        }
        let leased = lock(&self.world).lease(address);
        if let Some(leased) = leased {
            self.call(Function::Stepper, Cause::Inputs(leased));
        }
    }

    /// An environment of a function that has nothing to do, or room for one.
    fn free(&mut self, function: Function) -> Option<usize> {
        let ours = |environment: &&(usize, &Environment)| environment.1.function == function;
        let known = self.environments.iter().enumerate();
        let known: Vec<(usize, &Environment)> = known
            .filter_map(|(at, environment)| Some((at, environment.as_ref()?)))
            .collect();
        let count = known.iter().filter(ours).count();
        let free: Vec<usize> = known
            .iter()
            .filter(ours)
            .filter(|(_, environment)| !environment.busy)
            .map(|(at, _)| *at)
            .collect();
        let mut world = lock(&self.world);
        let cold = world.rates.cold;
        let fresh = world.chance.happens(cold);
        if !free.is_empty() {
            let at = free[world.chance.index(free.len())];
            drop(world);
            if fresh {
                lock(&self.world).count("cold", "function");
                self.environments[at] =
                    Some(Environment::cold(&self.world, function, &self.scratch));
            }
            return Some(at);
        }
        drop(world);
        if count == ENVIRONMENTS {
            return None;
        }
        let environment = Environment::cold(&self.world, function, &self.scratch);
        let room = self.environments.iter().position(Option::is_none);
        let at = room.unwrap_or_else(|| {
            self.environments.push(None);
            self.environments.len() - 1
        });
        self.environments[at] = Some(environment);
        Some(at)
    }

    fn call(&mut self, function: Function, cause: Cause) {
        let Some(environment) = self.free(function) else {
            lock(&self.world).count("throttled", "function");
            return self.again_soon(cause);
        };
        let Some(Environment { memory, busy, .. }) = &mut self.environments[environment] else {
            return;
        };
        *busy = true;
        let work = work(memory, &cause);
        lock(&self.world).tell(|| format!("  {function:?} [{environment}]: {}", words(&cause)));
        let room = self.running.iter().position(Option::is_none);
        let at = room.unwrap_or_else(|| {
            self.running.push(None);
            self.running.len() - 1
        });
        let bell = Bell {
            invocation: at,
            ready: Arc::clone(&self.ready),
        };
        self.serial += 1;
        lock(&self.world).after(function.seconds() * SECOND, Event::TimeUp(self.serial));
        self.running[at] = Some(Invocation {
            serial: self.serial,
            environment,
            cause,
            work,
            waker: Waker::from(Arc::new(bell)),
        });
        self.poll(at);
    }

    fn poll(&mut self, at: usize) {
        let Some(invocation) = &mut self.running[at] else {
            return;
        };
        let waker = invocation.waker.clone();
        let polled = invocation
            .work
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        let killed = std::mem::take(&mut lock(&self.world).killed);
        match polled {
            _ if killed => self.kill(at),
            Poll::Ready(done) => {
                if let Some(invocation) = self.running[at].take() {
                    if let Some(environment) = &mut self.environments[invocation.environment] {
                        environment.busy = false;
                    }
                    drop(invocation.work);
                    self.done(invocation.cause, done);
                }
            }
            Poll::Pending => {}
        }
    }

    /// A function dies where it is, and its memory with it.
    fn kill(&mut self, at: usize) {
        let Some(invocation) = self.running[at].take() else {
            return;
        };
        drop(invocation.work);
        self.environments[invocation.environment] = None;
        lock(&self.world).tell(|| format!("  [{}] is killed", invocation.environment));
        self.failed(invocation.cause);
    }

    fn time_up(&mut self, serial: u64) {
        let late = |invocation: &Option<Invocation>| {
            invocation.as_ref().is_some_and(|one| one.serial == serial)
        };
        if let Some(at) = self.running.iter().position(late) {
            lock(&self.world).count("took too long", "function");
            self.kill(at);
        }
    }

    fn done(&mut self, cause: Cause, done: Done) {
        match (cause, done) {
            (Cause::Inputs(leased), Done::Stepped(failed)) => {
                // those that are to come again do so when their time is up
                if !leased.is_among(&failed) {
                    lock(&self.world).delete(&leased);
                }
            }
            (Cause::Tick(tick), Done::Ticked(Ok(tock))) => self.ticked(tick, tock),
            (_, Done::Handled(true)) => {}
            (cause, _) => self.failed(cause),
        }
    }

    fn ticked(&mut self, tick: Ticking, tock: Option<Tock>) {
        let mut world = lock(&self.world);
        let on = |tick: Ticking| Tock {
            wait: 60,
            place: PLACES[tick.place].to_owned(),
            epoch: tick.epoch,
            tick: tick.tick + 1,
        };
        let never_ends = world.mutant == Some(Mutant::LoopNeverEnds);
        let Some(tock) = tock.or_else(|| never_ends.then(|| on(tick))) else {
            world.loops.insert((tick.place, tick.epoch), false);
            return;
        };
        let next = Ticking {
            place: tick.place,
            epoch: tock.epoch,
            tick: tock.tick,
            tries: 0,
        };
        let wait = i64::try_from(tock.wait).unwrap_or(60);
        world.after(wait * SECOND, Event::Tick(next));
    }

    /// Whoever called a function that failed does what it is set to do.
    fn failed(&mut self, cause: Cause) {
        let mut world = lock(&self.world);
        let later = |tries: u32| i64::from(tries + 1) * MINUTE;
        match cause {
            // the queue gives them to somebody again when their time is up
            Cause::Inputs(_) => {}
            Cause::Wake(address, at) => world.after(720 * SECOND, Event::Wake(address, at)),
            Cause::Tick(tick) => {
                let most = AGAIN.saturating_mul(1 << tick.tries.min(10)).min(AGAIN_MAX);
                let wait = world.chance.between(0, most);
                let tries = tick.tries + 1;
                world.after(wait, Event::Tick(Ticking { tries, ..tick }));
            }
            Cause::Sweep(tries) if tries < ASYNCHRONOUS => {
                world.after(later(tries), Event::Sweep(tries + 1));
            }
            Cause::Mend(place, tries) if tries < ASYNCHRONOUS => {
                world.after(later(tries), Event::Mend(place, tries + 1));
            }
            Cause::Intents(place, intents, tries) if tries < ASYNCHRONOUS => {
                world.after(later(tries), Event::Intents(place, intents, tries + 1));
            }
            Cause::News(place, event, tries) if tries < ASYNCHRONOUS => {
                world.after(later(tries), Event::News(place, event, tries + 1));
            }
            Cause::Sweep(_) | Cause::Mend(..) | Cause::Intents(..) | Cause::News(..) => {
                world.count("given up", "event");
            }
        }
    }

    /// Every environment is busy: whoever calls tries again.
    fn again_soon(&mut self, cause: Cause) {
        let mut world = lock(&self.world);
        let event = match cause {
            Cause::Inputs(leased) => Event::Lapse(leased.group, leased.lease),
            Cause::Wake(address, at) => Event::Wake(address, at),
            Cause::Sweep(tries) => Event::Sweep(tries.max(1)),
            Cause::Intents(place, intents, tries) => Event::Intents(place, intents, tries),
            Cause::News(place, event, tries) => Event::News(place, event, tries),
            Cause::Mend(place, tries) => Event::Mend(place, tries.max(1)),
            Cause::Tick(tick) => Event::Tick(tick),
        };
        world.after(SECOND, event);
    }

    /// Somebody stops the latest execution of a place.
    fn stop_loop(&mut self, place: usize) {
        let mut world = lock(&self.world);
        let of_place = |(key, _): &(&(usize, u64), &mut bool)| key.0 == place;
        if let Some((_, goes_on)) = world.loops.iter_mut().filter(of_place).last()
            && *goes_on
        {
            *goes_on = false;
            world.count("stopped", "loop");
            world.tell(|| format!("the loop of place {place} is stopped"));
        }
    }

    fn sample(&mut self) -> anyhow::Result<()> {
        let asked = micros(lock(&self.world).now);
        let world = &self.world;
        let known = || Known {
            jobs: lock(world).service.job_runs(),
            now: asked,
        };
        let over = self.watcher.look(asked, known)?;
        let mut world = lock(&self.world);
        let over = over.unwrap_or_else(|what| {
            world.violate("reasons-are-true", what);
            false
        });
        if over {
            world.after(MORNING, Event::Morning);
        } else {
            let next = world.chance.between(20 * SECOND, 4 * MINUTE);
            world.after(next, Event::Sample);
        }
        Ok(())
    }

    fn morning(&mut self) -> anyhow::Result<()> {
        self.over = true;
        let jobs = lock(&self.world).service.job_runs();
        let checked = self.watcher.last_look(&jobs)?;
        let checked = checked.and_then(|()| {
            let left = self.nothing_left();
            left.map_err(|what| ("nothing-stuck", what))
        });
        if let Err((invariant, what)) = checked {
            lock(&self.world).violate(invariant, what);
        }
        Ok(())
    }

    /// No loop goes on, no message is under way, nothing is open.
    fn nothing_left(&self) -> Result<(), String> {
        let open = self.onlooker.open_aggregates(None).now_or_never();
        let open = open.and_then(Result::ok).unwrap_or_default();
        if !open.is_empty() {
            return Err(format!("the open index has {open:?}"));
        }
        let world = lock(&self.world);
        if let Some((place, epoch)) = world.loops.iter().find_map(|(key, on)| on.then_some(*key)) {
            return Err(format!("poll loop {epoch} of place {place} goes on"));
        }
        if world.mail.is_empty() {
            Ok(())
        } else {
            Err("inputs are under way".to_owned())
        }
    }
}
