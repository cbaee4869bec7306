//! The world of a night: one clock, one heap of events, one generator; and the call, at which functions are killed,
//! throttled, delayed and left without an answer.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use jiff::Timestamp;
use porpoise_model::{Address, ProjectId, VersionHash};
use porpoise_ports::Clock;
use porpoise_store_memory::MemoryTable;

use crate::mail::Mail;
use crate::mutant::Mutant;
use crate::random::Chance;
use crate::service::Service;

pub(crate) const MILLI: i64 = 1_000;
pub(crate) const SECOND: i64 = 1_000 * MILLI;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// 2026-03-01 at 22 o'clock, in microseconds.
pub(crate) const BEGIN: i64 = 1_772_402_400 * SECOND;

/// What happens at a time.
#[derive(Debug)]
pub(crate) enum Event {
    /// A call goes on.
    Resume(Waker),
    /// Messages of a group are handed to a stepper.
    Inputs(Address),
    /// A batch that was handed out was not deleted in time.
    Lapse(Address, u64),
    /// Intents arrive at a place.
    Intents(usize, Vec<Bytes>, u32),
    /// A wake arrives.
    Wake(Address, i64),
    /// The poll loop of a place ticks.
    Tick(Ticking),
    /// A rule has the poll loop of a place looked after.
    Mend(usize, u32),
    /// A service says something of a job of a place.
    News(usize, String, u32),
    /// A rule has everything swept.
    Sweep(u32),
    /// Somebody stops the poll loop of a place.
    StopLoop(usize),
    /// A function may not take longer.
    TimeUp(u64),
    /// Somebody looks at the run.
    Sample,
    /// The night is over.
    Morning,
}

/// A tick of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticking {
    pub(crate) place: usize,
    pub(crate) epoch: u64,
    pub(crate) tick: u32,
    pub(crate) tries: u32,
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

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, as in the architecture, or `reasons-are-true`.
    pub invariant: &'static str,
    /// What is wrong.
    pub what: String,
    /// Virtual minutes since the beginning.
    pub minute: i64,
}

/// How often things go wrong, of a thousand calls; each seed draws its own.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    pub(crate) kill: u64,
    pub(crate) fail: u64,
    pub(crate) throttle: u64,
    pub(crate) delay: u64,
    /// Of a thousand batches of intents.
    pub(crate) lose_intents: u64,
    pub(crate) double_intents: u64,
    pub(crate) lose_wake: u64,
    /// Lambda ends an environment between two calls.
    pub(crate) cold: u64,
}

impl Rates {
    fn draw(chance: &mut Chance) -> Self {
        Self {
            kill: chance.pick(&[2, 5, 10]),
            fail: chance.pick(&[2, 5, 10]),
            throttle: chance.pick(&[0, 5, 20]),
            delay: chance.pick(&[20, 100, 200]),
            lose_intents: chance.pick(&[20, 50]),
            double_intents: 200,
            lose_wake: 20,
            cold: chance.pick(&[20, 100]),
        }
    }
}

/// A table and blobs, of the home or of a place.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) table: MemoryTable,
    pub(crate) blobs: BTreeMap<(ProjectId, VersionHash), Bytes>,
}

/// Time as everybody sees it, also while the world is busy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<AtomicI64>);

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        micros(self.0.load(Ordering::Acquire))
    }
}

/// Everything that the ports lead to.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) watch: Watch,
    heap: BinaryHeap<Reverse<Due>>,
    pub(crate) chance: Chance,
    pub(crate) rates: Rates,
    pub(crate) steps: u64,
    pub(crate) hash: u64,
    /// The home's, then one for each place.
    pub(crate) stores: Vec<Store>,
    pub(crate) mail: Mail,
    /// Executions that are poll loops, by place and epoch: whether they go on.
    pub(crate) loops: BTreeMap<(usize, u64), bool>,
    pub(crate) service: Service,
    /// The function that makes the present call is killed.
    pub(crate) killed: bool,
    /// The present call takes effect, and its caller is not told.
    pub(crate) partial: bool,
    /// The bug that is switched on.
    pub(crate) mutant: Option<Mutant>,
    pub(crate) counts: BTreeMap<(&'static str, &'static str), u64>,
    pub(crate) violation: Option<Violation>,
    pub(crate) story: Option<VecDeque<String>>,
}

pub(crate) type Shared = Arc<Mutex<World>>;

/// Lines of the story that are kept.
const STORY_LINES: usize = 200_000;

impl World {
    pub(crate) fn new(mut chance: Chance, service: Service, places: usize, story: bool) -> Self {
        let rates = Rates::draw(&mut chance);
        let mut world = Self {
            now: BEGIN,
            watch: Watch::default(),
            heap: BinaryHeap::new(),
            chance,
            rates,
            steps: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            stores: (0..=places).map(|_| Store::default()).collect(),
            mail: Mail::default(),
            loops: BTreeMap::new(),
            service,
            killed: false,
            partial: false,
            mutant: None,
            counts: BTreeMap::new(),
            violation: None,
            story: story.then(VecDeque::new),
        };
        world.pass(BEGIN);
        world
    }

