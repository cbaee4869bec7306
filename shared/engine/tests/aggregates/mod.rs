//! Pools, gates, schedules and backfills: scenarios, and each against a naive model with inputs that are repeated, late
//! or lost.

mod backfill_dependents;
mod backfill_reference;
mod backfill_scenarios;
mod calendar_reference;
mod calendar_scenarios;
mod driver;
mod gate_network;
mod gate_reference;
mod gate_scenarios;
mod golden;
mod pool_network;
mod pool_reference;
mod pool_scenarios;
mod schedule_reference;
mod schedule_scenarios;
