//! The process around a job: takes the attempt, runs it, writes down how it ended.
//!
//! It is started for every attempt, so it does little: no runtime, no threads. It leads a session of its own, so that
//! neither a terminal nor the end of the server reaches it, and it adopts whatever its job leaves behind
//! (`PR_SET_CHILD_SUBREAPER`), so that it can end the whole tree, including what started a session of its own.
//!
//! An attempt's processes end with it: what a job leaves in the background is killed when its first process ends.
//!
//! Limits: a tree that forks faster than `/proc` is read can escape for as long as it does so; and if this process
//! itself is killed with SIGKILL, its job is ended by the server, which finds the processes by the attempt's key in
//! their environment: one that cleared its environment is not found.

mod files;
mod log;
mod outcome;
mod outputs;
mod run;
mod spawn;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use porpoise_model::Cause;
use porpoise_ports::executor::{Job, JobState};
use rustix::process::{getpid, set_child_subreaper, setsid};

pub(crate) use log::append_tail;
pub(crate) use spawn::{HELPER_VARIABLES, KEPT_VARIABLES};

use crate::layout::{AttemptDir, Lock};
use crate::process::Identity;

/// How long a job has between SIGTERM and SIGKILL, in milliseconds.
pub(crate) const GRACE_VARIABLE: &str = "PORPOISE_GRACE_MS";
/// The size of a log, in bytes.
pub(crate) const LOG_BYTES_VARIABLE: &str = "PORPOISE_LOG_BYTES";
/// Begins the variables that hold the secrets of the job, numbered in the order of their names.
pub(crate) const SECRET_VARIABLE: &str = "PORPOISE_SECRET_";

/// What the executor says by environment variables.
#[derive(Debug, Clone, Copy)]
struct Settings {
    grace: Duration,
    log_bytes_max: u64,
}

/// Runs the attempt in `dir`, unless it was taken before: then it ends at once, and quietly.
///
/// What is no program by itself is done by `helper`, a program with its first arguments, which is given the directory:
/// see [`crate::helper`]. How the job ended stands in the directory; the exit code says only whether this process could do its work.
pub fn run(dir: &Path, helper: &[OsString]) -> ExitCode {
    match attempt(&AttemptDir::at(dir.to_owned()), helper) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn attempt(dir: &AttemptDir, helper: &[OsString]) -> io::Result<()> {
    // Refused only to the leader of a group, who is as safe from a terminal.
    let _ = setsid();
    set_child_subreaper(Some(getpid()))?;
    let job = dir.read_job()?.ok_or(io::ErrorKind::NotFound)?;
    let at = crate::now();
    let lock = Lock::Process {
        identity: Identity::own()?,
        at,
    };
    if !dir.take(&lock)? {
        return Ok(());
    }
    let state = run::run(dir, &job, at, Settings::read(), helper).unwrap_or_else(|error| {
        let message = format!("the wrapper of task `{}` failed: {error}", job.task_name);
        JobState::Failed {
            started: Some(at),
            ended: crate::now(),
            cause: Cause::Rejected { message },
        }
    });
    dir.write_status(&state)
}

impl Settings {
    fn read() -> Self {
        let number = |name| -> Option<u64> {
            let text = std::env::var_os(name)?;
            text.to_str()?.parse().ok()
        };
        let defaults = crate::Limits::default();
        Self {
            grace: number(GRACE_VARIABLE).map_or(defaults.grace, Duration::from_millis),
            log_bytes_max: number(LOG_BYTES_VARIABLE).unwrap_or(defaults.log_bytes_max),
        }
    }
}

/// The values of the job's secrets, in the order of their names.
pub(crate) fn secrets(job: &Job) -> Vec<(String, String)> {
    let names = crate::secret::names(job).into_iter().enumerate();
    let value = |index: usize| std::env::var_os(format!("{SECRET_VARIABLE}{index}"));
    names
        .filter_map(|(index, name)| Some((name, value(index)?.into_string().ok()?)))
        .collect()
}

/// The variables that hold them, for a program that the wrapper starts.
fn secret_variables(job: &Job) -> Vec<(OsString, OsString)> {
    let count = crate::secret::names(job).len();
    let names = (0..count).map(|index| OsString::from(format!("{SECRET_VARIABLE}{index}")));
    names
        .filter_map(|name| std::env::var_os(&name).map(|value| (name, value)))
        .collect()
}
