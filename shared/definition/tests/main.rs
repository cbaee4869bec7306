//! Every test of this package in one program, which compiles and links once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests"
)]

mod calendar;
mod documents;
mod faults;
mod hostile;
mod mapped;
mod round_trip;
mod support;
