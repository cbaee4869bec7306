//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "tests"
)]

mod branches;
mod children;
mod common;
mod data;
mod dependents;
mod dynamic;
mod files;
mod folders;
mod forms;
mod http;
mod import;
mod mapping;
mod outputs;
mod parameters;
mod refused;
mod sql;
