//! What a task does.

use porpoise_model::limits::{SCRIPT_BYTES_MAX, VALUE_BYTES_MAX};
use porpoise_model::workflow::Kind;
use serde_json::{Map, Number, Value};

use super::context::{At, Entry, Fields, Here, Reader};
use super::reference::Use;
use crate::fault::FaultKind;
use crate::fields::KINDS;
use crate::fields_of_kinds::{EXTERNAL, NOTHING};
use crate::tree::{Meaning, Scalar, View};

impl Reader<'_> {
    /// The kind of a task: exactly one.
    pub(crate) fn kind(&mut self, fields: &Fields<'_>, here: Here<'_>) -> Option<Kind> {
        let task = here.index;
        let present = fields.present(KINDS);
        let Some((word, others)) = present.split_first() else {
            // A kind that is misspelt is an unknown field already.
            if !fields.unknown {
                let hint = format!("give it one of: {}", KINDS.join(", "));
                self.fault(
                    fields.at,
                    FaultKind::MissingField,
                    "the task does nothing",
                    Some(hint),
                );
            }
            return None;
        };
        for other in others {
            let message = format!("a task has one kind, this one has `{word}` already");
            self.fault(fields.key(other), FaultKind::Conflict, message, None);
        }
        let at = fields.get(word)?;
        match *word {
            "shell" => self.script(at, task).map(|script| Kind::Shell { script }),
            "python" => self.script(at, task).map(|script| Kind::Python { script }),
            "command" => self.command(at, task),
            "sleep" => self.duration(at).map(|duration| Kind::Sleep { duration }),
            "external" => self.external(at, task),
            "spark" => self.spark(at, task),
            "hive" => self.hive(at, task),
            "sql" => self.sql(at, task),
            "http" => self.http(at, task),
            "function" => {
                let call = self.call(at, task);
                call.map(|(name, input)| Kind::Function { name, input })
            }
            "state_machine" => {
                let call = self.call(at, task);
                call.map(|(name, input)| Kind::StateMachine { name, input })
            }
            "workflow" => self.child(at, task),
            "approval" => {
                let question = self.text(at, VALUE_BYTES_MAX)?.to_owned();
                Some(Kind::Approval { question })
            }
            "dependent" => self.dependent(at),
            "switch" => self.switch(at, here),
            "conditions" => self.conditions(at, here),
            _ => self.noop(at),
        }
    }

    fn noop(&mut self, at: At<'_>) -> Option<Kind> {
        if self.is_null(at) {
            return Some(Kind::Noop);
        }
        if !matches!(self.tree.view(at.node), View::Map(_)) {
            self.wrong_shape(at, "nothing or `{}`", None);
            return None;
        }
        self.object(at, &NOTHING).map(|_| Kind::Noop)
    }

    fn script(&mut self, at: At<'_>, task: u32) -> Option<String> {
        let text = self.text(at, SCRIPT_BYTES_MAX)?;
        self.text_with(at, text, Some(task), Use::Script);
        Some(text.to_owned())
    }

    fn command(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        let hint = "write `[program, argument]`, or use `shell` for a line of shell".to_owned();
        let items = self.list(at, Some(hint))?;
        if items.is_empty() {
            self.fault(at, FaultKind::BadValue, "there is no program to run", None);
            return None;
        }
        if !self.at_most(at, items.len(), porpoise_model::limits::ENTRIES_MAX) {
            return None;
        }
        let mut argv = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index, *item);
            let Some(text) = self.process_text(at, SCRIPT_BYTES_MAX) else {
                continue;
            };
            if index == 0 && text.is_empty() {
                self.fault(at, FaultKind::BadValue, "there is no program to run", None);
            }
            self.text_with(at, text, Some(task), Use::Value);
            argv.push(text.to_owned());
        }
        (argv.len() == items.len()).then_some(Kind::Command { argv })
    }

    fn external(&mut self, at: At<'_>, task: u32) -> Option<Kind> {
        let fields = self.object(at, &EXTERNAL)?;
        let system = fields
            .get("system")
            .and_then(|at| self.text(at, VALUE_BYTES_MAX));
        let name = fields
            .get("name")
            .and_then(|at| self.text(at, VALUE_BYTES_MAX));
        let parameters = match fields.get("parameters") {
            None => Some(Value::Null),
            Some(at) => self.json(at, task, Use::Script),
        };
        Some(Kind::External {
            system: system?.to_owned(),
            name: name?.to_owned(),
            parameters: parameters?,
        })
    }

    /// Anything, as JSON. Recursive: no deeper than a tree may be.
    pub(super) fn json(&mut self, at: At<'_>, task: u32, r#use: Use) -> Option<Value> {
        match self.tree.view(at.node) {
            View::Scalar(scalar) => {
                self.text_with(at, scalar.text, Some(task), r#use);
                Some(json_scalar(scalar))
            }
            View::List(items) => {
                let items = items.iter().enumerate();
                let values: Vec<_> = items
                    .map(|(index, item)| self.json(at.index(index, *item), task, r#use))
                    .collect();
                values.into_iter().collect::<Option<_>>().map(Value::Array)
            }
            View::Map(_) => {
                let mut map = Map::new();
                for Entry { name, value, .. } in self.entries(at)? {
                    map.insert(
                        name.to_owned(),
                        self.json(at.key(name, value), task, r#use)?,
                    );
                }
                Some(Value::Object(map))
            }
        }
    }
}

/// Numbers that JSON cannot hold without losing digits stay texts.
fn json_scalar(scalar: Scalar<'_>) -> Value {
    match scalar.meaning() {
        Meaning::Null => Value::Null,
        Meaning::Bool(value) => value.into(),
        Meaning::Integer(number) => number.into(),
        Meaning::Number => json_number(scalar.text),
        Meaning::Text => scalar.text.into(),
    }
}

fn json_number(text: &str) -> Value {
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    let is_float = text.contains(['.', 'e', 'E']);
    let number = text
        .parse::<f64>()
        .ok()
        .filter(|_| is_float)
        .and_then(Number::from_f64);
    number.map_or_else(|| text.into(), Value::Number)
}
