//! `calendars` and `calendar`: days on which schedules do not fire.

use serde_json::{Value, json};

use crate::args::Calendar;
use crate::client::{Client, encode};
use crate::failure::Failure;
use crate::output::{Session, table};

use super::define::{bytes, called};
use super::entity::{CALENDAR, in_project};
use super::find;
use super::{field, text};

/// Lists calendars.
pub(crate) fn calendars(session: &Session) -> Result<u8, Failure> {
    let client = session.client()?;
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for project in find::projects(session, &client)? {
        for calendar in client.list(&CALENDAR.all(&project), usize::MAX)? {
            rows.push(vec![
                format!("{project}/{}", text(&calendar, "name")),
                field(&calendar, "dates").to_string(),
                words(&calendar, "weekdays"),
                field(&calendar, "revision").to_string(),
            ]);
            all.push(in_project(calendar, &project));
        }
    }
    session.result(&json!({ "calendars": all }), || {
        table(&["CALENDAR", "DATES", "WEEKDAYS", "REVISION"], &rows)
    });
    Ok(0)
}

/// Shows a calendar, puts it, or deletes it.
pub(crate) fn calendar(session: &Session, args: &Calendar) -> Result<u8, Failure> {
    let client = session.client()?;
    let puts = args.file.is_some() || !args.dates.is_empty() || !args.weekdays.is_empty();
    let (project, name) = CALENDAR.named(session, &client, &args.name)?;
    let at = CALENDAR.one(&project, &name);
    if args.delete {
        let gone = in_project(client.delete(&at)?, &project);
        session.result(&gone, || format!("{project}/{name}: deleted\n"));
        return Ok(0);
    }
    let found = if puts {
        put(&client, &at, args)?
    } else {
        client.get(&at)?
    };
    let found = in_project(found, &project);
    session.result(&found, || shown(session, &found));
    Ok(0)
}

fn put(client: &Client, at: &str, args: &Calendar) -> Result<Value, Failure> {
    let (name, body) = if let Some(file) = &args.file {
        (called(file), bytes(file)?)
    } else {
        let listed = json!({ "dates": args.dates });
        ("the dates".to_owned(), listed.to_string().into_bytes())
    };
    let mut at = format!("{at}?file={}", encode(&name));
    if !args.weekdays.is_empty() {
        at = format!("{at}&weekdays={}", encode(&args.weekdays.join(",")));
    }
    client.put_file(&at, &body)
}

fn words(calendar: &Value, name: &str) -> String {
    let words = field(calendar, name).as_array().into_iter().flatten();
    let words: Vec<_> = words.filter_map(Value::as_str).collect();
    words.join(", ")
}

fn shown(session: &Session, calendar: &Value) -> String {
    let changed = format!(
        "revision {}, {}",
        field(calendar, "revision"),
        session.time_of(text(calendar, "changed_at"))
    );
    let lines = [
        ("weekdays", words(calendar, "weekdays")),
        ("dates", words(calendar, "dates")),
        ("used by", words(calendar, "used_by")),
        ("changed", changed),
    ];
    let lines = lines.iter().filter(|(_, value)| !value.is_empty());
    let lines = lines.map(|(name, value)| format!("  {name:<8}  {value}\n"));
    let name = format!("{}/{}\n", text(calendar, "project"), text(calendar, "name"));
    name + &lines.collect::<String>()
}
