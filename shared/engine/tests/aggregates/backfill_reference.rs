//! A backfill among runs that a naive world keeps: every effect may be carried out several times, late, or again after a
//! crash, every word comes twice. In the end each date that started has one run, in order, never too many at once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::{AfterFailure, Backfill, BackfillFact, Dates, NewBackfill};
use porpoise_engine::effect::Effect;
use porpoise_engine::input::BackfillCommand;
use porpoise_model::RunState;
use proptest::prelude::*;

use super::backfill_scenarios::{begin, day, days, ended, give, of};
use super::driver::Driver;

/// What the world does next, drawn.
#[derive(Debug, Clone)]
enum Move {
    /// Carries out this effect of the outbox; the backfill hears of it, or not.
    CarryOut(usize, bool),
    /// This run ends; the backfill hears of it, or not yet.
    End(usize, bool, bool),
    /// A run repeats how it ended.
    Repeat(usize),
    Command(u8, BackfillCommand),
    Restart,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let commands = vec![
        BackfillCommand::Pause,
        BackfillCommand::Resume,
        BackfillCommand::Resume,
        BackfillCommand::Kill,
    ];
    let one = prop_oneof![
        4 => (0_usize..64, any::<bool>()).prop_map(|(at, heard)| Move::CarryOut(at, heard)),
        4 => (0_usize..64, prop::bool::weighted(0.8), any::<bool>())
            .prop_map(|(at, well, heard)| Move::End(at, well, heard)),
        2 => (0_usize..64).prop_map(Move::Repeat),
        1 => (0_u8..8, prop::sample::select(commands)).prop_map(|(id, what)| Move::Command(id, what)),
        1 => Just(Move::Restart),
    ];
    prop::collection::vec(one, 0..60)
}

#[derive(Debug)]
struct World {
    backfill: Driver<Backfill>,
    /// Runs that were created, and how they ended.
    runs: BTreeMap<Timestamp, Option<RunState>>,
    killed: BTreeSet<Timestamp>,
    /// Commands do not repeat ids with another meaning.
    given: BTreeMap<u8, BackfillCommand>,
}

impl World {
    fn carry_out(&mut self, at: usize, heard: bool) {
        let keys: Vec<_> = self
            .backfill
            .state
            .outbox
            .iter()
            .map(|(key, _)| key)
            .collect();
        let Some(key) = keys.get(at % keys.len().max(1)) else {
            return;
        };
        match Backfill::effect(&self.backfill.state, &super::driver::project(), *key).unwrap() {
            Effect::CreateRun(new) => {
                self.runs.entry(new.logical_date).or_insert(None);
            }
            Effect::StopRun { new, .. } => {
                let run = self.runs.entry(new.logical_date).or_insert(None);
                run.get_or_insert(RunState::Canceled);
                self.killed.insert(new.logical_date);
                return;
            }
            _ => {}
        }
        if heard {
            self.backfill.give(&[Backfill::acknowledged(*key)]);
        }
    }

    fn end(&mut self, at: usize, well: bool, heard: bool) {
        let open: Vec<Timestamp> = self
            .runs
            .iter()
            .filter(|(_, how)| how.is_none())
            .map(|(date, _)| *date)
            .collect();
        let Some(date) = open.get(at % open.len().max(1)) else {
            return;
        };
        let how = if well {
            RunState::Succeeded
        } else {
            RunState::Failed
        };
        self.runs.insert(*date, Some(how));
        if heard {
            self.backfill.give(&[ended(*date, how)]);
        }
    }

    fn repeat(&mut self, at: usize) {
        let over: Vec<(Timestamp, RunState)> = self
            .runs
            .iter()
            .filter_map(|(date, how)| Some((*date, (*how)?)))
            .collect();
        if let Some((date, how)) = over.get(at % over.len().max(1)) {
            self.backfill
                .give(&[ended(*date, *how), ended(*date, *how)]);
        }
    }

