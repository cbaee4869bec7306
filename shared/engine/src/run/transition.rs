//! The transitions of runs and task instances: one table each. Nothing else moves them.

use porpoise_model::RunState;

use super::tasks::Phase;

/// What can happen to a task instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskEvent {
    /// Its trigger rule holds.
    Ready,
    /// Its trigger rule holds, and it is disabled.
    PassedOver,
    /// Its trigger rule can't hold any more, because something above it failed.
    UpstreamFailed,
    /// Its trigger rule says that it is not to run.
    RuledOut,
    /// An attempt was handed to the dispatcher.
    Dispatched,
    /// Its job runs.
    Started,
    /// Its attempt ended well; or somebody decided so.
    Succeeded,
    /// Its attempt failed, and there is no other.
    Failed,
    /// Its attempt failed, and there will be another.
    Retrying,
    /// Its job is to be stopped.
    CancelAsked,
    /// It was stopped, or will never start.
    Canceled,
    /// Somebody decided that it is not to run.
    Skipped,
    /// It is to run again, from the start; or its trigger rule no longer holds.
    Reset,
}

impl TaskEvent {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Ready,
        Self::PassedOver,
        Self::UpstreamFailed,
        Self::RuledOut,
        Self::Dispatched,
        Self::Started,
        Self::Succeeded,
        Self::Failed,
        Self::Retrying,
        Self::CancelAsked,
        Self::Canceled,
        Self::Skipped,
        Self::Reset,
    ];
}

/// Where an event takes a task instance; `None`: nowhere, it comes too late or out of turn.
///
/// ```text
/// pending ─Ready─▶ queued ─Dispatched─▶ dispatched ─Started─▶ running ─▶ succeeded | failed | canceled
///    │                ▲                     └───────┬────────────┘
///    │                └──(after the delay)── up_for_retry ◀─Retrying
///    └─▶ skipped | upstream_failed                  └─CancelAsked─▶ canceling ─▶ canceled | succeeded | failed
/// ```
pub fn task_next(phase: Phase, event: TaskEvent) -> Option<Phase> {
    use Phase as P;
    use TaskEvent as E;
    match (phase, event) {
        (P::Pending | P::UpForRetry, E::Ready) => Some(P::Queued),
        (P::Pending, E::PassedOver) => Some(P::Disabled),
        (P::Pending, E::UpstreamFailed) => Some(P::UpstreamFailed),
        (P::Pending, E::RuledOut) => Some(P::Skipped),
        (P::Queued | P::UpForRetry, E::Dispatched) => Some(P::Dispatched),
        (P::Dispatched, E::Started) => Some(P::Running),
        (P::Dispatched | P::Running | P::Canceling, E::Retrying) => Some(P::UpForRetry),
        (P::Queued | P::UpForRetry | P::Dispatched | P::Running | P::Canceling, E::Failed) => {
            Some(P::Failed)
        }
        (P::Dispatched | P::Running, E::CancelAsked) => Some(P::Canceling),
        // A person may also decide of what has ended: the attempts stay as they were.
        (P::Succeeded | P::Disabled, E::Succeeded | E::Skipped) => None,
        (_, E::Succeeded) => Some(P::Succeeded),
        (P::Skipped | P::LeftOut, E::Skipped) => None,
        (_, E::Skipped) => Some(P::Skipped),
        (phase, E::Canceled) if !phase.is_terminal() => Some(P::Canceled),
        (P::Pending, E::Reset) => None,
        (_, E::Reset) => Some(P::Pending),
        (_, E::Ready | E::PassedOver | E::UpstreamFailed | E::RuledOut) => None,
        (
            _,
            E::Dispatched | E::Started | E::Retrying | E::Failed | E::CancelAsked | E::Canceled,
        ) => None,
    }
}

/// What can happen to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunEvent {
    /// Let in: its tasks start.
    Admitted,
    /// Nothing new is to start.
    PauseAsked,
    /// Nothing runs any more.
    Paused,
    /// Go on.
    Resumed,
    /// Everything is to stop.
    CancelAsked,
    /// Every task ended, and well.
    Succeeded,
    /// Every task ended, and not all well; or it could not begin.
    Failed,
    /// Everything has stopped; or it was never let in.
    Canceled,
    /// Tasks are to run again.
    Reopened,
    /// Tasks are to run again, once the gate lets it in.
    Requeued,
}

impl RunEvent {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Admitted,
        Self::PauseAsked,
        Self::Paused,
        Self::Resumed,
        Self::CancelAsked,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
        Self::Reopened,
        Self::Requeued,
    ];
}

/// Where an event takes a run; `None`: nowhere.
///
/// ```text
/// queued ─Admitted─▶ running ─PauseAsked─▶ pausing ─Paused─▶ paused ─Resumed─▶ running
///    │                  ├─CancelAsked─▶ canceling ─Canceled | Failed | Succeeded─▶ canceled | failed | succeeded
///    └─CancelAsked | Canceled └─Succeeded | Failed─▶ succeeded | failed ─Reopened | Requeued─▶ running | queued
/// ```
pub fn run_next(state: RunState, event: RunEvent) -> Option<RunState> {
    use RunEvent as E;
    use RunState as S;
    match (state, event) {
        (S::Queued, E::Admitted) | (S::Pausing | S::Paused, E::Resumed) => Some(S::Running),
        (S::Running, E::PauseAsked) => Some(S::Pausing),
        (S::Pausing, E::Paused) => Some(S::Paused),
        (S::Queued | S::Running | S::Pausing | S::Paused, E::CancelAsked) => Some(S::Canceling),
        (S::Running | S::Pausing | S::Canceling, E::Succeeded) => Some(S::Succeeded),
        (S::Queued | S::Running | S::Pausing | S::Canceling, E::Failed) => Some(S::Failed),
        (S::Queued | S::Canceling, E::Canceled) => Some(S::Canceled),
        (S::Succeeded | S::Failed | S::Canceled, E::Reopened) => Some(S::Running),
        (S::Succeeded | S::Failed | S::Canceled, E::Requeued) => Some(S::Queued),
        (
            _,
            E::Admitted | E::PauseAsked | E::Paused | E::Resumed | E::CancelAsked | E::Canceled,
        ) => None,
        (_, E::Succeeded | E::Failed | E::Reopened | E::Requeued) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn every_arrow_of_a_task_instance_is_known() {
        let mut table = String::new();
        for phase in Phase::ALL {
            let row: Vec<String> = TaskEvent::ALL
                .into_iter()
                .filter_map(|event| Some(format!("{event:?}→{:?}", task_next(phase, event)?)))
                .collect();
            writeln!(table, "{phase:?}: {}", row.join(" ")).unwrap();
        }
        insta::assert_snapshot!("task_transitions", table);
    }

    #[test]
    fn every_arrow_of_a_run_is_known() {
        let mut table = String::new();
        for state in RunState::ALL {
            let row: Vec<String> = RunEvent::ALL
                .into_iter()
                .filter_map(|event| Some(format!("{event:?}→{:?}", run_next(state, event)?)))
                .collect();
            writeln!(table, "{state:?}: {}", row.join(" ")).unwrap();
        }
        insta::assert_snapshot!("run_transitions", table);
    }
}
