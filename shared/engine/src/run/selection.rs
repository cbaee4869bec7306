//! Some of a workflow's tasks: what a run is started with, or what of it runs again.
//!
//! The three reaches are those of `DolphinScheduler` (`TASK_ONLY`, `TASK_PRE`, `TASK_POST`). Edges that lead into a
//! selection from outside count for nothing, as there.

use std::collections::BTreeSet;

use super::ranges::Ranges;
use super::state::State;
use super::tasks::Phase;
use crate::Plan;

/// How far a selection reaches beyond the tasks that are named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// Nothing but them.
    #[default]
    Only,
    /// And all that they follow, directly or not.
    Upstream,
    /// And all that follows them, directly or not.
    Downstream,
}

/// All that comes after any of these.
pub(super) fn below(plan: &Plan, tasks: &Ranges) -> BTreeSet<u32> {
    let next = tasks.iter().flat_map(|task| plan.downstream(task));
    let next: Vec<u32> = next.copied().collect();
    plan.with_downstream(&next).into_iter().collect()
}

/// Those of the tasks that come after none of the others.
pub(super) fn firsts(plan: &Plan, tasks: &Ranges) -> Ranges {
    let below = below(plan, tasks);
    Ranges::of(tasks.iter().filter(|task| !below.contains(task)))
}

/// The tasks, and what is within reach of them. Indices that the plan does not have are left out.
pub fn select(plan: &Plan, tasks: &[u32], reach: Reach) -> Ranges {
    match reach {
        Reach::Only => Ranges::of(tasks.iter().copied().filter(|task| *task < plan.len())),
        Reach::Upstream => plan.with_upstream(tasks).into_iter().collect(),
        Reach::Downstream => plan.with_downstream(tasks).into_iter().collect(),
    }
}

/// Tasks that the run was started without do not run by themselves.
pub(super) fn leave_out(state: &mut State) {
    let only = state.new.as_ref().and_then(|new| new.only.as_ref());
    let Some(only) = only.map(|only| only.iter().collect::<BTreeSet<u32>>()) else {
        return;
    };
    let others = state.tasks.indices().filter(|task| !only.contains(task));
    for task in others.collect::<Vec<u32>>() {
        state.tasks.set_phase(task, Phase::LeftOut);
    }
}
