//! `schedule`: shows when a workflow fires next, and switches its schedule.

use serde_json::{Value, json};

use crate::client::encode;
use crate::failure::Failure;
use crate::output::Session;

use super::find::{self, project_path};
use super::{field, text};

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
        client.post(&path, &json!({ "online": online }))?;
    }
    let schedule = client.get(&path)?;
    session.result(&schedule, || {
        shown(
            session,
            &format!("{project}/{workflow}"),
            &schedule,
            online,
            offline,
        )
    });
    Ok(0)
}

fn shown(session: &Session, name: &str, schedule: &Value, online: bool, offline: bool) -> String {
    let is_online = field(schedule, "online")
        .as_bool()
        .unwrap_or(online && !offline);
    let state = if is_online { "online" } else { "offline" };
    let cron = match (text(schedule, "cron"), text(schedule, "timezone")) {
        ("", _) => String::new(),
        (cron, zone) => format!(", `{cron}` {zone}"),
    };
    let upcoming = ["upcoming", "next", "fires"]
        .iter()
        .find_map(|name| field(schedule, name).as_array());
    let times = upcoming.into_iter().flatten();
    let time = |fire: &Value| {
        let at = fire
            .as_str()
            .or_else(|| field(fire, "at").as_str())
            .unwrap_or_default();
        format!("  {}\n", session.time_of(at))
    };
    let times: String = times.map(time).collect();
    format!("{name}: {state}{cron}\n{times}")
}
