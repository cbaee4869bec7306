//! What follows from the state of a run alone: what is due happens, what is ready starts, what is over ends.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;
use porpoise_model::workflow::{FailureStrategy, TimeoutAction};
use porpoise_model::{Cause, RunState};

use super::branch;
use super::child;
use super::dependent;
use super::fact::RunFact;
use super::mapped;
use super::parameters;
use super::ranges::Ranges;
use super::state::{State, Time};
use super::tasks::Phase;
use crate::Plan;

/// The facts that follow by themselves. Called again until there are none.
pub fn settle(state: &State, plan: &Plan, now: Timestamp) -> Vec<RunFact> {
    let state_now = state.run_state();
    if state_now.is_terminal() || state.parameters.is_none() {
        return Vec::new();
    }
    let mut facts = overdue(state, plan, now);
    if facts.is_empty() {
        facts = mapped::settle(state, plan, now);
    }
    if !facts.is_empty() {
        return facts;
    }
    if let Some(fact) = ending(state, plan, state_now) {
        facts.push(fact);
    } else if state.may_start() {
        facts = starting(state, plan, now);
    }
    facts
}

/// Holds that end by themselves, and time-outs.
fn overdue(state: &State, plan: &Plan, now: Timestamp) -> Vec<RunFact> {
    let due = |until: &Option<Time>| until.is_some_and(|until| until.0 <= now);
    let mut facts = Vec::new();
    if state.hold.as_ref().is_some_and(|hold| due(&hold.until)) {
        facts.push(RunFact::Released {
            tasks: Ranges::default(),
        });
    }
    let over: Ranges = state.holds.due(now).into_iter().collect();
    if !over.is_empty() {
        facts.push(RunFact::Released { tasks: over });
    }
    for task in state.timeouts.due(now) {
        let stopped = plan
            .task(task)
            .and_then(|task| task.timeout)
            .is_some_and(|it| it.action == TimeoutAction::Fail);
        facts.push(RunFact::TimedOut {
            task: Some(task),
            stopped,
        });
    }
    // a wait whose time-out has stopped it has no second end
    let stopped = |fact: &RunFact| {
        let RunFact::TimedOut { task, stopped } = fact else {
            return None;
        };
        task.filter(|_| *stopped)
    };
    let stopped: Vec<u32> = facts.iter().filter_map(stopped).collect();
    facts.extend(dependent::given_up(state, plan, &stopped, now));
    if due(&state.timeout) {
        let stopped = plan
            .workflow()
            .timeout
            .is_some_and(|timeout| timeout.action == TimeoutAction::Fail);
        facts.push(RunFact::TimedOut {
            task: None,
            stopped: stopped && state.stopping.is_none(),
        });
    }
    facts
}

/// The end of the run, a stop because of a failure, or the pause that was asked for.
fn ending(state: &State, plan: &Plan, state_now: RunState) -> Option<RunFact> {
    if state.tasks.is_empty() {
        return None;
    }
    let failures = branch::failures(state, plan);
    if state.tasks.unfinished() == 0
        && state_now != RunState::Paused
        && state_now != RunState::Queued
    {
        return Some(ended(state, failures));
    }
    let strategy = state
        .new
        .as_ref()
        .and_then(|new| new.on_failure)
        .unwrap_or(plan.workflow().on_failure);
    if strategy == FailureStrategy::End
        && failures > 0
        && state.stopping.is_none()
        && state_now == RunState::Running
    {
        return Some(RunFact::Stopping {
            cause: Cause::FailureStrategy,
        });
    }
    let idle = || {
        !state
            .tasks
            .indices()
            .any(|task| state.tasks.phase(task).is_active() && !child::rests(state, task))
    };
    (state_now == RunState::Pausing && idle()).then_some(RunFact::Paused)
}

fn ended(state: &State, failures: u32) -> RunFact {
    let (state, cause) = match &state.stopping {
        Some(cause @ (Cause::KilledBy { .. } | Cause::Superseded)) if stopped_any(state) => {
            (RunState::Canceled, Some(cause.clone()))
        }
        Some(cause @ Cause::Timeout) => (RunState::Failed, Some(cause.clone())),
        Some(_) | None if failures > 0 => (
            RunState::Failed,
            Some(Cause::TasksFailed { count: failures }),
        ),
        Some(_) | None => (RunState::Succeeded, None),
    };
    RunFact::Ended { state, cause }
}

/// A kill that comes when everything has ended already stops nothing: then the tasks decide, as in `DolphinScheduler`.
fn stopped_any(state: &State) -> bool {
    let stopped = |task| state.tasks.phase(task) == Phase::Canceled;
    state.tasks.indices().any(stopped)
}

/// Ready tasks ask for their slots or are dispatched; one whose parameters can't be resolved fails.
fn starting(state: &State, plan: &Plan, now: Timestamp) -> Vec<RunFact> {
    let dry = state.new.as_ref().is_some_and(|new| new.dry_run);
    let (mut ask, mut dispatch, mut facts) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut wait = Vec::new();
    let due = state.parked.due(now);
    let startable = state.ready.iter().chain(&due).copied();
    for task in startable.filter(|task| !state.holds.contains_key(task)) {
        if dry {
            dispatch.push(task);
        } else if plan.is_dependent(task) {
            wait.push(task);
        } else if plan.is_branch(task) {
            // What ends in this round is not in the state yet: who picks by it waits for the next one.
            if facts.is_empty() {
                facts.push(picked(state, plan, task, now));
            }
        } else if plan.has_pool(task) && !state.slots.contains_key(&task) {
            let asked: &mut Vec<u32> = ask.entry(turn(plan, task)).or_default();
            asked.push(task);
        } else if let Err(message) = parameters::check(state, plan, task) {
            facts.push(unresolved(task, message, now));
        } else if let Some((_, each)) = plan.each(task) {
            facts.push(match parameters::elements(state, plan, task, each) {
                Ok(elements) => mapped::begin(state, task, elements),
                Err(message) => unresolved(task, message, now),
            });
        } else {
            dispatch.push(task);
        }
    }
    let asked = ask.into_values().map(|tasks| RunFact::SlotsAsked {
        tasks: Ranges::of(tasks),
    });
    facts.extend(asked);
    if !wait.is_empty() {
        facts.push(RunFact::Awaits {
            tasks: Ranges::of(wait),
        });
    }
    if !dispatch.is_empty() {
        let tasks = Ranges::of(dispatch);
        facts.push(if dry {
            RunFact::PassedDry { tasks }
        } else {
            RunFact::Dispatched { tasks }
        });
    }
    facts
}

/// Who asks a pool first among those that are ready together: a pool grants what fits when it is asked.
fn turn(plan: &Plan, task: u32) -> (Reverse<i32>, u8) {
    let pool = plan.task(task).and_then(|task| task.pool.as_ref());
    let weight = pool.map(|pool| pool.weight).unwrap_or_default();
    (Reverse(weight), plan.rank(task))
}

/// What a task picks among those below it.
fn picked(state: &State, plan: &Plan, task: u32, now: Timestamp) -> RunFact {
    match branch::choose(state, plan, task) {
        Ok(branch) => RunFact::Chose { task, branch },
        Err(message) => unresolved(task, message, now),
    }
}

const fn unresolved(task: u32, message: String, now: Timestamp) -> RunFact {
    RunFact::Failed {
        task,
        started: None,
        ended: now,
        cause: Cause::Unresolved { message },
        retry: None,
    }
}
