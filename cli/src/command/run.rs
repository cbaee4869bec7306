//! `run`: starts a run and watches it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use porpoise_ports::Ids as _;
use serde_json::{Map, Value, json};

use crate::args::Run as RunArgs;
use crate::client::{Client, encode};
use crate::failure::{Failure, RUN_CANCELED, RUN_FAILED, USAGE};
use crate::host::OsIds;
use crate::output::{Session, duration, note, now};
use crate::view::{self, Run, Task};

use super::control::{instant, put};
use super::find::{self, RunAt, project_path};
use super::{text, watch};

/// Starts a run; unless told otherwise watches it, and says by its code how it ended.
pub(crate) fn run(session: &Session, client: &Client, args: &RunArgs) -> Result<u8, Failure> {
    let (project, workflow) = find::workflow(session, client, &args.workflow)?;
    let path = format!(
        "{}/workflows/{}/runs",
        project_path(&project),
        encode(&workflow)
    );
    // The same command is never taken twice, should the request be repeated on its way.
    let key = format!("cli-{:032x}", OsIds::default().fresh());
    let started = client.post_once(&path, &request(session, args)?, &key)?;
    let id = ["run_id", "id", "run"]
        .iter()
        .map(|name| text(&started, name))
        .find(|id| !id.is_empty());
    let at = RunAt {
        project,
        id: id.unwrap_or_default().to_owned(),
    };
    for each in super::field(&started, "notes")
        .as_array()
        .into_iter()
        .flatten()
    {
        note(&format!("note: {}", each.as_str().unwrap_or_default()));
    }
    if args.no_watch {
        session.result(&started, || format!("{}\n", at.id));
        return Ok(0);
    }
    note(&format!(
        "run {} of {}/{workflow}; Ctrl-C stops watching, not the run",
        at.id, at.project
    ));
    let tasks = simulated(client, &at, args.simulate)?;
    let ended = watch::watch(session, client, &at, names(&tasks))?;
    let run: Run = view::read(&ended);
    let tasks = simulated(client, &at, args.simulate)?;
    session.result(&ended, || ended_line(&run, &tasks));
    Ok(match run.state.as_str() {
        "succeeded" => 0,
        "canceled" => RUN_CANCELED,
        _ => RUN_FAILED,
    })
}

/// The tasks that nothing runs for, in a run that simulates.
fn simulated(client: &Client, at: &RunAt, simulates: bool) -> Result<Vec<Task>, Failure> {
    if !simulates {
        return Ok(Vec::new());
    }
    let tasks = client.list(&at.path("/tasks"), usize::MAX)?;
    let tasks = tasks.iter().map(view::read::<Task>);
    Ok(tasks.filter(|task| task.simulated).collect())
}

fn names(tasks: &[Task]) -> BTreeSet<String> {
    tasks.iter().map(|task| task.name.clone()).collect()
}

/// Parameters as they are given, `NAME=VALUE`.
pub(super) fn parameters(given: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut parameters = Map::new();
    for parameter in given {
        let (name, value) = parameter.split_once('=').ok_or_else(|| {
            Failure::new(USAGE, format!("`{parameter}` is no parameter")).hint("write `NAME=VALUE`")
        })?;
        parameters.insert(name.to_owned(), value.into());
    }
    Ok(parameters)
}

/// Days and times without an offset are those of the workflow's time zone, which the server knows.
fn logical_date(session: &Session, given: &str) -> Result<String, Failure> {
    // the name of a zone is not to be passed over
    let is_named = given.contains('[');
    if is_named || given.parse::<Timestamp>().is_err() && given.parse::<DateTime>().is_ok() {
        return Ok(given.to_owned());
    }
    instant(session, given).map(|at| at.to_string())
}

/// The body of the request.
fn request(session: &Session, args: &RunArgs) -> Result<Value, Failure> {
    let parameters = parameters(&args.parameters)?;
    let mut body =
        json!({"parameters": parameters, "dry_run": args.dry_run, "simulate": args.simulate});
    let date = args
        .date
        .as_deref()
        .map(|date| logical_date(session, date))
        .transpose()?;
    if !args.tasks.is_empty() {
        put(&mut body, "tasks", Some(args.tasks.clone().into()));
        put(&mut body, "reach", Some(args.reach.clone().into()));
    }
    put(&mut body, "logical_date", date.map(Into::into));
    Ok(body)
}

/// `3kq… succeeded in 3.2s: 3 succeeded; 1 of them simulated (spark 1)`
fn ended_line(run: &Run, tasks: &[Task]) -> String {
    let begun = run.started.or(run.created);
    let took = begun.map(|begun| run.ended.unwrap_or_else(now).duration_since(begun));
    let took = took.map_or_else(String::new, |took| format!(" in {}", duration(took)));
    let counts: Vec<_> = view::counts(&run.counts)
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let cause = match view::words(&run.cause) {
        cause if cause.is_empty() => cause,
        cause => format!(" ({cause})"),
    };
    let simulated = view::simulated(tasks).map_or_else(String::new, |(count, kinds)| {
        format!("; {count} of them simulated ({kinds})")
    });
    format!(
        "{} {}{took}: {}{simulated}{cause}\n",
        run.id,
        run.state,
        counts.join(", ")
    )
}
