//! Both executors against the suite of their port, and a sleep across a restart.

use std::sync::Arc;

use porpoise_executor_local::InstantExecutor;
use porpoise_ports::conformance::executor::Works;
use porpoise_ports::executor::{JobRef, JobReport, JobState, Work};
use porpoise_ports::{Executor, executor_books_conformance, executor_conformance};
use porpoise_system::SystemClock;
use tempfile::TempDir;

use crate::support;

/// An `Arc` of an executor is one for the suite.
#[derive(Debug)]
struct Shared<E>(Arc<E>);

#[async_trait::async_trait]
impl<E: Executor> Executor for Shared<E> {
    async fn submit(
        &self,
        job: &porpoise_ports::executor::Job,
    ) -> Result<porpoise_ports::executor::Submitted, porpoise_ports::executor::SubmitError> {
        self.0.submit(job).await
    }
    async fn list(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, porpoise_ports::Unavailable> {
        self.0.list(jobs).await
    }
    async fn cancel(&self, job: &JobRef) -> Result<(), porpoise_ports::Unavailable> {
        self.0.cancel(job).await
    }
    async fn log(
        &self,
        job: &JobRef,
        from: u64,
        limit: usize,
    ) -> Result<Option<porpoise_ports::executor::LogChunk>, porpoise_ports::executor::LogError>
    {
        self.0.log(job, from, limit).await
    }
}

executor_conformance!(local, async || {
    let dir = TempDir::new().unwrap();
    let works = Works {
        short: Work::Shell {
            script: "echo one; echo two >&2".to_owned(),
        },
        long: Work::Shell {
            script: "sleep 100".to_owned(),
        },
        target: None,
    };
    (Shared(support::open(dir.path())), works, dir)
});

executor_conformance!(instant, async || {
    let dir = TempDir::new().unwrap();
    let works = Works {
        short: Work::Noop,
        long: Work::Sleep { millis: 100_000 },
        target: None,
    };
    let executor = InstantExecutor::open(dir.path(), Arc::new(SystemClock)).unwrap();
    (Shared(executor), works, dir)
});

#[tokio::test]
async fn a_sleep_goes_on_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let job = support::job(1, Work::Sleep { millis: 60_000 });
    let open = || InstantExecutor::open(dir.path(), Arc::new(SystemClock)).unwrap();
    let first = open();
    first.submit(&job).await.unwrap();
    let before = first.list(&[JobRef::of(job.key)]).await.unwrap();
    let after = open().list(&[JobRef::of(job.key)]).await.unwrap();
    let started = |reports: &[JobReport]| match &reports[0].state {
        JobState::Running { started } => started.as_millisecond(),
        other => panic!("{other:?}"),
    };
    assert_eq!(started(&before), started(&after));
}

#[tokio::test]
async fn a_short_sleep_is_announced_when_it_ends() {
    let dir = TempDir::new().unwrap();
    let job = support::job(1, Work::Sleep { millis: 20 });
    let executor = InstantExecutor::open(dir.path(), Arc::new(SystemClock)).unwrap();
    let mut news = executor.completions();
    executor.submit(&job).await.unwrap();
    assert_eq!(news.recv().await, Some(job.key));
    let state = executor
        .list(&[JobRef::of(job.key)])
        .await
        .unwrap()
        .remove(0)
        .state;
    assert!(matches!(state, JobState::Succeeded { .. }), "{state:?}");
}

executor_books_conformance!(local_books, async || {
    let dir = TempDir::new().unwrap();
    let work = Work::Shell {
        script: "true".to_owned(),
    };
    let works = Works {
        short: work.clone(),
        long: work,
        target: None,
    };
    (Shared(support::open(dir.path())), works, dir)
});

executor_books_conformance!(instant_books, async || {
    let dir = TempDir::new().unwrap();
    let works = Works {
        short: Work::Noop,
        long: Work::Noop,
        target: None,
    };
    let executor = InstantExecutor::open(dir.path(), Arc::new(SystemClock)).unwrap();
    (Shared(executor), works, dir)
});
