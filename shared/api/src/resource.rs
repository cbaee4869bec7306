//! What the API shows and does, a module for each sort of thing.

pub(crate) mod backfill;
pub(crate) mod backfill_dependents;
pub(crate) mod backfill_start;
pub(crate) mod calendar;
pub(crate) mod command;
pub(crate) mod edit;
pub(crate) mod element;
pub(crate) mod fact;
pub(crate) mod log;
pub(crate) mod outcome;
pub(crate) mod parameter;
pub(crate) mod place;
pub(crate) mod pool;
pub(crate) mod project;
pub(crate) mod project_parameter;
pub(crate) mod residency;
pub(crate) mod run;
pub(crate) mod run_list;
pub(crate) mod schedule;
pub(crate) mod server;
pub(crate) mod start;
pub(crate) mod target;
pub(crate) mod task;
pub(crate) mod usage;
pub(crate) mod workflow;
