//! Tasks that are other workflows, and what a workflow hands to the one above.

use indexmap::IndexMap;
use porpoise_expression::Template;
use porpoise_model::limits::{
    MAPPED_ELEMENTS_MAX, MAPPED_LISTS_BYTES_MAX, MAPPED_LISTS_MAX, MAPPED_PARALLEL_MAX,
    VALUE_BYTES_MAX,
};
use porpoise_model::workflow::{Each, Items, Kind};
use porpoise_model::{Name, Value};

use super::context::{At, Fields, Reader};
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::fields_of_kinds::{CALLED, ELEMENTS, PARALLEL, SEPARATED};
use crate::tree::{Meaning, Scalar, View};

/// Fields that say how a process is run.
const OF_PROCESSES: &[&str] = &["env", "files", "target"];
/// Fields that say how runs are made for elements.
const OF_MAPPED: &[&str] = &["without", "at_most", "parallel"];

fn is_list(text: &str) -> bool {
    serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).is_ok()
}

impl Reader<'_> {
    pub(super) fn child(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            let workflow = self.called(at)?;
            return Some(Kind::Workflow {
                workflow,
                each: None,
            });
        }
        let fields = self.object(at, &CALLED)?;
        let workflow = fields.get("name").and_then(|at| self.called(at));
        let each = self.each(&fields, task);
        Some(Kind::Workflow {
            workflow: workflow?,
            each: each?.map(Box::new),
        })
    }

    fn called(&mut self, at: At<'_>) -> Option<Name> {
        let workflow = self.name(at)?;
        if self.own_name.as_ref() == Some(&workflow) {
            let message = format!(
                "workflow {} would run itself without end",
                quoted(workflow.as_str())
            );
            self.fault(at, FaultKind::Cycle, message, None);
            return None;
        }
        Some(workflow)
    }

    /// For what it is run; nothing at all if that is at fault.
    #[expect(
        clippy::option_option,
        reason = "at fault, not there, there: three different things"
    )]
    fn each(&mut self, fields: &Fields<'_>, task: u32) -> Option<Option<Each>> {
        let Some(at) = fields.get("for_each") else {
            let alone = fields.present(OF_MAPPED);
            for name in &alone {
                let message = format!("there is no `for_each`, and so no `{name}`");
                self.fault(fields.key(name), FaultKind::Conflict, message, None);
            }
            return alone.is_empty().then_some(None);
        };
        self.nothing_secret(at);
        let lists = self.named(at, |reader, at, _| reader.items(at, task));
        let lists = lists.filter(|lists| self.at_most(at, lists.len(), MAPPED_LISTS_MAX));
        if lists.as_ref().is_some_and(IndexMap::is_empty) {
            let message = "there is no list to make runs for";
            self.fault(at, FaultKind::BadValue, message, None);
        }
        let without = match fields.get("without") {
            None => Some(Vec::new()),
            Some(at) => self.texts_of(at, |_, _, _| {}),
        };
        let at_most = match fields.get("at_most") {
            None => Some(MAPPED_ELEMENTS_MAX),
            Some(at) => self.integer(at, ELEMENTS),
        };
        let parallel = match fields.get("parallel") {
            None => Some(MAPPED_PARALLEL_MAX),
            Some(at) => self.integer(at, PARALLEL),
        };
        Some(Some(Each {
            lists: lists?,
            without: without?,
            at_most: at_most?,
            parallel: parallel?,
        }))
    }

    fn items(&mut self, at: At<'_>, task: u32) -> Option<Items> {
        match self.tree.view(at.node) {
            View::List(_) => {
                let keep = |reader: &mut Self, at: At<'_>, text: &str| {
                    reader.text_with(at, text, Some(task), Use::Value);
                };
                self.texts_of(at, keep).map(Items::Values)
            }
            View::Scalar(_) => {
                let text = self.process_text(at, MAPPED_LISTS_BYTES_MAX)?.to_owned();
                if self.strict && !text.contains('$') && !is_list(&text) {
                    let message = format!("{} is no list in JSON", quoted(&text));
                    let hint = "write `[a, b]`, or `{ text: \"a,b\", separator: \",\" }`";
                    self.fault(at, FaultKind::BadValue, message, Some(hint.to_owned()));
                }
                self.text_with(at, &text, Some(task), Use::Value);
                let separator = None;
                Some(Items::Text { text, separator })
            }
            View::Map(_) => {
                let fields = self.object(at, &SEPARATED)?;
                let text = fields.get("text").and_then(|at| {
                    let text = self.process_text(at, MAPPED_LISTS_BYTES_MAX)?;
                    self.text_with(at, text, Some(task), Use::Value);
                    Some(text.to_owned())
                });
                let separator = fields.get("separator").and_then(|at| {
                    let separator = self.text(at, VALUE_BYTES_MAX)?;
                    if separator.is_empty() {
                        let message = "nothing separates nothing";
                        self.fault(at, FaultKind::BadValue, message, None);
                    }
                    Some(separator.to_owned())
                });
                Some(Items::Text {
                    text: text?,
                    separator: Some(separator?),
                })
            }
        }
    }

    /// A list of texts, each of which `keep` is shown.
    fn texts_of(
        &mut self,
        at: At<'_>,
        keep: impl Fn(&mut Self, At<'_>, &str),
    ) -> Option<Vec<String>> {
        let items = self.list(at, Some("write `[first, second]`".to_owned()))?;
        let most = usize::try_from(MAPPED_ELEMENTS_MAX).unwrap_or(usize::MAX);
        if !self.at_most(at, items.len(), most) {
            return None;
        }
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index, *item);
            if let Some(text) = self.process_text(at, VALUE_BYTES_MAX) {
                keep(self, at, text);
                texts.push(text.to_owned());
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }

    /// What a task cannot have that is another workflow.
    pub(super) fn no_process(&mut self, fields: &Fields<'_>, kind: Option<&Kind>) {
        for name in fields.present(OF_PROCESSES) {
            let message = format!("a task that is a workflow has no process, and so no `{name}`");
            let hint = "say it in that workflow; `parameters` are handed to it".to_owned();
            self.fault(fields.key(name), FaultKind::Conflict, message, Some(hint));
        }
        let Some(at) = fields.get("parameters") else {
            return;
        };
        self.nothing_secret(at);
        let each = match kind {
            Some(Kind::Workflow { each, .. }) if self.strict => each.as_deref(),
            _ => None,
        };
        for name in each.iter().flat_map(|each| each.lists.keys()) {
            self.given_twice(at, name);
        }
    }

    /// A parameter that each element gives anew.
    fn given_twice(&mut self, at: At<'_>, name: &str) {
        let View::Map(children) = self.tree.view(at.node) else {
            return;
        };
        for pair in children.chunks_exact(2) {
            let &[key, value] = pair else { continue };
            let same = |scalar: Scalar<'_>| scalar.text == name;
            if matches!(self.tree.view(key), View::Scalar(scalar) if same(scalar)) {
                let message = format!("{} is what `for_each` gives already", quoted(name));
                self.fault(at.key(name, value), FaultKind::Conflict, message, None);
            }
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
            View::Scalar(_) => {}
            View::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.nothing_secret(at.index(index, *item));
                }
            }
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
