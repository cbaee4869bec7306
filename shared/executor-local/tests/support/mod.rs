//! Jobs, and an executor over a directory.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use porpoise_executor_local::{Limits, LocalExecutor};
use porpoise_model::{AttemptKey, Cause, Value};
use porpoise_ports::Executor;
use porpoise_ports::conformance;
use porpoise_ports::executor::{Job, JobRef, JobState, Work};

pub(crate) fn limits() -> Limits {
    Limits {
        grace: Duration::from_millis(300),
        ..Limits::default()
    }
}

pub(crate) fn open(dir: &Path) -> Arc<LocalExecutor> {
    open_with(dir, limits())
}

pub(crate) fn open_with(dir: &Path, limits: Limits) -> Arc<LocalExecutor> {
    let wrapper = env!("CARGO_BIN_EXE_porpoise-attempt-wrapper").into();
    LocalExecutor::open(dir, vec![wrapper], limits).unwrap()
}

pub(crate) fn job(number: u32, work: Work) -> Job {
    conformance::executor::job(number, work, None)
}

pub(crate) fn shell(number: u32, script: &str) -> Job {
    let script = script.to_owned();
    job(number, Work::Shell { script })
}

pub(crate) fn declare(job: &mut Job, name: &str, value: &str) {
    job.outputs.insert(name.to_owned(), Value::text(value));
}

pub(crate) async fn state(executor: &LocalExecutor, key: AttemptKey) -> Option<JobState> {
    let reports = executor.list(&[JobRef::of(key)]).await.unwrap();
    reports.into_iter().next().map(|report| report.state)
}

pub(crate) async fn until(
    executor: &LocalExecutor,
    key: AttemptKey,
    is: impl Fn(&JobState) -> bool,
) -> JobState {
    for _ in 0..2000 {
        if let Some(state) = state(executor, key).await
            && is(&state)
        {
            return state;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not reached: {:?}", state(executor, key).await);
}

pub(crate) async fn end(executor: &LocalExecutor, key: AttemptKey) -> JobState {
    until(executor, key, JobState::is_terminal).await
}

pub(crate) async fn running(executor: &LocalExecutor, key: AttemptKey) {
    until(executor, key, |s| matches!(s, JobState::Running { .. })).await;
}

pub(crate) async fn run(executor: &LocalExecutor, job: &Job) -> JobState {
    executor.submit(job).await.unwrap();
    end(executor, job.key).await
}

pub(crate) async fn log(executor: &LocalExecutor, key: AttemptKey) -> String {
    let chunk = executor
        .log(&JobRef::of(key), 0, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(chunk.end);
    String::from_utf8(chunk.bytes.to_vec()).unwrap()
}

pub(crate) async fn appears(path: &Path) {
    for _ in 0..2000 {
        if std::fs::read(path).is_ok_and(|bytes| !bytes.is_empty()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} does not appear", path.display());
}

/// Dead, or a zombie that init has not asked for yet.
pub(crate) async fn dies(pid: &str) {
    for _ in 0..600 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        if stat.map_or(true, |stat| stat.contains(") Z")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("process {pid} lives on");
}

pub(crate) fn cause(state: JobState) -> Cause {
    match state {
        JobState::Failed { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}
