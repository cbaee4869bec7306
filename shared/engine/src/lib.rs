//! The rules of Porpoise: what follows from an input, decided without I/O, clock or randomness.
//!
//! An [`Aggregate`] is something with its own log: a run, a pool, a gate, a schedule, a backfill. Its
//! `decide` holds every rule, its `evolve` folds a fact into the state, and what must be done in the world is part of
//! that fold: the [`Outbox`](outbox::Outbox). Loading, appending and sending are `porpoise-app`'s; this crate knows no
//! async runtime, no AWS and no store.
//!
//! Start reading at [`aggregate`], then [`run`], whose rules are most of this crate.

#![expect(
    clippy::unnested_or_patterns,
    reason = "patterns that a macro names stand beside others (`effect::keys`)"
)]

pub mod aggregate;
pub mod backfill;
pub mod commands;
pub mod effect;
pub mod elements;
pub mod family;
pub mod gate;
pub mod input;
pub mod mutant;
pub mod outbox;
pub mod period;
pub mod placement;
pub mod plan;
pub mod pool;
pub mod record;
pub mod run;
pub mod schedule;

pub use aggregate::{Aggregate, Decision};
pub use effect::{Effect, EffectKey};
pub use input::Input;
pub use plan::Plan;
