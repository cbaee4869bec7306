//! Who holds slots of a pool: by holder, and by when those who may be asked were last heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use jiff::Timestamp;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Encode, Encoder};

use super::state::Held;
use crate::effect::Holder;

/// Slots that are held. Reads like the map of its holders, and is stored as one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Leases {
    by_holder: BTreeMap<Holder, Held>,
    /// Those who know that they hold something and are not being asked, by when they were last heard of.
    silent: BTreeSet<(Timestamp, Holder)>,
    slots: u64,
}

impl Deref for Leases {
    type Target = BTreeMap<Holder, Held>;

    fn deref(&self) -> &Self::Target {
        &self.by_holder
    }
}

impl Leases {
    /// Of what is held; `told`: there is something on its way to this holder.
    pub(super) fn of(held: BTreeMap<Holder, Held>, told: impl Fn(&Holder) -> bool) -> Self {
        let silent = held.iter().filter(|(holder, _)| !told(holder));
        Self {
            silent: silent.map(|(holder, held)| (held.heard, *holder)).collect(),
            slots: held.values().map(|held| u64::from(held.slots)).sum(),
            by_holder: held,
        }
    }

    /// How many slots, together.
    pub const fn slots(&self) -> u64 {
        self.slots
    }

    /// Who may be asked, and when each was last heard of, the earliest first.
    pub fn silent(&self) -> impl Iterator<Item = (Timestamp, Holder)> {
        self.silent.iter().copied()
    }

    /// Not to be asked before it was heard of: it is about to be told.
    pub(super) fn grant(&mut self, holder: Holder, held: Held) {
        self.free(holder);
        self.slots += u64::from(held.slots);
        self.by_holder.insert(holder, held);
    }

    pub(super) fn free(&mut self, holder: Holder) {
        if let Some(held) = self.by_holder.remove(&holder) {
            self.slots -= u64::from(held.slots);
            self.silent.remove(&(held.heard, holder));
        }
    }

    /// It is being asked. `false`: it holds nothing.
    pub(super) fn ask(&mut self, holder: Holder) -> bool {
        let held = self.by_holder.get(&holder);
        if let Some(held) = held {
            self.silent.remove(&(held.heard, holder));
        }
        held.is_some()
    }

    /// It said something. `false`: it holds nothing.
    pub(super) fn hear(&mut self, holder: Holder, at: Timestamp) -> bool {
        let Some(held) = self.by_holder.get_mut(&holder) else {
            return false;
        };
        self.silent.remove(&(held.heard, holder));
        held.heard = at;
        self.silent.insert((at, holder))
    }
}

impl<C> Encode<C> for Leases {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        self.by_holder.encode(e, c)
    }
}
