//! What arrives for a backfill.

use minicbor::{Decode, Encode};

use super::fact::NewBackfill;
use crate::effect::EffectKey;
use crate::family::DateWord;
use crate::input::Command;

/// An input of a backfill.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum BackfillInput {
    /// Look again.
    #[n(0)]
    Woken,
    /// Somebody wants it to be there. A repeat changes nothing.
    #[n(1)]
    Begin(#[n(0)] Box<NewBackfill>),
    /// Somebody wants something of it.
    #[n(2)]
    Commanded(#[n(0)] Command<BackfillCommand>),
    /// The run of a date says how it stands.
    #[n(3)]
    Said(#[n(0)] DateWord),
    /// The shell has carried out an effect.
    #[n(4)]
    Done(#[n(0)] EffectKey),
    /// The shell cannot carry out an effect, ever.
    #[n(5)]
    Refused {
        /// Which.
        #[n(0)]
        key: EffectKey,
        /// In words.
        #[n(1)]
        why: String,
    },
}

/// What somebody can want of a backfill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum BackfillCommand {
    /// Start no further date; runs that are there end by themselves.
    #[n(0)]
    Pause,
    /// Go on.
    #[n(1)]
    Resume,
    /// Start no further date, and stop the runs that are there.
    #[n(2)]
    Kill,
}

impl BackfillCommand {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Kill => "kill",
        }
    }
}
