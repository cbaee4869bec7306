//! From a workflow to a definition file that people can read and edit.

mod document;
mod emit;
mod kind;
mod quote;

use std::collections::BTreeMap;

use porpoise_model::Value;
use porpoise_model::workflow::Workflow;

/// Writes a workflow as a YAML definition. The same workflow gives the same text, and reading that text gives the
/// same workflow, as long as it keeps to the limits of a file.
pub fn write(workflow: &Workflow) -> String {
    emit::emit(&document::of(workflow))
}

/// Writes parameters of a project as a file that [`read_parameters`](crate::read_parameters) reads back as the same.
pub fn write_parameters(parameters: &BTreeMap<String, Value>) -> String {
    if parameters.is_empty() {
        return "{}\n".to_owned();
    }
    emit::emit(&document::parameters(parameters))
}
