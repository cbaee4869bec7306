//! The simulator: the real application over simulated ports, on one thread, in virtual time. One seed drives it all.
//!
//! Start reading at [`simulate`], then `world.rs`, whose `call` is where everything that can go wrong does, then
//! `check.rs` for the invariants and `naive.rs` for the second opinion on runs.
//!
//! Left out on purpose: real stores, processes and clocks (conformance suites and chaos tests have those), and any
//! rule of the application: what is checked is derived from the records alone.
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::match_bool,
    clippy::struct_excessive_bools,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test: a panic is a finding, and its numbers are small"
)]

mod backfill;
mod calendar;
mod check;
mod family;
mod fault;
mod mail;
mod many;
mod mapped;
#[cfg(feature = "mutants")]
pub mod mutants;
mod naive;
mod notice;
mod ports;
mod random;
mod sim;
mod site;
mod target;
mod waits;
mod workload;
mod world;

pub use fault::{Fault, Matrix, Op};
pub use many::{Totals, simulate_many};
pub use sim::{Outcome, simulate};
pub use workload::Profile;
pub use world::Violation;
