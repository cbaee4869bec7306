//! A gate: what lets the runs of one workflow in.
//!
//! | concurrency of the run | let in |
//! | --- | --- |
//! | `parallel` | at once, whoever is in |
//! | `serial_wait` | when nobody is in and nobody waits before it: by priority, then by creation, then by id |
//! | `serial_discard` | if nobody is in and nobody waits, or never |
//!
//! A run that is rerun comes again, with a larger entry number; what is said of a smaller one changes nothing. What
//! has left is remembered for a while, so that an entry that was under way longer than its end lets no ghost in.
//!
//! Start reading at [`fact`] for what is recorded, then [`decide`] for the rules.

pub mod decide;
pub mod fact;
pub mod state;

use jiff::Timestamp;
use porpoise_model::{Address, AggregateKind, ProjectId, RunId, VersionHash};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::keys::{of_backfills, of_pools, of_runs};
use crate::effect::{Effect, EffectKey};
use crate::input::{GateAnswer, GateAnswerKind, GateInput, Input, RunInput};
use crate::outbox::Outbox;

pub use fact::GateFact;
pub use state::{Gone, Inside, Ordinal, State, Waiting};

/// The aggregate of gates. Its context is the project, in which the runs live that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Gate;

impl Aggregate for Gate {
    const KIND: AggregateKind = AggregateKind::Gate;
    const FOLD_VERSION: u32 = 1;

    type State = State;
    type Context = ProjectId;
    type Input = GateInput;
    type Fact = GateFact;

    fn decide(
        state: &State,
        project: &ProjectId,
        input: &GateInput,
        _: Timestamp,
    ) -> Decision<GateFact> {
        decide::decide(state, *project, input)
    }

    fn settle(state: &State, _: &ProjectId, _: Timestamp) -> Vec<GateFact> {
        decide::settle(state)
    }

    fn evolve(state: &mut State, _: &ProjectId, fact: &GateFact, at: Timestamp) {
        state.evolve(fact, at);
    }

    fn outbox(state: &State) -> &Outbox {
        &state.outbox
    }

    fn effect(state: &State, project: &ProjectId, key: EffectKey) -> Option<Effect> {
        let (run, entry, what) = match key {
            EffectKey::Admit(run) => {
                let inside = state.inside.get(&run)?;
                (run, inside.entry, GateAnswerKind::Admitted)
            }
            EffectKey::Discard(run) => {
                let gone = state.gone.get(&run)?;
                (run, gone.entry, GateAnswerKind::Discarded)
            }
            EffectKey::Supersede(run) => {
                let inside = state.inside.get(&run)?;
                (run, inside.entry, GateAnswerKind::Superseded)
            }
            of_runs!()
            | EffectKey::Listing(_)
            | of_pools!()
            | of_backfills!()
            | EffectKey::Fire(_) => return None,
        };
        Some(tell(*project, run, entry, what))
    }

    /// Runs acknowledge what a gate tells them; the shell carries nothing out by itself.
    fn acknowledged(_: EffectKey) -> GateInput {
        GateInput::Woken
    }

    fn deadline(_: &State) -> Option<Timestamp> {
        None
    }

    fn is_open(state: &State) -> bool {
        !(state.inside.is_empty() && state.waiting.is_empty() && state.outbox.is_empty())
    }

    fn version(_: &GateFact) -> Option<VersionHash> {
        None
    }

    fn woken() -> GateInput {
        GateInput::Woken
    }
}

/// What the gate says to a run.
pub(crate) fn tell(project: ProjectId, run: RunId, entry: u32, what: GateAnswerKind) -> Effect {
    Effect::Tell {
        to: Address::run(project, run),
        input: Input::Run(RunInput::Gate(GateAnswer { entry, what })),
    }
}
