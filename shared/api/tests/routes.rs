//! Each route, as it answers what is right and what is not.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "tests"
)]

mod routes {
    mod command;
    mod fact;
    mod log;
    mod place;
    mod pool;
    mod run;
    mod schedule;
    mod server;
    mod target;
    mod workflow;
}
mod support;
