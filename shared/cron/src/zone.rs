//! From local times to instants: the search over the stretches of constant offset of a time zone.
//!
//! A stretch runs from one transition of the zone to the next. Within it local and absolute time differ by a
//! constant, so a search of the calendar answers at once. Stretches in which nothing can fire are leapt over.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::calendar::Calendar;

/// No zone is further from UTC than this.
const OFFSET_MAX: SignedDuration = SignedDuration::from_hours(26);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// In which of its two occurrences a repeated local time fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passes {
    Second,
    Both,
}

/// The fires of a [`Cron`](crate::Cron) in a time zone, oldest first, without end or until the year 2099 is over.
#[derive(Debug, Clone)]
pub struct Fires<'c> {
    calendar: &'c Calendar,
    passes: Passes,
    zone: TimeZone,
    /// The stretch that contains `from`; `None` when there is nothing more to find.
    stretch: Option<Stretch>,
    /// The next instant to look at, in whole seconds.
    from: Timestamp,
}

impl<'c> Fires<'c> {
    pub(crate) fn new(
        calendar: &'c Calendar,
        passes: Passes,
        after: Timestamp,
        zone: TimeZone,
    ) -> Self {
        let from = whole_second(after).and_then(|second| second.checked_add(SECOND).ok());
        Self {
            calendar,
            passes,
            stretch: from.map(|from| Stretch::containing(from, &zone, passes)),
            from: from.unwrap_or(Timestamp::MAX),
            zone,
        }
    }

    /// Leaves a stretch that holds nothing more: to the next one, or to the one where something may fire.
    fn leap(&mut self, stretch: &Stretch) -> Option<()> {
        let end = stretch.end?;
        let earliest_local = Offset::UTC.to_datetime(end).saturating_sub(OFFSET_MAX);
        let candidate = utc(self.calendar.at_or_after(earliest_local)?)?;
        self.from = end.max(candidate.checked_sub(OFFSET_MAX).ok()?);
        self.stretch = Some(Stretch::containing(self.from, &self.zone, self.passes));
        Some(())
    }
}

impl Iterator for Fires<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        while let Some(stretch) = self.stretch.take() {
            let Some(fire) = stretch.first_at_or_after(self.from, self.calendar) else {
                self.leap(&stretch)?;
                continue;
            };
            // At the very end of the stretch the next search finds nothing in it, and leaps.
            if let Ok(from) = fire.checked_add(SECOND) {
                self.from = from;
                self.stretch = Some(stretch);
            }
            return Some(fire);
        }
        None
    }
}

/// The latest fire after `from_exclusive` and at or before `to_inclusive`.
pub(crate) fn last_within(
    calendar: &Calendar,
    passes: Passes,
    from_exclusive: Timestamp,
    to_inclusive: Timestamp,
    zone: &TimeZone,
) -> Option<Timestamp> {
    let mut to = whole_second(to_inclusive)?;
    while to > from_exclusive {
        let stretch = Stretch::containing(to, zone, passes);
        let start = Stretch::start(to, zone);
        if let Some(fire) = stretch.last_within(start, to, calendar) {
            return (fire > from_exclusive).then_some(fire);
        }
        let before = start?.checked_sub(SECOND).ok()?;
        let latest_local = Offset::UTC.to_datetime(before).saturating_add(OFFSET_MAX);
        let candidate = utc(calendar.at_or_before(latest_local)?)?;
        to = before.min(candidate.checked_add(OFFSET_MAX).ok()?);
    }
    None
}

/// A time of constant offset.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    offset: Offset,
    /// Exclusive; `None` if the offset never changes again.
    end: Option<Timestamp>,
    /// Exclusive: local times from here on do not fire in this stretch, as it is over or the next repeats them.
    local_end: DateTime,
}

impl Stretch {
    fn containing(at: Timestamp, zone: &TimeZone, passes: Passes) -> Self {
        let offset = zone.to_offset(at);
        let Some(next) = zone.following(at).next() else {
            return Self {
                offset,
                end: None,
                local_end: DateTime::MAX,
            };
        };
        let end = next.timestamp();
        let over = offset.to_datetime(end);
        let local_end = match passes {
            Passes::Both => over,
            Passes::Second => over.min(next.offset().to_datetime(end)),
        };
        Self {
            offset,
            end: Some(end),
            local_end,
        }
    }

    /// The start of the stretch that contains `at`; `None` if the offset had never changed before.
    fn start(at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let just_after = at.checked_add(SECOND).ok()?;
        Some(zone.preceding(just_after).next()?.timestamp())
    }

    fn first_at_or_after(&self, from: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
        let local = calendar.at_or_after(self.offset.to_datetime(from))?;
        (local < self.local_end).then(|| self.offset.to_timestamp(local).ok())?
    }

    fn last_within(
        &self,
        start: Option<Timestamp>,
        to: Timestamp,
        calendar: &Calendar,
    ) -> Option<Timestamp> {
        let latest = self
            .offset
            .to_datetime(to)
            .min(self.local_end.saturating_sub(SECOND));
        let fire = self
            .offset
            .to_timestamp(calendar.at_or_before(latest)?)
            .ok()?;
        start.is_none_or(|start| fire >= start).then_some(fire)
    }
}

fn utc(local: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(local).ok()
}

/// The last whole second at or before `at`.
fn whole_second(at: Timestamp) -> Option<Timestamp> {
    let second = at.as_second();
    let second = if at.subsec_nanosecond() < 0 {
        second - 1
    } else {
        second
    };
    Timestamp::from_second(second).ok()
}
