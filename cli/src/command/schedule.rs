//! `schedule`: shows when a workflow fires next, and switches its schedule.

use serde_json::{Value, json};

use crate::client::encode;
use crate::failure::Failure;
use crate::output::Session;

use super::control::{Verb, settled};
use super::find::{self, project_path};
use super::{field, text};

/// Fire times that are shown.
const SHOWN: usize = 5;

/// Shows the schedule of a workflow, after it was switched if that is asked for.
pub(crate) fn schedule(
    session: &Session,
    given: &str,
    online: bool,
    offline: bool,
) -> Result<u8, Failure> {
    let client = session.client()?;
    let (project, workflow) = find::workflow(session, &client, given)?;
    let path = format!(
        "{}/workflows/{}/schedule",
        project_path(&project),
        encode(&workflow)
    );
    if online || offline {
        let body = json!({ "online": online });
        settled(
            &client,
            &path,
            Verb::Post,
            &body,
            "the schedule",
            "be switched",
        )?;
    }
    let schedule = client.get(&path)?;
    session.result(&schedule, || {
        shown(session, &format!("{project}/{workflow}"), &schedule)
    });
    Ok(0)
}

fn shown(session: &Session, name: &str, schedule: &Value) -> String {
    let is_online = field(schedule, "online").as_bool().unwrap_or(false);
    let state = if is_online { "online" } else { "offline" };
    let cron = match (text(schedule, "cron"), text(schedule, "timezone")) {
        ("", _) => String::new(),
        (cron, zone) => format!(", `{cron}` {zone}"),
    };
    let times = field(schedule, "upcoming").as_array().into_iter().flatten();
    let would = if is_online { "" } else { "would fire " };
    let time = |at: &Value| {
        let at = session.time_of(at.as_str().unwrap_or_default());
        format!("  {would}{at}\n")
    };
    let times: String = times.take(SHOWN).map(time).collect();
    let calendar = field(schedule, "calendar");
    let follows = match (text(calendar, "name"), text(calendar, "excluded")) {
        ("", _) => String::new(),
        (calendar, policy) => format!(", calendar `{calendar}` ({policy})"),
    };
    let changed = field(calendar, "changed").as_array().into_iter().flatten();
    let changed = changed.map(|instant| {
        let from = session.time_of(text(instant, "from"));
        match text(instant, "to") {
            "" => format!("  not {from}: excluded\n"),
            day => format!("  not {from}: moved to {day}\n"),
        }
    });
    let changed: String = changed.take(SHOWN).collect();
    format!("{name}: {state}{cron}{follows}\n{times}{changed}")
}
