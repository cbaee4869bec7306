//! The executor against the fake, through the real client.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what tests share: what cannot be set up is a failed test"
)]

mod executor;
mod logs;
mod request;
mod support;
