//! Records of released forms still read as the facts that they held.
//!
//! `tests/golden/*.cbor` are records as a release wrote them, `*.txt` what they say. A file that exists is never
//! written again: a new form gets a new file (`UPDATE_GOLDEN=1` writes those that are missing).

use std::fmt::{Debug, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::{Weekday, date};
use minicbor::{Decode, Encode};
use porpoise_engine::backfill::{AfterFailure, BackfillFact, Dates};
use porpoise_engine::commands::Outcome;
use porpoise_engine::gate::GateFact;
use porpoise_engine::input::Spec;
use porpoise_engine::pool::{PoolFact, Request};
use porpoise_engine::record::Record;
use porpoise_engine::run::state::Time;
use porpoise_engine::schedule::{CalendarChange, Missed, Observed, ScheduleFact, Setting};
use porpoise_model::workflow::{Concurrency, ExcludedDay, MissedFires, Priority};
use porpoise_model::{Actor, CommandId, Exclusions, ProjectId, RunState, WorkflowId};

use super::backfill_dependents::with;
use super::backfill_scenarios::{days, of};
use super::driver::{holder, run};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn actor() -> Actor {
    Actor {
        principal: "ada".into(),
        via: "cli".into(),
        request: Some("r-1".into()),
    }
}

fn text<F: Debug>(facts: &[F]) -> String {
    facts.iter().fold(String::new(), |mut text, fact| {
        writeln!(text, "{fact:?}").unwrap();
        text
    })
}

/// What is read as absent is not said: files of releases that did not know of it say nothing of it either.
fn text_as_released<F: Debug>(facts: &[F]) -> String {
    let text = text(facts);
    let absent = [
        ", calendar: None",
        ", dependent: None",
        ", dependents: None",
        ", project_parameters: None",
    ];
    absent
        .iter()
        .fold(text, |text, absent| text.replace(absent, ""))
}

/// Every sort of fact, each with everything that it can hold, against the files of this name.
fn check<F: Debug + Clone + PartialEq + Encode<()> + for<'b> Decode<'b, ()>>(
    name: &str,
    facts: Vec<F>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bytes = folder.join(format!("{name}.cbor"));
    let says = folder.join(format!("{name}.txt"));
    let record = Record { at: at(100), facts };
    if std::env::var_os("UPDATE_GOLDEN").is_some() && !bytes.exists() {
        std::fs::write(&bytes, record.to_bytes()).unwrap();
        std::fs::write(&says, text_as_released(&record.facts)).unwrap();
    }
    let stored = std::fs::read(&bytes).unwrap();
    let read = Record::<F>::from_bytes(&stored).unwrap();
    let says = std::fs::read_to_string(&says).unwrap();
    assert_eq!(text_as_released(&read.facts), says);
    assert_eq!(
        record.to_bytes(),
        stored,
        "what is written today is what was released"
    );
}

#[test]
fn records_of_pool_facts_of_reader_1_still_read() {
    let holder = holder(7);
    let request = Request {
        slots: 3,
        weight: -2,
        rank: (1, 4),
    };
    let facts = vec![
        PoolFact::Asked { holder, request },
        PoolFact::Granted { holder },
        PoolFact::Taken { holder },
        PoolFact::Freed { holder },
        PoolFact::Checked { holder },
        PoolFact::Heard { holder },
        PoolFact::Commanded {
            id: CommandId::from_bytes([5; 16]),
            actor: actor(),
            what: "resize".into(),
            outcome: Outcome::Refused {
                reason: "too many".into(),
            },
        },
        PoolFact::Resized {
            slots: 8,
            name: "warehouse".into(),
        },
    ];
    check("pool-1", facts);
}

#[test]
fn records_of_gate_facts_of_reader_1_still_read() {
    let run = run(7);
    let facts = vec![
        GateFact::Entered {
            run,
            entry: 2,
            concurrency: Concurrency::SerialDiscard,
            priority: Priority::High,
            created: at(1),
        },
        GateFact::Admitted { run },
        GateFact::Discarded { run },
        GateFact::Noted { run },
        GateFact::Left { run, entry: 2 },
    ];
    check("gate-1", facts);
}

#[test]
fn records_of_runs_that_make_room_still_read() {
    let facts = vec![
        GateFact::Entered {
            run: run(8),
            entry: 1,
            concurrency: Concurrency::SerialPriority,
            priority: Priority::Medium,
            created: at(1),
        },
        GateFact::Superseded { run: run(7) },
    ];
    check("gate-superseded-1", facts);
}

#[test]
fn records_of_schedule_facts_of_reader_1_still_read() {
    let setting = Setting {
        workflow: WorkflowId::first_named(ProjectId::of_name("retail"), "daily-sales"),
        workflow_name: "daily-sales".into(),
        spec: Spec {
            cron: "30 2 * * *".into(),
            timezone: "Europe/Berlin".into(),
            start: Some(at(0)),
            end: Some(at(9_000_000)),
            missed: MissedFires::Skip,
            offline: true,
            calendar: None,
        },
    };
    let facts = vec![
        ScheduleFact::Commanded {
            id: CommandId::from_bytes([5; 16]),
            actor: actor(),
            what: "set".into(),
            outcome: Outcome::Accepted,
        },
        ScheduleFact::Set {
            setting: Box::new(setting),
            online: true,
            next: Some(Time(at(2))),
        },
        ScheduleFact::WentOnline {
            next: Some(Time(at(2))),
        },
        ScheduleFact::WentOffline,
        ScheduleFact::Unset,
        ScheduleFact::Came {
            fired: vec![Time(at(3)), Time(at(4))],
            missed: Some(Missed {
                from: at(1),
                to: at(2),
            }),
            next: Some(Time(at(5))),
        },
        ScheduleFact::Created { instant: at(3) },
        ScheduleFact::Halted {
            reason: "no such zone".into(),
        },
    ];
    check("schedule-1", facts);
}

fn observed(revision: u64) -> Observed {
    let dates = vec![date(2026, 1, 1), date(2026, 12, 25)];
    Observed {
        calendar: "bank holidays".parse().unwrap(),
        revision,
        policy: ExcludedDay::Previous,
        exclusions: Exclusions::new(dates, [Weekday::Saturday, Weekday::Sunday]).unwrap(),
    }
}

#[test]
fn records_of_schedules_that_follow_a_calendar_still_read() {
    let setting = Setting {
        workflow: WorkflowId::first_named(ProjectId::of_name("retail"), "daily-sales"),
        workflow_name: "daily-sales".into(),
        spec: Spec {
            cron: "30 2 * * *".into(),
            timezone: "Europe/Berlin".into(),
            start: None,
            end: None,
            missed: MissedFires::Latest,
            offline: false,
            calendar: Some(observed(1)),
        },
    };
    let Observed {
        calendar,
        revision,
        exclusions,
        ..
    } = observed(2);
    let change = CalendarChange {
        calendar,
        revision,
        exclusions,
        actor: actor(),
    };
    let facts = vec![
        ScheduleFact::Set {
            setting: Box::new(setting),
            online: true,
            next: Some(Time(at(2))),
        },
        ScheduleFact::CalendarChanged {
            change: Box::new(change),
            next: Some(Time(at(3))),
        },
    ];
    check("schedule-calendar-1", facts);
}

#[test]
fn records_of_backfills_that_follow_a_calendar_still_read() {
    let mut range = of(days(3), 2);
    if let Dates::Range { calendar, .. } = &mut range.dates {
        *calendar = Some(observed(1));
    }
    let facts = vec![BackfillFact::Begun {
        new: Box::new(range),
        total: 3,
        next: Some(Time(at(1))),
    }];
    check("backfill-calendar-1", facts);
}

#[test]
fn records_of_backfill_facts_of_reader_1_still_read() {
    let mut range = of(days(3), 2);
    (range.descending, range.after_failure) = (true, AfterFailure::Continue);
    let list = of(Dates::list(vec![at(1), at(2)]), 1);
    let facts = vec![
        BackfillFact::Begun {
            new: Box::new(range),
            total: 3,
            next: Some(Time(at(1))),
        },
        BackfillFact::Begun {
            new: Box::new(list),
            total: 2,
            next: None,
        },
        BackfillFact::Commanded {
            id: CommandId::from_bytes([5; 16]),
            actor: actor(),
            what: "pause".into(),
            outcome: Outcome::Accepted,
        },
        BackfillFact::Started {
            dates: vec![Time(at(1)), Time(at(2))],
            next: Some(Time(at(3))),
        },
        BackfillFact::Created { date: at(1) },
        BackfillFact::Ended {
            date: at(1),
            state: RunState::Failed,
        },
        BackfillFact::Refused {
            date: at(2),
            why: "no such target".into(),
        },
        BackfillFact::Paused,
        BackfillFact::Resumed,
        BackfillFact::Killed { by: actor() },
        BackfillFact::Halted {
            reason: "no such zone".into(),
        },
        BackfillFact::Over {
            state: RunState::Canceled,
        },
        BackfillFact::Listed,
    ];
    check("backfill-1", facts);
}

#[test]
fn records_of_backfills_with_dependents_still_read() {
    let date = at(1);
    let facts = vec![
        BackfillFact::Begun {
            new: Box::new(with(2, 1, &[&[], &[0]])),
            total: 2,
            next: Some(Time(date)),
        },
        BackfillFact::DependentsStarted {
            date,
            dependents: vec![0, 1],
        },
        BackfillFact::DependentCreated { date, dependent: 1 },
        BackfillFact::DependentEnded {
            date,
            dependent: 1,
            state: RunState::Failed,
        },
        BackfillFact::DependentRefused {
            date,
            dependent: 0,
            why: "no such target".into(),
        },
        BackfillFact::DateEnded {
            date,
            state: RunState::Failed,
        },
    ];
    check("backfill-dependents-1", facts);
}
