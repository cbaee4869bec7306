//! When a workflow runs by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use porpoise_cron::{Cron, Dialect};
use porpoise_model::workflow::{
    ExcludedDay, FailureStrategy, MissedFires, Occasion, Priority, Schedule,
};

use super::Mapper;
use super::scalar::{LABEL, Words, known_word, plain};
use super::task::PRIORITIES;
use crate::fault::short;
use crate::json::At;
use crate::report::{Rule, Topic};
use crate::version::Version;

/// What does not matter in a schedule.
const IGNORED: &[(Rule, &[&str])] = &[
    (Rule::Row, &["id", "userId", "userName", "projectName"]),
    (
        Rule::Copy,
        &[
            "processDefinitionName",
            "workflowDefinitionName",
            "definitionDescription",
        ],
    ),
];

/// What the schedule says, also about its runs.
pub(super) struct Planned {
    /// None if it has a fault.
    pub(super) schedule: Option<Schedule>,
    pub(super) on_failure: FailureStrategy,
    pub(super) priority: Priority,
    pub(super) notify: &'static [Occasion],
}

/// The year in which nothing ends.
const NEVER: i16 = 9999;

const STRATEGIES: Words<FailureStrategy> = &[
    ("END", FailureStrategy::End),
    ("CONTINUE", FailureStrategy::Continue),
];
const STATES: Words<bool> = &[("OFFLINE", false), ("ONLINE", true)];
const WARNINGS: Words<&[Occasion]> = &[
    ("NONE", &[]),
    ("SUCCESS", &[Occasion::Succeeded]),
    ("FAILURE", &[Occasion::Failed]),
    ("ALL", &[Occasion::Succeeded, Occasion::Failed]),
];

impl<'t> Mapper<'t> {
    pub(super) fn schedule(
        &mut self,
        element: At<'t>,
        definition: At<'t>,
        labels: &mut BTreeMap<String, String>,
    ) -> Option<Planned> {
        let at = element
            .get("schedule")
            .filter(|at| at.is_object() && !at.is_empty())?;
        Self::ignore(at, IGNORED);
        let of = ["processDefinitionCode", "workflowDefinitionCode"];
        if let Some(of) = of.iter().find_map(|key| at.get(key))
            && of.integer() == definition.get("code").and_then(At::integer)
        {
            of.ignored(Rule::Copy);
        }
        let notify = self.alerts(at);
        self.settings(at, labels);
        self.state(at, labels);
        for key in ["createTime", "updateTime"] {
            if let Some(at) = at.some(key) {
                self.notes
                    .cover(at, Topic::Times, "", "the time of the schedule is not kept");
            }
        }
        Some(Planned {
            schedule: self.times(at),
            on_failure: self.strategy(at),
            priority: self.priority(at),
            notify,
        })
    }

    /// Whether it fires there: nothing should fire twice.
    fn state(&self, at: At<'t>, labels: &mut BTreeMap<String, String>) {
        let state = at.get("releaseState").and_then(|at| known_word(at, STATES));
        let shown = match state {
            Some(true) => "ONLINE",
            Some(false) if self.is_state_known => "OFFLINE",
            Some(false) | None => return,
        };
        labels.insert(format!("{LABEL}schedule-state"), shown.to_owned());
    }

