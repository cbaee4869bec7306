//! The instants of a spec.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use porpoise_cron::{Cron, CronError};
use porpoise_model::limits::{SCHEDULE_FIRES_MAX, SCHEDULE_GRACE_SECONDS};
use porpoise_model::workflow::MissedFires;

use super::fact::Missed;
use crate::input::Spec;

/// Up to this long after an instant it is on time.
pub const GRACE: SignedDuration = SignedDuration::from_secs(SCHEDULE_GRACE_SECONDS);
const INSTANT: SignedDuration = SignedDuration::from_nanos(1);

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
    let calendar = Calendar::of(spec);
    calendar.map_or_else(|_| Vec::new(), |calendar| calendar.upcoming(after, limit))
}

/// A spec, read: a set of instants.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    zone: TimeZone,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

/// What is due, and what is to be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) fire: Vec<Timestamp>,
    pub(super) missed: Option<Missed>,
}

impl Calendar {
    /// Reads a spec.
    ///
    /// # Errors
    /// Its cron or its time zone is none.
    pub fn of(spec: &Spec) -> Result<Self, SpecError> {
        let cron = Cron::parse(&spec.cron);
        let zone = TimeZone::get(&spec.timezone);
        Ok(Self {
            cron: cron.map_err(|error| SpecError::Cron(spec.cron.clone(), error))?,
            zone: zone.map_err(|_| SpecError::TimeZone(spec.timezone.clone()))?,
            start: spec.start,
            end: spec.end,
        })
    }

    /// The first instant after a time.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.cron.next_after(self.not_before(after), &self.zone)?;
        self.end.is_none_or(|end| next < end).then_some(next)
    }

    fn upcoming(&self, after: Timestamp, limit: usize) -> Vec<Timestamp> {
        let instants = self.cron.fires(self.not_before(after), &self.zone);
        let open = |instant: &Timestamp| self.end.is_none_or(|end| *instant < end);
        instants.take_while(open).take(limit).collect()
    }

    /// What is due at `now` of the instants after `after`. What was missed costs nothing, however much it is.
    pub(super) fn due(&self, after: Timestamp, now: Timestamp, missed: MissedFires) -> Due {
        let after = self.not_before(after);
        let until = self.end.map_or(now, |end| now.min(before(end)));
        let late = before(now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let on_time =
            self.cron
                .fires_between(after.max(late), until, SCHEDULE_FIRES_MAX, &self.zone);
        let latest = self
            .cron
            .previous_at_or_before(late.min(until), after, &self.zone);
        let mut due = Due::default();
        if let Some(latest) = latest {
            let last = match missed {
                MissedFires::Latest => {
                    due.fire.push(latest);
                    self.cron
                        .previous_at_or_before(before(latest), after, &self.zone)
                }
                MissedFires::Skip => Some(latest),
            };
            due.missed = last.map(|to| Missed {
                from: self.cron.next_after(after, &self.zone).unwrap_or(to),
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

fn before(at: Timestamp) -> Timestamp {
    at.checked_sub(INSTANT).unwrap_or(Timestamp::MIN)
}
