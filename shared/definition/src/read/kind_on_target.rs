//! What a task does that a target on AWS runs.

use porpoise_expression::Template;
use porpoise_model::limits::{ENTRIES_MAX, SCRIPT_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::Kind;
use serde_json::{Map, Value};

use super::context::{At, Entry, Fields, Reader};
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::fields_of_kinds::{CALL, HIVE, ROWS, SPARK, SQL};
use crate::tree::{Meaning, View};

impl Reader<'_> {
    pub(super) fn spark(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        if let Some(scalar) = self.scalar(at) {
            let shown = scalar.text.lines().next().unwrap_or_default();
            let hint = format!("write `{{ entry_point: {shown} }}`");
            self.wrong_shape(at, "a map", Some(hint));
            return None;
        }
        let fields = self.object(at, &SPARK)?;
        let entry_point = self.own_value(&fields, "entry_point", task, VALUE_BYTES_MAX);
        let arguments = self.arguments(&fields, task);
        let submit = self.own_value(&fields, "submit", task, SCRIPT_BYTES_MAX);
        let request = self.request(&fields, task, "jobDriver");
        Some(Kind::Spark {
            entry_point: entry_point??,
            arguments: arguments?,
            submit: submit?,
            request: request?,
        })
    }

    pub(super) fn hive(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        if self.scalar(at).is_some() {
            let query = self.statement(at, task)?;
            return Some(Kind::Hive {
                query,
                init: None,
                options: None,
                request: Map::new(),
            });
        }
        let fields = self.object(at, &HIVE)?;
        let query = fields.get("query").map(|at| self.statement(at, task));
        let init = self.own_value(&fields, "init", task, VALUE_BYTES_MAX);
        let options = self.own_value(&fields, "options", task, SCRIPT_BYTES_MAX);
        let request = self.request(&fields, task, "jobDriver");
        Some(Kind::Hive {
            query: query??,
            init: init?,
            options: options?,
            request: request?,
        })
    }

    pub(super) fn sql(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        if self.scalar(at).is_some() {
            let statement = self.statement(at, task)?;
            return Some(Kind::Sql {
                statement,
                arguments: Vec::new(),
                database: None,
                request: Map::new(),
                before: Vec::new(),
                after: Vec::new(),
                rows: None,
                limit: None,
            });
        }
        let fields = self.object(at, &SQL)?;
        let statement = fields.get("statement").map(|at| self.statement(at, task));
        let arguments = self.arguments(&fields, task);
        let database = self.own_value(&fields, "database", task, VALUE_BYTES_MAX);
        let request = self.request(&fields, task, "QueryString");
        let before = self.statements(&fields, "before", task);
        let after = self.statements(&fields, "after", task);
        let rows = self.count(&fields, "rows");
        let limit = self.count(&fields, "limit");
        Some(Kind::Sql {
            statement: statement??,
            arguments: arguments?,
            database: database?,
            request: request?,
            before: before?,
            after: after?,
            rows: rows?,
            limit: limit?,
        })
    }

    /// Statements around another.
    fn statements(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        task: u32,
    ) -> Option<Vec<String>> {
        let Some(at) = fields.get(name) else {
            return Some(Vec::new());
        };
        let items = self.list(at, Some("write `[first, second]`".to_owned()))?;
        if !self.at_most(at, items.len(), ENTRIES_MAX) {
            return None;
        }
        let items = items.iter().enumerate();
        let read: Vec<Option<String>> = items
            .map(|(index, item)| self.statement(at.index(index, *item), task))
            .collect();
        read.into_iter().collect()
    }

    #[expect(
        clippy::option_option,
        reason = "at fault, not there, there: three different things"
    )]
    fn count(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<Option<u32>> {
        match fields.get(name) {
            None => Some(None),
            Some(at) => self.integer(at, ROWS).map(Some),
        }
    }

    /// What is called, and what it is given.
    pub(super) fn call(&mut self, at: At<'_>, task: u32) -> Option<(String, Value)> {
        if self.scalar(at).is_some() {
            return Some((self.value(at, task, VALUE_BYTES_MAX)?, Value::Null));
        }
        let fields = self.object(at, &CALL)?;
        let name = self.own_value(&fields, "name", task, VALUE_BYTES_MAX);
        let input = match fields.get("input") {
            None => Some(Value::Null),
            Some(at) => {
                let input = self.json(at, task, Use::Value);
                self.no_secrets_within(at);
                input
            }
        };
        Some((name??, input?))
    }

    /// A text in a language of its own, which is not empty.
    fn statement(&mut self, at: At<'_>, task: u32) -> Option<String> {
        let text = self.text(at, SCRIPT_BYTES_MAX)?;
        if text.trim().is_empty() {
            self.fault(at, FaultKind::BadValue, "there is nothing to run", None);
            return None;
        }
        self.no_secrets(at, text);
        self.text_with(at, text, Some(task), Use::Script);
        Some(text.to_owned())
    }

    /// A text that may hold expressions, and is not empty.
    fn value(&mut self, at: At<'_>, task: u32, bytes_max: usize) -> Option<String> {
        let text = self.text(at, bytes_max)?;
        if text.trim().is_empty() {
            self.fault(at, FaultKind::BadValue, "this is empty", None);
            return None;
        }
        self.no_secrets(at, text);
        self.text_with(at, text, Some(task), Use::Value);
        Some(text.to_owned())
    }

    /// The text of a field; nothing at all if it is there and at fault.
    #[expect(
        clippy::option_option,
        reason = "at fault, not there, there: three different things"
    )]
    fn own_value(
        &mut self,
        fields: &Fields<'_>,
        name: &'static str,
        task: u32,
        bytes_max: usize,
    ) -> Option<Option<String>> {
        match fields.get(name) {
            None => Some(None),
            Some(at) => self.value(at, task, bytes_max).map(Some),
        }
    }

    fn arguments(&mut self, fields: &Fields<'_>, task: u32) -> Option<Vec<String>> {
        let Some(at) = fields.get("arguments") else {
            return Some(Vec::new());
        };
        let hint = "write `[first, second]`".to_owned();
        let items = self.list(at, Some(hint))?;
        if !self.at_most(at, items.len(), ENTRIES_MAX) {
            return None;
        }
        let mut arguments = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index, *item);
            let Some(text) = self.text(at, SCRIPT_BYTES_MAX) else {
                continue;
            };
            self.no_secrets(at, text);
            self.text_with(at, text, Some(task), Use::Value);
            arguments.push(text.to_owned());
        }
        (arguments.len() == items.len()).then_some(arguments)
    }

    /// A map in the target's own words, without what the task itself says.
    fn request(
        &mut self,
        fields: &Fields<'_>,
        task: u32,
        ours: &'static str,
    ) -> Option<Map<String, Value>> {
        let Some(at) = fields.get("request") else {
            return Some(Map::new());
        };
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            self.wrong_shape(at, "a map", None);
            return None;
        }
        let entries = self.entries(at)?;
        let mut fine = true;
        for Entry { name, value, .. } in entries {
            if name.eq_ignore_ascii_case(ours) {
                let message = format!("{} is what the task itself says", quoted(name));
                self.fault(at.key(name, value), FaultKind::Conflict, message, None);
                fine = false;
            }
        }
        self.no_secrets_within(at);
        let Some(Value::Object(request)) = self.json(at, task, Use::Value) else {
            return None;
        };
        fine.then_some(request)
    }

    /// Nobody resolves a secret on such a target: what is there would be the reference itself.
    fn no_secrets(&mut self, at: At<'_>, text: &str) {
        let template = Template::parse(text);
        for secret in template.secrets() {
            let message = format!(
                "the secret {} cannot reach a job on this kind of target",
                quoted(secret.name)
            );
            let hint = "let the job itself read it from Secrets Manager, with its own role";
            self.fault(at, FaultKind::BadValue, message, Some(hint.to_owned()));
        }
    }

    /// The same for all texts within. Recursive: no deeper than a tree may be.
    pub(super) fn no_secrets_within(&mut self, at: At<'_>) {
        match self.tree.view(at.node) {
            View::Scalar(scalar) if scalar.meaning() == Meaning::Text => {
                self.no_secrets(at, scalar.text);
            }
            View::Scalar(_) => {}
            View::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.no_secrets_within(at.index(index, *item));
                }
            }
            View::Map(children) => {
                for pair in children.chunks_exact(2) {
                    let &[key, value] = pair else { continue };
                    if let View::Scalar(name) = self.tree.view(key) {
                        self.no_secrets_within(at.key(name.text, value));
                    }
                }
            }
        }
    }
}
