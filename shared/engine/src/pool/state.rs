//! What the facts have made of a pool.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use minicbor::decode::Error as DecodeError;
use minicbor::{Decode, Decoder, Encode};
use porpoise_model::limits::{POOL_LEASE_SECONDS, POOL_SLOTS_DEFAULT};

use super::fact::PoolFact;
use super::leases::Leases;
use super::line::Line;
use crate::commands::Commands;
use crate::effect::{EffectKey, Holder};
use crate::outbox::Outbox;

/// How long a holder may be silent.
pub(super) const LEASE: SignedDuration = SignedDuration::from_secs(POOL_LEASE_SECONDS);

/// A pool.
#[derive(Debug, Clone, Default, PartialEq, Encode)]
pub struct State {
    /// Its name, for lists; empty until somebody resized it.
    #[n(0)]
    pub name: String,
    /// Its size; `None`: nobody has given it one.
    #[n(1)]
    pub size: Option<u32>,
    /// Who holds slots.
    #[n(2)]
    pub held: Leases,
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

    /// How many of them are held. More than there are after it was made smaller, while a request is served that is larger
    /// than the pool, and where somebody let one go first.
    pub const fn used(&self) -> u64 {
        self.held.slots()
    }

    /// Holders that may be asked whether they still are, and when each is due, the earliest first. Not those who are
    /// asked already, and not those who may not know yet that they hold anything: they would deny it.
    pub(super) fn checks(&self) -> impl Iterator<Item = (Holder, Timestamp)> + '_ {
        let due = |(heard, holder): (Timestamp, Holder)| {
            (holder, heard.checked_add(LEASE).unwrap_or(Timestamp::MAX))
        };
        self.held.silent().map(due)
    }

    /// When the next holder is to be asked.
    pub fn next_check(&self) -> Option<Timestamp> {
        self.checks().map(|(_, due)| due).next()
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
                self.held.free(*holder);
                self.outbox.remove(&EffectKey::GrantSlot(*holder));
                self.outbox.remove(&EffectKey::CheckHolder(*holder));
            }
            PoolFact::Checked { holder } => {
                if self.held.ask(*holder) {
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
            self.held.grant(holder, held);
            self.outbox.add(EffectKey::GrantSlot(holder), at);
        }
    }

    fn hear(&mut self, holder: Holder, at: Timestamp) {
        if self.held.hear(holder, at) {
            self.outbox.remove(&EffectKey::GrantSlot(holder));
            self.outbox.remove(&EffectKey::CheckHolder(holder));
        }
    }
}

/// The stored form of a state, before it is known who may be asked.
#[derive(Decode)]
struct Stored {
    #[n(0)]
    name: String,
    #[n(1)]
    size: Option<u32>,
    #[n(2)]
    held: BTreeMap<Holder, Held>,
    #[n(3)]
    line: Line,
    #[n(4)]
    commands: Commands,
    #[n(5)]
    outbox: Outbox,
}

impl<'b, C> Decode<'b, C> for State {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        let stored = Stored::decode(d, c)?;
        let told = |holder: &Holder| {
            stored.outbox.contains(&EffectKey::GrantSlot(*holder))
                || stored.outbox.contains(&EffectKey::CheckHolder(*holder))
        };
        Ok(Self {
            held: Leases::of(stored.held, told),
            name: stored.name,
            size: stored.size,
            line: stored.line,
            commands: stored.commands,
            outbox: stored.outbox,
        })
    }
}
