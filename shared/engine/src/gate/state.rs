//! What the facts have made of a gate.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::RunId;
use porpoise_model::limits::{GATE_REMEMBERED_HOURS, GATE_REMEMBERED_MAX};
use porpoise_model::workflow::{Concurrency, Priority};

use super::fact::GateFact;
use crate::effect::EffectKey;
use crate::outbox::Outbox;

/// A gate. A run is in at most one of `waiting`, `inside` and `gone`.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// Who waits.
    #[n(0)]
    pub waiting: BTreeMap<RunId, Waiting>,
    /// Who is in.
    #[n(1)]
    pub inside: BTreeMap<RunId, Inside>,
    /// Who was here lately.
    #[n(2)]
    pub gone: BTreeMap<RunId, Gone>,
    /// What must be done in the world.
    #[n(3)]
    pub outbox: Outbox,
}

/// A run in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Waiting {
    /// Counts the times that it has come.
    #[n(0)]
    pub entry: u32,
    /// By which rule it goes in.
    #[n(1)]
    pub concurrency: Concurrency,
    /// The more urgent one goes first.
    #[n(2)]
    pub priority: Priority,
    /// Then the one that was created earlier.
    #[n(3)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub created: Timestamp,
}

/// A run that was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Inside {
    /// Counts the times that it has come.
    #[n(0)]
    pub entry: u32,
    /// Since when.
    #[n(1)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub since: Timestamp,
}

/// A run that was here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Gone {
    /// Counts the times that it has come.
    #[n(0)]
    pub entry: u32,
    /// It was never let in by this entry, and will not be.
    #[n(1)]
    pub discarded: bool,
    /// Since when.
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub since: Timestamp,
}

/// The place of a run in line: the smaller goes first.
pub type Ordinal = (u8, Timestamp, RunId);

impl Waiting {
    fn ordinal(&self, run: RunId) -> Ordinal {
        (self.priority.rank(), self.created, run)
    }
}

impl State {
    /// Who is let in next.
    pub fn first(&self) -> Option<RunId> {
        let places = self
            .waiting
            .iter()
            .map(|(run, waiting)| waiting.ordinal(*run));
        places.min().map(|(_, _, run)| run)
    }

    /// Who waits, the next one first.
    pub fn line(&self) -> Vec<RunId> {
        let mut places: Vec<Ordinal> = self
            .waiting
            .iter()
            .map(|(run, waiting)| waiting.ordinal(*run))
            .collect();
        places.sort_unstable();
        places.into_iter().map(|(_, _, run)| run).collect()
    }

    /// The latest entry of a run that the gate knows of.
    pub(super) fn entry(&self, run: RunId) -> Option<u32> {
        let waiting = self.waiting.get(&run).map(|waiting| waiting.entry);
        let inside = || self.inside.get(&run).map(|inside| inside.entry);
        let gone = || self.gone.get(&run).map(|gone| gone.entry);
        waiting.or_else(inside).or_else(gone)
    }

    /// Folds a fact.
    pub(super) fn evolve(&mut self, fact: &GateFact, at: Timestamp) {
        match fact {
            GateFact::Entered {
                run,
                entry,
                concurrency,
                priority,
                created,
            } => {
                self.forget(*run);
                let waiting = Waiting {
                    entry: *entry,
                    concurrency: *concurrency,
                    priority: *priority,
                    created: *created,
                };
                self.waiting.insert(*run, waiting);
            }
            GateFact::Admitted { run } => self.admit(*run, at),
            GateFact::Discarded { run } => {
                if let Some(waiting) = self.waiting.remove(run) {
                    self.outbox.add(EffectKey::Discard(*run), at);
                    self.remember(*run, waiting.entry, true, at);
                }
            }
            GateFact::Superseded { run } => {
                if self.inside.contains_key(run) {
                    self.outbox.add(EffectKey::Supersede(*run), at);
                }
            }
            GateFact::Noted { run } => {
                self.outbox.remove(&EffectKey::Supersede(*run));
                self.outbox.remove(&EffectKey::Admit(*run));
                self.outbox.remove(&EffectKey::Discard(*run));
            }
            GateFact::Left { run, entry } => {
                let same = self.gone.get(run).filter(|gone| gone.entry == *entry);
                let discarded = same.is_some_and(|gone| gone.discarded);
                self.forget(*run);
                self.remember(*run, *entry, discarded, at);
            }
        }
    }

    fn admit(&mut self, run: RunId, at: Timestamp) {
        if let Some(waiting) = self.waiting.remove(&run) {
            let inside = Inside {
                entry: waiting.entry,
                since: at,
            };
            self.inside.insert(run, inside);
            self.outbox.add(EffectKey::Admit(run), at);
        }
    }

    fn forget(&mut self, run: RunId) {
        self.waiting.remove(&run);
        self.inside.remove(&run);
        self.gone.remove(&run);
        self.outbox.remove(&EffectKey::Supersede(run));
        self.outbox.remove(&EffectKey::Admit(run));
        self.outbox.remove(&EffectKey::Discard(run));
    }

    /// Keeps what is gone for a day, and not more than a bounded number; whoever is still to be told stays.
    fn remember(&mut self, run: RunId, entry: u32, discarded: bool, since: Timestamp) {
        let day = SignedDuration::from_hours(GATE_REMEMBERED_HOURS);
        let outbox = &self.outbox;
        let told = |run: &RunId| !outbox.contains(&EffectKey::Discard(*run));
        self.gone
            .retain(|run, gone| since.duration_since(gone.since) < day || !told(run));
        if self.gone.len() >= GATE_REMEMBERED_MAX {
            let oldest = self.gone.iter().filter(|(run, _)| told(run));
            let oldest = oldest.min_by_key(|(_, gone)| gone.since);
            if let Some(run) = oldest.map(|(run, _)| *run) {
                self.gone.remove(&run);
            }
        }
        let gone = Gone {
            entry,
            discarded,
            since,
        };
        self.gone.insert(run, gone);
    }
}
