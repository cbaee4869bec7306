//! The night: the 320 tasks of a night of DolphinScheduler, through the real application, while everything goes wrong
//! that goes wrong on AWS. One seed drives it all, in virtual time.
//!
//! What is real: the handlers of the functions (`functions/runtime`), the application and the engine behind them, the
//! HTTP API, the executor of EMR Serverless with the SDK's client, and the jobs, which run on the fake in two regions
//! with the documented rates of calls. What is not: tables and blobs are in memory, and the queue of inputs, buses,
//! wakes and poll loops keep what SQS, EventBridge, Lambda and Step Functions promise, and no more than that: a fifth of
//! the events of services is lost, a fifth comes twice, functions are killed between any two calls.
//!
//! What is checked: one job for each attempt, order, that everything ends, that what the API says of tasks is true: at
//! any sampled moment the reasons why they wait, and in the end how they ended.
//!
//! Start reading at [`night`], then `host.rs` for how functions are called, `world.rs` for how they die, and `check.rs`.
#![expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: a panic is a finding, and its numbers are small"
)]

mod api;
mod boxed;
mod call;
mod check;
mod client;
mod function;
mod host;
mod mail;
mod mutant;
mod nightly;
mod outcome;
mod ports;
mod random;
mod reason;
mod service;
mod tally;
mod world;

pub use boxed::{Boxed, Manner, in_a_box};
pub use mutant::Mutant;
pub use nightly::Nightly;
pub use outcome::{Outcome, night, night_with};
pub use tally::Tally;
pub use world::Violation;
