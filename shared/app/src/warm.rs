//! Warm copies: what is known of aggregates from the step before, as a hint.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use porpoise_engine::Aggregate;
use porpoise_engine::effect::EffectKey;
use porpoise_engine::mutant::{self, Mutant};
use porpoise_engine::outbox::{Outbox, RESEND};
use porpoise_model::Address;

use crate::log::Loaded;

/// Aggregates of which a copy is kept: at 4 bytes a task, a few megabytes.
const WARM_COPIES_MAX: usize = 512;

/// A wake that is due so soon counts as the one that just came: clocks of two machines differ.
const SKEW: SignedDuration = SignedDuration::from_secs(10);

/// An aggregate between two steps, with what this process has done for it.
#[derive(Debug)]
pub(crate) struct Copy<A: Aggregate> {
    pub(crate) loaded: Loaded<A>,
    /// What this process has carried out and not yet told the aggregate.
    pub(crate) acks: Vec<EffectKey>,
    pub(crate) sent: Sent,
    pub(crate) armed: Armed,
    /// Closed, and known to be out of the open index.
    pub(crate) unlisted: bool,
}

impl<A: Aggregate> Copy<A> {
    /// Just loaded: this process remembers nothing of it.
    pub(crate) fn cold(loaded: Loaded<A>) -> Self {
        let mut sent = Sent::default();
        if mutant::on(Mutant::NoResend) {
            sent.assume_all(A::outbox(&loaded.state));
        }
        Self {
            loaded,
            acks: Vec::new(),
            sent,
            armed: Armed::default(),
            unlisted: false,
        }
    }
}

/// What this process sent, and when.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// By key: when it was decided, and when it was sent.
    entries: BTreeMap<EffectKey, (Timestamp, Timestamp)>,
}

impl Sent {
    /// What of an outbox is to be sent at `now`: what this process has not sent within the last two minutes.
    pub(crate) fn due(&self, outbox: &Outbox, now: Timestamp) -> Vec<EffectKey> {
        let fresh = |(key, decided): &(EffectKey, Timestamp)| match self.entries.get(key) {
            Some(_) if mutant::on(Mutant::NoResend) => false,
            Some((as_of, at)) => as_of != decided || now.duration_since(*at).abs() >= RESEND,
            None => true,
        };
        outbox.iter().filter(fresh).map(|(key, _)| key).collect()
    }

    /// Sent at `now`, or carried out.
    pub(crate) fn note(&mut self, keys: &[EffectKey], outbox: &Outbox, now: Timestamp) {
        for key in keys {
            if let Some(decided) = outbox.since(key) {
                self.entries.insert(*key, (decided, now));
            }
        }
        if self.entries.len() > 2 * outbox.len() + 16 {
            self.entries.retain(|key, _| outbox.contains(key));
        }
    }

    /// No longer sent: what comes under this key from now on is another effect.
    pub(crate) fn forget(&mut self, key: EffectKey) {
        self.entries.remove(&key);
    }

    fn assume_all(&mut self, outbox: &Outbox) {
        self.entries = outbox.iter().map(|(key, at)| (key, (at, at))).collect();
    }
}

/// The wakes that this process asked for and that did not come yet.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    at: BTreeSet<Timestamp>,
    seen: Option<Timestamp>,
}

impl Armed {
    /// A step began; `woken`: because a wake came.
    ///
    /// A clock that was set back makes everything that was asked for doubtful: it is asked for again.
    pub(crate) fn begin(&mut self, now: Timestamp, woken: bool) {
        let set_back = self.seen.is_some_and(|seen| now < seen);
        self.seen = Some(now);
        if set_back {
            self.at.clear();
        }
        let past = if woken { now + SKEW } else { now };
        self.at.retain(|at| *at > past);
    }

    /// Whether a wake at `at` has to be asked for.
    pub(crate) fn lacks(&self, at: Timestamp) -> bool {
        self.at.first().is_none_or(|first| at < *first)
    }

    pub(crate) fn note(&mut self, at: Timestamp) {
        self.at.insert(at);
    }
}

/// The warm copies of this process. A copy is taken out while a step works on it, so that a second step of the same
/// aggregate loads its own.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    copies: Mutex<Copies>,
}

#[derive(Debug, Default)]
struct Copies {
    by_address: BTreeMap<Address, (u64, Box<dyn Any + Send + Sync>)>,
    by_age: BTreeMap<u64, Address>,
    used: u64,
}

impl Warm {
    fn lock(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take<A: Aggregate>(&self, address: Address) -> Option<Box<Copy<A>>> {
        let mut copies = self.lock();
        let (used, copy) = copies.by_address.remove(&address)?;
        copies.by_age.remove(&used);
        copy.downcast().ok()
    }

    pub(crate) fn give<A: Aggregate>(&self, address: Address, copy: Box<Copy<A>>) {
        let mut copies = self.lock();
        copies.used += 1;
        let used = copies.used;
        if let Some((before, _)) = copies.by_address.insert(address, (used, copy)) {
            copies.by_age.remove(&before);
        }
        copies.by_age.insert(used, address);
        if copies.by_address.len() > WARM_COPIES_MAX
            && let Some((_, oldest)) = copies.by_age.pop_first()
        {
            copies.by_address.remove(&oldest);
        }
    }
}
