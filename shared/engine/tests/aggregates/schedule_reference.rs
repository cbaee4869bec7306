//! Schedules against a naive enumeration of every instant, over stops, clocks that jump, repeats and restarts.

use std::collections::BTreeSet;

use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use porpoise_cron::Cron;
use porpoise_engine::EffectKey;
use porpoise_engine::aggregate::Aggregate;
use porpoise_engine::effect::Effect;
use porpoise_engine::input::{ScheduleCommand, ScheduleInput, Spec};
use porpoise_engine::schedule::{CalendarChange, Observed, Schedule, ScheduleFact};
use porpoise_model::workflow::{ExcludedDay, MissedFires};
use porpoise_model::{Exclusions, RunId};
use proptest::prelude::*;

use super::driver::{Driver, command, midnight};
use super::schedule_scenarios::{set, spec, switch};

const CRONS: [&str; 5] = [
    "* * * * *",
    "*/7 * * * *",
    "0/20 * * * * ?",
    "15 * * * *",
    "30 2 * * *",
];

#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Sleep(i64),
    Deadline,
    Jump(i64),
    Link(u32),
    Set(usize, bool, Option<i64>, Option<i64>, Option<ExcludedDay>),
    Online,
    Offline,
    Unset,
    /// The calendar is put: so many days from yesterday on are excluded, as the bits say.
    Put(u8),
    /// What it was is told again.
    Tell(usize),
    Done(usize),
    Repeat(usize),
    Restart,
}

fn policy() -> impl Strategy<Value = ExcludedDay> {
    prop::sample::select(vec![
        ExcludedDay::Skip,
        ExcludedDay::Next,
        ExcludedDay::Previous,
    ])
}

/// Of the days from yesterday on those whose bit is set.
fn days(bits: u8) -> Exclusions {
    let first = date(2026, 3, 1).series(jiff::Span::new().days(1)).take(8);
    let excluded = first.zip(0..).filter(|(_, at)| bits & (1 << at) != 0);
    Exclusions::new(excluded.map(|(day, _)| day).collect(), []).unwrap()
}

fn step() -> impl Strategy<Value = Step> {
    let cron = (
        0..CRONS.len(),
        any::<bool>(),
        prop::option::weighted(0.2, 0_i64..7_200),
        prop::option::weighted(0.2, 0_i64..20_000),
        prop::option::weighted(0.5, policy()),
    );
    prop_oneof![
        6 => Just(Step::Deadline),
        4 => (0_i64..200).prop_map(Step::Pass),
        2 => (0_i64..20_000).prop_map(Step::Pass),
        2 => (0_i64..4_000).prop_map(Step::Sleep),
        2 => (-4_000_i64..0).prop_map(Step::Jump),
        2 => (0_u32..6).prop_map(Step::Link),
        1 => cron.prop_map(|(at, skip, start, end, policy)| Step::Set(at, skip, start, end, policy)),
        1 => Just(Step::Online),
        1 => Just(Step::Offline),
        1 => Just(Step::Unset),
        1 => (0_u8..16).prop_map(Step::Put),
        1 => any::<usize>().prop_map(Step::Tell),
        4 => any::<usize>().prop_map(Step::Done),
        2 => any::<usize>().prop_map(Step::Repeat),
        1 => Just(Step::Restart),
    ]
}

/// What a schedule would be if nothing cost anything.
#[derive(Debug, Default)]
struct Reference {
    spec: Option<Spec>,
    online: bool,
    since: Option<Timestamp>,
    considered: Option<Timestamp>,
    fired: Vec<Timestamp>,
    /// The first and the last of each stretch that was passed over.
    missed: Vec<(Timestamp, Timestamp)>,
}

impl Reference {
    /// Every instant from midnight to now, one after the other.
    fn instants(spec: &Spec, now: Timestamp) -> Vec<Timestamp> {
        let cron = Cron::parse(&spec.cron).unwrap();
        let utc = jiff::tz::TimeZone::UTC;
        let mut instants = Vec::new();
        let mut at = midnight() - SignedDuration::from_hours(2);
        let Some(calendar) = &spec.calendar else {
            while let Some(next) = cron.next_after(at, &utc).filter(|next| *next <= now) {
                instants.push(next);
                at = next;
            }
            return instants;
        };
        // From the first day that may be excluded on; what moves back comes from no later than the last of them.
        let day = SignedDuration::from_hours(24);
        at -= day;
        let until = match calendar.policy {
            ExcludedDay::Skip | ExcludedDay::Next => now,
            ExcludedDay::Previous => now.max(midnight() + day * 3),
        };
        let excluded = |at: Timestamp| calendar.exclusions.contains(utc.to_datetime(at).date());
        while let Some(next) = cron.next_after(at, &utc).filter(|next| *next <= until) {
            at = next;
            let mut moved = next;
            while excluded(moved) {
                match calendar.policy {
                    ExcludedDay::Skip => break,
                    ExcludedDay::Next => moved += day,
                    ExcludedDay::Previous => moved -= day,
                }
            }
            if !excluded(moved) && moved <= now {
                instants.push(moved);
            }
        }
        instants.sort_unstable();
        instants.dedup();
        instants.retain(|at| *at >= midnight() - SignedDuration::from_hours(2));
        instants
    }

