//! The instants of a spec.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use porpoise_cron::CronError;
use porpoise_model::limits::{SCHEDULE_FIRES_MAX, SCHEDULE_GRACE_SECONDS};
use porpoise_model::workflow::MissedFires;

use super::calendar::{Fires, before};
use super::fact::Missed;
use crate::input::Spec;

/// Up to this long after an instant it is on time.
pub const GRACE: SignedDuration = SignedDuration::from_secs(SCHEDULE_GRACE_SECONDS);

/// Instants that a preview of what a calendar changes looks at.
const CHANGED_LOOKED_AT_MAX: usize = 10_000;

/// A spec that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// No such expression.
    #[error("`{0}` is not a cron expression: {1}")]
    Cron(String, #[source] CronError),
    /// No such zone.
    #[error("`{0}` is not a time zone")]
    TimeZone(String),
}

/// The next instants of a spec after a time, at most `limit`: a preview. Empty when the spec cannot be read.
pub fn upcoming(spec: &Spec, after: Timestamp, limit: usize) -> Vec<Timestamp> {
    let instants = Instants::of(spec);
    instants.map_or_else(|_| Vec::new(), |instants| instants.upcoming(after, limit))
}

/// The instants of a spec's cron between two times that lie on days which its calendar excludes, at most `limit`: each
/// with the day on which it is instead, if it is not skipped. A preview.
pub fn changed_days(
    spec: &Spec,
    after: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Vec<(Timestamp, Option<Date>)> {
    let plain = Fires::of(&spec.cron, &spec.timezone, None);
    let ruled = Fires::of(&spec.cron, &spec.timezone, spec.calendar.as_ref());
    let (Ok(plain), Ok(ruled)) = (plain, ruled) else {
        return Vec::new();
    };
    let instants = plain.between(after, until, CHANGED_LOOKED_AT_MAX);
    let excluded = instants.into_iter().filter(|at| ruled.excludes(*at));
    let changed = excluded.map(|at| (at, ruled.moved_to(at)));
    changed.take(limit).collect()
}

/// A spec, read: a set of instants.
#[derive(Debug, Clone)]
pub struct Instants {
    fires: Fires,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// What is due, and what is to be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) fire: Vec<Timestamp>,
    pub(super) missed: Option<Missed>,
}

impl Instants {
    /// Reads a spec.
    ///
    /// # Errors
    /// Its cron or its time zone is none.
    pub fn of(spec: &Spec) -> Result<Self, SpecError> {
        Ok(Self {
            fires: Fires::of(&spec.cron, &spec.timezone, spec.calendar.as_ref())?,
            start: spec.start,
            end: spec.end,
        })
    }

    /// The first instant after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.fires.next_after(self.not_before(after))?;
        self.end.is_none_or(|end| next < end).then_some(next)
    }

    fn upcoming(&self, after: Timestamp, limit: usize) -> Vec<Timestamp> {
        let until = self.end.map_or(Timestamp::MAX, before);
        self.fires.between(self.not_before(after), until, limit)
    }

    /// What is due at `now` of the instants after `after`. What was missed costs nothing, however much it is.
    pub(super) fn due(&self, after: Timestamp, now: Timestamp, missed: MissedFires) -> Due {
        let after = self.not_before(after);
        let until = self.end.map_or(now, |end| now.min(before(end)));
        let late = before(now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let on_time = self
            .fires
            .between(after.max(late), until, SCHEDULE_FIRES_MAX);
        let latest = self.fires.previous_at_or_before(late.min(until), after);
        let mut due = Due::default();
        if let Some(latest) = latest {
            let last = match missed {
                MissedFires::Latest => {
                    due.fire.push(latest);
                    self.fires.previous_at_or_before(before(latest), after)
                }
                MissedFires::Skip => Some(latest),
            };
            due.missed = last.map(|to| Missed {
                from: self.fires.next_after(after).unwrap_or(to),
                to,
            });
        }
        due.fire.extend(on_time);
        due
    }

    /// The later of a time and of the one just before the start: an instant at the start fires.
    fn not_before(&self, after: Timestamp) -> Timestamp {
        self.start.map_or(after, |start| after.max(before(start)))
    }
}
