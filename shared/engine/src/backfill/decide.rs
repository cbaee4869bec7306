//! The rules of a backfill.

use jiff::Timestamp;
use porpoise_model::limits::BACKFILL_DATES_MAX;
use porpoise_model::{ProjectId, RunState};

use super::fact::{BackfillFact, NewBackfill};
use super::heard;
use super::state::State;
use crate::aggregate::Decision;
use crate::commands::Outcome;
use crate::effect::EffectKey;
use crate::family::{ChildState, DateWord};
use crate::input::{BackfillCommand, BackfillInput, Command};
use crate::mutant::{self, Mutant};
use crate::run::state::Time;
use crate::schedule::SpecError;

/// What follows from an input. What starts and whether it is over is found by [`settle`].
pub(super) fn decide(
    state: &State,
    project: ProjectId,
    input: &BackfillInput,
) -> Decision<BackfillFact> {
    match input {
        BackfillInput::Woken => Decision::nothing(),
        BackfillInput::Begin(new) => Decision::facts(begin(state, new)),
        BackfillInput::Commanded(command) => Decision::facts(commanded(state, command)),
        BackfillInput::Said(word) => said(state, project, word),
        BackfillInput::Done(key) => Decision::facts(done(state, *key)),
        BackfillInput::Refused { key, why } => Decision::facts(refused(state, *key, why)),
    }
}

/// The first that is heard of it stands.
fn begin(state: &State, new: &NewBackfill) -> Vec<BackfillFact> {
    if state.new.is_some() {
        return Vec::new();
    }
    let begun = |total: usize, next: Option<Timestamp>| BackfillFact::Begun {
        new: Box::new(new.clone()),
        total: u32::try_from(total).unwrap_or(u32::MAX),
        next: next.map(Time),
    };
    let dates = match new.dates.read(&new.like.timezone, new.descending) {
        Ok(dates) => dates.first(BACKFILL_DATES_MAX + 1),
        Err(error) => return vec![begun(0, None), halted(&error)],
    };
    let begun = begun(dates.len(), dates.first().copied());
    if dates.len() > BACKFILL_DATES_MAX {
        let reason = format!("it has more than {BACKFILL_DATES_MAX} dates");
        return vec![begun, BackfillFact::Halted { reason }];
    }
    vec![begun]
}

fn halted(error: &SpecError) -> BackfillFact {
    BackfillFact::Halted {
        reason: error.to_string(),
    }
}

/// What follows from a command, behind the fact that it was given. A repeat does nothing.
fn commanded(state: &State, command: &Command<BackfillCommand>) -> Vec<BackfillFact> {
    if state.commands.seen(command.id).is_some() && !mutant::on(Mutant::CommandTwice) {
        return Vec::new();
    }
    let (outcome, change) = match obey(state, command) {
        Ok(change) => (Outcome::Accepted, Some(change)),
        Err(reason) => (
            Outcome::Refused {
                reason: reason.to_owned(),
            },
            None,
        ),
    };
    let given = BackfillFact::Commanded {
        id: command.id,
        actor: command.actor.clone(),
        what: command.what.as_str().to_owned(),
        outcome,
    };
    std::iter::once(given).chain(change).collect()
}

fn obey(state: &State, command: &Command<BackfillCommand>) -> Result<BackfillFact, &'static str> {
    if state.new.is_none() {
        return Err("there is no such backfill");
    }
    if state.over.is_some() {
        return Err("the backfill is over");
    }
    if state.killed_by.is_some() {
        return Err("the backfill is being stopped");
    }
    match command.what {
        BackfillCommand::Pause if state.paused => Err("the backfill is paused already"),
        BackfillCommand::Pause if state.starts_no_more() => {
            Err("no further date starts: there is nothing to pause")
        }
        BackfillCommand::Pause => Ok(BackfillFact::Paused),
        BackfillCommand::Resume if !state.paused => Err("the backfill is not paused"),
        BackfillCommand::Resume => Ok(BackfillFact::Resumed),
        BackfillCommand::Kill => Ok(BackfillFact::Killed {
            by: command.actor.clone(),
        }),
    }
}

