//! The executors of this machine.

use std::path::Path;
use std::sync::Arc;

use porpoise_api::Code;
use porpoise_app::Executors;
use porpoise_executor_local::{FileSecrets, InstantExecutor, Limits, LocalExecutor};
use porpoise_model::AttemptKey;
use porpoise_ports::Executor;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::failure::{Failure, USAGE};
use crate::host::SystemClock;

/// What runs jobs, and what tells that their states may have changed.
#[derive(Debug)]
pub(super) struct Targets {
    pub(super) executors: Executors,
    pub(super) completions: [UnboundedReceiver<AttemptKey>; 2],
}

fn unusable(data: &Path, error: &dyn std::error::Error) -> Failure {
    let message = format!(
        "cannot use the data directory `{}` for jobs",
        data.display()
    );
    Failure::new(USAGE, message)
        .coded(Code::File)
        .because(error)
}

/// Processes of this machine. Those of earlier processes of this directory are found again.
pub(crate) fn processes(
    data: &Path,
    parallel: Option<usize>,
) -> Result<Arc<LocalExecutor>, Failure> {
    let unusable = |error: &dyn std::error::Error| unusable(data, error);
    let program = std::env::current_exe().map_err(|error| unusable(&error))?;
    let wrapper = vec![program.into(), crate::ATTEMPT.into()];
    let mut limits = Limits::default();
    if let Some(parallel) = parallel {
        limits.parallel = parallel;
    }
    let secrets = Arc::new(FileSecrets::new(data));
    LocalExecutor::open_with_secrets(data, wrapper, limits, secrets)
        .map_err(|error| unusable(&error))
}

/// Processes, and kinds that only pass the time. Jobs of earlier servers of this directory are found again.
pub(super) fn open(data: &Path, parallel: Option<usize>) -> Result<Targets, Failure> {
    let processes = processes(data, parallel)?;
    let instant = InstantExecutor::open(data, Arc::new(SystemClock))
        .map_err(|error| unusable(data, &error))?;
    let completions = [processes.completions(), instant.completions()];
    let (processes, instant): (Arc<dyn Executor>, Arc<dyn Executor>) = (processes, instant);
    let executors = Executors::none()
        .with(["shell", "python", "command", "http"], &processes)
        .with(porpoise_ports::source::KINDS, &processes)
        .with_prompt(["noop", "sleep"], &instant);
    Ok(Targets {
        executors,
        completions,
    })
}
