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
use porpoise_ports::table::Consistency;

use crate::log::Loaded;

/// Aggregates of which a copy is kept: at 4 bytes a task, a few megabytes.
const WARM_COPIES_MAX: usize = 512;

/// A wake that is due so soon counts as the one that just came: clocks of two machines differ.
const SKEW: SignedDuration = SignedDuration::from_secs(10);

/// After so long without a step, another process has probably had one.
const QUIET: SignedDuration = SignedDuration::from_secs(60);

/// An aggregate between two steps, with what this process has done for it.
#[derive(Debug)]
pub(crate) struct Copy<A: Aggregate> {
    pub(crate) loaded: Loaded<A>,
    /// What this process has carried out and not yet told the aggregate.
    pub(crate) acks: Vec<EffectKey>,
    /// By one of those, somebody was told who waits for the aggregate.
    pub(crate) told: bool,
    /// What this process can never carry out, why, and has not yet told the aggregate.
    pub(crate) refusals: Vec<(EffectKey, String)>,
    pub(crate) sent: Sent,
    pub(crate) armed: Armed,
    /// Closed, and known to be out of the open index.
    pub(crate) unlisted: bool,
    /// When this was all of the log.
    pub(crate) at: Timestamp,
    /// Other processes step it, too.
    pub(crate) shared: bool,
}

impl<A: Aggregate> Copy<A> {
    /// Just loaded: this process remembers nothing of it.
    pub(crate) fn cold(loaded: Loaded<A>, at: Timestamp) -> Self {
        let mut sent = Sent::default();
        if mutant::on(Mutant::NoResend) {
            sent.assume_all(A::outbox(&loaded.state));
        }
        Self {
            loaded,
            acks: Vec::new(),
            told: false,
            refusals: Vec::new(),
            sent,
            armed: Armed::default(),
            unlisted: false,
            at,
            shared: false,
        }
    }

    /// Whether the log has probably moved on without this process: then a read of its tail is cheaper than a put that
    /// is refused, and everything read again. After a quiet while an eventual read will do.
    pub(crate) fn doubt(&self, now: Timestamp) -> Option<Consistency> {
        let age = now.duration_since(self.at);
        if age > QUIET || age.is_negative() {
            Some(Consistency::Eventual)
        } else {
            self.shared.then_some(Consistency::Strong)
        }
    }
}

/// What this process sent, and when. A call costs as much as is new or due, however much waits.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The outbox's number below which everything that waits was sent at least once, or is in `again`.
    seen: u64,
    /// By key: the outbox's number of what was sent, and when. Some of it may have been acknowledged.
    entries: BTreeMap<EffectKey, (u64, Timestamp)>,
    by_time: BTreeSet<(Timestamp, EffectKey)>,
    /// To be sent again if they still wait.
    again: Vec<EffectKey>,
}

impl Sent {
    /// What of an outbox is to be sent at `now`: what this process has not sent within the last two minutes.
    pub(crate) fn due(&mut self, outbox: &Outbox, now: Timestamp) -> Vec<EffectKey> {
        let seen = self.seen;
        let older = |key: &EffectKey| outbox.number(key).is_some_and(|number| number < seen);
        let mut due: Vec<EffectKey> = self.again.drain(..).filter(older).collect();
        if !mutant::on(Mutant::NoResend) {
            self.take_due(outbox, now, &mut due);
        }
        due.extend(outbox.added_from(seen));
        due
    }

    /// Takes out what was sent long ago, or much later than now by a clock that was set back since.
    fn take_due(&mut self, outbox: &Outbox, now: Timestamp, due: &mut Vec<EffectKey>) {
        loop {
            let long_ago = |(at, _): &&(Timestamp, EffectKey)| now.duration_since(*at) >= RESEND;
            let ahead = |(at, _): &&(Timestamp, EffectKey)| at.duration_since(now) >= RESEND;
            let first = self.by_time.first().filter(long_ago);
            let next = first.or_else(|| self.by_time.last().filter(ahead)).copied();
            let Some((_, key)) = next else { return };
            if self.waits(outbox, key) {
                due.push(key);
            }
            self.forget(key);
        }
    }

    /// Whether what was sent under this key is what waits.
    fn waits(&self, outbox: &Outbox, key: EffectKey) -> bool {
        let number = self.entries.get(&key).map(|(number, _)| *number);
        number.is_some() && outbox.number(&key) == number
    }

    /// All that was due was sent at `now`, or carried out.
    pub(crate) fn note(&mut self, due: &[EffectKey], outbox: &Outbox, now: Timestamp) {
        for key in due {
            self.forget(*key);
            if let Some(number) = outbox.number(key) {
                self.entries.insert(*key, (number, now));
                self.by_time.insert((now, *key));
            }
        }
        self.seen = outbox.next_number();
        if self.entries.len() > 2 * outbox.len() + 16 {
            let by_time = &mut self.by_time;
            self.entries.retain(|key, (number, at)| {
                let waits = outbox.number(key) == Some(*number);
                waits || !by_time.remove(&(*at, *key))
            });
        }
    }