/// The run of a date says how it stands. It is told each time that it was heard: it repeats itself until then.
fn said(state: &State, project: ProjectId, word: &DateWord) -> Decision<BackfillFact> {
    let Some(new) = &state.new else {
        return Decision::nothing();
    };
    let reply = heard(project, new.backfill, word.date, word.said);
    let facts = match &word.what {
        ChildState::Ended { state: how, .. } if is_running(state, word.date) => {
            vec![BackfillFact::Ended {
                date: word.date,
                state: *how,
            }]
        }
        ChildState::Ended { .. } | ChildState::Open { .. } => Vec::new(),
    };
    Decision::facts(facts).reply(reply)
}

fn is_running(state: &State, date: Timestamp) -> bool {
    state.running.contains(&Time(date))
}

fn done(state: &State, key: EffectKey) -> Vec<BackfillFact> {
    if !state.outbox.contains(&key) {
        return Vec::new();
    }
    match key {
        EffectKey::Fire(date) => {
            let date = Timestamp::from_millisecond(date).ok();
            let created = date.map(|date| BackfillFact::Created { date });
            created.into_iter().collect()
        }
        EffectKey::Listing(_) => vec![BackfillFact::Listed],
        // Over when its run says so.
        EffectKey::StopDated(_) => Vec::new(),
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
        | EffectKey::Supersede(_) => Vec::new(),
    }
}

/// The run of a date can never be created: there is nothing to wait for, and nothing to stop.
fn refused(state: &State, key: EffectKey, why: &str) -> Vec<BackfillFact> {
    let (EffectKey::Fire(date) | EffectKey::StopDated(date)) = key else {
        return Vec::new();
    };
    let date = Timestamp::from_millisecond(date).ok();
    let date = date.filter(|date| state.outbox.contains(&key) && is_running(state, *date));
    let refused = date.map(|date| BackfillFact::Refused {
        date,
        why: why.to_owned(),
    });
    refused.into_iter().collect()
}

/// What may start does, and what is done is over.
pub(super) fn settle(state: &State) -> Vec<BackfillFact> {
    let Some(new) = &state.new else {
        return Vec::new();
    };
    if state.over.is_some() {
        return Vec::new();
    }
    if state.starts_no_more() {
        let over = state.running.is_empty().then(|| BackfillFact::Over {
            state: outcome(state),
        });
        return over.into_iter().collect();
    }
    if state.paused {
        return Vec::new();
    }
    start(state, new).into_iter().collect()
}

fn outcome(state: &State) -> RunState {
    if state.killed_by.is_some() {
        RunState::Canceled
    } else if state.halted || !state.failed.is_empty() {
        RunState::Failed
    } else {
        RunState::Succeeded
    }
}

/// As many dates as there is room for. Their runs all count, those among them that are not created yet.
fn start(state: &State, new: &NewBackfill) -> Option<BackfillFact> {
    let parallel = usize::try_from(new.parallel.max(1)).unwrap_or(usize::MAX);
    let mut there = state.running.len();
    if mutant::on(Mutant::BackfillCountsCreated) {
        let is_fire = |(key, _): &(EffectKey, Timestamp)| matches!(key, EffectKey::Fire(_));
        there = there.saturating_sub(state.outbox.iter().filter(is_fire).count());
    }
    let room = parallel.saturating_sub(there);
    if room == 0 {
        return None;
    }
    let series = match new.dates.read(&new.like.timezone, new.descending) {
        Ok(series) => series,
        Err(error) => return Some(halted(&error)),
    };
    let (mut dates, mut next) = (Vec::new(), state.next.map(|next| next.0));
    while let Some(date) = next.filter(|_| dates.len() < room) {
        dates.push(Time(date));
        next = series.next(Some(date));
    }
    Some(BackfillFact::Started {
        dates,
        next: next.map(Time),
    })
}
