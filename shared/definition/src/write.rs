//! From a workflow to a definition file that people can read and edit.

mod document;
mod emit;
mod kind;
mod quote;

use porpoise_model::workflow::Workflow;

/// Writes a workflow as a YAML definition. The same workflow gives the same text, and reading that text gives the
/// same workflow, as long as it keeps to the limits of a file.
pub fn write(workflow: &Workflow) -> String {
    emit::emit(&document::of(workflow))
}
