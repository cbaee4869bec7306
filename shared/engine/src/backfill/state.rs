//! What the facts have made of a backfill.

use std::collections::BTreeMap;

use jiff::Timestamp;
use minicbor::{Decode, Encode};
use porpoise_model::{Actor, RunState};

use super::dependent::{Stage, dated};
use super::fact::{AfterFailure, BackfillFact, NewBackfill};
use crate::commands::Commands;
use crate::effect::EffectKey;
use crate::mutant::{self, Mutant};
use crate::outbox::Outbox;
use crate::run::state::Time;

/// A backfill.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
pub struct State {
    /// What it began with; `None`: there is none.
    #[n(0)]
    pub new: Option<Box<NewBackfill>>,
    /// How many dates it has, as of its beginning.
    #[n(1)]
    pub total: u32,
    /// The date that starts next; `None`: all have started.
    #[n(2)]
    pub next: Option<Time>,
    /// How many have started.
    #[n(3)]
    pub started: u32,
    /// Dates that have started and whose runs, those of dependents included, are not known to be over, in the order in which
    /// they started.
    #[n(4)]
    pub running: Vec<Time>,
    /// How many dates succeeded.
    #[n(5)]
    pub succeeded: u32,
    /// Dates that did not, and how they ended.
    #[n(6)]
    pub failed: BTreeMap<Time, RunState>,
    /// Somebody paused it.
    #[n(7)]
    pub paused: bool,
    /// Somebody killed it.
    #[n(8)]
    pub killed_by: Option<Actor>,
    /// Why runs could not be created, or dates could not be told: the last of it.
    #[n(9)]
    pub problem: Option<String>,
    /// Its dates cannot be told: nothing new starts.
    #[n(10)]
    pub halted: bool,
    /// How it ended.
    #[n(11)]
    pub over: Option<RunState>,
    /// When.
    #[n(12)]
    pub ended: Option<Time>,
    /// Commands of the last day.
    #[n(13)]
    pub commands: Commands,
    /// What must be done in the world.
    #[n(14)]
    pub outbox: Outbox,
    /// Where workflows go along: the dates whose own run has succeeded, but for those that succeeded as a whole.
    #[n(15)]
    #[cbor(default)]
    pub below: BTreeMap<Time, Stage>,
}

impl State {
    /// How it stands, in the words of runs.
    pub fn run_state(&self) -> RunState {
        match self.over {
            Some(over) => over,
            None if self.killed_by.is_some() => RunState::Canceling,
            None if self.paused && !self.is_at_work() => RunState::Paused,
            None if self.paused => RunState::Pausing,
            None => RunState::Running,
        }
    }

    /// Whether no further date starts, whoever wants it.
    pub fn starts_no_more(&self) -> bool {
        let policy = self.new.as_ref().map(|new| new.after_failure);
        let stops = policy == Some(AfterFailure::Stop) && !self.failed.is_empty();
        stops || self.halted || self.killed_by.is_some() || self.next.is_none()
    }

    /// Whether a run of it may be there.
    fn is_at_work(&self) -> bool {
        let mut stages = self.running.iter().map(|date| self.below.get(date));
        stages.any(|stage| stage.is_none_or(|stage| stage.running().next().is_some()))
    }

    /// Whether dependents may still start for dates that have started.
    pub(super) fn may_go_further(&self) -> bool {
        let dependents = self.new.as_ref().map_or(&[][..], |new| new.dependents());
        self.running.iter().any(|date| match self.below.get(date) {
            None => !dependents.is_empty(),
            Some(stage) => stage.runs.len() < dependents.len(),
        })
    }

    /// Whether the run of a date itself is not known to be over.
    pub(super) fn is_running(&self, date: Timestamp) -> bool {
        self.running.contains(&Time(date)) && !self.below.contains_key(&Time(date))
    }

    /// Whether the run of a dependent for a date is not known to be over.
    pub(super) fn is_below(&self, date: Timestamp, dependent: u32) -> bool {
        let stage = self.below.get(&Time(date));
        stage.is_some_and(|stage| stage.runs.get(&dependent) == Some(&None))
    }

    /// How the run of a date itself stands, if the date has started.
    pub fn run(&self, date: Timestamp) -> Option<RunState> {
        if self.below.contains_key(&Time(date)) {
            return Some(RunState::Succeeded);
        }
        self.date(date)
    }

    /// How the run of a dependent stands for a date, if it has started.
    pub fn dependent(&self, date: Timestamp, number: u32) -> Option<RunState> {
        match self.below.get(&Time(date)) {
            Some(stage) => {
                let run = stage.runs.get(&number);
                run.map(|ended| ended.unwrap_or(RunState::Running))
            }
            None => self.date(date).filter(|how| *how == RunState::Succeeded),
        }
    }

    /// How a date stands, if it has started: with its dependents.
    pub fn date(&self, date: Timestamp) -> Option<RunState> {
        let date = Time(date);
        if self.running.contains(&date) {
            return Some(RunState::Running);
        }
        if let Some(failed) = self.failed.get(&date) {
            return Some(*failed);
        }
        self.has_started(date).then_some(RunState::Succeeded)
    }

    /// Whether a date of the backfill lies before the next one.
    fn has_started(&self, date: Time) -> bool {
        let descending = self.new.as_ref().is_some_and(|new| new.descending);
        match self.next {
            None => true,
            Some(next) if descending => date > next,
            Some(next) => date < next,
        }
    }

