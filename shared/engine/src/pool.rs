//! A pool: slots that tasks of several runs share.
//!
//! Who asks stands in line by weight (the largest first), then by rank, then by arrival. Only the head of the line is
//! granted: a request for more slots than are free waits, and what is behind it waits with it, so that small requests
//! never starve a large one. A request for more slots than the pool has is granted when nothing else is held: it
//! would wait for ever otherwise. A person may let one that waits go first, and beyond the size.
//!
//! Slots are leases: a holder that has been silent for [`POOL_LEASE_SECONDS`] is asked whether it still holds them.
//! They are not taken from it: only the holder knows whether its job has ended.
//!
//! Start reading at [`fact`] for what is recorded, then [`decide`] for the rules.
//!
//! [`POOL_LEASE_SECONDS`]: porpoise_model::limits::POOL_LEASE_SECONDS

pub mod decide;
pub mod fact;
pub mod input;
pub mod leases;
pub mod line;
pub mod state;

use jiff::Timestamp;
use porpoise_model::{Address, AggregateKind, ProjectId, VersionHash};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::keys::{of_backfills, of_gates, of_runs};
use crate::effect::{Effect, EffectKey, Holder};
use crate::input::{Input, PoolInput, RunInput, SlotAnswer, SlotAnswerKind};
use crate::outbox::Outbox;

pub use fact::PoolFact;
pub use line::{Line, Request, Turn};
pub use state::{Held, State};

/// The aggregate of pools. Its context is the project, in which the runs live that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Pool;

impl Aggregate for Pool {
    const KIND: AggregateKind = AggregateKind::Pool;
    const FOLD_VERSION: u32 = 1;

    type State = State;
    type Context = ProjectId;
    type Input = PoolInput;
    type Fact = PoolFact;

    fn decide(
        state: &State,
        project: &ProjectId,
        input: &PoolInput,
        _: Timestamp,
    ) -> Decision<PoolFact> {
        decide::decide(state, *project, input)
    }

    fn settle(state: &State, _: &ProjectId, now: Timestamp) -> Vec<PoolFact> {
        decide::settle(state, now)
    }

    fn evolve(state: &mut State, _: &ProjectId, fact: &PoolFact, at: Timestamp) {
        state.evolve(fact, at);
    }

    fn outbox(state: &State) -> &Outbox {
        &state.outbox
    }

    fn effect(_: &State, project: &ProjectId, key: EffectKey) -> Option<Effect> {
        match key {
            EffectKey::GrantSlot(holder) => Some(tell(*project, holder, SlotAnswerKind::Granted)),
            EffectKey::CheckHolder(holder) => {
                Some(tell(*project, holder, SlotAnswerKind::StillHolding))
            }
            of_runs!()
            | EffectKey::Listing(_)
            | of_gates!()
            | of_backfills!()
            | EffectKey::Fire(_) => None,
        }
    }

    /// Runs acknowledge what a pool tells them; the shell carries nothing out by itself.
    fn acknowledged(_: EffectKey) -> PoolInput {
        PoolInput::Woken
    }

    fn deadline(state: &State) -> Option<Timestamp> {
        state.next_check()
    }

    fn is_open(state: &State) -> bool {
        !(state.held.is_empty() && state.line.is_empty() && state.outbox.is_empty())
    }

    fn version(_: &PoolFact) -> Option<VersionHash> {
        None
    }

    fn woken() -> PoolInput {
        PoolInput::Woken
    }
}

/// What the pool says to the run of a holder.
pub(crate) fn tell(project: ProjectId, holder: Holder, what: SlotAnswerKind) -> Effect {
    Effect::Tell {
        to: Address::run(project, holder.run),
        input: Input::Run(RunInput::Slot(SlotAnswer {
            attempt: holder.attempt,
            what,
        })),
    }
}