    fn tick(&mut self, now: Timestamp) {
        let Some(spec) = self.spec.as_ref().filter(|_| self.online) else {
            return;
        };
        let mut due = Self::instants(spec, now);
        due.retain(|at| self.since.is_none_or(|since| *at > since));
        due.retain(|at| self.considered.is_none_or(|considered| *at > considered));
        due.retain(|at| spec.start.is_none_or(|start| *at >= start));
        due.retain(|at| spec.end.is_none_or(|end| *at < end));
        let late = |at: &Timestamp| now.duration_since(*at) > SignedDuration::from_secs(60);
        let mut missed: Vec<Timestamp> = due.iter().copied().filter(late).collect();
        if spec.missed == MissedFires::Latest {
            self.fired.extend(missed.pop());
        }
        self.missed
            .extend(missed.first().copied().zip(missed.last().copied()));
        self.fired.extend(due.iter().filter(|at| !late(at)));
        self.considered = self.considered.max(due.last().copied());
    }

    fn put(&mut self, change: &CalendarChange, now: Timestamp) {
        let calendar = self.spec.as_mut().and_then(|spec| spec.calendar.as_mut());
        if let Some(calendar) = calendar.filter(|calendar| calendar.revision < change.revision) {
            calendar.revision = change.revision;
            calendar.exclusions = change.exclusions.clone();
            self.since = Some(now);
        }
    }

    fn command(&mut self, command: &ScheduleCommand, now: Timestamp) {
        match command {
            ScheduleCommand::Set { spec, .. } if self.spec.as_ref() == Some(&**spec) => {}
            ScheduleCommand::Set { spec, .. } => {
                if self.spec.is_none() {
                    self.online = true;
                }
                (self.spec, self.since) = (Some(Spec::clone(spec)), Some(now));
            }
            ScheduleCommand::Online if self.spec.is_some() && !self.online => {
                (self.online, self.since) = (true, Some(now));
            }
            ScheduleCommand::Online => {}
            ScheduleCommand::Offline => self.online = false,
            ScheduleCommand::Unset => (self.online, self.spec) = (false, None),
        }
    }
}

