//! Parameters of projects: files beside the definition files, or straight to the server.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use porpoise_import::{Imported, ProjectParameters, Topic};
use serde_json::{Value, json};

use super::super::find::project_path;
use super::super::{field, text};
use super::{Written, quoted};
use crate::client::{Client, encode};
use crate::failure::Failure;

/// Where they are written beside definition files: in a folder of its own, so that nobody applies them as workflows.
const BESIDE: &str = "parameters";

/// What became of the parameters of a project.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    project: String,
    put: Vec<String>,
    unchanged: Vec<String>,
    /// The project has them already, with other values.
    kept: Vec<String>,
}

/// The files that put them, with their texts.
pub(super) fn files(imported: &Imported, out: &Path) -> Vec<(PathBuf, String)> {
    let folder = out.join(BESIDE);
    let file = |of: &ProjectParameters| (folder.join(&of.file_name), of.text());
    imported.parameters.iter().map(file).collect()
}

/// The commands that put what was written.
pub(super) fn steps(imported: &Imported, written: &[Written]) -> Vec<String> {
    let files = imported.parameters.iter().zip(written);
    let step = |(of, file): (&ProjectParameters, &Written)| {
        let (project, file) = (quoted(of.project.as_str()), quoted(&file.name()));
        format!("porpoise parameters --project {project} --file {file}")
    };
    files.map(step).collect()
}

/// Puts those that the projects do not have. A value that somebody gave one here stays, and the report says so.
pub(super) fn put(client: &Client, imported: &mut Imported) -> Result<Vec<Outcome>, Failure> {
    let mut all = Vec::new();
    for parameters in &imported.parameters {
        let put = put_of_project(client, parameters)?;
        for name in &put.kept {
            let message = format!(
                "`{name}` of project `{}` has another value here, which stays",
                put.project
            );
            let path = format!("{}/{name}", put.project);
            let report = &mut imported.report;
            report.add(Topic::ProjectParameterKept, path, name.clone(), message);
        }
        all.push(put);
    }
    Ok(all)
}

fn put_of_project(client: &Client, parameters: &ProjectParameters) -> Result<Outcome, Failure> {
    let mut put = Outcome {
        project: parameters.project.to_string(),
        ..Outcome::default()
    };
    let at = format!("{}/parameters", project_path(&put.project));
    let here = match client.get(&at) {
        Ok(here) => here,
        // it is made when something is put
        Err(failure) if failure.is_absence() => Value::Null,
        Err(failure) => return Err(failure),
    };
    let here = field(&here, "items").as_array().into_iter().flatten();
    let here: BTreeMap<&str, &Value> = here.map(|each| (text(each, "name"), each)).collect();
    let mut missing = parameters.clone();
    missing
        .values
        .retain(|name, _| !here.contains_key(name.as_str()));
    for (name, value) in &parameters.values {
        let same = |here: &&Value| {
            text(here, "value") == value.text && *field(here, "type") == json!(value.kind)
        };
        let names = match here.get(name.as_str()) {
            None => &mut put.put,
            Some(here) if same(here) => &mut put.unchanged,
            Some(_) => &mut put.kept,
        };
        names.push(name.clone());
    }
    if !missing.values.is_empty() {
        let at = format!("{at}?file={}", encode(&parameters.file_name));
        client.patch_file(&at, missing.text().as_bytes())?;
    }
    Ok(put)
}

/// What was imported, where it was written, and what became of it on the server.
pub(super) fn as_data(imported: &Imported, written: &[Written], put: &[Outcome]) -> Vec<Value> {
    let all = imported.parameters.iter().enumerate();
    let data = |(number, of): (usize, &ProjectParameters)| {
        let names: BTreeSet<&String> = of.values.keys().collect();
        let put = put
            .get(number)
            .map(|put| json!({"put": put.put, "unchanged": put.unchanged, "kept": put.kept}));
        json!({
            "project": of.project.as_str(), "names": names,
            "file": written.get(number).map(Written::name), "applied": put,
        })
    };
    all.map(data).collect()
}

impl Outcome {
    /// `retail: 2 parameters put, 1 unchanged, 1 with another value here, which stays: region`
    pub(super) fn line(&self) -> String {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let count = self.put.len();
        let mut line = format!("{}: {count} parameter{} put", self.project, plural(count));
        if !self.unchanged.is_empty() {
            line = format!("{line}, {} unchanged", self.unchanged.len());
        }
        if !self.kept.is_empty() {
            let (count, names) = (self.kept.len(), self.kept.join(", "));
            line = format!("{line}, {count} with another value here, which stays: {names}");
        }
        line
    }
}
