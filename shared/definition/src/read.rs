//! From nodes to workflows: a typed reader that goes on after a fault.

mod branch;
mod child;
pub(crate) mod context;
mod dependent;
mod edge;
mod files;
mod http;
mod kind;
mod kind_on_target;
mod order;
pub(crate) mod path;
mod reach;
mod reference;
mod retry;
mod scalar;
mod schedule;
mod task;
mod value;
mod workflow;

use std::sync::Arc;

use porpoise_model::workflow::Workflow;

use crate::fault::{Fault, FaultKind, Faults, Note, Place};
use crate::tree::{self, Spot, TreeError, View};
use context::{At, Reader};
use path::Path;
pub use value::fits;
pub(crate) use value::of_plain;

/// The dialect of a workflow that names none.
pub(crate) const DIALECT_DEFAULT: &str = porpoise_expression::Dialect::Porpoise1.as_str();

/// A workflow that is sound, and what was noticed about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Ready to be stored.
    pub workflow: Workflow,
    /// What is allowed and perhaps not meant, in the order of the file.
    pub notes: Vec<Note>,
    /// Where its schedule names a calendar, if it names one: whether there is such a calendar, only a server knows.
    pub calendar: Option<Place>,
}

/// Reads every workflow of a definition file, YAML or JSON. `file_name` serves messages, and its ending `.json` says
/// that the file must be JSON.
///
/// # Errors
/// Every fault of the file: nothing is read from a file that has one. A file that is no YAML at all has a single
/// fault, where its reading ended.
///
/// ```
/// let file = "workflow: hello\ntasks:\n  greet: { shell: echo hello }\n  leave: { noop: , after: [great] }\n";
/// let faults = porpoise_definition::read("hello.yaml", file.as_bytes()).unwrap_err();
/// assert_eq!(
///     faults.to_string(),
///     "hello.yaml:4:28: tasks.leave.after[0]: no task named `great`; did you mean `greet`?"
/// );
/// ```
pub fn read(file_name: &str, bytes: &[u8]) -> Result<Vec<Checked>, Faults> {
    let file: Arc<str> = file_name.into();
    let tree = match tree::parse(file_name, bytes) {
        Ok(tree) => tree,
        Err(error) => return Err(unreadable(&file, error)),
    };
    let mut reader = Reader::new(&tree, file);
    let mut checked: Vec<Checked> = Vec::new();
    let mut notes = Vec::new();
    for document in &tree.documents {
        let at = At {
            path: Path::Root,
            node: *document,
        };
        if matches!(tree.view(*document), View::Scalar(scalar) if scalar.is_null()) {
            continue;
        }
        reader.calendar = None;
        let workflow = reader.workflow(at);
        let found = reader.findings.take_notes();
        notes.extend(found.iter().cloned());
        let Some(workflow) = workflow else { continue };
        if is_there(&checked, &workflow) {
            reader.fault(
                at,
                FaultKind::Duplicate,
                format!("workflow `{}` is there twice", workflow.name),
                None,
            );
        }
        checked.push(Checked {
            workflow,
            notes: found,
            calendar: reader.calendar.take(),
        });
    }
    if checked.is_empty() && reader.findings.count() == 0 {
        return Err(unreadable(
            &reader.file,
            TreeError {
                too_large: false,
                spot: Spot { line: 1, column: 1 },
                message: "there is no workflow in this file".into(),
                hint: Some("a definition begins with `workflow: NAME`".into()),
            },
        ));
    }
    reader.findings.into_result(checked, notes)
}

/// Reads a file that has to be one document; `what` says so of it. Also where that document begins.
pub(crate) fn one_document<T>(
    file: &Arc<str>,
    bytes: &[u8],
    what: &str,
    read: impl FnOnce(&mut Reader<'_>, At<'_>) -> T,
) -> Result<(T, Place), Faults> {
    let tree = tree::parse(file, bytes).map_err(|error| unreadable(file, error))?;
    let [document] = tree.documents.as_slice() else {
        let place = place(file, Spot { line: 1, column: 1 }, String::new());
        return Err(Faults::one(FaultKind::Syntax, place, what, None));
    };
    let mut reader = Reader::new(&tree, Arc::clone(file));
    let at = At {
        path: Path::Root,
        node: *document,
    };
    let read = read(&mut reader, at);
    reader.findings.into_result((), Vec::new())?;
    Ok((read, place(file, tree.spot(*document), String::new())))
}

fn is_there(checked: &[Checked], workflow: &Workflow) -> bool {
    checked.iter().any(|other| {
        other.workflow.name == workflow.name && other.workflow.project == workflow.project
    })
}

/// The one fault of a file that is no tree.
pub(crate) fn unreadable(file: &Arc<str>, error: TreeError) -> Faults {
    let fault = Fault {
        kind: if error.too_large {
            FaultKind::TooLarge
        } else {
            FaultKind::Syntax
        },
        place: place(file, error.spot, String::new()),
        message: error.message,
        hint: error.hint,
    };
    Faults {
        faults: vec![fault],
        more: 0,
        notes: Vec::new(),
    }
}

pub(crate) fn place(file: &Arc<str>, spot: Spot, path: String) -> Place {
    Place {
        file: Arc::clone(file),
        line: usize::try_from(spot.line).unwrap_or(usize::MAX),
        column: usize::try_from(spot.column).unwrap_or(usize::MAX),
        path,
    }
}
