//! Tasks that are other workflows, and what a workflow hands to the one above.

use indexmap::IndexMap;
use porpoise_expression::Template;
use porpoise_model::Value;
use porpoise_model::workflow::Kind;

use super::context::{At, Fields, Reader};
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::tree::{Meaning, View};

/// Fields that say how a process is run.
const OF_PROCESSES: &[&str] = &["env", "target"];

impl Reader<'_> {
    pub(super) fn child(&mut self, at: At<'_>) -> Option<Kind> {
        let workflow = self.name(at)?;
        if self.own_name.as_ref() == Some(&workflow) {
            let message = format!(
                "workflow {} would run itself without end",
                quoted(workflow.as_str())
            );
            self.fault(at, FaultKind::Cycle, message, None);
            return None;
        }
        Some(Kind::Workflow { workflow })
    }

    /// What a task cannot have that is another workflow.
    pub(super) fn no_process(&mut self, fields: &Fields<'_>) {
        for name in fields.present(OF_PROCESSES) {
            let message = format!("a task that is a workflow has no process, and so no `{name}`");
            let hint = "say it in that workflow; `parameters` are handed to it".to_owned();
            self.fault(fields.key(name), FaultKind::Conflict, message, Some(hint));
        }
        if let Some(at) = fields.get("parameters") {
            self.nothing_secret(at);
        }
    }

    /// Recursive: no deeper than a tree may be.
    fn nothing_secret(&mut self, at: At<'_>) {
        match self.tree.view(at.node) {
            View::Scalar(scalar) if scalar.meaning() == Meaning::Text => {
                for secret in Template::parse(scalar.text).secrets() {
                    let name = quoted(secret.name);
                    let message = format!("the secret {name} cannot be handed to another run");
                    let hint = "let the task that needs it name it itself".to_owned();
                    self.fault(at, FaultKind::BadValue, message, Some(hint));
                }
            }
            View::Scalar(_) | View::List(_) => {}
            View::Map(children) => {
                for pair in children.chunks_exact(2) {
                    let &[key, value] = pair else { continue };
                    if let View::Scalar(name) = self.tree.view(key) {
                        self.nothing_secret(at.key(name.text, value));
                    }
                }
            }
        }
    }

    /// What the workflow hands to the one above.
    pub(super) fn results(&mut self, at: At<'_>) -> Option<IndexMap<String, Value>> {
        self.nothing_secret(at);
        self.values(at, None, |_| Use::Result)
    }
}
