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
//! their places; `secret` puts references in the place of secrets, `map` turns each into a [`Workflow`], and `sweep`
//! looks at what is left. No value of a parameter ever enters the report.
//!
//! Left out on purpose: file access (callers pass bytes), and the running of task types that have no executor here (they
//! are kept whole as [`Kind::External`], with names in the place of the codes that the files explain).
//!
//! Start reading at `map/workflow.rs`.
//!
//! [`Kind::External`]: porpoise_model::workflow::Kind::External

mod document;
mod envelope;
#[cfg(test)]
mod every_leaf;
mod fault;
mod file_name;
mod json;
mod map;
mod report;
mod secret;
mod shape;
mod sweep;
mod version;

use porpoise_model::workflow::Workflow;

pub use fault::{ImportFault, ImportFaults, Position};
pub use report::{Entry, Full, Level, Report, Rule, Summary, Topic};
pub use version::{UnknownVersion, Version};

/// What the files cannot say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The project that is to own the workflows; `default` if none is given. An export names no project.
    pub project: Option<String>,
    /// The version that wrote the files, where they show another one or none.
    pub from_version: Option<Version>,
    /// The time zone of schedules that name none; 1.x never does.
    pub timezone: Option<String>,
}

/// The workflows of some files, and what became of their values.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// In the order of the files.
    pub workflows: Vec<ImportedWorkflow>,
    /// What differs, what was left behind, what to know.
    pub report: Report,
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

/// A file to import.
#[derive(Debug, Clone, Copy)]
pub struct Input<'f> {
    /// For messages.
    pub name: &'f str,
    /// What it holds.
    pub bytes: &'f [u8],
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
    let input = Input {
        name: file_name,
        bytes,
    };
    import_all(&[input], options).map_err(|faults| {
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
