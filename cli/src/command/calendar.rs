//! `calendars` and `calendar`: days on which schedules do not fire.

use std::path::Path;

use porpoise_api::Code;
use serde_json::{Value, json};

use crate::args::Calendar;
use crate::client::{Client, encode};
use crate::failure::{Failure, REFUSED};
use crate::output::{Session, table};

use super::define::bytes;
use super::find::{self, project_path};
use super::{field, text};

/// Lists calendars.
pub(crate) fn calendars(session: &Session) -> Result<u8, Failure> {
    let client = session.client()?;
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for project in find::projects(session, &client)? {
        for calendar in client.list(&path(&project, None), usize::MAX)? {
            rows.push(vec![
                format!("{project}/{}", text(&calendar, "name")),
                field(&calendar, "dates").to_string(),
                words(&calendar, "weekdays"),
                field(&calendar, "revision").to_string(),
            ]);
            all.push(of(calendar, &project));
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
    let (project, name) = named(session, &client, &args.name, puts)?;
    let at = path(&project, Some(&name));
    if args.delete {
        let gone = of(client.delete(&at)?, &project);
        session.result(&gone, || format!("{project}/{name}: deleted\n"));
        return Ok(0);
    }
    let found = if puts {
        put(&client, &at, args)?
    } else {
        client.get(&at)?
    };
    let found = of(found, &project);
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

fn called(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// The project and the name that `NAME` or `PROJECT/NAME` means. What is put need not be there.
fn named(
    session: &Session,
    client: &Client,
    given: &str,
    puts: bool,
) -> Result<(String, String), Failure> {
    if let Some(project) = session.config.project.as_ref().filter(|_| puts) {
        return Ok((project.clone(), given.to_owned()));
    }
    if session.config.project.is_none()
        && let Some((project, name)) = given.split_once('/')
    {
        return Ok((project.to_owned(), name.to_owned()));
    }
    let projects = find::projects(session, client)?;
    if let [project] = projects.as_slice() {
        return Ok((project.clone(), given.to_owned()));
    }
    let mut found = Vec::new();
    for project in projects {
        let calendars = client.list(&path(&project, None), usize::MAX)?;
        if calendars.iter().any(|each| text(each, "name") == given) {
            found.push(project);
        }
    }
    let (code, message) = match found.as_slice() {
        [project] => return Ok((project.clone(), given.to_owned())),
        [] => (
            Code::NoCalendar,
            format!("no project has a calendar `{given}`"),
        ),
        [_, _, ..] => (
            Code::Refused,
            format!("calendar `{given}` is in several projects"),
        ),
    };
    Err(Failure::new(REFUSED, message)
        .coded(code)
        .hint("name it as `PROJECT/NAME`, or with `--project`"))
}

fn path(project: &str, calendar: Option<&str>) -> String {
    let calendars = format!("{}/calendars", project_path(project));
    match calendar {
        Some(name) => format!("{calendars}/{}", encode(name)),
        None => calendars,
    }
}

fn of(mut calendar: Value, project: &str) -> Value {
    if let Some(fields) = calendar.as_object_mut() {
        fields.insert("project".to_owned(), project.into());
    }
    calendar
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
