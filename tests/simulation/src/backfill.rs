//! Backfills as a naive reader of the logs understands them: which dates started, which run each has, how those ended; and
//! the same of the workflows that go along.

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use porpoise_engine::Aggregate as _;
use porpoise_engine::backfill::{AfterFailure, Backfill, BackfillFact, NewBackfill, State};
use porpoise_engine::effect::{NewRun, Trigger};
use porpoise_engine::record::Record;
use porpoise_engine::run::RunFact;
use porpoise_engine::run::state::Time;
use porpoise_model::{Address, CommandId, RunId, RunState};

use crate::check::Folded;
use crate::naive::Wrong;

const DATES: &str = "one-run-per-date";

/// All of them.
#[derive(Default)]
pub(crate) struct Backfills {
    pub(crate) folded: BTreeMap<Address, Folded<Backfill>>,
    diaries: BTreeMap<Address, Diary>,
    /// Which run stands for a date, in milliseconds: that of the workflow itself, or of a dependent.
    runs: BTreeMap<(Address, i64, Option<u32>), RunId>,
    dates: BTreeSet<RunId>,
    /// In which states each run has ended.
    ended: BTreeMap<RunId, BTreeSet<RunState>>,
    /// Those whose beginning was acknowledged.
    pub(crate) begun: BTreeSet<Address>,
}

/// What its facts say of one.
#[derive(Debug, Default)]
struct Diary {
    new: Option<NewBackfill>,
    started: Vec<i64>,
    /// Started, and not said to have ended.
    there: BTreeSet<i64>,
    bad: bool,
    paused: bool,
    killed: bool,
    over: Option<RunState>,
    /// Of each date whose own run has succeeded: the dependents that started, and how they ended.
    below: BTreeMap<i64, BTreeMap<u32, Option<RunState>>>,
}

/// The end that a backfill heard of is one that the run told.
fn told(
    runs: &BTreeMap<(Address, i64, Option<u32>), RunId>,
    ended: &BTreeMap<RunId, BTreeSet<RunState>>,
    which: (Address, i64, Option<u32>),
    state: RunState,
) -> Result<(), Wrong> {
    let ended = runs.get(&which).and_then(|run| ended.get(run));
    if ended.is_some_and(|ended| ended.contains(&state)) {
        return Ok(());
    }
    Err((DATES, format!("{which:?} ended {state}, its run {ended:?}")))
}

impl Backfills {
    /// A run is created.
    pub(crate) fn created(&mut self, new: &NewRun) -> Result<(), Wrong> {
        let Trigger::Backfill {
            backfill,
            dependent,
        } = &new.trigger
        else {
            return Ok(());
        };
        let project = dependent.map_or(new.project, |along| along.project);
        let address = Address::backfill(project, *backfill);
        let date = new.logical_date.as_millisecond();
        let number = dependent.map(|along| along.number);
        if let Some(other) = self.runs.insert((address, date, number), new.run) {
            let what = format!("{} has runs {other} and {}", new.logical_date, new.run);
            return Err((DATES, what));
        }
        self.dates.insert(new.run);
        if let Some(number) = number {
            return self.created_below(new, address, number);
        }
        let diary = self.diaries.entry(address).or_default();
        if !diary.there.contains(&date) || diary.below.contains_key(&date) {
            let what = format!(
                "{} of {address} has a run and did not start",
                new.logical_date
            );
            return Err((DATES, what));
        }
        let pinned = diary.new.as_ref().and_then(|new| new.like.version);
        if new.version != pinned {
            let what = format!("{} runs another version than {pinned:?}", new.run);
            return Err((DATES, what));
        }
        let open = diary.there.iter().filter(|date| {
            let run = self.runs.get(&(address, **date, None));
            run.is_some_and(|run| !self.ended.contains_key(run))
        });
        let most = diary.new.as_ref().map_or(1, |new| new.parallel) as usize;
        if open.count() > most {
            let what = format!("more than {most} runs of {address} are there at once");
            return Err(("so-many-at-once", what));
        }
        Ok(())
    }

    /// A run says something of itself.
    pub(crate) fn read(&mut self, run: RunId, fact: &RunFact) {
        let state = match fact {
            RunFact::Ended { state, .. } => *state,
            RunFact::Discarded => RunState::Canceled,
            _ => return,
        };
        if self.dates.contains(&run) {
            self.ended.entry(run).or_default().insert(state);
        }
    }

