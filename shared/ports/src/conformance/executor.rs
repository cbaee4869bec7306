//! What every target promises. A suite names a job that is over soon and one that goes on until it is canceled.

use std::time::Duration;

use jiff::Timestamp;
use porpoise_model::{AttemptKey, ProjectId, RunId, Target};

use crate::Executor;
use crate::executor::{Job, JobRef, JobState, LogError, SubmitError, Submitted, Work};

/// How a suite gets jobs of one target.
#[derive(Debug, Clone)]
pub struct Works {
    /// Over soon, and well.
    pub short: Work,
    /// Goes on for a minute at least.
    pub long: Work,
    /// Where they execute, if that has to be said.
    pub target: Option<Target>,
}

impl Works {
    fn short(&self, number: u32) -> Job {
        job(number, self.short.clone(), self.target.clone())
    }

    fn long(&self, number: u32) -> Job {
        job(number, self.long.clone(), self.target.clone())
    }
}

/// What a dispatcher knows of a job: `submitted` is what it was answered, if it was.
fn known(job: &Job, submitted: Option<&Submitted>) -> JobRef {
    JobRef {
        key: job.key,
        external_id: submitted.map(|submitted| submitted.external_id.clone()),
        target: job.target.clone(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    }
}

/// The job of task `number` of a run, for tests: nothing but its work and its target matters.
pub fn job(number: u32, work: Work, target: Option<Target>) -> Job {
    let run = RunId::from_bytes([7; 16]);
    Job {
        key: AttemptKey::of(run, number, 0, 1),
        project: ProjectId::of_name("retail"),
        run,
        task: number,
        map: 0,
        attempt: 1,
        task_name: format!("task-{number}"),
        work,
        env: std::collections::BTreeMap::new(),
        outputs: std::collections::BTreeMap::new(),
        dialect: "porpoise/1".to_owned(),
        secrets: std::collections::BTreeSet::new(),
        target,
        residency: std::collections::BTreeSet::new(),
        labels: std::collections::BTreeMap::new(),
        files: std::collections::BTreeMap::new(),
    }
}

async fn state(executor: &impl Executor, job: &JobRef) -> Option<JobState> {
    let asked = std::slice::from_ref(job);
    let reports = executor.list(asked).await.expect("list");
    assert!(reports.iter().all(|report| report.key == job.key));
    reports.into_iter().next().map(|report| report.state)
}

async fn until(executor: &impl Executor, job: &JobRef, is: impl Fn(&JobState) -> bool) -> JobState {
    for _ in 0..2_000 {
        if let Some(state) = state(executor, job).await.filter(|state| is(state)) {
            return state;
        }
        pause().await;
    }
    unreachable!("job `{}` does not get there in time", job.key)
}

#[expect(
    clippy::disallowed_methods,
    reason = "targets take real time, and the suite waits for them"
)]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// It keeps what it was called, and what became of it, also for those who know no more than its key.
pub async fn a_job_submitted_again_is_the_same_job<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = works.short(1);
    let first = executor.submit(&job).await.expect("submit");
    let again = executor.submit(&job).await.expect("submit again");
    assert_eq!(first, again);
    let end = until(&executor, &known(&job, Some(&first)), JobState::is_terminal).await;
    let late = executor.submit(&job).await.expect("submit when it is over");
    assert_eq!(first, late);
    assert_eq!(
        state(&executor, &known(&job, Some(&first))).await,
        Some(end.clone())
    );
    assert_eq!(state(&executor, &known(&job, None)).await, Some(end));
}

/// Neither now nor when it is submitted again. For targets that keep books of keys.
pub async fn a_job_canceled_before_it_was_submitted_never_starts<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = works.short(1);
    let job_ref = known(&job, None);
    executor.cancel(&job_ref).await.expect("cancel");
    for _ in 0..2 {
        let refused = executor.submit(&job).await;
        assert!(matches!(refused, Err(SubmitError::Canceled)), "{refused:?}");
    }
    let state = state(&executor, &job_ref).await;
    assert!(
        matches!(state, None | Some(JobState::Canceled { .. })),
        "{state:?}"
    );
}

/// A cancel of a job that is not there is no error, and leaves nothing that a list would tell of.
pub async fn a_cancel_of_what_was_never_submitted_is_taken<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job_ref = known(&works.short(1), None);
    executor.cancel(&job_ref).await.expect("cancel");
    let state = state(&executor, &job_ref).await;
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
    let (seen, unseen) = (works.short(1), works.short(2));
    let submitted = executor.submit(&seen).await.expect("submit");
    let asked = [known(&unseen, None), known(&seen, Some(&submitted))];
    let reports = executor.list(&asked).await.expect("list");
    let keys: Vec<AttemptKey> = reports.iter().map(|report| report.key).collect();
    assert_eq!(keys, [seen.key]);
    let called = reports.iter().map(|report| &report.external_id);
    assert!(called.eq([&submitted.external_id]));
    assert_eq!(executor.list(&[]).await.expect("list of nothing"), []);
}

/// A cancel that comes too late changes nothing.
pub async fn a_job_that_is_over_stays_as_it_is<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = works.short(1);
    let submitted = executor.submit(&job).await.expect("submit");
    let job = known(&job, Some(&submitted));
    let end = until(&executor, &job, JobState::is_terminal).await;
    assert!(matches!(end, JobState::Succeeded { .. }), "{end:?}");
    executor.cancel(&job).await.expect("cancel");
    assert_eq!(state(&executor, &job).await, Some(end));
}

/// And stays so.
pub async fn a_running_job_that_is_canceled_ends_canceled<E: Executor, G>(
    make: impl AsyncFn() -> (E, Works, G),
) {
    let (executor, works, _guard) = make().await;
    let job = works.long(1);
    let submitted = executor.submit(&job).await.expect("submit");
    let job = known(&job, Some(&submitted));
    let runs = |state: &JobState| matches!(state, JobState::Running { .. });
    until(&executor, &job, runs).await;
    executor.cancel(&job).await.expect("cancel");
    executor.cancel(&job).await.expect("cancel again");
    let end = until(&executor, &job, JobState::is_terminal).await;
    assert!(matches!(end, JobState::Canceled { .. }), "{end:?}");
    assert_eq!(state(&executor, &job).await, Some(end));
}

/// Pieces, put together, are the whole; a target without logs says so.
pub async fn a_log_is_read_piece_by_piece<E: Executor, G>(make: impl AsyncFn() -> (E, Works, G)) {
    let (executor, works, _guard) = make().await;
    let job = works.short(1);
    let none = executor.log(&known(&job, None), 0, 10).await;
    assert!(
        matches!(none, Ok(None) | Err(LogError::None(_))),
        "a log of nothing: {none:?}"
    );
    let submitted = executor.submit(&job).await.expect("submit");
    let job = known(&job, Some(&submitted));
    until(&executor, &job, JobState::is_terminal).await;
    let whole = match executor.log(&job, 0, 1 << 20).await {
        Err(LogError::None(_)) => None,
        read => read.expect("log"),
    };
    let Some(whole) = whole else { return };
    assert!(whole.end);
    let (mut from, mut pieces) = (0, Vec::new());
    loop {
        let piece = executor.log(&job, from, 7).await.expect("piece");
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
