//! The workflows that go along with a backfill: each starts once for a date, behind those that it waits for.

use porpoise_engine::backfill::Dependent;
use porpoise_engine::effect::NewRun;
use porpoise_model::{Address, RunState};

use super::{Backfills, Diary};
use crate::naive::Wrong;

const ALONG: &str = "dependents-behind";

impl Backfills {
    /// A run of a dependent is created: everything that it waits for has succeeded, as the runs themselves said.
    pub(super) fn created_below(
        &self,
        new: &NewRun,
        address: Address,
        number: u32,
    ) -> Result<(), Wrong> {
        let date = new.logical_date.as_millisecond();
        let diary = self.diaries.get(&address);
        let started = diary.and_then(|diary| diary.below.get(&date)?.get(&number));
        let dependent = diary.and_then(|diary| diary.dependents().get(number as usize));
        let (Some(_), Some(dependent)) = (started, dependent) else {
            let what = format!("{number} of {address} has a run for {date} and did not start");
            return Err((ALONG, what));
        };
        if new.version != Some(dependent.version) || new.workflow != dependent.workflow {
            let what = format!("{} runs another version than {dependent:?}", new.run);
            return Err((ALONG, what));
        }
        let before = dependent.after.iter().copied().map(Some);
        for waited_for in std::iter::once(None).chain(before) {
            let run = self.runs.get(&(address, date, waited_for));
            let ended = run.and_then(|run| self.ended.get(run));
            if !ended.is_some_and(|ended| ended.contains(&RunState::Succeeded)) {
                let what = format!(
                    "{} is there for {date} of {address}, and {waited_for:?} ended {ended:?}",
                    new.run
                );
                return Err((ALONG, what));
            }
        }
        Ok(())
    }
}

impl Diary {
    fn dependents(&self) -> &[Dependent] {
        self.new.as_ref().map_or(&[], |new| new.dependents())
    }

    /// The run of a date itself is over.
    pub(super) fn end_run(
        &mut self,
        address: Address,
        date: i64,
        state: RunState,
    ) -> Result<(), Wrong> {
        if state != RunState::Succeeded || self.dependents().is_empty() {
            return self.end(address, date, state == RunState::Succeeded);
        }
        let again = self.below.insert(date, std::collections::BTreeMap::new());
        if again.is_some() || !self.there.contains(&date) {
            let what = format!("{date} of {address} goes on twice, or without having started");
            return Err((ALONG, what));
        }
        Ok(())
    }

    /// Whether a dependent may start for a date.
    fn may_start(&self, date: i64, number: u32) -> bool {
        let Some(below) = self.below.get(&date) else {
            return false;
        };
        let well = |number: &u32| below.get(number) == Some(&Some(RunState::Succeeded));
        let dependent = self.dependents().get(number as usize);
        !below.contains_key(&number)
            && dependent.is_some_and(|dependent| dependent.after.iter().all(well))
    }

    pub(super) fn go_on(
        &mut self,
        address: Address,
        date: i64,
        dependents: &[u32],
    ) -> Result<(), Wrong> {
        for number in dependents {
            let idle = self.paused || self.killed || !self.there.contains(&date);
            if idle || !self.may_start(date, *number) {
                let what = format!("{number} starts for {date} of {address}: {:?}", self.below);
                return Err((ALONG, what));
            }
        }
        if let Some(below) = self.below.get_mut(&date) {
            below.extend(dependents.iter().map(|number| (*number, None)));
        }
        Ok(())
    }

    pub(super) fn end_below(
        &mut self,
        address: Address,
        date: i64,
        number: u32,
        state: RunState,
    ) -> Result<(), Wrong> {
        let below = self.below.get_mut(&date);
        if let Some(open @ None) = below.and_then(|below| below.get_mut(&number)) {
            *open = Some(state);
            return Ok(());
        }
        let what = format!("{number} of {address} ends for {date} and is not there");
        Err((ALONG, what))
    }

    /// A date is over with all that goes along: nothing is there, nothing was forgotten.
    pub(super) fn end_date(
        &mut self,
        address: Address,
        date: i64,
        state: RunState,
    ) -> Result<(), Wrong> {
        let Some(below) = self.below.get(&date) else {
            let what = format!("{date} of {address} is over, and its run is not");
            return Err((ALONG, what));
        };
        let there = below.values().any(Option::is_none);
        let count = self.dependents().len();
        let forgotten = (0..count as u32).find(|number| self.may_start(date, *number));
        let well = below
            .values()
            .filter(|how| **how == Some(RunState::Succeeded));
        let whole = well.count() == count;
        if there || (forgotten.is_some() && !self.killed) || whole != (state == RunState::Succeeded)
        {
            let what = format!("{date} of {address} is over as {state}: {below:?} of {count}");
            return Err((ALONG, what));
        }
        self.end(address, date, whole)
    }

    /// All runs that started.
    pub(super) fn all_started(&self) -> impl Iterator<Item = (i64, Option<u32>)> {
        let own = self.started.iter().map(|date| (*date, None));
        let below = self
            .below
            .iter()
            .flat_map(|(date, below)| below.keys().map(|number| (*date, Some(*number))));
        own.chain(below)
    }
}