fn fired(schedule: &Driver<Schedule>) -> Vec<Timestamp> {
    let facts = schedule.log.iter().flat_map(|record| &record.facts);
    facts
        .flat_map(|fact| match fact {
            ScheduleFact::Came { fired, .. } => fired.iter().map(|at| at.0).collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn missed(schedule: &Driver<Schedule>) -> Vec<(Timestamp, Timestamp)> {
    let facts = schedule.log.iter().flat_map(|record| &record.facts);
    facts
        .filter_map(|fact| match fact {
            ScheduleFact::Came { missed, .. } => missed.map(|missed| (missed.from, missed.to)),
            _ => None,
        })
        .collect()
}

#[derive(Debug)]
struct World {
    schedule: Driver<Schedule>,
    naive: Reference,
    commands: Vec<ScheduleInput>,
    calendars: Vec<CalendarChange>,
    created: BTreeSet<RunId>,
    carried_out: usize,
}

impl World {
    fn give(&mut self, input: ScheduleInput) {
        self.schedule.give(&[input]);
    }

    fn command(&mut self, what: &ScheduleCommand) {
        let id = u8::try_from(self.commands.len()).unwrap();
        let input = match what.clone() {
            ScheduleCommand::Set { spec, .. } => set(id, *spec),
            other => switch(id, other),
        };
        self.naive.tick(self.schedule.now);
        self.naive.command(what, self.schedule.now);
        self.commands.push(input.clone());
        self.give(input);
    }

    fn tell(&mut self, change: CalendarChange) {
        self.naive.tick(self.schedule.now);
        self.naive.put(&change, self.schedule.now);
        self.give(ScheduleInput::CalendarChanged(Box::new(change)));
    }

    fn put(&mut self, bits: u8) {
        let change = CalendarChange {
            calendar: "bank".parse().unwrap(),
            revision: u64::try_from(self.calendars.len()).unwrap() + 1,
            exclusions: days(bits),
            actor: command(0, ()).actor,
        };
        self.calendars.push(change.clone());
        self.tell(change);
    }

    fn observed(&self, policy: ExcludedDay) -> Observed {
        let change = self.calendars.last().unwrap();
        Observed {
            calendar: change.calendar.clone(),
            revision: change.revision,
            policy,
            exclusions: change.exclusions.clone(),
        }
    }

    /// The shell creates the run of one pending instant; its word may come twice.
    fn carry_out(&mut self, at: usize) {
        let pending: Vec<EffectKey> = self
            .schedule
            .state
            .outbox
            .iter()
            .map(|(key, _)| key)
            .collect();
        if pending.is_empty() {
            self.give(ScheduleInput::Woken);
            return;
        }
        let at = at % pending.len();
        let Effect::CreateRun(new) = self.schedule.pending()[at].clone() else {
            panic!("a schedule only creates runs");
        };
        self.carried_out += 1;
        self.created.insert(new.run);
        self.give(ScheduleInput::Done(pending[at]));
        self.give(ScheduleInput::Done(pending[at]));
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Pass(seconds) | Step::Jump(seconds) => {
                self.schedule.pass(*seconds);
                self.give(ScheduleInput::Woken);
            }
            // Nobody wakes it: what comes next finds it late.
            Step::Sleep(seconds) => {
                self.schedule.pass(*seconds);
                return;
            }
            Step::Deadline => {
                if let Some(at) = Schedule::deadline(&self.schedule.state) {
                    self.schedule.now = at.max(self.schedule.now);
                }
                self.give(ScheduleInput::Woken);
            }
            Step::Link(generation) => {
                let instant = self.schedule.now;
                self.give(ScheduleInput::Fired {
                    generation: *generation,
                    instant,
                });
            }
            Step::Put(bits) => self.put(*bits),
            Step::Tell(at) => {
                let at = at % self.calendars.len();
                self.tell(self.calendars[at].clone());
            }
            Step::Set(cron, skip, start, end, policy) => {
                let after = |seconds: i64| midnight() + SignedDuration::from_secs(seconds);
                self.command(&ScheduleCommand::Set {
                    workflow: super::schedule_scenarios::workflow(),
                    workflow_name: "nightly".to_owned(),
                    spec: Box::new(Spec {
                        missed: if *skip {
                            MissedFires::Skip
                        } else {
                            MissedFires::Latest
                        },
                        start: start.map(after),
                        end: end.map(after),
                        calendar: policy.map(|policy| self.observed(policy)),
                        ..spec(CRONS[*cron])
                    }),
                });
            }
            Step::Online => self.command(&ScheduleCommand::Online),
            Step::Offline => self.command(&ScheduleCommand::Offline),
            Step::Unset => self.command(&ScheduleCommand::Unset),
            Step::Done(at) => self.carry_out(*at),
            Step::Repeat(at) => {
                let at = at % self.commands.len();
                self.give(self.commands[at].clone());
            }
            Step::Restart => {
                self.schedule.restart();
                return;
            }
        }
        self.naive.tick(self.schedule.now);
    }
}

proptest! {
    #[test]
    fn a_schedule_fires_what_the_naive_enumeration_does_and_nothing_twice(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut world = World {
            schedule: Driver::new(),
            naive: Reference::default(),
            commands: Vec::new(),
            calendars: Vec::new(),
            created: BTreeSet::new(),
            carried_out: 0,
        };
        world.act(&Step::Put(0b10));
        world.act(&Step::Set(0, false, None, None, None));
        for step in &steps {
            // Commands are remembered for a day, and the naive enumeration begins two hours before midnight: the
            // clock stays within both, whatever the longest jump.
            let since = world.schedule.now.duration_since(midnight());
            if since > SignedDuration::from_hours(20) || since < SignedDuration::from_mins(-50) {
                break;
            }
            world.act(step);
            if matches!(step, Step::Sleep(_) | Step::Restart) {
                continue;
            }
            prop_assert_eq!(missed(&world.schedule), world.naive.missed.clone());
            let fired = fired(&world.schedule);
            prop_assert_eq!(&fired, &world.naive.fired);
            prop_assert!(fired.is_sorted_by(|a, b| a < b), "an instant fired twice");
        }
        world.act(&Step::Pass(0));
        while !world.schedule.state.outbox.is_empty() {
            world.carry_out(0);
        }
        prop_assert_eq!(world.created.len(), world.naive.fired.len());
        prop_assert_eq!(world.carried_out, world.naive.fired.len());
        world.schedule.restart();
    }
}
