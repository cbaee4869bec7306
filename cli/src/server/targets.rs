//! What this server is made of beside the host: its executors, and the API before it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use porpoise_app::Executors;
use porpoise_model::AttemptKey;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::failure::Failure;
use crate::host::Host;

use super::changes::Changes;

/// The executors of this machine, and what tells that their jobs' states changed.
pub(super) fn open(
    _data: &Path,
    _parallel: Option<usize>,
) -> Result<(Executors, (), UnboundedReceiver<AttemptKey>), Failure> {
    let (_, completions) = tokio::sync::mpsc::unbounded_channel();
    Ok((Executors::none(), (), completions))
}

/// The API of a host.
pub(super) fn router(
    _host: &Host,
    _changes: Arc<Changes>,
    _log: (),
    _token: &str,
    _url: &str,
) -> axum::Router {
    axum::Router::new()
}

/// The wrapper around the process of an attempt.
pub(super) fn attempt(_dir: &Path) -> ExitCode {
    ExitCode::FAILURE
}
