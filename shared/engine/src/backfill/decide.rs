//! The rules of a backfill.

use jiff::Timestamp;
use porpoise_model::limits::BACKFILL_DATES_MAX;
use porpoise_model::{Address, ProjectId, RunId, RunState};

use super::dependent::Stage;
use super::fact::{BackfillFact, NewBackfill};
use super::heard;
use super::state::State;
use crate::aggregate::Decision;
use crate::commands::Outcome;
use crate::effect::keys::{of_gates, of_pools, of_runs};
use crate::effect::{Dated, EffectKey};
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
        BackfillCommand::Pause if state.starts_no_more() && !state.may_go_further() => {
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
    let Some(run) = speaker(new, project, word) else {
        return Decision::nothing();
    };
    let facts = match &word.what {
        ChildState::Ended { state: how, .. } => ended(state, word.date, word.dependent, *how),
        ChildState::Open { .. } => None,
    };
    Decision::facts(facts.into_iter().collect()).reply(heard(run, word.said))
}

/// The run that says it.
fn speaker(new: &NewBackfill, project: ProjectId, word: &DateWord) -> Option<Address> {
    let Some(number) = word.dependent else {
        let run = RunId::of_backfill(new.backfill, word.date);
        return Some(Address::run(project, run));
    };
    let dependent = new.dependents().get(usize::try_from(number).ok()?)?;
    let run = dependent.run(new.backfill, word.date);
    Some(Address::run(dependent.project, run))
}

/// The first that is heard of a run's end stands.
fn ended(
    state: &State,
    date: Timestamp,
    dependent: Option<u32>,
    how: RunState,
) -> Option<BackfillFact> {
    match dependent {
        None => state
            .is_running(date)
            .then_some(BackfillFact::Ended { date, state: how }),
        Some(dependent) => {
            let ended = BackfillFact::DependentEnded {
                date,
                dependent,
                state: how,
            };
            state.is_below(date, dependent).then_some(ended)
        }
    }
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
        EffectKey::FireDependent(Dated { date, dependent }) => {
            let date = Timestamp::from_millisecond(date).ok();
            let created = date.map(|date| BackfillFact::DependentCreated { date, dependent });
            created.into_iter().collect()
        }
        EffectKey::Listing(_) => vec![BackfillFact::Listed],
        // Over when its run says so.
        EffectKey::StopDated(_) | EffectKey::StopDependent(_) => Vec::new(),
        of_runs!() | of_pools!() | of_gates!() => Vec::new(),
    }
}

/// A run can never be created: there is nothing to wait for, and nothing to stop.
fn refused(state: &State, key: EffectKey, why: &str) -> Vec<BackfillFact> {
    let (date, dependent) = match key {
        EffectKey::Fire(date) | EffectKey::StopDated(date) => (date, None),
        EffectKey::FireDependent(of) | EffectKey::StopDependent(of) => {
            (of.date, Some(of.dependent))
        }
        of_runs!() | EffectKey::Listing(_) | of_pools!() | of_gates!() => return Vec::new(),
    };
    let date = Timestamp::from_millisecond(date).ok();
    let Some(date) = date.filter(|_| state.outbox.contains(&key)) else {
        return Vec::new();
    };
    let why = why.to_owned();
    let refused = match dependent {
        None => state
            .is_running(date)
            .then_some(BackfillFact::Refused { date, why }),
        Some(dependent) => {
            let refused = BackfillFact::DependentRefused {
                date,
                dependent,
                why,
            };
            state.is_below(date, dependent).then_some(refused)
        }
    };
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
    let further = go_further(state, new);
    if !further.is_empty() {
        return further;
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

/// Where the run of a date has succeeded, the dependents start that may, and a date ends in which none does.
fn go_further(state: &State, new: &NewBackfill) -> Vec<BackfillFact> {
    let open = state.running.iter();
    let stages = open.filter_map(|date| Some((date.0, state.below.get(date)?)));
    let further = stages.filter_map(|(date, stage)| go_on(state, new, date, stage));
    further.collect()
}

fn go_on(state: &State, new: &NewBackfill, date: Timestamp, stage: &Stage) -> Option<BackfillFact> {
    let killed = state.killed_by.is_some();
    let dependents: Vec<u32> = if killed {
        Vec::new()
    } else {
        stage.startable(new.dependents()).collect()
    };
    if !dependents.is_empty() {
        let start = BackfillFact::DependentsStarted { date, dependents };
        return (!state.paused).then_some(start);
    }
    let over = stage.running().next().is_none();
    over.then(|| BackfillFact::DateEnded {
        date,
        state: stage.outcome(new.dependents(), killed),
    })
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