    fn times(&mut self, at: At<'t>) -> Option<Schedule> {
        let cron = self.cron(at);
        let zone = self.zone(at);
        let tz = zone.as_ref().map_or(TimeZone::UTC, |(_, tz)| tz.clone());
        let (start, end) = (
            self.instant(at, "startTime", &tz),
            self.instant(at, "endTime", &tz),
        );
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            self.fault(
                at.get("endTime").unwrap_or(at),
                "the schedule ends before it starts",
                None,
            );
        }
        let start = self.switched(at, start, end, &tz);
        let online = self.word(at, "releaseState", STATES, false);
        let (topic, said) = if online {
            (Topic::ScheduleOnline, "switched on there")
        } else if self.is_state_known {
            (Topic::ScheduleOff, "as it is there")
        } else {
            let said = "the export does not tell whether it was on";
            (Topic::ScheduleOffline, said)
        };
        let message = format!("the schedule is switched off here: {said}");
        self.notes.add(at, topic, "", message);
        self.notes.add(
            at,
            Topic::MissedFires,
            "",
            "of the times missed during a stop only the latest is made up for",
        );
        Some(Schedule {
            cron: cron?,
            timezone: zone?.0,
            start,
            end,
            missed: MissedFires::Latest,
            offline: true,
            calendar: None,
            excluded: ExcludedDay::default(),
        })
    }

    /// The start of a schedule that fires there until a day.
    fn switched(
        &mut self,
        at: At<'t>,
        start: Option<Timestamp>,
        end: Option<Timestamp>,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        let Some(date) = self.switch_date else {
            return start;
        };
        let day = date.to_zoned(zone.clone()).ok().map(|day| day.timestamp());
        let Some(day) = day.filter(|day| start.is_none_or(|start| start < *day)) else {
            return start;
        };
        let message = if end.is_some_and(|end| end <= day) {
            format!("it has ended before {date}: it never fires here")
        } else {
            format!("it starts here on {date}: let it end there at that time")
        };
        self.notes
            .add(at, Topic::SwitchDate, date.to_string(), message);
        if end.is_some_and(|end| end <= day) {
            return start;
        }
        Some(day)
    }

    /// Quartz, as it is written.
    fn cron(&mut self, at: At<'t>) -> Option<String> {
        let Some((at, text)) = at
            .get("crontab")
            .and_then(|at| Some((at, at.text()?.trim())))
        else {
            self.fault(
                at.get("crontab").unwrap_or(at),
                "the schedule has no cron expression",
                None,
            );
            return None;
        };
        at.used();
        match Cron::parse_as(text, Dialect::Quartz) {
            Ok(_) => {
                if text
                    .split_whitespace()
                    .next()
                    .is_some_and(|seconds| seconds.parse::<u8>().is_err())
                {
                    let message = format!("`{}` fires more than once in a minute", short(text));
                    self.notes.add(at, Topic::Seconds, short(text), message);
                }
                Some(text.to_owned())
            }
            Err(error) => {
                self.fault(
                    at,
                    format!("`{}` is no cron expression of Quartz: {error}", short(text)),
                    None,
                );
                None
            }
        }
    }

    /// The name as the time zone database writes it, and the zone.
    fn zone(&mut self, at: At<'t>) -> Option<(String, TimeZone)> {
        if at.get("timezoneId").is_none() && (self.version == Version::V1 || self.zone.is_some()) {
            return self.zone_of_server(at);
        }
        let Some((at, text)) = at
            .get("timezoneId")
            .and_then(|at| Some((at, at.text()?.trim())))
        else {
            self.fault(
                at.get("timezoneId").unwrap_or(at),
                "the schedule has no time zone",
                None,
            );
            return None;
        };
        at.used();
        let zone = zone(text);
        if zone.is_none() {
            let hint = "a time zone has an IANA name such as Europe/Berlin";
            let message = format!("no time zone is named `{}`", short(text));
            self.fault(at, message, Some(hint));
        }
        zone
    }

    /// 1.x keeps no zone with a schedule: that of its server holds, which no file tells.
    fn zone_of_server(&mut self, at: At<'t>) -> Option<(String, TimeZone)> {
        let name = self.zone.unwrap_or("UTC");
        let zone = zone(name);
        let message = format!("the times of the schedule are read in `{}`", short(name));
        self.notes.add(at, Topic::TimeZone, short(name), message);
        if zone.is_none() {
            let message = format!("no time zone is named `{}`", short(name));
            self.fault(at, message, Some("give another one with --timezone"));
        }
        zone
    }

    /// A wall clock time of the zone. One that a clock change skips moves on by the length of the gap; of one that
    /// occurs twice the first counts.
    fn instant(&mut self, at: At<'t>, key: &str, zone: &TimeZone) -> Option<Timestamp> {
        let at = at.get(key).filter(|at| !at.is_empty())?;
        let parsed = at
            .text()
            .and_then(|text| text.trim().parse::<DateTime>().ok());
        if parsed.is_some_and(|local| local.year() == NEVER) {
            at.ignored(Rule::Default);
            return None;
        }
        let instant = parsed.and_then(|local| local.to_zoned(zone.clone()).ok());
        let Some(instant) = instant else {
            self.fault(at, "expected a time such as `2026-01-01 00:00:00`", None);
            return None;
        };
        at.used();
        Some(instant.timestamp())
    }

    fn strategy(&mut self, at: At<'t>) -> FailureStrategy {
        let strategy = self.word(at, "failureStrategy", STRATEGIES, FailureStrategy::Continue);
        if strategy == FailureStrategy::End
            && let Some(at) = at.get("failureStrategy")
        {
            self.notes.add(
                at,
                Topic::FailureStrategy,
                "END",
                "END is the workflow's strategy now",
            );
        }
        strategy
    }

    fn priority(&mut self, at: At<'t>) -> Priority {
        let keys = ["processInstancePriority", "workflowInstancePriority"];
        let key = keys
            .into_iter()
            .find(|key| at.get(key).is_some())
            .unwrap_or_default();
        let priority = self.word(at, key, PRIORITIES, Priority::Medium);
        if priority != Priority::Medium
            && let Some(at) = at.get(key)
        {
            self.notes.add(
                at,
                Topic::RunPriority,
                "",
                "the priority is the workflow's now",
            );
        }
        priority
    }

    /// Which ends people are told of.
    pub(super) fn alerts(&mut self, at: At<'t>) -> &'static [Occasion] {
        let wanted = match at.get("warningType") {
            Some(none) if known_word(none, WARNINGS).is_some_and(<[_]>::is_empty) => {
                none.ignored(Rule::Default);
                &[][..]
            }
            Some(_) | None => self.word(at, "warningType", WARNINGS, &[]),
        };
        let Some(group) = at.some("warningGroupId") else {
            return wanted;
        };
        match plain(group).map(|text| short(&text)) {
            Some(number) if number != "0" && !wanted.is_empty() => {
                self.notes.cover(
                    group,
                    Topic::Alerts,
                    format!("group {number}"),
                    "people are told by a topic: who is in the alert group subscribes to it",
                );
            }
            _ => group.ignored(Rule::Off),
        }
        wanted
    }

    fn settings(&mut self, at: At<'t>, labels: &mut BTreeMap<String, String>) {
        for (key, label, default) in [
            ("workerGroup", "schedule-worker-group", "default"),
            ("environmentCode", "schedule-environment-code", "-1"),
            ("environmentName", "schedule-environment", ""),
            ("tenantCode", "schedule-tenant", "default"),
        ] {
            if let Some((at, text)) = self.label(labels, (at, key, label), &[default]) {
                let text = short(&text);
                let message = format!("`{key}` {text} is a label");
                self.notes.add(
                    at,
                    Topic::ScheduleSettings,
                    format!("{key} {text}"),
                    message,
                );
            }
        }
    }
}

/// The name as the time zone database writes it, and the zone.
fn zone(name: &str) -> Option<(String, TimeZone)> {
    let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())?;
    let written = zone
        .iana_name()
        .filter(|written| written.eq_ignore_ascii_case(name));
    let written = written.unwrap_or(name).to_owned();
    Some((written, zone))
}
