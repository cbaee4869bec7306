//! Calendars, and the schedules that follow them.

use jiff::civil::date;
use porpoise_app::calendar_store::CalendarError;
use porpoise_app::workflow_store::ApplyError;
use porpoise_engine::schedule::Schedule as Aggregate;
use porpoise_model::workflow::{ExcludedDay, Kind, MissedFires, Schedule, Task, Workflow};
use porpoise_model::{Actor, Address, Exclusions, Name, ScheduleId, WorkflowId};

use crate::support::retail::{self, project};
use crate::support::{Fault, Host, World};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Fires each hour, but on excluded days.
fn hourly(calendar: Option<&str>) -> Workflow {
    Workflow {
        name: name("hourly"),
        schedule: Some(Schedule {
            cron: "0 * * * *".to_owned(),
            timezone: "UTC".to_owned(),
            start: None,
            end: None,
            missed: MissedFires::Latest,
            offline: false,
            calendar: calendar.map(name),
            excluded: ExcludedDay::Skip,
        }),
        ..retail::workflow(vec![Task::new(name("only"), Kind::Noop)])
    }
}

/// The first days of the year, on which the world is.
fn first_days() -> Exclusions {
    let days = (1..=3).map(|day| date(2026, 1, day));
    Exclusions::new(days.collect(), []).unwrap()
}

fn put(host: &mut Host, days: &Exclusions) -> u64 {
    let stored = host.insist(async |app| {
        app.put_calendar(
            &name("retail"),
            &name("bank"),
            days.clone(),
            &Actor::engine(),
        )
        .await
    });
    stored.revision
}

fn apply(host: &mut Host, workflow: &Workflow) {
    host.insist(async |app| app.apply(workflow, &Actor::engine()).await);
}

fn runs(host: &mut Host) -> usize {
    let all = porpoise_app::lists::Filter::default();
    let page = host.insist(async |app| app.runs(project(), &all, None, 100).await);
    page.runs.len()
}

fn revision(host: &mut Host) -> Option<u64> {
    let id = WorkflowId::first_named(project(), "hourly");
    let address = Address::schedule(project(), ScheduleId::of_workflow(id));
    let folded = host.insist(async |app| app.look::<Aggregate>(address).await);
    let setting = folded.state.setting.unwrap();
    setting.spec.calendar.map(|observed| observed.revision)
}

#[test]
fn days_that_are_put_reach_the_schedule_whatever_call_is_cut_off() {
    for fault in [Fault::Cut, Fault::LostAnswer] {
        for at in 0..60 {
            let mut host = Host::new(World::new(at, fault));
            put(&mut host, &Exclusions::default());
            apply(&mut host, &hourly(Some("bank")));
            let last = put(&mut host, &first_days());
            host.drive(2);
            assert_eq!(revision(&mut host), Some(last), "{fault:?} at {at}");
            let last = put(&mut host, &Exclusions::default());
            host.drive(2);
            assert!(runs(&mut host) > 0, "{fault:?} at {at}");
            assert_eq!(revision(&mut host), Some(last), "{fault:?} at {at}");
        }
    }
}

#[test]
fn a_calendar_that_workflows_name_stays_and_one_that_is_not_there_is_not_named() {
    let mut host = Host::new(World::new(-1, Fault::Cut));
    let actor = Actor::engine();
    let followed = hourly(Some("bank"));
    let refused = host.call(async |app| app.apply(&followed, &actor).await);
    assert!(matches!(refused, Some(Err(ApplyError::NoCalendar { .. }))));
    put(&mut host, &first_days());
    apply(&mut host, &followed);
    let bank = name("bank");
    let delete =
        async |app: &porpoise_app::App| app.delete_calendar(project(), &bank, &actor).await;
    match host.call(delete) {
        Some(Err(CalendarError::InUse { users, .. })) => assert_eq!(users, [name("hourly")]),
        other => panic!("{other:?}"),
    }
    apply(&mut host, &hourly(None));
    host.insist(delete);
    assert!(matches!(
        host.call(delete),
        Some(Err(CalendarError::Unknown(_)))
    ));
    let none = host.insist(async |app| app.calendars(project()).await);
    assert_eq!(none, []);
    // What is put again counts on: a schedule that had it once does not take it for older.
    assert_eq!(put(&mut host, &first_days()), 3);
}
