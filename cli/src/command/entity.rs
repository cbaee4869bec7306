//! What a project has by name beside workflows and runs: pools, targets, calendars.

use porpoise_api::Code;
use serde_json::Value;

use crate::client::{Client, encode};
use crate::failure::{Failure, REFUSED};
use crate::output::Session;

use super::find::{self, project_path};
use super::text;

/// A sort of them.
#[derive(Debug)]
pub(crate) struct Sort {
    /// What one is called: `pool`.
    word: &'static str,
    /// There is none of a name.
    absent: Code,
}

pub(crate) const POOL: Sort = Sort {
    word: "pool",
    absent: Code::NoPool,
};
pub(crate) const TARGET: Sort = Sort {
    word: "target",
    absent: Code::NoTarget,
};
pub(crate) const CALENDAR: Sort = Sort {
    word: "calendar",
    absent: Code::NoCalendar,
};

impl Sort {
    /// Where the API has all of a project.
    pub(crate) fn all(&self, project: &str) -> String {
        format!("{}/{}s", project_path(project), self.word)
    }

    /// Where it has one of them.
    pub(crate) fn one(&self, project: &str, name: &str) -> String {
        format!("{}/{}", self.all(project), encode(name))
    }

    /// The project and the name that `NAME` or `PROJECT/NAME` means. Where there is only one project, nobody looks
    /// whether it has one of that name.
    pub(crate) fn named(
        &self,
        session: &Session,
        client: &Client,
        given: &str,
    ) -> Result<(String, String), Failure> {
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
            let all = client.list(&self.all(&project), usize::MAX)?;
            if all.iter().any(|each| text(each, "name") == given) {
                found.push(project);
            }
        }
        let word = self.word;
        let (code, message) = match found.as_slice() {
            [project] => return Ok((project.clone(), given.to_owned())),
            [] => (self.absent, format!("no project has a {word} `{given}`")),
            [_, _, ..] => (
                Code::Refused,
                format!("{word} `{given}` is in several projects"),
            ),
        };
        Err(Failure::new(REFUSED, message)
            .coded(code)
            .hint("name it as `PROJECT/NAME`, or with `--project`"))
    }
}

/// With its project, which who asks within one is not told.
pub(crate) fn in_project(mut value: Value, project: &str) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.entry("project").or_insert_with(|| project.into());
    }
    value
}
