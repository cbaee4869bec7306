//! The world behind the ports: one clock, one heap of events, one generator; and the call, at which everything that
//! can go wrong does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use jiff::Timestamp;
use porpoise_app::billing::Billed;
use porpoise_model::{Address, AttemptKey, ProjectId, VersionHash};
use porpoise_ports::table::Item;
use porpoise_store_memory::MemoryTable;

use crate::check::Checks;
use crate::fault::{Fate, Fault, Matrix, Op, Rates};
use crate::mail::Mail;
use crate::random::Chance;
use crate::site::{Ask, Site};
use crate::target::{Step, Target};

/// The place of every task.
pub(crate) const PLACE: &str = "local";
/// The host of the checks: nothing ever goes wrong there, and no step counts.
pub(crate) const AUDITOR: usize = usize::MAX;

pub(crate) const MILLI: i64 = 1_000;
pub(crate) const SECOND: i64 = 1_000 * MILLI;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// 2026-01-01, in microseconds.
pub(crate) const BEGIN: i64 = 1_767_225_600 * SECOND;

/// What happens at a time.
pub(crate) enum Event {
    /// A call goes on.
    Resume(Waker),
    /// Messages of a group are handed to a stepper.
    Deliver(Address),
    /// A batch that was handed out was not deleted in time.
    Lapse(Address, u64),
    /// A batch of intents arrives.
    Intents(Vec<Bytes>),
    /// A wake fires.
    Wake(Address),
    /// The poll loop, where it is in the hosts.
    Tick,
    /// The same where it is outside: its epoch, its tick.
    LoopTick(u64, u32),
    /// Somebody looks after poll loops that were stopped.
    Mend,
    /// The agent of a site is started: which of its lives.
    StartAgent(u64),
    /// It asks for orders.
    Take(u64),
    /// Its poll loop.
    SiteTick(u64),
    /// A request of the agent arrives at home.
    Request(u64, Ask),
    /// A target says that something happened to a job.
    Signal(AttemptKey),
    /// The periodic sweep.
    Sweep,
    /// A server starts, and sweeps at once.
    Recover,
    /// A job goes on.
    Job(AttemptKey, Step),
    /// A client acts.
    Act(usize),
    /// Hosts die, clocks jump, old releases write snapshots.
    Disturb,
    /// From now on nothing goes wrong.
    Calm,
    /// A person looks after what waits for one.
    Nag,
}

impl Event {
    const fn name(&self) -> &'static str {
        match self {
            Self::Resume(_) => "resume",
            Self::Deliver(_) => "deliver",
            Self::Lapse(..) => "lapse",
            Self::Intents(_) => "intents",
            Self::Wake(_) => "wake",
            Self::Tick => "tick",
            Self::LoopTick(..) => "loop tick",
            Self::Mend => "mend",
            Self::StartAgent(_) => "start of the agent",
            Self::Take(_) => "take",
            Self::SiteTick(_) => "tick of the site",
            Self::Request(..) => "request",
            Self::Signal(_) => "signal",
            Self::Sweep => "sweep",
            Self::Recover => "start of the server",
            Self::Job(..) => "job",
            Self::Act(_) => "act",
            Self::Disturb => "disturb",
            Self::Calm => "calm",
            Self::Nag => "nag",
        }
    }
}

/// An event in the heap: by time, then by chance.
struct Due {
    at: i64,
    tie: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.tie).cmp(&(other.at, other.tie))
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name, as in the architecture.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
    /// Virtual time since the beginning, in microseconds.
    pub at: i64,
}

/// The caller of the current call is to die.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crash {
    /// And its host with it.
    pub(crate) host: bool,
}

/// Everything that the ports lead to.
pub(crate) struct World {
    pub(crate) now: i64,
    heap: BinaryHeap<Reverse<Due>>,
    pub(crate) chance: Chance,
    pub(crate) steps: u64,
    pub(crate) hash: u64,
    pub(crate) calm: bool,
    pub(crate) rates: Rates,
    pub(crate) matrix: Matrix,
    pub(crate) table: MemoryTable,
    /// By partition: the snapshot before the latest one.
    pub(crate) former: BTreeMap<String, Option<Item>>,
    pub(crate) blobs: BTreeMap<(ProjectId, VersionHash), Bytes>,
    pub(crate) mail: Mail,
    pub(crate) target: Target,
    pub(crate) site: Site,
    /// Of each host: how far its clock is off.
    pub(crate) skews: Vec<i64>,
    pub(crate) crash: Option<Crash>,
    pub(crate) checks: Checks,
    pub(crate) violation: Option<Violation>,
    /// The last things that happened, if anybody wants to know.
    pub(crate) story: Option<VecDeque<String>>,
    /// Set when the poll loop has work: counts what was dispatched.
    pub(crate) dispatched: u64,
    /// The jobs of which it was kept what they were billed: run, task, attempt.
    pub(crate) billed: BTreeSet<(String, u32, u32)>,
    /// Poll loops outside of the hosts, by epoch: whether they are alive.
    pub(crate) loops: BTreeMap<u64, bool>,
    /// The current call takes effect and fails: what it does in parts, it may do in part.
    pub(crate) partial: bool,
}