    /// Folds a fact.
    pub(super) fn evolve(&mut self, fact: &BackfillFact, at: Timestamp) {
        match fact {
            BackfillFact::Begun { new, total, next } => {
                self.new = Some(new.clone());
                self.total = *total;
                self.next = *next;
                self.outbox.add(EffectKey::Listing(0), at);
            }
            BackfillFact::Commanded { id, outcome, .. } => {
                self.commands.record(*id, outcome.clone(), at);
            }
            BackfillFact::Started { dates, next } => {
                self.next = *next;
                for date in dates {
                    self.started = self.started.saturating_add(1);
                    self.running.push(*date);
                    self.outbox.add(fire(*date), at);
                }
            }
            BackfillFact::Created { date } => drop(self.outbox.remove(&fire(Time(*date)))),
            BackfillFact::Ended { date, state } => self.end_run(Time(*date), *state),
            BackfillFact::Refused { date, why } => {
                self.problem = Some(why.clone());
                self.end(Time(*date), self.refused());
            }
            BackfillFact::DependentsStarted { date, dependents } => {
                self.start_below(Time(*date), dependents, at);
            }
            BackfillFact::DependentCreated { date, dependent } => {
                let key = EffectKey::FireDependent(dated(Time(*date), *dependent));
                self.outbox.remove(&key);
            }
            BackfillFact::DependentEnded {
                date,
                dependent,
                state,
            } => self.end_below(Time(*date), *dependent, *state),
            BackfillFact::DependentRefused {
                date,
                dependent,
                why,
            } => {
                self.problem = Some(why.clone());
                self.end_below(Time(*date), *dependent, self.refused());
            }
            BackfillFact::DateEnded { date, state } => self.end(Time(*date), *state),
            BackfillFact::Paused => self.paused = true,
            BackfillFact::Resumed => self.paused = false,
            BackfillFact::Killed { by } => self.kill(by, at),
            BackfillFact::Halted { reason } => {
                self.halted = true;
                self.problem = Some(reason.clone());
            }
            BackfillFact::Over { state } => {
                self.over = Some(*state);
                self.ended = Some(Time(at));
            }
            BackfillFact::Listed => drop(self.outbox.remove(&EffectKey::Listing(0))),
        }
    }

    /// How a run ends that cannot be created.
    fn refused(&self) -> RunState {
        if self.killed_by.is_some() {
            RunState::Canceled
        } else {
            RunState::Failed
        }
    }

    /// The run of a date itself is over: the date with it, unless workflows go along.
    fn end_run(&mut self, date: Time, how: RunState) {
        let along = self
            .new
            .as_ref()
            .is_some_and(|new| !new.dependents().is_empty());
        if how != RunState::Succeeded || !along || !self.is_running(date.0) {
            return self.end(date, how);
        }
        self.outbox.remove(&fire(date));
        self.outbox.remove(&stop(date));
        self.below.insert(date, Stage::default());
    }

    fn start_below(&mut self, date: Time, dependents: &[u32], at: Timestamp) {
        let Some(stage) = self.below.get_mut(&date) else {
            return;
        };
        for number in dependents {
            stage.runs.insert(*number, None);
            let key = EffectKey::FireDependent(dated(date, *number));
            self.outbox.add(key, at);
        }
    }

    fn end_below(&mut self, date: Time, dependent: u32, how: RunState) {
        if !self.is_below(date.0, dependent) {
            return;
        }
        let key = dated(date, dependent);
        self.outbox.remove(&EffectKey::FireDependent(key));
        self.outbox.remove(&EffectKey::StopDependent(key));
        if let Some(stage) = self.below.get_mut(&date) {
            stage.runs.insert(dependent, Some(how));
        }
    }

    /// A date is over.
    fn end(&mut self, date: Time, how: RunState) {
        let before = self.running.len();
        self.running.retain(|running| *running != date);
        if self.running.len() == before {
            return;
        }
        self.outbox.remove(&fire(date));
        self.outbox.remove(&stop(date));
        if how == RunState::Succeeded {
            self.succeeded = self.succeeded.saturating_add(1);
            self.below.remove(&date);
        } else {
            self.failed.insert(date, how);
        }
    }

    /// Every run that may be there is stopped: what would create one later finds it stopped.
    fn kill(&mut self, by: &Actor, at: Timestamp) {
        self.killed_by = Some(by.clone());
        if mutant::on(Mutant::BackfillSparesUncreated) {
            let outbox = &self.outbox;
            self.running.retain(|date| !outbox.contains(&fire(*date)));
        }
        for date in self.running.clone() {
            let Some(stage) = self.below.get(&date) else {
                self.outbox.remove(&fire(date));
                self.outbox.add(stop(date), at);
                continue;
            };
            for number in stage.running() {
                let key = dated(date, number);
                self.outbox.remove(&EffectKey::FireDependent(key));
                self.outbox.add(EffectKey::StopDependent(key), at);
            }
        }
    }
}

fn fire(date: Time) -> EffectKey {
    EffectKey::Fire(date.0.as_millisecond())
}

fn stop(date: Time) -> EffectKey {
    EffectKey::StopDated(date.0.as_millisecond())
}
