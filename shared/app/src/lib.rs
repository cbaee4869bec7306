//! The shell around the engine: load, decide, append, send; written once, for the local server, the functions and
//! the simulator.
//!
//! [`App`] holds the ports and nothing that could not be read again. Each call of it that is driven by messages
//! ([`App::on_messages`], [`App::on_intents`], [`App::check`]) has a sweep that calls the same code
//! ([`App::sweep`], [`App::tick`]; [`App::recall`] where messages die with their process). Every point at which a call can be cut off is a call of a port; what was done
//! before it is durable or forgotten, and doing it again is harmless.
//!
//! Left out on purpose: loops, threads and timers (the host's), rules (the engine's), adapters (crates of their own),
//! routes and authorisation (`porpoise-api`).
//!
//! Start reading at [`step`], then [`dispatcher`] and [`poller`].

pub mod along;
pub mod annotations;
pub mod app;
pub mod backfill_store;
pub mod billing;
mod budget;
pub mod calendar_store;
mod carry;
pub mod context;
pub mod create;
mod decide;
pub mod dependent;
pub mod dispatcher;
pub mod edit;
pub mod executors;
mod index;
mod job_index;
pub mod job_item;
pub mod job_log;
mod job_view;
mod lately;
pub mod lists;
pub mod log;
mod notice;
pub mod parameter_store;
pub mod poll_loop;
pub mod poller;
mod pool_store;
pub mod pull;
mod pull_item;
pub mod recall;
mod recording;
pub mod residency;
mod rest;
pub mod send;
mod snapshot;
pub mod step;
pub mod stepper;
pub mod store;
mod submit;
pub mod subscription;
pub mod sweep;
pub mod target_store;
pub mod target_test;
pub mod view;
pub mod wakes;
mod warm;
mod way;
pub mod workflow_store;

pub use app::{App, HOME, Ports};
pub use executors::Executors;
pub use pull::PullBus;
pub use send::Order;
pub use stepper::Delivery;
pub use submit::JobsError;
