//! Schedules: cron, time zone, window.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use porpoise_cron::Cron;
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::workflow::{ExcludedDay, MissedFires, Schedule};

use super::context::{At, Reader};
use super::place;
use crate::fault::{FaultKind, quoted};
use crate::fields::SCHEDULE;
use crate::word;

impl Reader<'_> {
    /// A schedule; a field that is at fault has been reported, and is left out.
    pub(crate) fn schedule(&mut self, at: At<'_>) -> Option<Schedule> {
        let fields = self.object(at, &SCHEDULE)?;
        let cron = fields.get("cron").and_then(|at| self.cron(at));
        let zone = match fields.get("timezone") {
            None => Some(("UTC".to_owned(), TimeZone::UTC)),
            Some(at) => self.time_zone(at),
        };
        let local = zone
            .as_ref()
            .map_or(TimeZone::UTC, |(_, zone)| zone.clone());
        let start = fields.get("start").and_then(|at| self.instant(at, &local));
        let end = fields.get("end").and_then(|at| self.instant(at, &local));
        if let (Some(start), Some(end), Some(at)) = (start, end, fields.get("end"))
            && end <= start
        {
            self.fault(
                at,
                FaultKind::OutOfRange,
                "`end` is not after `start`",
                None,
            );
        }
        let missed = fields.get("missed").map(|at| self.word(at, word::MISSED));
        let offline = fields.get("offline").map(|at| self.boolean(at));
        let calendar = fields.get("calendar").map(|at| self.name(at));
        let named = fields.get("calendar");
        self.calendar =
            named.map(|at| place(&self.file, self.tree.spot(at.node), at.path.to_string()));
        let excluded = fields
            .get("excluded")
            .map(|at| self.word(at, word::EXCLUDED));
        if let (None, Some(at)) = (&calendar, fields.get("excluded")) {
            self.fault(
                at,
                FaultKind::MissingField,
                "`excluded` says what becomes of days that a calendar excludes, and no calendar is named",
                Some("name it with `calendar`".to_owned()),
            );
        }
        Some(Schedule {
            cron: cron?,
            timezone: zone?.0,
            start,
            end,
            missed: missed.unwrap_or(Some(MissedFires::default()))?,
            offline: offline.unwrap_or(Some(false))?,
            calendar: calendar.map_or(Some(None), |name| name.map(Some))?,
            excluded: excluded.unwrap_or(Some(ExcludedDay::default()))?,
        })
    }

    fn cron(&mut self, at: At<'_>) -> Option<String> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        match Cron::parse(text) {
            Ok(cron) => {
                if cron
                    .next_after(Timestamp::UNIX_EPOCH, &TimeZone::UTC)
                    .is_none()
                {
                    self.note(at, format!("{} never fires", quoted(text)), None);
                }
                Some(text.to_owned())
            }
            Err(error) => {
                for fault in error.faults {
                    self.fault_within(
                        at,
                        fault.span.start,
                        FaultKind::BadCron,
                        fault.to_string(),
                        None,
                    );
                }
                None
            }
        }
    }

    /// The name as the time zone database writes it, and the zone.
    pub(super) fn time_zone(&mut self, at: At<'_>) -> Option<(String, TimeZone)> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        match TimeZone::get(text) {
            Ok(zone) if !zone.is_unknown() => {
                let name = zone
                    .iana_name()
                    .filter(|name| name.eq_ignore_ascii_case(text));
                Some((name.unwrap_or(text).to_owned(), zone))
            }
            Ok(_) | Err(_) => {
                let names: Vec<_> = jiff::tz::db()
                    .available()
                    .map(|name| name.to_string())
                    .collect();
                let hint = self.suggester.hint(text, names.iter().map(String::as_str));
                let hint =
                    hint.or_else(|| Some("write an IANA name such as `Europe/Berlin`".into()));
                self.fault(
                    at,
                    FaultKind::BadTimeZone,
                    format!("no time zone named {}", quoted(text)),
                    hint,
                );
                None
            }
        }
    }

    /// An instant, or a local time or day in the schedule's zone.
    fn instant(&mut self, at: At<'_>, zone: &TimeZone) -> Option<Timestamp> {
        let text = self.text(at, VALUE_BYTES_MAX)?;
        let local = || text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok();
        let instant = if text.contains('[') {
            // the name of a zone is not to be passed over
            text.parse::<Zoned>().ok().as_ref().map(Zoned::timestamp)
        } else {
            let instant = text.parse::<Timestamp>().ok();
            instant.or_else(|| local().as_ref().map(Zoned::timestamp))
        };
        if instant.is_none() {
            let hint =
                "write `2026-01-01`, `2026-01-01 06:00:00` or `2026-01-01T05:00:00Z`".to_owned();
            self.fault(
                at,
                FaultKind::BadValue,
                format!("{} is no time", quoted(text)),
                Some(hint),
            );
        }
        instant
    }
}
