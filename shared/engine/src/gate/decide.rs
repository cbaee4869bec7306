//! The rules of a gate.

use porpoise_model::workflow::Concurrency;
use porpoise_model::{ProjectId, RunId};

use super::fact::GateFact;
use super::state::State;
use super::tell;
use crate::aggregate::Decision;
use crate::effect::EffectKey;
use crate::input::{GateAnswerKind, GateInput};

/// What follows from an input.
pub(super) fn decide(state: &State, project: ProjectId, input: &GateInput) -> Decision<GateFact> {
    match input {
        GateInput::Woken => Decision::nothing(),
        GateInput::Entered {
            run,
            concurrency,
            created,
            priority,
            entry,
        } => match state.entry(*run) {
            Some(known) if known > *entry => Decision::nothing(),
            Some(known) if known == *entry => {
                Decision::nothing().reply(tell(project, *run, known, again(state, *run)))
            }
            Some(_) | None => {
                let entered = GateFact::Entered {
                    run: *run,
                    entry: *entry,
                    concurrency: *concurrency,
                    priority: *priority,
                    created: *created,
                };
                entered_anew(state, project, *run, *entry, *concurrency, entered)
            }
        },
        GateInput::Noted { run, entry } => {
            let told = [
                EffectKey::Admit(*run),
                EffectKey::Discard(*run),
                EffectKey::Supersede(*run),
            ];
            let pending = told.iter().any(|key| state.outbox.contains(key));
            if pending && state.entry(*run) == Some(*entry) {
                Decision::fact(GateFact::Noted { run: *run })
            } else {
                Decision::nothing()
            }
        }
        GateInput::Left { run, entry } => {
            let left = left(state, *run, *entry);
            left.reply(tell(project, *run, *entry, GateAnswerKind::Left))
        }
    }
}

/// The answer to a repeat.
fn again(state: &State, run: RunId) -> GateAnswerKind {
    if state.waiting.contains_key(&run) {
        GateAnswerKind::Waiting
    } else if state.inside.contains_key(&run) {
        GateAnswerKind::Admitted
    } else if state.gone.get(&run).is_some_and(|gone| gone.discarded) {
        GateAnswerKind::Discarded
    } else {
        GateAnswerKind::Left
    }
}

/// A run comes for the first time, or again after it was rerun: then nothing is left of the time before. What it is
/// told, other than to wait, stays in the outbox until it has noted it.
fn entered_anew(
    state: &State,
    project: ProjectId,
    run: RunId,
    entry: u32,
    concurrency: Concurrency,
    entered: GateFact,
) -> Decision<GateFact> {
    let alone = state.inside.keys().all(|other| *other == run)
        && state.waiting.keys().all(|other| *other == run);
    let admitted = vec![entered.clone(), GateFact::Admitted { run }];
    match concurrency {
        Concurrency::Parallel => Decision::facts(admitted),
        Concurrency::SerialWait | Concurrency::SerialDiscard | Concurrency::SerialPriority
            if alone =>
        {
            Decision::facts(admitted)
        }
        Concurrency::SerialDiscard => Decision::facts(vec![entered, GateFact::Discarded { run }]),
        Concurrency::SerialPriority => {
            let facts = std::iter::once(entered).chain(out_of_the_way(state, run));
            let waits = tell(project, run, entry, GateAnswerKind::Waiting);
            Decision::facts(facts.collect()).reply(waits)
        }
        Concurrency::SerialWait => {
            Decision::fact(entered).reply(tell(project, run, entry, GateAnswerKind::Waiting))
        }
    }
}

/// For a run that goes before all others: who waits is discarded, who is in is to leave.
fn out_of_the_way(state: &State, run: RunId) -> impl Iterator<Item = GateFact> {
    let others = move |other: &&RunId| **other != run;
    let waiting = state.waiting.keys().filter(others);
    let inside = state.inside.keys().filter(others);
    let discarded = waiting.map(|run| GateFact::Discarded { run: *run });
    discarded.chain(inside.map(|run| GateFact::Superseded { run: *run }))
}

/// A run that leaves before the gate has heard of it is remembered: its entry may still come.
fn left(state: &State, run: RunId, entry: u32) -> Decision<GateFact> {
    let known = state.entry(run);
    let here = state.waiting.contains_key(&run)
        || state.inside.contains_key(&run)
        || state.outbox.contains(&EffectKey::Discard(run));
    let nothing_new = known.is_some_and(|known| known > entry || (known == entry && !here));
    if nothing_new {
        Decision::nothing()
    } else {
        Decision::fact(GateFact::Left { run, entry })
    }
}

/// The first in line goes in as soon as nobody is in.
pub(super) fn settle(state: &State) -> Vec<GateFact> {
    let next = state.first().filter(|_| state.inside.is_empty());
    next.map(|run| GateFact::Admitted { run })
        .into_iter()
        .collect()
}
