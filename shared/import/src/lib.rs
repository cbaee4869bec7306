//! Turns workflows of Apache DolphinScheduler into workflows of Porpoise, and says what became of every value.
//!
//! [`import`] takes the bytes of one file that DolphinScheduler 3.1 exported, or that its REST API answered, and gives
//! either every workflow in it together with a [`Report`], or every fault of the file: all or nothing. The same bytes
//! give the same result.
//!
//! **Nothing is silent.** Each leaf of the input ends in one of three ways: the mapping used it, a named [`Rule`] says
//! why it does not matter (a copy, an id of a table, a default), or the report has an entry for it. What nobody
//! touched is found by a sweep over the whole tree and reported as not carried over.
//!
//! A file goes through these stages: `json` turns bytes into a tree with budgets and positions, `envelope` finds the
//! workflows in it and `version` what wrote them, `map` turns each into a [`Workflow`], and `sweep` looks at what is
//! left. Secrets are pointed at by their paths; no value of a parameter ever enters the report.
//!
//! Left out on purpose: file access and archives (callers pass bytes), other versions than 3.1, the running of task
//! types that have no executor here (they are kept whole as [`Kind::External`]), and the remapping of the codes by
//! which SWITCH, CONDITIONS, DEPENDENT and `SUB_PROCESS` refer to others (they are kept and reported with the names
//! that they stand for).
//!
//! Start reading at `map/workflow.rs`.
//!
//! [`Kind::External`]: porpoise_model::workflow::Kind::External

mod envelope;
#[cfg(test)]
mod every_leaf;
mod fault;
mod file_name;
mod json;
mod map;
mod report;
mod sweep;
mod version;

use porpoise_model::Name;
use porpoise_model::limits::DEFINITION_BYTES_MAX;
use porpoise_model::workflow::Workflow;

pub use fault::{ImportFault, ImportFaults, Position};
pub use report::{Entry, Full, Level, Report, Rule, Summary, Topic};
pub use version::{UnknownVersion, Version};

/// What the file cannot say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The project that is to own the workflows; `default` if none is given. An export names no project.
    pub project: Option<String>,
    /// The version that wrote the file, where the file shows another one or none.
    pub from_version: Option<Version>,
}

/// The workflows of a file, and what became of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// In the order of the file.
    pub workflows: Vec<ImportedWorkflow>,
    /// What differs, what was left behind, what to know.
    pub report: Report,
}

/// A workflow, and the name of the definition file for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedWorkflow {
    /// Letters, digits, `-`, `_` and `.yaml`: safe in any folder, unique in the file.
    pub file_name: String,
    /// The workflow.
    pub workflow: Workflow,
}

impl ImportedWorkflow {
    /// The text of its definition file.
    pub fn definition(&self) -> String {
        porpoise_definition::write(&self.workflow)
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
    let text = json::text(bytes).map_err(|problems| problems.locate(file_name, ""))?;
    let outcome = run(text, options);
    outcome
        .map(|(imported, _)| imported)
        .map_err(|problems| problems.locate(file_name, text))
}

/// All stages; also gives the tree with its marks.
fn run(text: &str, options: &Options) -> Result<(Imported, json::Tree), fault::Problems> {
    let mut tree = json::parse(text)?;
    let project = project(options)?;
    let elements = envelope::elements(&tree)?;
    version::check(&tree, &elements, options.from_version)?;
    let trailing = envelope::expand(&mut tree, &elements)?;
    let (workflows, mut notes) = map::workflows(&tree, &elements, &project)?;
    workflows.iter().try_for_each(fits)?;
    sweep::sweep(&tree, &elements, &trailing, options, &mut notes);
    let file_names = file_name::unique(workflows.iter().map(|workflow| workflow.name.as_str()));
    let files = file_names.into_iter().zip(workflows);
    let workflows: Vec<_> = files
        .map(|(file_name, workflow)| ImportedWorkflow {
            file_name,
            workflow,
        })
        .collect();
    let report = notes.into_report(&tree, &workflows);
    Ok((Imported { workflows, report }, tree))
}

/// A definition file has a size that it must not pass, or nobody could read it.
fn fits(workflow: &Workflow) -> Result<(), fault::Problems> {
    let bytes = porpoise_definition::write(workflow).len();
    if bytes <= DEFINITION_BYTES_MAX {
        return Ok(());
    }
    let name = &workflow.name;
    let message = format!(
        "the definition of `{name}` would have {bytes} bytes, at most {DEFINITION_BYTES_MAX} are allowed"
    );
    Err(fault::Problems::one(Some("split the workflow"), message))
}

fn project(options: &Options) -> Result<Name, fault::Problems> {
    let text = options.project.as_deref().unwrap_or("default");
    text.parse().map_err(|error| {
        fault::Problems::one(
            None,
            format!(
                "`{}` cannot be the name of a project: {error}",
                fault::short(text)
            ),
        )
    })
}
