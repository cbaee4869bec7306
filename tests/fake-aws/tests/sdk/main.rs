//! The fake, driven by the real clients of the SDK.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what tests share: what cannot be set up is a failed test"
)]

mod athena;
mod emr;
mod events;
mod support;
