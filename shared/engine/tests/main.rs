//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod aggregates;
mod golden_records;
mod run_approvals;
mod run_branches;
mod run_children;
mod run_dependents;
mod run_edits;
mod run_gates;
mod run_goes_on;
mod run_mapped;
mod run_notices;
mod run_parameters;
mod run_past;
mod run_reference;
mod run_scenarios;
mod run_selection;
mod run_values;
mod support;
