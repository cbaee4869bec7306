//! HTTP API, version 1: one router for the local server and for Lambda.
//!
//! A handler reads what it was given, asks [`porpoise_app::App`], and answers in plain types. Every route stands once in
//! `route`, with the action and the resource that it needs; the router is made from that table, so a route that nobody
//! authorised cannot be written. What goes wrong is a `problem::Problem` with a stable [`Code`].
//!
//! Left out on purpose: sockets and streams of the host, background work (a frozen function would lose it), rules (the
//! engine's). Waiting is the host's: see [`Changes`].
//!
//! Start reading at `route`, then at the modules of `resource`.

mod access;
mod code;
mod extract;
mod openapi;
mod page;
mod problem;
mod resource;
mod route;
mod time;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use porpoise_app::App;
use porpoise_model::Address;

pub use access::{Access, Action, Principal, Resource, Token};
pub use code::Code;
pub use openapi::document;
pub use route::{Listed, listed, router};

/// The longest wait of a long poll: below the limit of API Gateway, 30 seconds.
pub const WAIT_MAX: Duration = Duration::from_secs(20);

/// What the routes work with.
#[derive(Debug)]
pub struct Api {
    /// Everything is asked of it.
    pub app: Arc<App>,
    /// Waits for it to move.
    pub changes: Arc<dyn Changes>,
    /// Who may come in.
    pub access: Access,
}

/// Tells when the log of an aggregate may have grown. The local server is told by its store; a function looks again
/// from time to time.
#[async_trait]
pub trait Changes: Debug + Send + Sync {
    /// Returns when the log has a record after `sequence`, and at the latest after `wait`. May return early.
    async fn moved(&self, aggregate: Address, sequence: u64, wait: Duration) -> Waited;
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The log may have grown.
    Moved,
    /// The time was up.
    TimeUp,
    /// The server is about to stop: answer what there is, and wait no more.
    Closing,
}
