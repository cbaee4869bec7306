//! `backfill`: runs of a workflow for each date of a range or a list, and what becomes of them.

use porpoise_api::Code;
use porpoise_ports::Ids as _;
use serde_json::{Value, json};

use crate::args::{Backfill, BackfillCommand, StartBackfill};
use crate::client::{Client, WAIT, encode};
use crate::failure::{Failure, REFUSED};
use crate::host::OsIds;
use crate::output::{Session, lines, note, table};

use super::control::{Verb, put, settled};
use super::find::{self, project_path};
use super::{field, text};

/// The characters of a backfill's id.
const ID_CHARS: usize = 26;
/// So many of the latest backfills of a project are searched for the beginning of an id.
const SEARCHED_MAX: usize = 200;

/// Starts a backfill, or carries out what is wanted of one.
pub(crate) fn backfill(session: &Session, args: &Backfill) -> Result<u8, Failure> {
    match &args.command {
        None => start(session, &args.start),
        Some(BackfillCommand::List { workflow, limit }) => {
            list(session, workflow.as_deref(), *limit)
        }
        Some(BackfillCommand::Show { backfill }) => show(session, backfill),
        Some(BackfillCommand::Pause { backfill }) => send(session, backfill, "pause"),
        Some(BackfillCommand::Resume { backfill }) => send(session, backfill, "resume"),
        Some(BackfillCommand::Kill { backfill }) => send(session, backfill, "kill"),
    }
}

fn start(session: &Session, args: &StartBackfill) -> Result<u8, Failure> {
    let client = session.client()?;
    let given = args.workflow.as_deref().unwrap_or_default();
    let (project, workflow) = find::workflow(session, &client, given)?;
    let path = format!("{}/workflows/{}", project_path(&project), encode(&workflow));
    let body = request(args)?;
    if args.preview {
        let preview = client.post(&format!("{path}/backfill-preview"), &body)?;
        tell(&preview);
        session.result(&preview, || previewed(&preview));
        return Ok(0);
    }
    // The same backfill is never started twice, should the request be repeated on its way.
    let key = format!("cli-{:032x}", OsIds::default().fresh());
    let path = format!("{path}/backfills?wait={}s", WAIT.as_secs());
    let started = client.post_once(&path, &body, &key)?;
    tell(&started);
    session.result(&started, || {
        let head = format!(
            "{}: {}, {} to {}\n",
            text(&started, "backfill_id"),
            runs(&started),
            text(&started, "first"),
            text(&started, "last")
        );
        head + &along(&started)
    });
    Ok(0)
}

fn tell(answer: &Value) {
    for each in items(answer, "notes") {
        note(&format!("note: {}", each.as_str().unwrap_or_default()));
    }
}

fn previewed(preview: &Value) -> String {
    let dates = items(preview, "dates").filter_map(Value::as_str);
    format!("{}\n", runs(preview)) + &lines(dates.map(|date| format!("  {date}"))) + &along(preview)
}

/// `1 run`, `31 runs`, `31 dates, 62 runs`
fn runs(answer: &Value) -> String {
    let count = |name, what: &str| match field(answer, name).as_u64().unwrap_or_default() {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let runs = count("runs", "run");
    if field(answer, "runs") == field(answer, "count") {
        return runs;
    }
    format!("{}, {runs}", count("count", "date"))
}

/// Which workflows go along, over which of their tasks, and which do not, and why.
fn along(answer: &Value) -> String {
    let goes = items(answer, "dependents").map(|dependent| {
        let waits = items(dependent, "waits");
        let waits = waits.map(|wait| {
            format!(
                "`{}` waits for {}",
                text(wait, "task"),
                text(wait, "workflow")
            )
        });
        let waits: Vec<_> = waits.collect();
        format!("  with {}: {}", named(dependent), waits.join(", "))
    });
    let stays = items(answer, "left_out").map(|left| {
        let task = field(left, "task").as_str();
        let task = task.map_or_else(String::new, |task| format!(" (`{task}`)"));
        format!("  without {}{task}: {}", named(left), text(left, "why"))
    });
    lines(goes.chain(stays))
}

/// `PROJECT/WORKFLOW`
fn named(of: &Value) -> String {
    format!("{}/{}", text(of, "project"), text(of, "workflow"))
}

fn items<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    field(of, name).as_array().into_iter().flatten()
}

