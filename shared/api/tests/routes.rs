//! Each route, as it answers what is right and what is not.

mod backfill;
mod calendar;
mod command;
mod edit;
mod fact;
mod log;
mod place;
mod pool;
mod run;
mod schedule;
mod server;
mod target;
mod workflow;
