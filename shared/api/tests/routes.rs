//! Each route, as it answers what is right and what is not.

mod backfill;
mod backfill_dependents;
mod calendar;
mod command;
mod edit;
mod fact;
mod log;
mod place;
mod pool;
mod project_parameter;
mod run;
mod schedule;
mod server;
mod target;
mod workflow;
