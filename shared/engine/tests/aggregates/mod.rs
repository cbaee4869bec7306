//! Pools, gates and schedules: scenarios, and each against a naive model with inputs that are repeated, late or lost.

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
