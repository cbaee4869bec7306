//! Going on with what attempts before have come to: elements that have succeeded over the same lists are not run again.
//!
//! What is kept is said in the fact that begins the attempt, so the fold compares nothing, and logs that are older than
//! this rule read as they did.

use std::collections::BTreeMap;

use crate::Plan;
use crate::elements::Elements;
use crate::mutant::{self, Mutant};
use crate::run::edit::Edited;
use crate::run::fact::RunFact;
use crate::run::ranges::Ranges;
use crate::run::selection::below;
use crate::run::state::{Past, State};

fn past(state: &State) -> Option<&BTreeMap<u32, Past>> {
    let family = state.family.as_ref()?;
    Some(&family.past).filter(|past| !past.is_empty())
}

/// The next attempt begins, with what is left of those before.
pub(in crate::run) fn begin(state: &State, task: u32, elements: Elements) -> RunFact {
    let past = past(state).and_then(|past| past.get(&task));
    let same = past.filter(|past| past.elements == elements && !mutant::on(Mutant::ElementsAnew));
    RunFact::Mapped {
        task,
        kept: same.map(|past| past.done.clone()),
        elements,
    }
}

/// Whether the next attempt of a task can go on with elements that have succeeded.
pub(in crate::run) fn can_go_on(state: &State, task: u32) -> bool {
    past(state).is_some_and(|past| past.contains_key(&task))
}

/// Whatever comes next of this task begins anew.
pub(in crate::run) fn begin_anew(state: &mut State, task: u32) {
    if let Some(family) = &mut state.family {
        family.past.remove(&task);
    }
}

/// These go back to the beginning: they and all that comes after them begin anew.
pub(in crate::run) fn reset(state: &mut State, plan: &Plan, tasks: &Ranges) {
    if past(state).is_none() {
        return;
    }
    let below = below(plan, tasks);
    if let Some(family) = &mut state.family {
        let stays = |task: &u32| !tasks.contains(*task) && !below.contains(task);
        family.past.retain(|task, _| stays(task));
    }
}

/// What these have come to, out of reach of a reset.
pub(in crate::run) fn put_aside(state: &mut State, tasks: Option<&Ranges>) -> Vec<(u32, Past)> {
    let (Some(tasks), Some(family)) = (tasks, &mut state.family) else {
        return Vec::new();
    };
    let past = &mut family.past;
    let taken = tasks.iter().filter_map(|task| past.remove_entry(&task));
    taken.collect()
}

/// After the reset.
pub(in crate::run) fn put_back(state: &mut State, past: Vec<(u32, Past)>) {
    if let Some(family) = &mut state.family {
        family.past.extend(past);
    }
}

/// After an edit only those that are said to go on do so, where they are now.
pub(in crate::run) fn moved(state: &mut State, edited: &Edited) {
    let Some(family) = &mut state.family else {
        return;
    };
    let mut past = std::mem::take(&mut family.past);
    let goes_on = |task: u32| edited.goes_on.as_ref().is_some_and(|it| it.contains(task));
    let pairs = edited.moves.pairs().filter(|(_, to)| goes_on(*to));
    let kept = pairs.filter_map(|(from, to)| Some((to, past.remove(&from)?)));
    family.past = kept.collect();
}
