//! The executor against an emulator, through the real client; what no emulator makes is canned.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what tests share: what cannot be set up is a failed test"
)]

mod canned;
mod functions;
mod machines;
mod support;
