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
//! Workflows that wait for it may go along ([`dependent`]): a date whose run has succeeded goes on with the same date of
//! each of them, and is over when those are.
//!
//! Facts hold dates that were decided, the next one among them: the fold reads no cron and no time-zone data. A range stays
//! a range, so that a backfill of thousands of dates has small facts.
//!
//! Start reading at [`fact`] for what is recorded, then [`decide`] for the rules, [`dates`] for the dates, and [`along`] for
//! who goes along.

pub mod along;
pub mod cycle;
pub mod dates;
pub mod decide;
pub mod dependent;
pub mod fact;
pub mod input;
pub mod state;

use jiff::Timestamp;
use porpoise_model::{Actor, Address, AggregateKind, CommandId, ProjectId, RunId, VersionHash};

use crate::aggregate::{Aggregate, Decision};
use crate::effect::keys::{of_gates, of_pools, of_runs};
use crate::effect::{Dated, Effect, EffectKey, GoesAlong, NewRun, Trigger};
use crate::input::{BackfillInput, Command, Input, RunCommand, RunInput};
use crate::outbox::Outbox;
use crate::placement::Placement;

pub use dates::Dates;
pub use dependent::{Awaited, Dependent, Dependents, Levels, Stage};
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
            EffectKey::FireDependent(of) => {
                let new_run = dependent_run(state, new, *project, of, key)?;
                Some(Effect::CreateBehind {
                    new: Box::new(new_run),
                    behind: behind(new, *project, of)?,
                })
            }
            EffectKey::StopDependent(of) => {
                let run = dependent_run(state, new, *project, of, key)?;
                Some(stop(state, run))
            }
            EffectKey::Listing(_) => Some(Effect::ListBackfill {
                project: *project,
                backfill: new.backfill,
                workflow: new.like.workflow,
                created: new.like.created,
            }),
            of_runs!() | of_pools!() | of_gates!() => None,
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
            dependent: None,
        },
        logical_date: date,
        created: state.outbox.since(&key)?,
        placement: Placement::default(),
        ..new.like.clone()
    })
}

/// The run of a dependent for a date: whole, and else like the others.
fn dependent_run(
    state: &State,
    new: &NewBackfill,
    project: ProjectId,
    of: Dated,
    key: EffectKey,
) -> Option<NewRun> {
    let date = Timestamp::from_millisecond(of.date).ok()?;
    let dependent = new.dependents().get(usize::try_from(of.dependent).ok()?)?;
    Some(NewRun {
        project: dependent.project,
        run: dependent.run(new.backfill, date),
        workflow: dependent.workflow,
        workflow_name: dependent.workflow_name.clone(),
        version: Some(dependent.version),
        trigger: Trigger::Backfill {
            backfill: new.backfill,
            dependent: Some(GoesAlong {
                project,
                number: of.dependent,
            }),
        },
        logical_date: date,
        timezone: dependent.timezone.clone(),
        created: state.outbox.since(&key)?,
        placement: Placement::default(),
        only: None,
        ..new.like.clone()
    })
}

/// The runs that it waits for: of the date itself, and of the dependents before it.
fn behind(new: &NewBackfill, project: ProjectId, of: Dated) -> Option<Vec<Address>> {
    let date = Timestamp::from_millisecond(of.date).ok()?;
    let own = Address::run(project, RunId::of_backfill(new.backfill, date));
    let dependent = new.dependents().get(usize::try_from(of.dependent).ok()?)?;
    let before = dependent.after.iter().filter_map(|number| {
        let before = new.dependents().get(usize::try_from(*number).ok()?)?;
        Some(Address::run(before.project, before.run(new.backfill, date)))
    });
    Some(std::iter::once(own).chain(before).collect())
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

/// To a run: its word was heard.
fn heard(run: Address, said: u64) -> Effect {
    Effect::Tell {
        to: run,
        input: Input::Run(RunInput::Done(EffectKey::TellParent(said))),
    }
}
