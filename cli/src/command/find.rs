//! Which project, workflow or run a word on the command line means.

use crate::client::{Client, encode};
use crate::failure::{Failure, REFUSED};
use crate::output::Session;
use crate::view::{self, Run};
use porpoise_api::Code;

use super::text;

/// The characters of a run's id.
const RUN_ID_CHARS: usize = 26;
/// The latest run of a project is looked for among so many.
const LATEST_AMONG: usize = 50;
/// So many of the latest runs of a project are searched for the beginning of an id.
const SEARCHED_MAX: usize = 1_000;

/// A run, where the server keeps it.
#[derive(Debug, Clone)]
pub(crate) struct RunAt {
    pub(crate) project: String,
    pub(crate) id: String,
}

impl RunAt {
    /// `/projects/retail/runs/…`, and what comes after it.
    pub(crate) fn path(&self, rest: &str) -> String {
        format!(
            "{}/runs/{}{rest}",
            project_path(&self.project),
            encode(&self.id)
        )
    }
}

pub(crate) fn project_path(project: &str) -> String {
    format!("/projects/{}", encode(project))
}

/// The project that was asked for, or all.
pub(crate) fn projects(session: &Session, client: &Client) -> Result<Vec<String>, Failure> {
    if let Some(project) = &session.config.project {
        return Ok(vec![project.clone()]);
    }
    let projects = client.list("/projects", usize::MAX)?;
    let name = |project: &serde_json::Value| match project.as_str() {
        Some(name) => name.to_owned(),
        None => text(project, "name").to_owned(),
    };
    Ok(projects.iter().map(name).collect())
}

/// The project and the name of a workflow that was given as `NAME` or `PROJECT/NAME`.
pub(crate) fn workflow(
    session: &Session,
    client: &Client,
    given: &str,
) -> Result<(String, String), Failure> {
    let mut found = Vec::new();
    let mut near = Vec::new();
    for project in projects(session, client)? {
        for workflow in client.list(&format!("{}/workflows", project_path(&project)), usize::MAX)? {
            let name = text(&workflow, "name").to_owned();
            if name == given || format!("{project}/{name}") == given {
                found.push((project.clone(), name));
            } else if name.contains(given) || given.contains(&name) || near_to(given, &name) {
                near.push(format!("{project}/{name}"));
            }
        }
    }
    if found.len() > 1 {
        let projects: Vec<_> = found
            .iter()
            .map(|(project, _)| format!("`{project}`"))
            .collect();
        return Err(Failure::new(
            REFUSED,
            format!(
                "workflow `{given}` is in several projects: {}",
                projects.join(", ")
            ),
        )
        .hint("name one as `PROJECT/NAME`, or with `--project`"));
    }
    found.pop().ok_or_else(|| {
        let failure = Failure::new(REFUSED, format!("there is no workflow `{given}`"));
        let failure = failure.coded(Code::NoWorkflow);
        match near.first() {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => {
                failure.hint("`porpoise workflows` lists them, `porpoise apply FILE` stores one")
            }
        }
    })
}

/// Whether one was perhaps meant by the other.
fn near_to(given: &str, name: &str) -> bool {
    let bare = given.rsplit('/').next().unwrap_or(given);
    strsim::osa_distance(bare, name) <= bare.chars().count().max(3) / 3
}

/// The run that an id, the beginning of one, or `latest` means.
pub(crate) fn run(session: &Session, client: &Client, given: &str) -> Result<RunAt, Failure> {
    let projects = projects(session, client)?;
    if given == "latest" {
        return latest(client, &projects);
    }
    if given.len() == RUN_ID_CHARS {
        return whole(client, &projects, given);
    }
    let mut found = Vec::new();
    for project in projects {
        let runs = client.list(&format!("{}/runs", project_path(&project)), SEARCHED_MAX)?;
        let ids = runs.iter().map(|run| view::read::<Run>(run).id);
        found.extend(ids.filter(|id| id.starts_with(given)).map(|id| RunAt {
            project: project.clone(),
            id,
        }));
    }
    if found.len() > 1 {
        return Err(Failure::new(
            REFUSED,
            format!("`{given}` begins the ids of {} runs", found.len()),
        )
        .hint("give more of the id"));
    }
    found.pop().ok_or_else(|| unknown(given))
}

/// The latest run that neither a task of another nor a backfill has made, and that is no connection test: people mean the
/// one that they, or a schedule, started.
fn latest(client: &Client, projects: &[String]) -> Result<RunAt, Failure> {
    let mut found = Vec::new();
    for project in projects {
        let path = format!("{}/runs", project_path(project));
        let runs = client.list(&path, LATEST_AMONG)?;
        let made = |run: &&serde_json::Value| {
            ["parent", "backfill", "test"].contains(&text(run, "trigger"))
        };
        let own = runs.iter().find(|run| !made(run));
        found.extend(
            own.or(runs.iter().find(|run| text(run, "trigger") != "test"))
                .map(view::read::<Run>)
                .map(|run| (run.created, project.clone(), run.id)),
        );
    }
    let (_, project, id) = found.into_iter().max().ok_or_else(|| {
        Failure::new(REFUSED, "there is no run yet")
            .coded(Code::NoRun)
            .hint("start one with `porpoise run WORKFLOW`")
    })?;
    Ok(RunAt { project, id })
}

fn whole(client: &Client, projects: &[String], id: &str) -> Result<RunAt, Failure> {
    for project in projects {
        let at = RunAt {
            project: project.clone(),
            id: id.to_owned(),
        };
        match client.get(&at.path("")) {
            Ok(_) => return Ok(at),
            Err(failure) if failure.is_absence() => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(unknown(id))
}

fn unknown(given: &str) -> Failure {
    Failure::new(REFUSED, format!("there is no run `{given}`"))
        .coded(Code::NoRun)
        .hint("`porpoise runs` lists them")
}