    pub(crate) fn at(&mut self, at: i64, event: Event) {
        let tie = self.chance.bits();
        let at = at.max(self.now);
        self.heap.push(Reverse(Due { at, tie, event }));
    }

    pub(crate) fn after(&mut self, delay: i64, event: Event) {
        self.at(self.now + delay, event);
    }

    /// The next event, at its time; whatever services do by themselves until then has happened, and nothing more.
    pub(crate) fn next(&mut self) -> Option<Next> {
        let due = self.heap.peek().map(|Reverse(due)| due.at);
        if let Some(at) = self.service.next()
            && due.is_none_or(|due| at <= due)
        {
            self.pass(at.max(self.now));
            return Some(Next::Service);
        }
        let Reverse(due) = self.heap.pop()?;
        self.pass(due.at);
        self.steps += 1;
        self.mix(due.at.unsigned_abs());
        Some(Next::Event(due.event))
    }

    /// It is this late.
    fn pass(&mut self, now: i64) {
        self.now = now;
        self.watch.0.store(now, Ordering::Release);
        self.service.align(micros(now));
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

    pub(crate) fn violate(&mut self, invariant: &'static str, what: impl Into<String>) {
        if self.violation.is_none() {
            let what = what.into();
            self.tell(|| format!("VIOLATION {invariant}: {what}"));
            let minute = (self.now - BEGIN) / MINUTE;
            self.violation = Some(Violation {
                invariant,
                what,
                minute,
            });
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let at = self.now - BEGIN;
        if let Some(story) = &mut self.story {
            if story.len() == STORY_LINES {
                story.pop_front();
            }
            let millis = at / MILLI;
            story.push_back(format!(
                "{:>8}.{:03} {}",
                millis / 1_000,
                millis % 1_000,
                line()
            ));
        }
    }

    /// Counts a fault at an operation.
    pub(crate) fn count(&mut self, fault: &'static str, op: &'static str) {
        *self.counts.entry((fault, op)).or_default() += 1;
    }

    /// Whether something goes wrong on the way; counted if it does.
    pub(crate) fn strikes(
        &mut self,
        of_thousand: u64,
        fault: &'static str,
        op: &'static str,
    ) -> bool {
        let strikes = self.chance.happens(of_thousand);
        if strikes {
            self.count(fault, op);
        }
        strikes
    }

    fn meet(&mut self, op: &'static str, reads: bool) -> Met {
        if self.killed {
            return Met::Never { effect: false };
        }
        self.steps += 1;
        self.count("called", op);
        let Rates {
            kill,
            fail,
            throttle,
            delay,
            ..
        } = self.rates.clone();
        let mut drawn = self.chance.below(1_000);
        let mut hit = |share: u64| {
            let hit = drawn < share;
            drawn = drawn.wrapping_sub(share);
            hit
        };
        let (fault, met) = if hit(kill) {
            self.killed = true;
            let effect = !reads && self.chance.bits() & 1 == 0;
            let fault = if effect {
                "killed after"
            } else {
                "killed before"
            };
            (fault, Met::Never { effect })
        } else if hit(fail) {
            if !reads && self.chance.bits() & 1 == 0 {
                ("failed after", Met::Unknown)
            } else {
                ("failed before", Met::Fails(Failed::Unavailable))
            }
        } else if op.ends_with("item") && hit(throttle) {
            ("throttled", Met::Fails(Failed::Throttled))
        } else if hit(delay) {
            let long = self.chance.happens(20);
            let longest = if long { 30 * SECOND } else { 300 * MILLI };
            let until = self.now + self.chance.between(MILLI, longest);
            let before = self.chance.bits() & 1 == 0;
            ("delayed", Met::Later { until, before })
        } else {
            return Met::Now;
        };
        self.count(fault, op);
        self.tell(|| format!("    {fault}: {op}"));
        met
    }
}

/// What is next.
pub(crate) enum Next {
    Event(Event),
    /// A service does something by itself.
    Service,
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
    /// The caller is killed.
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

pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ports of a function, or of somebody whom nothing befalls.
#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) world: Shared,
    pub(crate) watch: Watch,
    /// Whose table and blobs it has: 0 is the home's.
    pub(crate) store: usize,
    /// Nothing goes wrong here.
    pub(crate) spared: bool,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ports of store {}", self.store)
    }
}

impl Hub {
    /// A call: `effect` is what it does to the world, once it does.
    pub(crate) async fn call<T>(
        &self,
        (op, reads): (&'static str, bool),
        effect: impl FnOnce(&mut World) -> T,
    ) -> Result<T, Failed> {
        let mut effect = Some(effect);
        let mut done = None;
        let met = {
            let mut world = lock(&self.world);
            let met = if self.spared {
                Met::Now
            } else {
                world.meet(op, reads)
            };
            let takes = match met {
                Met::Now | Met::Unknown => true,
                Met::Later { before, .. } => !before,
                Met::Never { effect } => effect,
                Met::Fails(_) => false,
            };
            if takes && let Some(effect) = effect.take() {
                world.partial = matches!(met, Met::Unknown | Met::Never { .. });
                done = Some(effect(&mut world));
                world.partial = false;
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
            (None, Some(effect)) => Ok(effect(&mut lock(&self.world))),
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
        if world.killed {
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
