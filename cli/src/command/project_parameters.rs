//! `parameters`: what all workflows of a project can name.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::client::encode;
use crate::failure::{Failure, USAGE};
use crate::output::{Session, table};

use super::define::{bytes, called};
use super::entity::in_project;
use super::find::{self, project_path};
use super::{field, run, text};

#[derive(Debug, Args)]
pub(crate) struct Parameters {
    /// Put a parameter.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// Take a parameter away.
    #[arg(long, value_name = "NAME")]
    pub(crate) unset: Vec<String>,
    /// Put parameters from a map in YAML or JSON, as in a workflow's `parameters`; `null` takes one away. `-` reads
    /// standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["set", "unset"])]
    pub(crate) file: Option<PathBuf>,
}

/// Lists the parameters of projects, or changes those of one.
pub(crate) fn parameters(session: &Session, args: &Parameters) -> Result<u8, Failure> {
    let client = session.client()?;
    let projects = find::projects(session, &client)?;
    let mut found = Vec::new();
    if let Some((name, body)) = changes(args)? {
        let [project] = projects.as_slice() else {
            let several = "say whose parameters they are: there is not just one project";
            return Err(Failure::new(USAGE, several).hint("name it with `--project`"));
        };
        let at = format!(
            "{}/parameters?file={}",
            project_path(project),
            encode(&name)
        );
        found.push((project.clone(), client.patch_file(&at, &body)?));
    } else {
        for project in projects {
            let at = format!("{}/parameters", project_path(&project));
            found.push((project, client.get(&at)?));
        }
    }
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for (project, parameters) in found {
        let items = field(&parameters, "items").as_array().into_iter().flatten();
        for parameter in items {
            rows.push(vec![
                format!("{project}/{}", text(parameter, "name")),
                text(parameter, "type").to_owned(),
                text(parameter, "value").to_owned(),
                session.time_of(text(parameter, "changed_at")),
            ]);
            all.push(in_project(parameter.clone(), &project));
        }
    }
    session.result(&json!({ "parameters": all }), || {
        table(&["PARAMETER", "TYPE", "VALUE", "CHANGED"], &rows)
    });
    Ok(0)
}

/// What is to change, and what faults are to call it.
fn changes(args: &Parameters) -> Result<Option<(String, Vec<u8>)>, Failure> {
    if let Some(file) = &args.file {
        return Ok(Some((called(file), bytes(file)?)));
    }
    if args.set.is_empty() && args.unset.is_empty() {
        return Ok(None);
    }
    let mut changes: Map<String, Value> = run::parameters(&args.set)?;
    changes.extend(args.unset.iter().map(|name| (name.clone(), Value::Null)));
    let body = Value::Object(changes).to_string().into_bytes();
    Ok(Some(("the command line".to_owned(), body)))
}
