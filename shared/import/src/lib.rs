//! Turns workflows of Apache DolphinScheduler into workflows of Porpoise, and says what became of every value.
//!
//! [`import`] takes the bytes of a file that DolphinScheduler exported, that its REST API answered or takes, or that its
//! Python SDK reads; [`import_all`] takes several. Each gives either every workflow together with a [`Report`], or every
//! fault: all or nothing. The same bytes give the same result.
//!
//! **Nothing is silent.** Each leaf of the input ends in one of three ways: the mapping used it, a named [`Rule`] says
//! why it does not matter (a copy, an id of a table, a default), or the report has an entry for it. What nobody
//! touched is found by a sweep over the whole tree and reported as not carried over.
//!
//! A file goes through these stages: `json` turns bytes into a tree with budgets and positions, `envelope` finds the
//! workflows in it, `version` what wrote them and `shape` brings them into one form, in which the nodes of the file keep
//! their places; `attach` gives workflows the
//! schedules that a list has; `secret` puts references in the place of secrets, `map` turns each into a [`Workflow`], `mapping` puts in
//! what people filled in, `project_parameter` takes parameters of projects from lists, and `sweep` looks at what is left. No value of a parameter ever enters the report.
//!
//! Left out on purpose: file access (callers pass bytes), and the running of task types that have no executor here (they
//! are kept whole as [`Kind::External`], with names in the place of the codes that the files explain).
//!
//! Start reading at `map/workflow.rs`.
//!
//! [`Kind::External`]: porpoise_model::workflow::Kind::External

mod archive;
mod attach;
mod document;
mod envelope;
#[cfg(test)]
mod every_leaf;
mod fault;
mod file_name;
mod json;
mod map;
mod mapping;
mod project_parameter;
mod report;
mod secret;
mod shape;
mod statements;
mod sweep;
mod version;

use std::collections::BTreeMap;
use std::fmt::Debug;

use jiff::civil::Date;
use porpoise_model::workflow::Workflow;
use porpoise_model::{Name, Value};

pub use archive::Archive;
pub use fault::{ImportFault, ImportFaults, Position};
pub use mapping::{Mapping, Plan, Section, Thing};
pub use report::{Entry, Full, Level, Report, Rule, Summary, Topic};
pub use statements::{is_statement, statements};
pub use version::{UnknownVersion, Version};

/// What the files cannot say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The project that is to own the workflows. An export names none: without this, it is the one that a list of
    /// projects among the files names, or `default`.
    pub project: Option<String>,
    /// The version that wrote the files, where they show another one or none.
    pub from_version: Option<Version>,
    /// The time zone of schedules that name none; 1.x never does.
    pub timezone: Option<String>,
    /// Schedules start here on this day, in their zones, and not before: until then they fire there.
    pub switch_date: Option<Date>,
    /// What `$ENV{NAME}` of the Python SDK stands for.
    pub env: BTreeMap<String, String>,
    /// What worker groups, data sources and their like are here.
    pub mapping: Option<Mapping>,
}

/// The workflows of some files, and what became of their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// In the order of the files.
    pub workflows: Vec<ImportedWorkflow>,
    /// What differs, what was left behind, what to know.
    pub report: Report,
    /// What the workflows name without saying what it is.
    pub plan: Plan,
    /// Slots of pools that the mapping file tells, as `PROJECT/NAME`.
    pub pools: BTreeMap<String, u32>,
    /// What all workflows of a project can name, for each project that has any, in the order of their names.
    pub parameters: Vec<ProjectParameters>,
}

/// The parameters of a project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectParameters {
    /// As of workflows; unique among those of parameters.
    pub file_name: String,
    /// What the project is called here.
    pub project: Name,
    /// By their names.
    pub values: BTreeMap<String, Value>,
}

impl ProjectParameters {
    /// The text of a file that puts them.
    pub fn text(&self) -> String {
        porpoise_definition::write_parameters(&self.values)
    }
}

/// A workflow, and the name of the definition file for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedWorkflow {
    /// Letters, digits, `-`, `_` and `.yaml`: safe in any folder, unique among those of one import.
    pub file_name: String,
    /// The version of DolphinScheduler as whose it was read.
    pub version: Version,
    /// The workflow.
    pub workflow: Workflow,
}

impl ImportedWorkflow {
    /// The text of its definition file.
    pub fn definition(&self) -> String {
        porpoise_definition::write(&self.workflow)
    }
}

/// Where the files are that a file of the Python SDK names.
pub trait Folder: Debug {
    /// What a file holds, by its path from here: names and `/` only, no `..`. `None` if there is none.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
}

/// A file to import.
#[derive(Debug, Clone, Copy)]
pub struct Input<'f> {
    /// For messages. A file whose name ends with `.yaml` or `.yml` is one of the Python SDK, every other one JSON.
    pub name: &'f str,
    /// What it holds.
    pub bytes: &'f [u8],
    /// Where it is itself, from the folder: names and `/`.
    pub path: &'f str,
    /// Where the files are that it names; without one, it finds none.
    pub folder: Option<&'f dyn Folder>,
    /// Whether it was found in a folder or an archive rather than asked for: then it may hold no workflow.
    pub is_found: bool,
}

impl<'f> Input<'f> {
    /// A file alone.
    pub const fn new(name: &'f str, bytes: &'f [u8]) -> Self {
        Self {
            name,
            bytes,
            path: name,
            folder: None,
            is_found: false,
        }
    }
}

/// Imports every workflow of a file. `file_name` serves messages only.
///
/// # Errors
/// Every fault of the file, with paths and positions: nothing is imported from a file that has one.
///
/// ```
/// let faults = porpoise_import::import("a.json", b"[]", &porpoise_import::Options::default()).unwrap_err();
/// assert_eq!(faults.to_string(), "a.json:1:1: there is no workflow in this file");
/// ```
pub fn import(file_name: &str, bytes: &[u8], options: &Options) -> Result<Imported, ImportFaults> {
    import_all(&[Input::new(file_name, bytes)], options).map_err(|faults| {
        let none = || ImportFaults {
            file: file_name.to_owned(),
            faults: Vec::new(),
            more: 0,
        };
        faults.into_iter().next().unwrap_or_else(none)
    })
}

/// Imports every workflow of all files, which may refer to each other.
///
/// # Errors
/// The faults of each file that has any: then nothing is imported from any file.
pub fn import_all(inputs: &[Input<'_>], options: &Options) -> Result<Imported, Vec<ImportFaults>> {
    document::read_all(inputs, options).and_then(|documents| document::import(&documents, options))
}