    /// A record of a backfill: the commands in it.
    pub(crate) fn record(
        &mut self,
        address: Address,
        sequence: u64,
        record: &Record<BackfillFact>,
    ) -> Result<Vec<CommandId>, Wrong> {
        let folded = self.folded.entry(address);
        let folded = folded.or_insert_with(|| Folded::new(Arc::new(address.project)));
        folded.take(sequence, record)?;
        let diary = self.diaries.entry(address).or_default();
        let mut commands = Vec::new();
        for fact in &record.facts {
            if let Some(over) = diary.over
                && !matches!(fact, BackfillFact::Commanded { .. } | BackfillFact::Listed)
            {
                let what = format!("{address} is {over}, and then {fact:?}");
                return Err(("terminal-is-final", what));
            }
            match fact {
                BackfillFact::Begun { new, .. } => diary.new = Some((**new).clone()),
                BackfillFact::Commanded { id, .. } => commands.push(*id),
                BackfillFact::Started { dates, .. } => diary.start(address, dates)?,
                BackfillFact::Ended { date, state } => {
                    let date = date.as_millisecond();
                    told(&self.runs, &self.ended, (address, date, None), *state)?;
                    diary.end_run(address, date, *state)?;
                }
                BackfillFact::Refused { date, .. } => {
                    diary.end(address, date.as_millisecond(), false)?;
                }
                BackfillFact::DependentsStarted { date, dependents } => {
                    diary.go_on(address, date.as_millisecond(), dependents)?;
                }
                BackfillFact::DependentEnded {
                    date,
                    dependent,
                    state,
                } => {
                    let date = date.as_millisecond();
                    let run = (address, date, Some(*dependent));
                    told(&self.runs, &self.ended, run, *state)?;
                    diary.end_below(address, date, *dependent, *state)?;
                }
                BackfillFact::DependentRefused {
                    date, dependent, ..
                } => {
                    let date = date.as_millisecond();
                    diary.end_below(address, date, *dependent, RunState::Failed)?;
                }
                BackfillFact::DateEnded { date, state } => {
                    diary.end_date(address, date.as_millisecond(), *state)?;
                }
                BackfillFact::Killed { .. } => diary.killed = true,
                BackfillFact::Over { state } => diary.over(address, *state)?,
                BackfillFact::Paused => diary.paused = true,
                BackfillFact::Resumed => diary.paused = false,
                BackfillFact::Created { .. }
                | BackfillFact::DependentCreated { .. }
                | BackfillFact::Halted { .. }
                | BackfillFact::Listed => {}
            }
        }
        Ok(commands)
    }

    /// One that is open, and how it stands.
    pub(crate) fn open(&self) -> Option<(Address, &State)> {
        let open = |(_, folded): &(&Address, &Folded<Backfill>)| Backfill::is_open(&folded.state);
        let (address, folded) = self.folded.iter().find(open)?;
        Some((*address, &folded.state))
    }

    /// Paused, with nobody to resume them but a person.
    pub(crate) fn paused(&self) -> Vec<Address> {
        let paused = self
            .folded
            .iter()
            .filter(|(_, folded)| folded.state.paused && folded.state.over.is_none());
        paused.map(|(address, _)| *address).collect()
    }

    /// All that must be so once the world is at rest.
    pub(crate) fn last(&self) -> Result<(), Wrong> {
        for address in &self.begun {
            if !self.folded.contains_key(address) {
                let what = format!("{address} was acknowledged and has no log");
                return Err(("log-is-truth", what));
            }
        }
        for (address, diary) in &self.diaries {
            diary.whole(*address)?;
            for (date, number) in diary.all_started() {
                let run = self.runs.get(&(*address, date, number));
                if !run.is_some_and(|run| self.ended.contains_key(run)) {
                    let what = format!(
                        "{date}/{number:?} of {address} started, its run {run:?} never ended"
                    );
                    return Err((DATES, what));
                }
            }
        }
        Ok(())
    }
}

impl Diary {
    fn start(&mut self, address: Address, dates: &[Time]) -> Result<(), Wrong> {
        let Some(new) = &self.new else {
            return Err((DATES, format!("{address} starts dates before it began")));
        };
        for date in dates {
            let date = date.0.as_millisecond();
            let in_order = self.started.last().is_none_or(|last| match new.descending {
                true => date < *last,
                false => date > *last,
            });
            if !in_order || self.killed {
                let what = format!(
                    "{date} of {address} starts behind {:?}",
                    self.started.last()
                );
                return Err((DATES, what));
            }
            self.started.push(date);
            self.there.insert(date);
        }
        if self.there.len() > new.parallel as usize {
            let what = format!("{} dates of {address} are there at once", self.there.len());
            return Err(("so-many-at-once", what));
        }
        if self.bad && new.after_failure == AfterFailure::Stop {
            return Err((DATES, format!("{address} goes on behind a failure")));
        }
        Ok(())
    }

    fn end(&mut self, address: Address, date: i64, well: bool) -> Result<(), Wrong> {
        self.bad |= !well;
        if self.there.remove(&date) {
            return Ok(());
        }
        Err((DATES, format!("{date} of {address} ends and is not there")))
    }

    fn over(&mut self, address: Address, state: RunState) -> Result<(), Wrong> {
        self.over = Some(state);
        let how = match (self.killed, self.bad) {
            (true, _) => RunState::Canceled,
            (false, true) => RunState::Failed,
            (false, false) => RunState::Succeeded,
        };
        if how == state && self.there.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{address} is over as {state}, not {how}; {:?} are there",
            self.there
        );
        Err((DATES, what))
    }

    /// Every date has started, unless something kept it from that.
    fn whole(&self, address: Address) -> Result<(), Wrong> {
        let Some(new) = &self.new else {
            return Ok(());
        };
        let expected = new.dates.read(&new.like.timezone, new.descending);
        let expected = expected.map_or_else(|_| Vec::new(), |dates| dates.first(usize::MAX));
        let expected: Vec<i64> = expected.iter().map(|date| date.as_millisecond()).collect();
        let stops = self.bad && new.after_failure == AfterFailure::Stop;
        let whole = self.started == expected;
        if whole || ((stops || self.killed) && expected.starts_with(&self.started)) {
            return Ok(());
        }
        let what = format!("{address} started {:?} of {expected:?}", self.started);
        Err((DATES, what))
    }
}
