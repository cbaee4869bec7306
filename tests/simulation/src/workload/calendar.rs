//! A calendar that some schedules follow, put now and then.

use jiff::civil::{Date, date};
use porpoise_model::Exclusions;
use porpoise_model::workflow::{ExcludedDay, Schedule};

use super::{Action, Workload, name};
use crate::random::Chance;
use crate::world::{BEGIN, SECOND};

/// What it is called.
pub(crate) const CALENDAR: &str = "closed";
/// The days around the one on which a simulation begins.
const DAYS: [Date; 4] = [
    date(2025, 12, 31),
    date(2026, 1, 1),
    date(2026, 1, 2),
    date(2026, 1, 3),
];

impl Workload {
    /// Lets some workflows follow the calendar, in each of their versions. Drawn from a generator of its own, so that
    /// a workload without schedules is what it would be without calendars.
    pub(super) fn add_calendar(&mut self, span: i64) {
        let mut chance = Chance::new(self.calm.unsigned_abs() ^ self.actions.len() as u64);
        let mut followed = false;
        let policies = [ExcludedDay::Skip, ExcludedDay::Next, ExcludedDay::Previous];
        let drawn = [chance.happens(0.4), chance.happens(0.4)];
        let policy = *chance.pick(&policies);
        let follow = |schedule: &mut Option<Schedule>, title: &str| {
            let at = usize::from(title.ends_with('1'));
            let Some(schedule) = schedule.as_mut().filter(|_| drawn[at]) else {
                return false;
            };
            (schedule.calendar, schedule.excluded) = (Some(name(CALENDAR)), policy);
            true
        };
        for workflow in &mut self.workflows {
            follow(&mut workflow.schedule, workflow.name.as_str());
        }
        for (_, action) in &mut self.actions {
            if let Action::Apply(workflow) = action {
                followed |= follow(&mut workflow.schedule, workflow.name.as_str());
            }
        }
        if !followed {
            return;
        }
        self.put(BEGIN + chance.below(5 * SECOND as u64) as i64, &mut chance);
        for _ in 0..chance.below(4) {
            let at = BEGIN + chance.below(span as u64) as i64;
            self.put(at, &mut chance);
        }
    }

    fn put(&mut self, at: i64, chance: &mut Chance) {
        let days = DAYS.into_iter().filter(|_| chance.happens(0.3));
        let days = Exclusions::new(days.collect(), []).expect("four days");
        self.actions.push((at, Action::Put(days)));
    }
}
