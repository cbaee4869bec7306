//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod agent;
mod alone;
mod backfill;
mod children;
mod docs;
mod edit;
mod files;
mod hardship;
mod host;
mod http;
mod iam;
mod import_live;
mod life;
mod mapped;
mod night;
mod schedule;
mod shared;
mod sql;
mod support;
mod target;
