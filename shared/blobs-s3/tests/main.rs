//! Every test of this package in one program, which compiles and links once.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod conformance;
mod faults;
mod support;
mod under_faults;