    fn step(&mut self, next: &Move) {
        match next {
            Move::CarryOut(at, heard) => self.carry_out(*at, *heard),
            Move::End(at, well, heard) => self.end(*at, *well, *heard),
            Move::Repeat(at) => self.repeat(*at),
            Move::Command(id, what) => {
                let what = *self.given.entry(*id).or_insert(*what);
                self.backfill.give(&[give(*id, what)]);
            }
            Move::Restart => self.backfill.restart(),
        }
    }

    /// Everything that is left happens, and whoever paused it resumes it.
    fn finish(&mut self) {
        for round in 0..200_u8 {
            if self.backfill.state.paused {
                self.backfill
                    .give(&[give(100 + round, BackfillCommand::Resume)]);
            }
            while !self.backfill.state.outbox.is_empty() {
                let before = self.backfill.state.outbox.len();
                self.carry_out(0, true);
                (0..self.runs.len()).for_each(|at| self.repeat(at));
                if self.backfill.state.outbox.len() >= before {
                    self.carry_out(1, true);
                }
            }
            self.end(0, true, true);
            (0..self.runs.len()).for_each(|at| self.repeat(at));
            if !Backfill::is_open(&self.backfill.state) {
                return;
            }
        }
        panic!("it has no end: {:?}", self.backfill.state);
    }
}

/// The dates that started, in their order; and that no more than so many were there at once, counted from the facts.
fn started(world: &World, parallel: usize) -> Vec<Timestamp> {
    let (mut started, mut there) = (Vec::new(), BTreeSet::new());
    for fact in world.backfill.log.iter().flat_map(|record| &record.facts) {
        match fact {
            BackfillFact::Started { dates, .. } => {
                started.extend(dates.iter().map(|date| date.0));
                there.extend(dates.iter().map(|date| date.0));
                assert!(there.len() <= parallel, "{there:?}");
            }
            BackfillFact::Ended { date, .. } | BackfillFact::Refused { date, .. } => {
                assert!(there.remove(date), "{date} ends and was not there");
            }
            _ => {}
        }
    }
    assert!(there.is_empty(), "{there:?} never ended");
    started
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_date_has_one_run_whatever_comes_twice_or_late(
        moves in moves(), count in 0_i64..9, parallel in 1_u32..4, descending: bool, listed: bool, goes_on: bool,
    ) {
        let mut expected: Vec<Timestamp> = (1..=count).map(day).collect();
        if descending {
            expected.reverse();
        }
        let dates = match (listed, count) {
            (true, _) | (_, 0) => Dates::list(expected.clone()),
            (false, _) => days(count),
        };
        let after_failure = if goes_on { AfterFailure::Continue } else { AfterFailure::Stop };
        let new = NewBackfill { descending, after_failure, ..of(dates, parallel) };
        let mut world = World {
            backfill: Driver::new(), runs: BTreeMap::new(), killed: BTreeSet::new(), given: BTreeMap::new(),
        };
        world.backfill.give(&[begin(new)]);
        for next in &moves {
            world.step(next);
        }
        world.finish();
        let started = started(&world, usize::try_from(parallel).unwrap());
        prop_assert!(expected.starts_with(&started), "{started:?} of {expected:?}");
        let runs: BTreeSet<Timestamp> = world.runs.keys().copied().collect();
        prop_assert_eq!(&runs, &started.iter().copied().collect());
        prop_assert!(world.runs.values().all(Option::is_some), "a run goes on behind it");
        let bad = world.runs.values().filter(|how| **how != Some(RunState::Succeeded)).count();
        let state = &world.backfill.state;
        prop_assert_eq!(state.failed.len(), bad);
        prop_assert_eq!(usize::try_from(state.succeeded).unwrap(), runs.len() - bad);
        let whole = started.len() == expected.len();
        let how = match (state.killed_by.is_some(), bad) {
            (true, _) => RunState::Canceled,
            (false, 0) => RunState::Succeeded,
            (false, _) => RunState::Failed,
        };
        prop_assert_eq!(state.run_state(), how);
        prop_assert!(whole || how == RunState::Canceled || (bad > 0 && !goes_on));
    }
}
