//! The control plane as it is deployed: the template, the functions, their roles.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what tests share: what does not answer is a failed test"
)]

mod machine;
mod support;

mod agent;
mod command;
mod flow;
mod jobs;
mod logs;
mod notices;
mod roles;
mod trace;
