//! A backfill among runs that a naive world keeps: every effect may be carried out several times, late, or again after a
//! crash, every word comes twice. In the end each date that started has one run, in order, never too many at once; and so
//! has each workflow that goes along, behind those that it waits for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::backfill::{AfterFailure, Backfill, BackfillFact, Dates, NewBackfill};
use porpoise_engine::effect::{Effect, NewRun, Trigger};
use porpoise_engine::family::DateWord;
use porpoise_engine::input::{BackfillCommand, BackfillInput};
use porpoise_model::RunState;
use proptest::prelude::*;

use super::backfill_dependents::with;
use super::backfill_scenarios::{begin, day, days, ended, give};
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
    runs: BTreeMap<Which, Option<RunState>>,
    killed: BTreeSet<Which>,
    /// Behind whom each dependent comes.
    after: &'static [&'static [u32]],
    /// Commands do not repeat ids with another meaning.
    given: BTreeMap<u8, BackfillCommand>,
}

/// A run: of a date, or of a dependent for it.
type Which = (Timestamp, Option<u32>);

fn which(new: &NewRun) -> Which {
    let Trigger::Backfill { dependent, .. } = &new.trigger else {
        panic!("{:?}", new.trigger);
    };
    (new.logical_date, dependent.map(|along| along.number))
}

/// A run says how it ended.
fn says((date, dependent): Which, how: RunState) -> BackfillInput {
    match ended(date, how) {
        BackfillInput::Said(word) => BackfillInput::Said(DateWord { dependent, ..word }),
        other => other,
    }
}

impl World {
    /// Whether everything that a run waits for has succeeded.
    fn may_be_there(&self, (date, dependent): Which) -> bool {
        let Some(number) = dependent else {
            return true;
        };
        let own = std::iter::once((date, None));
        let before = self.after[usize::try_from(number).unwrap()].iter();
        let mut waits = own.chain(before.map(|number| (date, Some(*number))));
        waits.all(|which| self.runs.get(&which) == Some(&Some(RunState::Succeeded)))
    }

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
                self.runs.entry(which(&new)).or_insert(None);
            }
            Effect::CreateBehind { new, behind } => {
                let which = which(&new);
                assert!(self.may_be_there(which), "{which:?} is too early");
                let before = self.after[usize::try_from(which.1.unwrap()).unwrap()];
                assert_eq!(behind.len(), 1 + before.len());
                self.runs.entry(which).or_insert(None);
            }
            Effect::StopRun { new, .. } => {
                let run = self.runs.entry(which(&new)).or_insert(None);
                run.get_or_insert(RunState::Canceled);
                self.killed.insert(which(&new));
                return;
            }
            _ => {}
        }
        if heard {
            self.backfill.give(&[Backfill::acknowledged(*key)]);
        }
    }

    fn end(&mut self, at: usize, well: bool, heard: bool) {
        let open: Vec<Which> = self
            .runs
            .iter()
            .filter(|(_, how)| how.is_none())
            .map(|(which, _)| *which)
            .collect();
        let Some(which) = open.get(at % open.len().max(1)) else {
            return;
        };
        let how = if well {
            RunState::Succeeded
        } else {
            RunState::Failed
        };
        self.runs.insert(*which, Some(how));
        if heard {
            self.backfill.give(&[says(*which, how)]);
        }
    }

    fn repeat(&mut self, at: usize) {
        let over: Vec<(Which, RunState)> = self
            .runs
            .iter()
            .filter_map(|(which, how)| Some((*which, (*how)?)))
            .collect();
        if let Some((which, how)) = over.get(at % over.len().max(1)) {
            self.backfill
                .give(&[says(*which, *how), says(*which, *how)]);
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
            BackfillFact::Ended { date, state }
                if *state == RunState::Succeeded && !world.after.is_empty() =>
            {
                assert!(there.contains(date), "{date} goes on and was not there");
            }
            BackfillFact::Ended { date, .. }
            | BackfillFact::Refused { date, .. }
            | BackfillFact::DateEnded { date, .. } => {
                assert!(there.remove(date), "{date} ends and was not there");
            }
            _ => {}
        }
    }
    assert!(there.is_empty(), "{there:?} never ended");
    started
}

const AFTER: [&[&[u32]]; 5] = [
    &[],
    &[],
    &[&[]],
    &[&[], &[0], &[1]],
    &[&[], &[], &[0, 1], &[1]],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn each_date_has_one_run_whatever_comes_twice_or_late(
        moves in moves(), count in 0_i64..9, parallel in 1_u32..4, descending: bool, listed: bool, goes_on: bool,
        after in prop::sample::select(AFTER.to_vec()),
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
        let new = NewBackfill { descending, after_failure, dates, ..with(count, parallel, after) };
        let new = if after.is_empty() && listed { NewBackfill { dependents: None, ..new } } else { new };
        let mut world = World {
            backfill: Driver::new(), runs: BTreeMap::new(), killed: BTreeSet::new(), given: BTreeMap::new(), after,
        };
        world.backfill.give(&[begin(new)]);
        for next in &moves {
            world.step(next);
        }
        world.finish();
        let started = started(&world, usize::try_from(parallel).unwrap());
        prop_assert!(expected.starts_with(&started), "{started:?} of {expected:?}");
        let runs: BTreeSet<Timestamp> = world.runs.keys().map(|(date, _)| *date).collect();
        prop_assert_eq!(&runs, &started.iter().copied().collect());
        prop_assert!(world.runs.values().all(Option::is_some), "a run goes on behind it");
        let state = &world.backfill.state;
        let well = |which: Which| world.runs.get(&which) == Some(&Some(RunState::Succeeded));
        let all = || std::iter::once(None).chain((0..u32::try_from(after.len()).unwrap()).map(Some));
        let bad = runs.iter().filter(|date| !all().all(|one| well((**date, one)))).count();
        for date in &runs {
            for number in 0..u32::try_from(after.len()).unwrap() {
                let which = (*date, Some(number));
                let there = world.runs.contains_key(&which);
                // Whatever may start does, unless somebody killed it.
                prop_assert_eq!(there, world.may_be_there(which) && (there || state.killed_by.is_none()));
                prop_assert_eq!(state.dependent(*date, number), world.runs.get(&which).copied().flatten());
            }
            prop_assert_eq!(state.run(*date), world.runs[&(*date, None)]);
        }
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