pub(crate) type Shared = Arc<Mutex<World>>;

/// Lines of the story that are kept.
const STORY_LINES: usize = 100_000;

impl World {
    /// An annotation was kept that says what jobs of a run were billed.
    pub(crate) fn bill(&mut self, run: &str, note: &[u8]) {
        let note = minicbor::decode::<(u8, Vec<Billed>)>(note);
        for Billed { attempt, .. } in note.map(|note| note.1).unwrap_or_default() {
            self.billed
                .insert((run.to_owned(), attempt.task, attempt.number));
        }
    }

    /// Whether the target bills. None that a server in one process reaches does.
    pub(crate) fn is_billed(&self) -> bool {
        self.target.remembers() && !self.mail.in_process
    }

    /// A job that is over, of which nobody has kept what it was billed, at a target that says so.
    pub(crate) fn unbilled(&self) -> Option<(String, u32, u32)> {
        let mut bills = self.target.bills();
        bills.find(|job| self.is_billed() && !self.billed.contains(job))
    }

    pub(crate) fn new(mut chance: Chance, rates: Rates, checks: Checks, hosts: usize) -> Self {
        let target = Target::draw(&mut chance);
        let mail = Mail::draw(&mut chance);
        Self {
            now: BEGIN,
            heap: BinaryHeap::new(),
            chance,
            steps: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            calm: false,
            rates,
            matrix: Matrix::default(),
            table: MemoryTable::new(),
            former: BTreeMap::new(),
            blobs: BTreeMap::new(),
            mail,
            target,
            site: Site::default(),
            skews: vec![0; hosts],
            crash: None,
            checks,
            violation: None,
            story: None,
            dispatched: 0,
            billed: BTreeSet::new(),
            loops: BTreeMap::new(),
            partial: false,
        }
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        let tie = self.chance.bits();
        let at = at.max(self.now);
        self.heap.push(Reverse(Due { at, tie, event }));
    }

    pub(crate) fn after(&mut self, delay: i64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// The next event, at its time.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Reverse(due) = self.heap.pop()?;
        self.now = due.at;
        self.steps += 1;
        self.mix(due.at as u64);
        self.mix(due.event.name().len() as u64);
        if self.story.is_some() && !matches!(due.event, Event::Resume(_)) {
            let name = due.event.name();
            self.tell(|| name.to_owned());
        }
        Some(due.event)
    }

    /// What was in the memory of a process does not happen any more; `Resume` is nobody's then.
    pub(crate) fn lose_events(&mut self) {
        let in_memory = |event: &Event| {
            matches!(
                event,
                Event::Deliver(_)
                    | Event::Lapse(..)
                    | Event::Intents(_)
                    | Event::Wake(_)
                    | Event::Tick
                    | Event::Signal(_)
            )
        };
        self.heap.retain(|Reverse(due)| !in_memory(&due.event));
    }

