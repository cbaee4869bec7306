//! The nine states of job runs, in our words.

use aws_sdk_emrserverless::primitives::DateTime;
use aws_sdk_emrserverless::types::{JobRun, JobRunState as State, JobRunSummary};
use jiff::Timestamp;
use porpoise_model::Cause;
use porpoise_model::value::Outputs;
use porpoise_ports::executor::JobState;

/// The states of runs that are not over.
pub(crate) const OPEN: [State; 6] = [
    State::Submitted,
    State::Queued,
    State::Pending,
    State::Scheduled,
    State::Running,
    State::Cancelling,
];

/// The states of runs that are over.
pub(crate) const OVER: [State; 3] = [State::Success, State::Failed, State::Cancelled];

pub(crate) fn is_over(state: &State) -> bool {
    OVER.contains(state)
}

/// An instant of the client as one of ours.
pub(crate) fn instant(at: &DateTime) -> Timestamp {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanos).unwrap_or_default()
}

/// What a list says of a run that is not over. It tells of no start: a run that runs was updated when it began to.
pub(crate) fn of_summary(summary: &JobRunSummary) -> JobState {
    if summary.state == State::Running {
        return JobState::Running {
            started: instant(&summary.updated_at),
        };
    }
    waiting(&summary.state, &summary.state_details)
}

fn waiting(state: &State, details: &str) -> JobState {
    let state = state.as_str();
    let why = if details.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {details}")
    };
    JobState::Waiting { why: Some(why) }
}

/// What is known of a run.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not over waits, also in states that are yet to come"
)]
pub(crate) fn of_run(run: &JobRun) -> JobState {
    let started = run.started_at.as_ref().map(instant);
    let ended = instant(run.ended_at.as_ref().unwrap_or(&run.updated_at));
    match &run.state {
        State::Running => JobState::Running {
            started: started.unwrap_or_else(|| instant(&run.updated_at)),
        },
        State::Success => JobState::Succeeded {
            started: started.unwrap_or(ended),
            ended,
            outputs: Outputs::new(),
        },
        State::Failed => JobState::Failed {
            started,
            ended,
            cause: Cause::Failed {
                message: run.state_details.clone(),
            },
        },
        State::Cancelled if is_timed_out(run) => JobState::Failed {
            started,
            ended,
            cause: Cause::Timeout,
        },
        State::Cancelled => JobState::Canceled { ended },
        open => waiting(open, &run.state_details),
    }
}

/// The service cancels runs that take longer than their own time-out: nobody here asked for that.
fn is_timed_out(run: &JobRun) -> bool {
    let minutes = run.execution_timeout_minutes.filter(|minutes| *minutes > 0);
    let seconds = run.total_execution_duration_seconds.map(i64::from);
    let both = minutes.zip(seconds);
    both.is_some_and(|(minutes, seconds)| seconds >= minutes.saturating_mul(60))
}
