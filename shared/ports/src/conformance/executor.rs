//! What every target promises. A suite names a job that is over soon and one that goes on until it is canceled.

use std::time::Duration;

use porpoise_model::{AttemptKey, ProjectId, RunId};

use crate::Executor;
use crate::executor::{Job, JobState, SubmitError, Work};

/// How a suite gets jobs of one target.
#[derive(Debug, Clone)]
pub struct Works {
    /// Over soon, and well.
    pub short: Work,
    /// Goes on for a minute at least.
    pub long: Work,
}

fn job(number: u32, work: &Work) -> Job {
    let run = RunId::from_bytes([9; 16]);
    Job {
        key: AttemptKey::of(run, number, 0, 1),
        project: ProjectId::of_name("retail"),
        run,
        task: number,
        map: 0,
        attempt: 1,
        task_name: format!("task-{number}"),
        work: work.clone(),
        env: std::collections::BTreeMap::new(),
        outputs: std::collections::BTreeMap::new(),
        dialect: "porpoise/1".to_owned(),
        secrets: std::collections::BTreeSet::new(),
    }
}

async fn state(executor: &impl Executor, key: AttemptKey) -> Option<JobState> {
    let reports = executor.list(&[key]).await.expect("list");
    assert!(reports.iter().all(|report| report.key == key));
    reports.into_iter().next().map(|report| report.state)
}

async fn until(
    executor: &impl Executor,
    key: AttemptKey,
    is: impl Fn(&JobState) -> bool,
) -> JobState {
    for _ in 0..2_000 {
        if let Some(state) = state(executor, key).await.filter(|state| is(state)) {
            return state;
        }
        pause().await;
    }
    unreachable!("job `{key}` does not get there in time")
}

#[expect(
    clippy::disallowed_methods,
    reason = "targets take real time, and the suite waits for them"
)]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// It keeps what it was called, and what became of it.
pub async fn a_job_submitted_again_is_the_same_job<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = job(1, &works.short);
    let first = executor.submit(&job).await.expect("submit");
    let again = executor.submit(&job).await.expect("submit again");
    assert_eq!(first, again);
    let end = until(&executor, job.key, JobState::is_terminal).await;
    let late = executor.submit(&job).await.expect("submit when it is over");
    assert_eq!(first, late);
    assert_eq!(state(&executor, job.key).await, Some(end));
}

/// Neither now nor when it is submitted again.
pub async fn a_job_canceled_before_it_was_submitted_never_starts<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = job(1, &works.short);
    executor.cancel(job.key).await.expect("cancel");
    for _ in 0..2 {
        let refused = executor.submit(&job).await;
        assert!(matches!(refused, Err(SubmitError::Canceled)), "{refused:?}");
    }
    let state = state(&executor, job.key).await;
    assert!(
        matches!(state, None | Some(JobState::Canceled { .. })),
        "{state:?}"
    );
}

/// The others are told of.
pub async fn a_list_leaves_out_what_it_never_saw<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let (known, unknown) = (job(1, &works.short), job(2, &works.short));
    executor.submit(&known).await.expect("submit");
    let reports = executor
        .list(&[unknown.key, known.key])
        .await
        .expect("list");
    let keys: Vec<AttemptKey> = reports.iter().map(|report| report.key).collect();
    assert_eq!(keys, [known.key]);
    assert_eq!(executor.list(&[]).await.expect("list of nothing"), []);
}

/// A cancel that comes too late changes nothing.
pub async fn a_job_that_is_over_stays_as_it_is<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = job(1, &works.short);
    executor.submit(&job).await.expect("submit");
    let end = until(&executor, job.key, JobState::is_terminal).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
    executor.cancel(job.key).await.expect("cancel");
    assert_eq!(state(&executor, job.key).await, Some(end));
}

/// And stays so.
pub async fn a_running_job_that_is_canceled_ends_canceled<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = job(1, &works.long);
    executor.submit(&job).await.expect("submit");
    let runs = |state: &JobState| matches!(state, JobState::Running { .. });
    until(&executor, job.key, runs).await;
    executor.cancel(job.key).await.expect("cancel");
    executor.cancel(job.key).await.expect("cancel again");
    let end = until(&executor, job.key, JobState::is_terminal).await;
    assert!(matches!(end, JobState::Canceled { .. }), "{end:?}");
    assert_eq!(state(&executor, job.key).await, Some(end));
}

/// Pieces, put together, are the whole; a target without logs says so.
pub async fn a_log_is_read_piece_by_piece<E: Executor, G>(make: impl AsyncFn() -> (E, Works, G)) {
    let (executor, works, _guard) = make().await;
    let job = job(1, &works.short);
    let none = executor.log(job.key, 0, 10).await.expect("log of nothing");
    assert_eq!(none, None);
    executor.submit(&job).await.expect("submit");
    until(&executor, job.key, JobState::is_terminal).await;
    let whole = executor.log(job.key, 0, 1 << 20).await.expect("log");
    let Some(whole) = whole else { return };
    assert!(whole.end);
    let (mut from, mut pieces) = (0, Vec::new());
    loop {
        let piece = executor.log(job.key, from, 7).await.expect("piece");
        let piece = piece.expect("a log");
        assert!(piece.bytes.len() <= 7);
        pieces.extend_from_slice(&piece.bytes);
        from = piece.next;
        if piece.end {
            break;
        }
        assert!(!piece.bytes.is_empty(), "a log that is over ends");
    }
    assert_eq!(pieces, whole.bytes);
    assert_eq!(from, whole.next);
}