    pub(crate) fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
    }

    pub(crate) fn mix_bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    /// Now, by the clock of a host.
    pub(crate) fn now_at(&self, host: usize) -> Timestamp {
        let skew = self.skews.get(host).copied().unwrap_or(0);
        micros(self.now + skew)
    }

    /// Whole milliseconds, as targets tell them.
    pub(crate) fn now_millis(&self) -> Timestamp {
        micros(self.now - self.now % MILLI)
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: impl Into<String>) {
        if self.violation.is_none() {
            let (what, at) = (what.into(), self.now - BEGIN);
            self.tell(|| format!("VIOLATION {invariant}: {what}"));
            self.violation = Some(Violation {
                invariant,
                what,
                at,
            });
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let now = self.now - BEGIN;
        if let Some(story) = &mut self.story {
            if story.len() == STORY_LINES {
                story.pop_front();
            }
            let seconds = now as f64 / SECOND as f64;
            story.push_back(format!("{seconds:>14.6} {}", line()));
        }
    }

    /// Whether something goes wrong on the way; counted if it does.
    pub(crate) fn strikes(&mut self, probability: f64, fault: Fault, op: Op) -> bool {
        let strikes = !self.calm && self.chance.happens(probability);
        if strikes {
            self.matrix.count(fault, op);
        }
        strikes
    }

    fn meet(&mut self, op: Op, host: usize) -> Met {
        if host == AUDITOR {
            return Met::Now;
        }
        if self.crash.is_some() {
            return Met::Never { effect: false };
        }
        self.steps += 1;
        self.mix(op as u64);
        self.matrix.passed(op);
        if self.calm {
            return Met::Now;
        }
        let fate = self.rates.fate(op, &mut self.chance);
        let (fault, met) = match fate {
            Fate::Plain => return Met::Now,
            Fate::Delay { before } => {
                let delay = match self.chance.below(20) {
                    0 => self.chance.log_between(30_000_000, 400_000_000),
                    _ => self.chance.log_between(100, 20_000_000),
                };
                let until = self.now + delay as i64;
                match before {
                    true => (Fault::DelayBefore, Met::Later { until, before }),
                    false => (Fault::DelayAfter, Met::Later { until, before }),
                }
            }
            Fate::Throttled => (Fault::Throttled, Met::Fails(Failed::Throttled)),
            Fate::Failed { after: false } => (Fault::FailedBefore, Met::Fails(Failed::Unavailable)),
            Fate::Failed { after: true } => (Fault::FailedAfter, Met::Unknown),
            Fate::Crash { after } => {
                let host = self.chance.happens(self.rates.crash_kills);
                self.crash = Some(Crash { host });
                let fault = if after {
                    Fault::CrashAfter
                } else {
                    Fault::CrashBefore
                };
                (fault, Met::Never { effect: after })
            }
        };
        self.matrix.count(fault, op);
        self.mix(fault as u64);
        self.tell(|| format!("    {fault:?} at {op:?}"));
        met
    }
}

pub(crate) fn micros(at: i64) -> Timestamp {
    Timestamp::from_microsecond(at).unwrap_or(Timestamp::MAX)
}

/// A call as its caller meets it.
enum Met {
    Now,
    Later {
        until: i64,
        before: bool,
    },
    Fails(Failed),
    /// It takes effect and fails.
    Unknown,
    /// The caller dies.
    Never {
        effect: bool,
    },
}

/// How a call fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failed {
    Throttled,
    Unavailable,
}

/// The ports of one host.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) world: Shared,
    pub(crate) host: usize,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host {}", self.host)
    }
}

pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// A call of a port: `effect` is what it does to the world, once it does.
    pub(crate) async fn call<T>(
        &self,
        op: Op,
        effect: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Failed> {
        let mut effect = Some(effect);
        let mut done = None;
        let met = {
            let mut world = lock(&self.world);
            let met = world.meet(op, self.host);
            let takes = match met {
                Met::Now | Met::Unknown => true,
                Met::Later { before, .. } => !before,
                Met::Never { effect } => effect,
                Met::Fails(_) => false,
            };
            if takes && let Some(effect) = effect.take() {
                world.partial = matches!(met, Met::Unknown | Met::Never { .. });
                done = Some(effect(&mut world));
            }
            met
        };
        match met {
            Met::Now => {}
            Met::Later { until, .. } => self.pause(until).await,
            Met::Fails(failed) => return Err(failed),
            Met::Unknown => return Err(Failed::Unavailable),
            Met::Never { .. } => std::future::pending().await,
        }
        match (done, effect) {
            (Some(done), _) => Ok(done),
            (None, Some(effect)) => {
                let mut world = lock(&self.world);
                world.partial = false;
                Ok(effect(&mut world))
            }
            (None, None) => Err(Failed::Unavailable),
        }
    }

    fn pause(&self, until: i64) -> Pause {
        Pause {
            world: Arc::clone(&self.world),
            until,
            set: false,
        }
    }
}

/// Waits for a virtual time.
struct Pause {
    world: Shared,
    until: i64,
    set: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (until, set) = (self.until, self.set);
        self.set = true;
        let mut world = lock(&self.world);
        if world.crash.is_some() {
            return Poll::Pending;
        }
        if world.now >= until {
            return Poll::Ready(());
        }
        if !set {
            world.at(until, Event::Resume(context.waker().clone()));
        }
        Poll::Pending
    }
}
