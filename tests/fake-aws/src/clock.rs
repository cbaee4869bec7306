//! What time it is: the machine's, or a test's.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Where the time of a fake comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The clock of the machine.
    Real,
    /// It stands still at this instant but for [`FakeAws::advance`](crate::FakeAws::advance).
    Virtual(Timestamp),
}

#[derive(Debug)]
pub(crate) struct Clock(Time);

impl Clock {
    pub(crate) const fn new(time: Time) -> Self {
        Self(time)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock of the fake")]
    pub(crate) fn now(&self) -> Timestamp {
        match self.0 {
            Time::Real => Timestamp::now(),
            Time::Virtual(now) => now,
        }
    }

    /// Has time pass, if it is a test's own.
    pub(crate) fn advance(&mut self, by: Duration) {
        if let Time::Virtual(now) = self.0 {
            self.0 = Time::Virtual(after(now, by));
        }
    }
}

/// An instant later, or the last one that there is.
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// From one instant to a later one; nothing if it is not later.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// As the protocols write it in bodies: seconds, with milliseconds behind the point.
pub(crate) fn seconds(at: Timestamp) -> serde_json::Value {
    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "milliseconds of our age have 41 bits"
    )]
    let millis = at.as_millisecond() as f64;
    (millis / 1000.0).into()
}

/// As events write it.
pub(crate) fn text(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
