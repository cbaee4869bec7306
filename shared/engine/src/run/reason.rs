//! Why a task instance that is not running is not running, and what would change that.

use std::fmt;

use jiff::Timestamp;
use porpoise_model::workflow::Kind;
use porpoise_model::{Name, RunId, RunState};

use super::child;
use super::dependent;
use super::state::{Gate, Hold, Mapped, SlotStage, State};
use super::tasks::Phase;
use crate::Plan;
use crate::effect::EffectKey;
use crate::family::ChildStage;

/// What a waiting task waits for. Always something that has a name (invariant nothing-stuck).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The run has not begun: its first step is due.
    Beginning,
    /// The gate of the workflow lets other runs go first.
    Gate,
    /// A person holds the task.
    Hold(Hold),
    /// A person holds the run.
    RunHold(Hold),
    /// The run is paused, or about to be.
    Paused,
    /// Tasks above it have not ended.
    Upstream {
        /// How many.
        count: u32,
        /// The first of them.
        first: Option<Name>,
    },
    /// Its declared delay.
    Delay {
        /// Until then.
        until: Timestamp,
    },
    /// The delay before its next attempt.
    Retry {
        /// Until then.
        until: Timestamp,
    },
    /// Slots of a pool.
    Pool {
        /// Which.
        name: Name,
    },
    /// The dispatcher of its place has not yet said that it has it.
    Dispatch,
    /// The dispatcher has it and can't submit it yet.
    Target {
        /// The kind and subject of the wait: `budget` …
        why: String,
    },
    /// It was submitted; the target has not yet said that it runs.
    Submitted,
    /// A person's answer.
    Approval {
        /// What is asked.
        question: String,
    },
    /// The run that it has made.
    Child {
        /// Which.
        run: RunId,
        /// Of which workflow.
        workflow: Name,
        /// How far that is; `None`: it has said nothing yet.
        stage: Option<ChildStage>,
    },
    /// The runs that it has made for its elements, or is about to make.
    Elements {
        /// Of which workflow.
        workflow: Name,
        /// How many of them are there and not over.
        open: u32,
        /// How many are over.
        ended: u32,
        /// How many elements there are.
        count: u32,
        /// All of those that are there are paused.
        paused: bool,
    },
    /// Runs of other workflows.
    Dependent {
        /// What is missing.
        what: String,
    },
    /// Its job is being stopped; the target has not yet confirmed.
    Cancel,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |f: &mut fmt::Formatter<'_>, what: &str, hold: &Hold| {
            write!(f, "{what} on hold by {}", hold.actor.principal)?;
            if !hold.why.is_empty() {
                write!(f, ": {}", hold.why)?;
            }
            hold.until
                .map_or(Ok(()), |until| write!(f, " (until {})", until.0))
        };
        match self {
            Self::Beginning => f.write_str("the run is about to begin"),
            Self::Gate => f.write_str("other runs of this workflow go first"),
            Self::Hold(hold) => held(f, "task", hold),
            Self::RunHold(hold) => held(f, "run", hold),
            Self::Paused => f.write_str("the run is paused: resume it"),
            Self::Upstream {
                count: 1,
                first: Some(first),
            } => write!(f, "waits for `{first}`"),
            Self::Upstream {
                count,
                first: Some(first),
            } => write!(f, "waits for `{first}` and {} more", count - 1),
            Self::Upstream { count, first: None } => write!(f, "waits for {count} tasks"),
            Self::Delay { until } => write!(f, "delayed until {until}"),
            Self::Retry { until } => write!(f, "next attempt at {until}"),
            Self::Pool { name } => write!(f, "waits for a slot of pool `{name}`"),
            Self::Dispatch => f.write_str("on its way to the dispatcher"),
            Self::Target { why } => write!(f, "waits at the dispatcher: {why}"),
            Self::Submitted => f.write_str("submitted, not started yet"),
            Self::Approval { question } => write!(f, "waits for an approval: {question}"),
            Self::Child {
                run,
                workflow,
                stage,
            } => {
                write!(f, "waits for run {run} of workflow `{workflow}`, which ")?;
                f.write_str(match stage {
                    None => "is about to begin",
                    Some(ChildStage::Waiting) => "waits at its gate",
                    Some(ChildStage::Running) => "runs",
                    Some(ChildStage::Paused) => "is paused: resume it",
                })
            }
            Self::Elements {
                workflow,
                open,
                ended,
                count,
                paused,
            } => {
                write!(f, "waits for {open} runs of workflow `{workflow}`")?;
                let how = if *paused { ", which are paused" } else { "" };
                write!(f, "{how}: {ended} of {count} are over")
            }
            Self::Dependent { what } => write!(f, "waits for {what}"),
            Self::Cancel => f.write_str("being stopped"),
        }
    }
}

