//! Notices on one machine: lines of the log.

use async_trait::async_trait;
use porpoise_ports::notices::{Notice, What};
use porpoise_ports::{Notices, Unavailable};

/// Says what became of a run to whoever reads the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged;

#[async_trait]
impl Notices for Logged {
    async fn send(&self, notice: &Notice) -> Result<(), Unavailable> {
        let Notice {
            project,
            workflow,
            run,
            what,
            ..
        } = notice;
        match what {
            What::Ended { state, failed, .. } => {
                let failed = failed.join(", ");
                tracing::info!(project, workflow, run_id = %run, %state, failed, "run ended");
            }
            What::TaskFailed { task, attempt } => {
                tracing::warn!(project, workflow, run_id = %run, task, attempt, "task failed");
            }
            What::TaskLate { task, attempt, .. } => {
                tracing::warn!(project, workflow, run_id = %run, task, attempt, "task is late");
            }
            What::Late { .. } => {
                tracing::warn!(project, workflow, run_id = %run, "run is late");
            }
        }
        Ok(())
    }
}
