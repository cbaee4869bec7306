//! What the end of a job means.

use jiff::Timestamp;
use porpoise_model::{Cause, Outputs};
use porpoise_ports::executor::JobState;
use rustix::process::WaitStatus;

/// Asked to stop: canceled, whatever it answered. Else the exit code decides, and then whether its outputs are right.
pub(super) fn outcome(
    started: Timestamp,
    canceled: bool,
    exit: Option<WaitStatus>,
    outputs: impl FnOnce() -> Result<Outputs, Cause>,
) -> JobState {
    let ended = crate::now();
    if canceled {
        return JobState::Canceled { ended };
    }
    let cause = match exit.map(|exit| (exit.exit_status(), exit.terminating_signal())) {
        Some((Some(0), _)) => match outputs() {
            Ok(outputs) => {
                return JobState::Succeeded {
                    started,
                    ended,
                    outputs,
                };
            }
            Err(cause) => cause,
        },
        Some((Some(code), _)) => Cause::Exit { code },
        Some((None, Some(signal))) => Cause::Signal { signal },
        Some((None, None)) | None => Cause::Lost,
    };
    JobState::Failed {
        started: Some(started),
        ended,
        cause,
    }
}
