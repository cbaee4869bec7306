//! What became of jobs, from their directories alone.

use std::io;
use std::sync::Arc;

use porpoise_model::{AttemptKey, Cause};
use porpoise_ports::Unavailable;
use porpoise_ports::executor::{Job, JobReport, JobState, SubmitError};
use rustix::process::Signal;

use crate::executor::LocalExecutor;
use crate::layout::{AttemptDir, Lock};
use crate::process::{Identity, carrying, signal};
use crate::wrapper;

/// What a directory says.
enum Found {
    /// Nobody submitted or canceled anything.
    Nothing,
    /// Written down, and no wrapper has taken it.
    Unstarted(Box<Job>),
    /// Its wrapper runs.
    Runs(Identity, JobState),
    /// It is over.
    Over(JobState),
}

impl LocalExecutor {
    /// What is known of these jobs, and those of them whose wrapper was never started: their server died between
    /// writing them down and starting it.
    pub(crate) fn inspect(
        self: &Arc<Self>,
        keys: &[AttemptKey],
    ) -> Result<(Vec<JobReport>, Vec<Job>), Unavailable> {
        let mut reports = Vec::new();
        let mut unstarted = Vec::new();
        for &key in keys {
            let found = self
                .find(key)
                .map_err(|error| Unavailable::new("the directory of an attempt", error))?;
            let state = match found {
                Found::Nothing => continue,
                Found::Unstarted(job) => {
                    if !self.is_watched(key) {
                        unstarted.push(*job);
                    }
                    let why = Some("starting".to_owned());
                    JobState::Waiting { why }
                }
                Found::Runs(identity, state) => {
                    self.watch_found(key, &identity);
                    state
                }
                Found::Over(state) => state,
            };
            reports.push(JobReport {
                key,
                external_id: key.to_string(),
                state,
            });
        }
        Ok((reports, unstarted))
    }

    fn find(&self, key: AttemptKey) -> io::Result<Found> {
        let dir = self.dir(key);
        match dir.read_lock()? {
            Some(Lock::Canceled { at }) => Ok(Found::Over(JobState::Canceled { ended: at })),
            Some(Lock::Refused { at, message }) => Ok(Found::Over(JobState::Failed {
                started: None,
                ended: at,
                cause: Cause::Rejected { message },
            })),
            Some(Lock::Process { identity, at }) if identity.is_alive() => {
                Ok(Found::Runs(identity, JobState::Running { started: at }))
            }
            Some(Lock::Process { identity, at }) => match dir.read_status()? {
                Some(state) => Ok(Found::Over(state)),
                None => settle_lost(&dir, key, &identity, at).map(Found::Over),
            },
            None if dir.has("cancel") => {
                // A cancel that was cut off: completed here. Whoever else took it is found by the next call.
                let at = crate::now();
                dir.take(&Lock::Canceled { at })?;
                Ok(Found::Over(JobState::Canceled { ended: at })).and_then(|found| {
                    match dir.read_lock()? {
                        Some(Lock::Canceled { .. }) => Ok(found),
                        Some(Lock::Process { .. } | Lock::Refused { .. }) | None => self.find(key),
                    }
                })
            }
            None => Ok(match dir.read_job()? {
                Some(job) => Found::Unstarted(Box::new(job)),
                None => Found::Nothing,
            }),
        }
    }

    /// Starts the wrapper of a job that was written down.
    pub(crate) async fn start_again(self: &Arc<Self>, job: Job) -> Result<(), Unavailable> {
        let (dir, key) = (self.dir(job.key), job.key);
        let secrets = match self.resolve(&job).await {
            Ok(secrets) => secrets,
            Err(SubmitError::Rejected { message, .. }) => {
                return refuse(&dir, message).map_err(|error| Unavailable::new("a lock", error));
            }
            Err(SubmitError::Unavailable(error)) => return Err(error),
            Err(SubmitError::Canceled | SubmitError::Busy | SubmitError::Throttled) => {
                return Ok(());
            }
        };
        tracing::info!(attempt = %key, "starts a job that was submitted before");
        self.start(key, &dir, &secrets)
            .map_err(|error| Unavailable::new("the wrapper", error))
    }
}

/// Makes sure that no wrapper ever starts the job.
pub(crate) fn refuse(dir: &AttemptDir, message: String) -> io::Result<()> {
    let at = crate::now();
    dir.take(&Lock::Refused { at, message }).map(drop)
}

/// The wrapper is gone without having said how the job ended: what is left of the job is killed, and the attempt is
/// lost for good. Only a retry may do its work again, so nothing of it may still be at work then.
fn settle_lost(
    dir: &AttemptDir,
    key: AttemptKey,
    identity: &Identity,
    at: jiff::Timestamp,
) -> io::Result<JobState> {
    if identity.is_of_this_boot() {
        let entry = format!("PORPOISE_ATTEMPT_KEY={key}");
        for _ in 0..10 {
            let left = carrying(&entry);
            if left.is_empty() {
                break;
            }
            signal(&left, Signal::KILL);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    wrapper::append_tail(dir)?;
    let ended = crate::now();
    let state = if dir.has("cancel") {
        JobState::Canceled { ended }
    } else {
        JobState::Failed {
            started: Some(at),
            ended,
            cause: Cause::Lost,
        }
    };
    dir.write_status(&state)?;
    Ok(state)
}
