//! What everything shares: time, books, and who called whom.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use porpoise_ports::usage::Ledger;
use porpoise_ports::{Clock, Ids};

use super::assumed::Service;
use super::books::{Account, Books, Cause};
use super::time::{Nanos, Time, lock};

/// A call, or a delivery, from when to when.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) what: String,
    /// Whose call it is; nobody's: a delivery.
    pub(crate) by: Option<&'static str>,
    pub(crate) begun: Nanos,
    pub(crate) ended: Nanos,
}

/// What everything shares.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) time: Time,
    pub(crate) books: Mutex<Books>,
    /// In the order of their ends.
    pub(crate) steps: Mutex<Vec<Step>>,
    /// Keep steps.
    pub(crate) traced: bool,
    /// What went wrong: nothing should.
    pub(crate) faults: Mutex<Vec<String>>,
    pub(crate) seed: u64,
    drawn: AtomicU64,
    /// What was asked of which tables, in its order.
    #[cfg(test)]
    pub(crate) tape: Mutex<Vec<super::replay::Asked>>,
}

impl World {
    pub(crate) fn new(seed: u64, traced: bool) -> Arc<Self> {
        Arc::new(Self {
            traced,
            seed,
            ..Self::default()
        })
    }

    pub(crate) fn account(&self, cause: Cause, change: impl FnOnce(&mut Account)) {
        change(lock(&self.books).accounts.entry(cause).or_default());
    }

    pub(crate) fn fault(&self, what: impl Into<String>) {
        lock(&self.faults).push(what.into());
    }

    /// Takes a while, on the way from one to another.
    pub(crate) async fn deliver(&self, what: impl FnOnce() -> String, takes: Duration) {
        self.take(None, what, takes).await;
    }

    async fn take(&self, by: Option<&'static str>, what: impl FnOnce() -> String, takes: Duration) {
        let begun = self.time.now();
        self.time.sleep(takes).await;
        if self.traced {
            let ended = self.time.now();
            let what = what();
            lock(&self.steps).push(Step {
                what,
                by,
                begun,
                ended,
            });
        }
    }

    /// Between 0 and 1, for a number and a purpose.
    pub(crate) fn dice(&self, number: u64, purpose: u64) -> f64 {
        let mixed = mix(self.seed ^ mix(number ^ mix(purpose)));
        let top = u32::try_from(mixed >> 32).unwrap_or_default();
        f64::from(top) / f64::from(u32::MAX)
    }
}

/// Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators (`SplitMix64`).
fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The same numbers in each run.
impl Ids for World {
    fn fresh(&self) -> u128 {
        let number = self.drawn.fetch_add(1, Ordering::Relaxed);
        let high = mix(self.seed ^ mix(number));
        (u128::from(high) << 64) | u128::from(mix(high ^ number))
    }
}

impl Clock for World {
    fn now(&self) -> jiff::Timestamp {
        Clock::now(&self.time)
    }
}

/// A copy of a function, as what it calls sees it.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) world: Arc<World>,
    pub(crate) function: &'static str,
    pub(crate) ledger: Ledger,
    pub(crate) calls: Arc<AtomicU64>,
}

impl Caller {
    pub(crate) fn new(world: &Arc<World>, function: &'static str) -> Self {
        Self {
            world: Arc::clone(world),
            function,
            ledger: Ledger::default(),
            calls: Arc::default(),
        }
    }

    /// A call of AWS: it answers after a while.
    pub(crate) async fn call(&self, service: Service, what: impl Into<String>) {
        let what = format!("{} {}", service.name(), what.into());
        self.calls.fetch_add(1, Ordering::Relaxed);
        *lock(&self.world.books)
            .calls
            .entry(what.clone())
            .or_default() += 1;
        let takes = service.answers_in();
        self.world.take(Some(self.function), || what, takes).await;
    }
}
