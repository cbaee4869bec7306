//! A backfill: runs of one version of a workflow, one for each logical date of a range or a list.
//!
//! ```text
//! Running ◀─Resume── Pausing ─▶ Paused         nothing new starts; runs that are there end by themselves
//!    │  ────Pause──────▶│          │
//!    ├────────Kill──────┴──────────┴──▶ Canceling ─▶ Canceled
//!    └─▶ Succeeded (every run did) | Failed (one did not)
//! ```
//!
//! Dates start in order, the earliest first or the latest first, and at most so many of their runs are there at the same
//! time. A run's id is hashed from the backfill and the date, so that nothing makes two of one date. It tells the backfill
//! how it ended, by the words with which a run tells the one above ([`crate::family`]); the first end that is heard of a
//! date counts, also if the run is run again later.
//!
//! Facts hold dates that were decided, the next one among them: the fold reads no cron and no time-zone data. A range stays
//! a range, so that a backfill of thousands of dates has small facts.
//!
//! Start reading at [`fact`] for what is recorded, then [`decide`] for the rules and [`dates`] for the dates.

pub mod dates;
pub mod decide;
pub mod fact;
pub mod input;
pub mod state;

use jiff::Timestamp;
use porpoise_model::{
    Actor, Address, AggregateKind, BackfillId, CommandId, ProjectId, RunId, VersionHash,
};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::{Effect, EffectKey, NewRun, Trigger};
use crate::input::{BackfillInput, Command, Input, RunCommand, RunInput};
use crate::outbox::Outbox;
use crate::placement::Placement;

pub use dates::Dates;
pub use fact::{AfterFailure, BackfillFact, NewBackfill};
pub use state::State;

/// The aggregate of backfills. Its context is the project, in which its runs live.
#[derive(Debug, Clone, Copy)]
pub struct Backfill;

impl Aggregate for Backfill {
    const KIND: AggregateKind = AggregateKind::Backfill;
    const FOLD_VERSION: u32 = 1;

    type State = State;
    type Context = ProjectId;
    type Input = BackfillInput;
    type Fact = BackfillFact;

    fn decide(
        state: &State,
        project: &ProjectId,
        input: &BackfillInput,
        _: Timestamp,
    ) -> Decision<BackfillFact> {
        decide::decide(state, *project, input)
    }

    fn settle(state: &State, _: &ProjectId, _: Timestamp) -> Vec<BackfillFact> {
        decide::settle(state)
    }

    fn evolve(state: &mut State, _: &ProjectId, fact: &BackfillFact, at: Timestamp) {
        state.evolve(fact, at);
    }

    fn outbox(state: &State) -> &Outbox {
        &state.outbox
    }

    fn effect(state: &State, project: &ProjectId, key: EffectKey) -> Option<Effect> {
        let new = state.new.as_deref()?;
        match key {
            EffectKey::Fire(date) => new_run(state, new, date, key).map(Effect::CreateRun),
            EffectKey::StopDated(date) => {
                let run = new_run(state, new, date, key)?;
                Some(stop(state, run))
            }
            EffectKey::Listing(_) => Some(Effect::ListBackfill {
                project: *project,
                backfill: new.backfill,
                workflow: new.like.workflow,
                created: new.like.created,
            }),
            EffectKey::Dispatch(_)
            | EffectKey::Cancel(_)
            | EffectKey::AskSlot(_)
            | EffectKey::FreeSlot(_)
            | EffectKey::EnterGate(_)
            | EffectKey::LeaveGate(_)
            | EffectKey::Announce(_)
            | EffectKey::TellParent(_)
            | EffectKey::Turn(_)
            | EffectKey::Look(_)
            | EffectKey::Unsubscribe(_)
            | EffectKey::Stir(_)
            | EffectKey::GrantSlot(_)
            | EffectKey::CheckHolder(_)
            | EffectKey::Admit(_)
            | EffectKey::Discard(_)
            | EffectKey::Supersede(_) => None,
        }
    }

    fn acknowledged(key: EffectKey) -> BackfillInput {
        BackfillInput::Done(key)
    }

    fn refused(key: EffectKey, why: String) -> BackfillInput {
        BackfillInput::Refused { key, why }
    }

    fn deadline(_: &State) -> Option<Timestamp> {
        None
    }

    fn is_open(state: &State) -> bool {
        state.new.is_some() && (state.over.is_none() || !state.outbox.is_empty())
    }

    fn version(_: &BackfillFact) -> Option<VersionHash> {
        None
    }

    fn woken() -> BackfillInput {
        BackfillInput::Woken
    }
}

/// The run of a date.
fn new_run(state: &State, new: &NewBackfill, date: i64, key: EffectKey) -> Option<NewRun> {
    let date = Timestamp::from_millisecond(date).ok()?;
    Some(NewRun {
        run: RunId::of_backfill(new.backfill, date),
        trigger: Trigger::Backfill {
            backfill: new.backfill,
        },
        logical_date: date,
        created: state.outbox.since(&key)?,
        placement: Placement::default(),
        ..new.like.clone()
    })
}

/// The same command each time.
fn stop(state: &State, run: NewRun) -> Effect {
    let command = Command {
        id: CommandId::of_key("backfill", &format!("kill/{}", run.run)),
        actor: state.killed_by.clone().unwrap_or_else(Actor::engine),
        what: RunCommand::Kill,
    };
    Effect::StopRun {
        new: Box::new(run),
        command,
    }
}

/// To the run of a date: its word was heard.
fn heard(project: ProjectId, backfill: BackfillId, date: Timestamp, said: u64) -> Effect {
    Effect::Tell {
        to: Address::run(project, RunId::of_backfill(backfill, date)),
        input: Input::Run(RunInput::Done(EffectKey::TellParent(said))),
    }
}
