//! What the facts have made of a pool.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use porpoise_model::limits::{POOL_LEASE_SECONDS, POOL_SLOTS_DEFAULT};

use super::fact::PoolFact;
use super::line::Line;
use crate::commands::Commands;
use crate::effect::{EffectKey, Holder};
use crate::outbox::Outbox;

/// How long a holder may be silent.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(POOL_LEASE_SECONDS);

/// A pool.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// Its name, for lists; empty until somebody resized it.
    #[n(0)]
    pub name: String,
    /// Its size; `None`: nobody has given it one.
    #[n(1)]
    pub size: Option<u32>,
    /// Who holds slots.
    #[n(2)]
    pub held: BTreeMap<Holder, Held>,
    /// Who waits for some.
    #[n(3)]
    pub line: Line,
    /// Commands of the last day.
    #[n(4)]
    pub commands: Commands,
    /// What must be done in the world.
    #[n(5)]
    pub outbox: Outbox,
}

/// Slots that an attempt holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Held {
    /// How many.
    #[n(0)]
    pub slots: u32,
    /// Since when.
    #[n(1)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub since: Timestamp,
    /// When it was last heard of.
    #[n(2)]
    #[cbor(with = "porpoise_model::codec::timestamp")]
    pub heard: Timestamp,
}

impl State {
    /// How many slots it has.
    pub fn size(&self) -> u32 {
        self.size.unwrap_or(POOL_SLOTS_DEFAULT)
    }

    /// How many of them are held. More than there are after it was made smaller, and while a request is served that
    /// is larger than the pool.
    pub fn used(&self) -> u64 {
        self.held.values().map(|held| u64::from(held.slots)).sum()
    }

    /// Holders that may be asked whether they still are, and when each is due. Not those who are asked already, and
    /// not those who may not know yet that they hold anything: they would deny it.
    pub(super) fn checks(&self) -> impl Iterator<Item = (Holder, Timestamp)> + '_ {
        self.held.iter().filter_map(|(holder, held)| {
            let told = self.outbox.contains(&EffectKey::GrantSlot(*holder))
                || self.outbox.contains(&EffectKey::CheckHolder(*holder));
            let due = held.heard.checked_add(LEASE).unwrap_or(Timestamp::MAX);
            (!told).then_some((*holder, due))
        })
    }

    /// When the next holder is to be asked.
    pub fn next_check(&self) -> Option<Timestamp> {
        self.checks().map(|(_, due)| due).min()
    }

    /// Folds a fact.
    pub(super) fn evolve(&mut self, fact: &PoolFact, at: Timestamp) {
        match fact {
            PoolFact::Asked { holder, request } => {
                if !self.held.contains_key(holder) {
                    self.line.join(*holder, request);
                }
            }
            PoolFact::Granted { holder } => self.grant(*holder, at),
            PoolFact::Taken { holder } | PoolFact::Heard { holder } => self.hear(*holder, at),
            PoolFact::Freed { holder } => {
                self.line.leave(*holder);
                self.held.remove(holder);
                self.outbox.remove(&EffectKey::GrantSlot(*holder));
                self.outbox.remove(&EffectKey::CheckHolder(*holder));
            }
            PoolFact::Checked { holder } => {
                if self.held.contains_key(holder) {
                    self.outbox.add(EffectKey::CheckHolder(*holder), at);
                }
            }
            PoolFact::Commanded { id, outcome, .. } => {
                self.commands.record(*id, outcome.clone(), at);
            }
            PoolFact::Resized { slots, name } => {
                self.size = Some(*slots);
                self.name.clone_from(name);
            }
        }
    }

    fn grant(&mut self, holder: Holder, at: Timestamp) {
        if let Some(slots) = self.line.leave(holder) {
            let held = Held {
                slots,
                since: at,
                heard: at,
            };
            self.held.insert(holder, held);
            self.outbox.add(EffectKey::GrantSlot(holder), at);
        }
    }

    fn hear(&mut self, holder: Holder, at: Timestamp) {
        if let Some(held) = self.held.get_mut(&holder) {
            held.heard = at;
            self.outbox.remove(&EffectKey::GrantSlot(holder));
            self.outbox.remove(&EffectKey::CheckHolder(holder));
        }
    }
}
