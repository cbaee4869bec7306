//! Tasks of a run that others wait for by name, while the run goes on.
//!
//! Who looks at such a run tells it the tasks that it saw not to have ended. When one of them ends, or fails with a try
//! left, everybody who waits for the workflow is told as if the run had ended, and looks again. A task that nobody named
//! costs nothing.

use jiff::Timestamp;
use porpoise_model::Name;

use super::dependent;
use super::fact::RunFact;
use super::ranges::Ranges;
use super::state::State;
use crate::Plan;
use crate::mutant::{self, Mutant};

/// Somebody waits for these tasks. One that has ended meanwhile is told of at once; a run that is over has told already.
pub(super) fn decide(state: &State, plan: &Plan, names: &[Name]) -> Vec<RunFact> {
    if state.run_state().is_terminal() {
        return Vec::new();
    }
    let named = names.iter().filter_map(|name| plan.find(name.as_str()));
    let news = Ranges::of(named.filter(|task| !state.watched.contains(task)));
    if news.is_empty() {
        return Vec::new();
    }
    vec![RunFact::Watched { tasks: news }]
}

/// After each fact: whoever waits for a task that it ended is told. They name it again if they still wait for it.
pub(super) fn tell(state: &mut State, fact: &RunFact, at: Timestamp) {
    if state.watched.is_empty() || mutant::on(Mutant::TasksUntold) {
        return;
    }
    let retried = if let RunFact::Failed {
        task,
        retry: Some(_),
        ..
    } = fact
    {
        Some(*task)
    } else {
        None
    };
    let before = state.watched.len();
    let tasks = &state.tasks;
    let goes_on = |task: &u32| !tasks.phase(*task).is_terminal() && retried != Some(*task);
    state.watched.retain(goes_on);
    // The end of a run is told by itself.
    if state.watched.len() < before && !state.run_state().is_terminal() {
        dependent::stir(state, at);
    }
}