fn request(args: &StartBackfill) -> Result<Value, Failure> {
    let mut run = json!({
        "parameters": super::run::parameters(&args.parameters)?,
        "dry_run": args.dry_run,
        "simulate": args.simulate,
    });
    if !args.tasks.is_empty() {
        put(&mut run, "tasks", Some(args.tasks.clone().into()));
        put(&mut run, "reach", Some(args.reach.clone().into()));
    }
    let mut body = json!({
        "dates": args.dates,
        "descending": args.descending,
        "parallel": args.parallel,
        "after_failure": args.after_failure,
        "run": run,
    });
    put(
        &mut body,
        "dependents",
        args.dependents.clone().map(Value::from),
    );
    put(&mut body, "from", args.from.clone().map(Value::from));
    put(&mut body, "to", args.to.clone().map(Value::from));
    put(
        &mut body,
        "timezone",
        args.timezone.clone().map(Value::from),
    );
    Ok(body)
}

fn list(session: &Session, workflow: Option<&str>, limit: usize) -> Result<u8, Failure> {
    let client = session.client()?;
    let (mut projects, mut filter) = (find::projects(session, &client)?, String::new());
    if let Some(workflow) = workflow {
        let (project, name) = find::workflow(session, &client, workflow)?;
        projects = vec![project];
        filter = format!("?workflow={}", encode(&name));
    }
    let mut found = Vec::new();
    for project in projects {
        let path = format!("{}/backfills{filter}", project_path(&project));
        found.extend(client.list(&path, limit)?);
    }
    found.sort_by(|one, other| text(other, "created").cmp(text(one, "created")));
    found.truncate(limit);
    let row = |backfill: &Value| {
        vec![
            text(backfill, "id").to_owned(),
            with_dependents(backfill),
            text(backfill, "state").to_owned(),
            progress(backfill),
            field(backfill, "failed").to_string(),
            session.time_of(text(backfill, "created")),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    session.result(&json!({ "backfills": found }), || {
        let head = [
            "BACKFILL", "WORKFLOW", "STATE", "ENDED", "FAILED", "CREATED",
        ];
        table(&head, &rows)
    });
    Ok(0)
}

/// `shop/orders`, `shop/orders +2`
fn with_dependents(backfill: &Value) -> String {
    match items(backfill, "dependents").count() {
        0 => named(backfill),
        count => format!("{} +{count}", named(backfill)),
    }
}

/// How many of its dates are over: `12/31`
fn progress(backfill: &Value) -> String {
    let count = |name| field(backfill, name).as_u64().unwrap_or_default();
    format!(
        "{}/{}",
        count("succeeded") + count("failed"),
        count("total")
    )
}

fn show(session: &Session, given: &str) -> Result<u8, Failure> {
    let client = session.client()?;
    let path = existing(session, &client, given)?;
    let mut backfill = client.get(&path)?;
    let dates = client.list(&format!("{path}/dates"), usize::MAX)?;
    let shown = shown(session, &backfill, &dates);
    put(&mut backfill, "dates", Some(dates.into()));
    session.result(&backfill, || shown);
    Ok(0)
}

fn shown(session: &Session, backfill: &Value, dates: &[Value]) -> String {
    let problem = field(backfill, "problem").as_str();
    let problem = problem.map_or_else(String::new, |problem| format!("  {problem}\n"));
    let head = format!(
        "{} of {}: {}, {} ended, {} failed\n",
        text(backfill, "id"),
        named(backfill),
        text(backfill, "state"),
        progress(backfill),
        field(backfill, "failed"),
    );
    let along = items(backfill, "dependents").map(progress_below);
    let head = head + &problem + &lines(along);
    if items(backfill, "dependents").next().is_some() {
        let rows: Vec<_> = dates
            .iter()
            .flat_map(|date| rows_of(session, backfill, date))
            .collect();
        return head + &table(&["DATE", "WORKFLOW", "STATE", "RUN"], &rows);
    }
    let row = |date: &Value| {
        let at = session.time_of(text(date, "date"));
        vec![
            at,
            text(date, "state").to_owned(),
            text(date, "run_id").to_owned(),
        ]
    };
    let rows: Vec<_> = dates.iter().map(row).collect();
    head + &table(&["DATE", "STATE", "RUN"], &rows)
}

/// `  with shop/report: 3 succeeded, 1 failed, 1 running, 2 left out`
fn progress_below(dependent: &Value) -> String {
    let count = |name| field(dependent, name).as_u64().unwrap_or_default();
    let mut told = vec![format!("{} succeeded", count("succeeded"))];
    told.push(format!("{} failed", count("failed")));
    for (name, words) in [("running", "running"), ("left_out", "left out")] {
        if count(name) > 0 {
            told.push(format!("{} {words}", count(name)));
        }
    }
    format!("  with {}: {}", named(dependent), told.join(", "))
}

/// A date: its run, and those of the workflows that go along.
fn rows_of(session: &Session, backfill: &Value, date: &Value) -> Vec<Vec<String>> {
    let at = session.time_of(text(date, "date"));
    let own = vec![
        at.clone(),
        named(backfill),
        text(date, "run_state").to_owned(),
        text(date, "run_id").to_owned(),
    ];
    let below = items(date, "dependents").map(|run| {
        vec![
            at.clone(),
            named(run),
            text(run, "state").replace('_', " "),
            text(run, "run_id").to_owned(),
        ]
    });
    std::iter::once(own).chain(below).collect()
}

fn send(session: &Session, given: &str, word: &str) -> Result<u8, Failure> {
    let client = session.client()?;
    let path = existing(session, &client, given)?;
    let body = json!({ "command": word });
    let commands = format!("{path}/commands");
    let outcome = settled(&client, &commands, Verb::Post, &body, "the backfill", word)?;
    let id = path.rsplit('/').next().unwrap_or_default().to_owned();
    session.result(&outcome, || format!("{id}: {word} accepted\n"));
    Ok(0)
}

/// The path of the backfill that an id, the beginning of one, or `latest` means.
fn existing(session: &Session, client: &Client, given: &str) -> Result<String, Failure> {
    let path = |project: &str, id: &str| format!("{}/backfills/{id}", project_path(project));
    let mut found = Vec::new();
    for project in find::projects(session, client)? {
        if given.len() == ID_CHARS {
            let path = path(&project, &encode(given));
            match client.get(&path) {
                Ok(_) => return Ok(path),
                Err(failure) if failure.is_absence() => continue,
                Err(failure) => return Err(failure),
            }
        }
        let list = format!("{}/backfills", project_path(&project));
        let most = if given == "latest" { 1 } else { SEARCHED_MAX };
        for backfill in client.list(&list, most)? {
            let id = text(&backfill, "id");
            if given == "latest" || id.starts_with(given) {
                found.push((text(&backfill, "created").to_owned(), path(&project, id)));
            }
        }
    }
    if given == "latest" {
        found.sort();
        found.drain(..found.len().saturating_sub(1));
    }
    if found.len() > 1 {
        let message = format!("`{given}` begins the ids of {} backfills", found.len());
        return Err(Failure::new(REFUSED, message).hint("give more of the id"));
    }
    let found = found.pop().map(|(_, path)| path);
    found.ok_or_else(|| {
        Failure::new(REFUSED, format!("there is no backfill `{given}`"))
            .coded(Code::NoBackfill)
            .hint("`porpoise backfill list` lists them")
    })
}