/// The reason of a task instance; `None` if it runs or has ended.
pub fn of(state: &State, plan: &Plan, task: u32) -> Option<Reason> {
    if state.run_state().is_terminal() {
        return None;
    }
    if state.tasks.is_empty() || state.run_state() == RunState::Queued {
        let waits = matches!(state.gate, Gate::Asked | Gate::Waiting);
        return Some(if waits {
            Reason::Gate
        } else {
            Reason::Beginning
        });
    }
    match state.tasks.phase(task) {
        Phase::Pending => Some(upstream(state, plan, task)),
        Phase::Queued | Phase::UpForRetry => Some(waiting(state, plan, task)),
        Phase::Dispatched if plan.is_workflow(task) => child(state, plan, task),
        Phase::Running if child::rests(state, task) => child(state, plan, task),
        Phase::Dispatched
            if state
                .outbox
                .contains(&EffectKey::Dispatch(state.current(task))) =>
        {
            Some(Reason::Dispatch)
        }
        Phase::Dispatched => Some(
            state
                .waiting
                .get(&task)
                .map_or(Reason::Submitted, |why| Reason::Target { why: why.clone() }),
        ),
        Phase::Canceling => Some(Reason::Cancel),
        Phase::Running
        | Phase::Succeeded
        | Phase::Failed
        | Phase::Canceled
        | Phase::Skipped
        | Phase::UpstreamFailed
        | Phase::Disabled
        | Phase::LeftOut => None,
    }
}

fn child(state: &State, plan: &Plan, task: u32) -> Option<Reason> {
    let Kind::Workflow { workflow, each: _ } = &plan.task(task)?.kind else {
        return None;
    };
    if let Some(mapped) = state.mapped(task) {
        return Some(elements(state, workflow, mapped, child::rests(state, task)));
    }
    Some(Reason::Child {
        run: state
            .maker(state.current(task))
            .child(state.new.as_ref()?.run),
        workflow: workflow.clone(),
        stage: state.child(state.current(task)).map(|child| child.stage),
    })
}

/// Where none of its runs is there, more are to start: the run itself keeps them from it.
fn elements(state: &State, workflow: &Name, mapped: &Mapped, rests: bool) -> Reason {
    let open = u32::try_from(mapped.open.len()).unwrap_or(u32::MAX);
    match &state.hold {
        Some(hold) if open == 0 => Reason::RunHold(hold.clone()),
        None if open == 0 => Reason::Paused,
        Some(_) | None => Reason::Elements {
            workflow: workflow.clone(),
            open,
            ended: mapped.over(),
            count: mapped.elements.count(),
            paused: rests,
        },
    }
}

fn upstream(state: &State, plan: &Plan, task: u32) -> Reason {
    let open = |above: &&u32| !state.tasks.phase(**above).is_terminal();
    let first = plan
        .upstream(task)
        .iter()
        .find(open)
        .and_then(|above| plan.task(*above))
        .map(|task| task.name.clone());
    Reason::Upstream {
        count: state.tasks.waits(task),
        first,
    }
}

fn waiting(state: &State, plan: &Plan, task: u32) -> Reason {
    if let Some(hold) = state.holds.get(&task) {
        return Reason::Hold(hold.clone());
    }
    let slot = state
        .slots
        .get(&task)
        .filter(|slot| slot.stage != SlotStage::Held);
    if let (Some(_), Some(pool)) = (slot, plan.task(task).and_then(|task| task.pool.as_ref())) {
        return Reason::Pool {
            name: pool.name.clone(),
        };
    }
    if state.awaiting.contains_key(&task) {
        return Reason::Dependent {
            what: dependent::missing(state, plan, task),
        };
    }
    if let Some(Kind::Approval { question }) = plan.task(task).map(|task| &task.kind) {
        return Reason::Approval {
            question: question.clone(),
        };
    }
    if let Some(hold) = &state.hold {
        return Reason::RunHold(hold.clone());
    }
    if matches!(state.run_state(), RunState::Pausing | RunState::Paused) {
        return Reason::Paused;
    }
    match (state.parked.get(&task), state.tasks.phase(task)) {
        (Some(until), Phase::UpForRetry) => Reason::Retry { until: until.0 },
        (Some(until), _) => Reason::Delay { until: until.0 },
        (None, _) => Reason::Dispatch,
    }
}
