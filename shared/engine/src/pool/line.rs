//! The line before a pool: requests in the order in which they are granted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::effect::Holder;

/// What an attempt asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// How many slots; at least 1.
    #[n(0)]
    pub slots: u32,
    /// Larger goes first.
    #[n(1)]
    pub weight: i32,
    /// Then smaller: rank of the run's priority, and of the task's.
    #[n(2)]
    pub rank: (u8, u8),
}

/// A place in the line: the smaller is granted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    weight: Reverse<i32>,
    rank: (u8, u8),
    arrival: u64,
}

/// Requests by place, and places by who asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    turns: BTreeMap<Turn, (Holder, u32)>,
    places: BTreeMap<Holder, Turn>,
    /// How many have ever stood here.
    arrivals: u64,
}

impl Line {
    /// The place that a request would get now.
    pub(super) fn turn(&self, request: &Request) -> Turn {
        Turn {
            weight: Reverse(request.weight),
            rank: request.rank,
            arrival: self.arrivals,
        }
    }

    /// Takes a request in; one that stands here already stays where it is.
    pub(super) fn join(&mut self, holder: Holder, request: &Request) {
        if self.places.contains_key(&holder) {
            return;
        }
        let turn = self.turn(request);
        self.arrivals += 1;
        self.insert(turn, holder, request.slots);
    }

    /// Takes a request out. Returns the slots that it was for.
    pub(super) fn leave(&mut self, holder: Holder) -> Option<u32> {
        let turn = self.places.remove(&holder)?;
        self.turns.remove(&turn).map(|(_, slots)| slots)
    }

    /// Whether it stands here.
    pub fn contains(&self, holder: Holder) -> bool {
        self.places.contains_key(&holder)
    }

    /// Who stands first, and where.
    pub fn first(&self) -> Option<Turn> {
        self.turns.first_key_value().map(|(turn, _)| *turn)
    }

    /// Who waits and for how many slots, the next one first.
    pub fn iter(&self) -> impl Iterator<Item = (Holder, u32)> + '_ {
        self.turns.values().copied()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.turns.len()
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    fn insert(&mut self, turn: Turn, holder: Holder, slots: u32) {
        self.places.insert(holder, turn);
        self.turns.insert(turn, (holder, slots));
    }
}

/// `[arrivals, [[weight, rank, arrival, holder, slots], …]]`, in the order of the line.
impl<C> Encode<C> for Line {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, c: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.array(2)?.u64(self.arrivals)?;
        e.array(u64::try_from(self.turns.len()).unwrap_or(u64::MAX))?;
        for (turn, (holder, slots)) in &self.turns {
            e.array(5)?.i32(turn.weight.0)?;
            e.encode_with(turn.rank, c)?.u64(turn.arrival)?;
            e.encode_with(holder, c)?.u32(*slots)?;
        }
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Line {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, DecodeError> {
        d.array()?;
        let mut line = Self {
            arrivals: d.u64()?,
            ..Self::default()
        };
        let count = d.array()?;
        for _ in 0..count.ok_or_else(|| DecodeError::message("a line of unknown length"))? {
            d.array()?;
            let turn = Turn {
                weight: Reverse(d.i32()?),
                rank: d.decode_with(c)?,
                arrival: d.u64()?,
            };
            line.insert(turn, d.decode_with(c)?, d.u32()?);
        }
        Ok(line)
    }
}
