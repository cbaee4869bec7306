//! Every test of this package in one program, which compiles and links once.
#![expect(clippy::unwrap_used, reason = "tests")]

mod golden;
mod properties;
