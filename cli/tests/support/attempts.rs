//! The local executor with the real binary as its wrapper, and its jobs.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use porpoise_executor_local::{FileSecrets, Limits, LocalExecutor};
use porpoise_model::job::{Job, Work};
use porpoise_model::{AttemptKey, Target};
use porpoise_ports::conformance;
use porpoise_ports::executor::{
    JobRef, JobReport, JobState, LogChunk, LogError, SubmitError, Submitted,
};
use porpoise_ports::{Executor, Unavailable};

/// An `Arc` of an executor is one for the suite.
#[derive(Debug)]
pub struct Shared(pub Arc<LocalExecutor>);

#[async_trait::async_trait]
impl Executor for Shared {
    async fn submit(&self, job: &Job) -> Result<Submitted, SubmitError> {
        self.0.submit(job).await
    }
    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, Unavailable> {
        self.0.list(jobs).await
    }
    async fn cancel(&self, job: &JobRef) -> Result<(), Unavailable> {
        self.0.cancel(job).await
    }
    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<LogChunk>, LogError> {
        self.0.log(job, from, limit).await
    }
}

pub fn open(dir: &Path) -> Arc<LocalExecutor> {
    let program = OsString::from(env!("CARGO_BIN_EXE_porpoise"));
    let wrapper = vec![program, OsString::from("__attempt")];
    let limits = Limits {
        grace: Duration::from_secs(3),
        ..Limits::default()
    };
    let secrets = Arc::new(FileSecrets::new(dir));
    LocalExecutor::open_with_secrets(dir, wrapper, limits, secrets).unwrap()
}

/// A secret of the machine whose executor has this directory.
pub fn secret(dir: &Path, name: &str, value: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let secrets = dir.join("secrets");
    std::fs::create_dir_all(&secrets).unwrap();
    let file = secrets.join(name);
    std::fs::write(&file, format!("{value}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn numbered(number: u32, work: Work, target: Option<Target>) -> Job {
    conformance::executor::job(number, work, target)
}

pub async fn state(executor: &LocalExecutor, key: AttemptKey) -> Option<JobState> {
    let reports = executor.list(&[JobRef::of(key)]).await.unwrap();
    reports.into_iter().next().map(|report| report.state)
}

pub async fn end(executor: &LocalExecutor, key: AttemptKey) -> JobState {
    for _ in 0..6000 {
        if let Some(state) = state(executor, key).await
            && state.is_terminal()
        {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not end: {:?}", state(executor, key).await);
}

pub async fn log(executor: &LocalExecutor, key: AttemptKey) -> String {
    let chunk = executor.log(&JobRef::of(key), 0, usize::MAX).await;
    let chunk = chunk.unwrap().unwrap();
    String::from_utf8_lossy(&chunk.bytes).into_owned()
}
