//! What arrives for a pool.

use minicbor::{Decode, Encode};

use crate::effect::Holder;
use crate::input::Command;

/// An input of a pool.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PoolInput {
    /// A deadline may have passed.
    #[n(0)]
    Woken,
    /// An attempt wants slots. Answered by `Queued` or `Granted`; a repeat gets the same answer again.
    #[n(1)]
    Asked {
        /// Who.
        #[n(0)]
        holder: Holder,
        /// How many.
        #[n(1)]
        slots: u32,
        /// Larger goes first.
        #[n(2)]
        weight: i32,
        /// Then smaller: rank of the run's priority, and of the task's.
        #[n(3)]
        rank: (u8, u8),
    },
    /// A run has taken note of a grant.
    #[n(2)]
    Taken {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// An attempt no longer wants or holds its slots. Answered by `Freed`.
    #[n(3)]
    Freed {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// An attempt still holds its slots: the answer to `StillHolding`.
    #[n(4)]
    Holding {
        /// Who.
        #[n(0)]
        holder: Holder,
    },
    /// Somebody wants something.
    #[n(5)]
    Commanded(#[n(0)] Command<PoolCommand>),
}

/// What somebody can want of a pool.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub enum PoolCommand {
    /// Make it this large; what is held beyond that is kept until it is freed.
    #[n(0)]
    Resize {
        /// 0 stops it from granting.
        #[n(0)]
        slots: u32,
        /// Its name, for lists.
        #[n(1)]
        name: String,
    },
    /// Give who waits its slots now: past those before it, and whether there are as many or not. What is held beyond the
    /// size is kept until it is freed.
    #[n(1)]
    Grant(#[n(0)] Holder),
}