    /// Carried out, which the aggregate is about to hear: if it still waits then, it is another effect.
    pub(crate) fn acknowledge(&mut self, key: EffectKey) {
        if self.forget(key) {
            self.again.push(key);
        }
    }

    fn forget(&mut self, key: EffectKey) -> bool {
        let sent = self.entries.remove(&key);
        sent.is_some_and(|(_, at)| self.by_time.remove(&(at, key)))
    }

    /// When the first of what waits is to be sent again.
    pub(crate) fn next_resend(&mut self, outbox: &Outbox) -> Option<Timestamp> {
        if mutant::on(Mutant::NoResend) {
            return None;
        }
        while let Some((at, key)) = self.by_time.first().copied() {
            if self.waits(outbox, key) {
                return at.checked_add(RESEND).ok();
            }
            self.forget(key);
        }
        None
    }

    /// What others recorded and this process has not sent was sent to somebody at `at`, or when it was recorded. What they
    /// carried out themselves is done once more: nobody knows whether they will say that they have.
    pub(crate) fn assume(&mut self, outbox: &Outbox, at: Option<Timestamp>) {
        let keys: Vec<EffectKey> = outbox.added_from(self.seen).collect();
        for key in keys {
            let sent = at.or_else(|| outbox.decided(&key));
            match sent {
                Some(at) if !key.is_own() => self.note(&[key], outbox, at),
                Some(_) | None => self.again.push(key),
            }
        }
        self.seen = outbox.next_number();
    }

    fn assume_all(&mut self, outbox: &Outbox) {
        for (key, at) in outbox.iter() {
            self.note(&[key], outbox, at);
        }
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

    /// Whether there is a copy.
    pub(crate) fn has(&self, address: Address) -> bool {
        self.lock().by_address.contains_key(&address)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Decide(u64),
        Answer(u64),
        CarryOut(u64),
        /// Time passes, or the clock is set back; then what is due is sent.
        Send(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u64..12).prop_map(Step::Decide),
            2 => (0_u64..12).prop_map(Step::Answer),
            1 => (0_u64..12).prop_map(Step::CarryOut),
            3 => prop_oneof![0_i64..90, -300_i64..300].prop_map(Step::Send),
        ]
    }

    /// The same, by looking at everything that waits each time: by key, when it was last sent.
    #[derive(Debug, Default)]
    struct Naive(BTreeMap<EffectKey, (u64, Timestamp)>);

    impl Naive {
        fn send(&mut self, outbox: &Outbox, now: Timestamp) -> BTreeSet<EffectKey> {
            let due = outbox.iter().map(|(key, _)| key).filter(|key| {
                let sent = self
                    .0
                    .get(key)
                    .filter(|(n, _)| Some(*n) == outbox.number(key));
                sent.is_none_or(|(_, at)| now.duration_since(*at).abs() >= RESEND)
            });
            let due: BTreeSet<EffectKey> = due.collect();
            for key in &due {
                self.0.insert(*key, (outbox.number(key).unwrap(), now));
            }
            due
        }

        fn next(&self, outbox: &Outbox) -> Option<Timestamp> {
            let sent = outbox.iter().filter_map(|(key, _)| self.0.get(&key));
            sent.map(|(_, at)| *at + RESEND).min()
        }
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_a_look_at_everything_finds(steps in prop::collection::vec(step(), 1..80)) {
            let (mut outbox, mut sent, mut naive) = (Outbox::default(), Sent::default(), Naive::default());
            let mut now = at(0);
            for step in steps {
                match step {
                    Step::Decide(n) => outbox.add(EffectKey::Listing(n), now),
                    Step::Answer(n) => {
                        outbox.remove(&EffectKey::Listing(n));
                    }
                    Step::CarryOut(n) => {
                        sent.acknowledge(EffectKey::Listing(n));
                        naive.0.remove(&EffectKey::Listing(n));
                    }
                    Step::Send(seconds) => {
                        now += SignedDuration::from_secs(seconds);
                        let due = sent.due(&outbox, now);
                        sent.note(&due, &outbox, now);
                        prop_assert_eq!(due.len(), due.iter().collect::<BTreeSet<_>>().len());
                        prop_assert_eq!(due.into_iter().collect::<BTreeSet<_>>(), naive.send(&outbox, now));
                        prop_assert_eq!(sent.next_resend(&outbox), naive.next(&outbox));
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_acknowledged_is_forgotten() {
        let (mut outbox, mut sent) = (Outbox::default(), Sent::default());
        for number in 0..10_000 {
            outbox.add(EffectKey::Listing(number), at(0));
            let due = sent.due(&outbox, at(0));
            sent.note(&due, &outbox, at(0));
            outbox.remove(&EffectKey::Listing(number));
        }
        assert!(sent.entries.len() < 32 && sent.by_time.len() < 32);
        assert_eq!(sent.next_resend(&outbox), None);
    }
}
