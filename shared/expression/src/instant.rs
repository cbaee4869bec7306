//! The instant that a run stands for, and the names that follow from it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::date;

/// The logical date of a run, in the zone of its schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant(Zoned);

impl Instant {
    /// An instant as it is read in a zone.
    pub fn at(timestamp: Timestamp, zone: TimeZone) -> Self {
        Self(timestamp.to_zoned(zone))
    }

    /// A wall clock in a zone. One that a clock change skips is moved on by the length of the gap; of one that
    /// occurs twice the first is taken (RFC 5545, section 3.3.5).
    ///
    /// # Errors
    /// The instant is beyond what a timestamp can hold: at the very ends of the years -9999 and 9999.
    pub fn local(base: DateTime, zone: TimeZone) -> Result<Self, jiff::Error> {
        base.to_zoned(zone).map(Self)
    }

    /// The wall clock. Date expressions start from it.
    pub fn base(&self) -> DateTime {
        self.0.datetime()
    }

    /// The zone in which the wall clock is read.
    pub fn zone(&self) -> &TimeZone {
        self.0.time_zone()
    }

    /// The instant itself.
    pub fn timestamp(&self) -> Timestamp {
        self.0.timestamp()
    }
}

impl From<Zoned> for Instant {
    fn from(zoned: Zoned) -> Self {
        Self(zoned)
    }
}

/// The value of a name that every run has, lowest in precedence; `None` for any other name.
///
/// | name | value |
/// | --- | --- |
/// | `logical_date` | RFC 3339 with the zone's offset, `2026-03-28T02:30:00+01:00` |
/// | `system.biz.date` | the day before, `yyyyMMdd` |
/// | `system.biz.curdate` | the day, `yyyyMMdd` |
/// | `system.datetime` | `yyyyMMddHHmmss` |
///
/// Names that tell one run or task from another, such as `system.task.instance.id`, come from the caller's scope.
pub fn builtin(name: &str, instant: &Instant) -> Option<String> {
    let base = instant.base();
    match name {
        "logical_date" => {
            let timestamp = instant.timestamp();
            Some(
                timestamp
                    .display_with_offset(instant.0.offset())
                    .to_string(),
            )
        }
        "system.biz.date" => date::compact_date(base.yesterday().ok()?),
        "system.biz.curdate" => date::compact_date(base),
        "system.datetime" => date::compact_date_time(base),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(base: &str) -> Instant {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Instant::local(base.parse().unwrap(), zone).unwrap()
    }

    #[test]
    fn built_ins_follow_from_the_wall_clock() {
        let instant = berlin("2024-03-01T02:30:05");
        let value = |name| builtin(name, &instant);
        assert_eq!(value("system.biz.date").unwrap(), "20240229");
        assert_eq!(value("system.biz.curdate").unwrap(), "20240301");
        assert_eq!(value("system.datetime").unwrap(), "20240301023005");
        assert_eq!(value("system.task.instance.id"), None);
    }

    #[test]
    fn the_logical_date_carries_the_offset_of_its_day() {
        let summer = berlin("2026-07-01T00:00:00");
        let winter = berlin("2026-01-01T00:00:00");
        let shown = |instant| builtin("logical_date", instant).unwrap();
        assert_eq!(shown(&summer), "2026-07-01T00:00:00+02:00");
        assert_eq!(shown(&winter), "2026-01-01T00:00:00+01:00");
    }

    #[test]
    fn both_passes_of_a_repeated_hour_are_told_apart() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let second = Instant::at("2026-10-25T01:30:00Z".parse().unwrap(), zone);
        let shown = builtin("logical_date", &second).unwrap();
        assert_eq!(shown, "2026-10-25T02:30:00+01:00");
        let first = builtin("logical_date", &berlin("2026-10-25T02:30:00")).unwrap();
        assert_eq!(first, "2026-10-25T02:30:00+02:00");
    }
}
