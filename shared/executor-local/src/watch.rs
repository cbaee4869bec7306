//! Watches over wrappers: a task waits for the end of each, and then says that there is news.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use porpoise_model::AttemptKey;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::process::Child;

use crate::executor::LocalExecutor;
use crate::inspect::refuse;
use crate::process::Identity;

/// After which a job that still runs is announced as started. Most are over by then, and one message is enough.
const STARTED: Duration = Duration::from_millis(50);
/// A thread that only waits needs little.
const STACK_BYTES: usize = 64 * 1024;

impl LocalExecutor {
    /// Watches a wrapper that this process started.
    #[expect(
        clippy::disallowed_methods,
        reason = "the local server is one process that is not frozen: the watch is a hint, and lists do without it"
    )]
    pub(crate) fn watch_child(self: &Arc<Self>, key: AttemptKey, mut child: Child) {
        self.note(key);
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let quick = tokio::time::timeout(STARTED, child.wait()).await;
            let status = if let Ok(status) = quick {
                status
            } else {
                this.announce(key);
                child.wait().await
            };
            this.check_taken(key, status);
            this.ended(key);
        });
    }

    /// Watches a wrapper that was found running, unless it is watched.
    ///
    /// Such wrappers are few, those that outlived a server, and each gets a thread: tokio waits for descriptors of
    /// others' only in unsafe code.
    pub(crate) fn watch_found(self: &Arc<Self>, key: AttemptKey, identity: &Identity) {
        if self.is_watched(key) {
            return;
        }
        let Some(pid) = Pid::from_raw(identity.pid) else {
            return;
        };
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
            return;
        };
        // Its number might have gone to another process: asked again now that this can no longer happen.
        if !identity.is_alive() {
            return;
        }
        self.note(key);
        let this = Arc::clone(self);
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let spawned = thread.stack_size(STACK_BYTES).spawn(move || {
            let mut polled = [PollFd::new(&fd, PollFlags::IN)];
            while matches!(poll(&mut polled, None), Err(Errno::INTR)) {}
            this.ended(key);
        });
        if let Err(error) = spawned {
            tracing::warn!(attempt = %key, %error, "job cannot be watched: each tick asks for it");
            self.unnote(key);
        }
    }

    fn note(&self, key: AttemptKey) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        *watched.entry(key).or_default() += 1;
    }

    fn unnote(&self, key: AttemptKey) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watches) = watched.get_mut(&key) {
            *watches -= 1;
            if *watches == 0 {
                watched.remove(&key);
            }
        }
    }

    fn ended(&self, key: AttemptKey) {
        self.unnote(key);
        self.announce(key);
    }

    /// A job whose wrapper cannot run is refused: otherwise it would be started again and again.
    fn check_taken(&self, key: AttemptKey, status: io::Result<ExitStatus>) {
        let dir = self.dir(key);
        if !matches!(dir.read_lock(), Ok(None)) {
            return;
        }
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        let message = format!("the wrapper ended before it took the job: {status}");
        tracing::error!(attempt = %key, message, "job not started");
        if let Err(error) = refuse(&dir, message) {
            tracing::error!(attempt = %key, %error, "attempt cannot be refused");
        }
    }
}
