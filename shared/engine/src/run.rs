//! A run: one execution of a workflow, from its creation to its end and through its reruns.
//!
//! Read [`transition`] for the states and arrows, [`fact`] for what is recorded, [`decide`] for what follows from
//! reports and answers, [`command`] for what people may do, [`settle`] for what follows by itself, and [`evolve`] for
//! the fold.

mod bind;
mod branch;
mod child;
pub mod command;
pub mod decide;
pub mod dependent;
pub mod edit;
pub mod effects;
pub mod evolve;
pub mod fact;
mod mapped;
pub mod moves;
pub mod parameters;
mod parent;
pub mod ranges;
pub mod reason;
mod rerun;
pub mod retry;
pub mod selection;
pub mod settle;
mod slot;
pub mod state;
pub mod tasks;
pub mod timed;
pub mod transition;
mod upstream;
pub mod view;
mod watched;

use jiff::Timestamp;
use porpoise_model::{AggregateKind, VersionHash};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::{Effect, EffectKey};
use crate::input::RunInput;
use crate::outbox::Outbox;
use crate::plan::Plan;

pub use edit::{Edit, Edited};
pub use fact::RunFact;
pub use ranges::Ranges;
pub use reason::Reason;
pub use selection::Reach;
pub use state::State;
pub use tasks::Phase;
pub use view::View;

/// The aggregate of runs.
#[derive(Debug, Clone, Copy)]
pub struct Run;

impl Aggregate for Run {
    const KIND: AggregateKind = AggregateKind::Run;
    const FOLD_VERSION: u32 = 7;

    type State = State;
    type Context = Plan;
    type Input = RunInput;
    type Fact = RunFact;

    fn decide(state: &State, plan: &Plan, input: &RunInput, now: Timestamp) -> Decision<RunFact> {
        decide::decide(state, plan, input, now)
    }

    fn is_past(state: &State, input: &RunInput) -> bool {
        decide::is_past(state, input)
    }

    fn settle(state: &State, plan: &Plan, now: Timestamp) -> Vec<RunFact> {
        settle::settle(state, plan, now)
    }

    fn evolve(state: &mut State, plan: &Plan, fact: &RunFact, at: Timestamp) {
        evolve::evolve(state, plan, fact, at);
        watched::tell(state, fact, at);
    }

    fn outbox(state: &State) -> &Outbox {
        &state.outbox
    }

    fn effect(state: &State, plan: &Plan, key: EffectKey) -> Option<Effect> {
        effects::effect(state, plan, key)
    }

    fn acknowledged(key: EffectKey) -> RunInput {
        RunInput::Done(key)
    }

    fn refused(key: EffectKey, why: String) -> RunInput {
        RunInput::Refused { key, why }
    }

    fn deadline(state: &State) -> Option<Timestamp> {
        state.deadline()
    }

    fn is_open(state: &State) -> bool {
        state.is_open()
    }

    fn version(fact: &RunFact) -> Option<VersionHash> {
        if let RunFact::Edited(edited) = fact {
            Some(edited.version)
        } else if let RunFact::Created(new) = fact {
            new.version
        } else {
            None
        }
    }

    fn woken() -> RunInput {
        RunInput::Woken
    }
}
