//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    unreachable_pub,
    reason = "tests"
)]

mod along;
mod billing;
mod books;
mod calendars;
mod dependents;
mod jobs;
mod logs;
mod notices;
mod pull;
mod recovery;
mod scale;
mod site;
mod step;
mod support;
mod takeover;
mod targets;
mod thrift;
mod wakes;
