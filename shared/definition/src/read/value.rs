//! Parameters, outputs, variables and labels: maps from names to values.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use porpoise_model::limits::{ENTRIES_MAX, VALUE_BYTES_MAX};
use porpoise_model::{Value, ValueType};

use super::context::{At, Entry, Reader};
use super::reference::Use;
use crate::fault::{FaultKind, quoted};
use crate::field::Object;
use crate::fields::{OUTPUT_VALUE, VALUE};
use crate::tree::{Meaning, View};
use crate::word;

impl Reader<'_> {
    /// Names in NFC to whatever `read` makes of their values.
    pub(crate) fn named<V>(
        &mut self,
        at: At<'_>,
        mut read: impl FnMut(&mut Self, At<'_>, usize) -> Option<V>,
    ) -> Option<IndexMap<String, V>> {
        let entries = self.entries(at)?;
        if !self.at_most(at, entries.len(), ENTRIES_MAX) {
            return None;
        }
        let mut named: IndexMap<String, V> = IndexMap::with_capacity(entries.len());
        for Entry { name, key, value } in entries {
            let normal = self.name_of(at.key(name, key), name);
            let read = read(self, at.key(name, value), named.len());
            let (Some(normal), Some(read)) = (normal, read) else {
                continue;
            };
            if named.contains_key(normal.as_str()) {
                self.duplicate(at, name, key, key);
            }
            named.insert(normal.as_str().to_owned(), read);
        }
        Some(named)
    }

    /// Parameters of the workflow, or of a task.
    pub(crate) fn parameters(
        &mut self,
        at: At<'_>,
        task: Option<u32>,
    ) -> Option<IndexMap<String, Value>> {
        self.values(at, task, Use::Parameter)
    }

    /// Values that may hold expressions.
    pub(super) fn values(
        &mut self,
        at: At<'_>,
        task: Option<u32>,
        r#use: impl Fn(usize) -> Use,
    ) -> Option<IndexMap<String, Value>> {
        self.named(at, |reader, at, position| {
            let value = reader.parameter(at)?;
            let node = reader.value_node(at);
            reader.text_with(At { node, ..at }, &value.text, task, r#use(position));
            Some(value)
        })
    }

    /// The node that holds the text of a value.
    fn value_node(&mut self, at: At<'_>) -> crate::tree::NodeId {
        let View::Map(children) = self.tree.view(at.node) else {
            return at.node;
        };
        let is_value =
            |key| matches!(self.tree.view(key), View::Scalar(scalar) if scalar.text == "value");
        let pair = children
            .chunks_exact(2)
            .find(|pair| pair.first().is_some_and(|key| is_value(*key)));
        pair.and_then(|pair| pair.last().copied())
            .unwrap_or(at.node)
    }

    pub(crate) fn parameter(&mut self, at: At<'_>) -> Option<Value> {
        match self.tree.view(at.node) {
            View::Scalar(scalar) => {
                let text = self.process_text(at, VALUE_BYTES_MAX)?;
                Some(bare(scalar.meaning(), text))
            }
            View::Map(_) => self.typed(at, &VALUE),
            View::List(_) => {
                let hint = "a list is a text in JSON: `{ type: list, value: '[1, 2]' }`".to_owned();
                self.wrong_shape(at, "a text, a number or `{ type, value }`", Some(hint));
                None
            }
        }
    }

    /// `{type, value}`.
    fn typed(&mut self, at: At<'_>, object: &'static Object) -> Option<Value> {
        let fields = self.object(at, object)?;
        let kind = match fields.get("type") {
            None => Some(ValueType::default()),
            Some(at) => self.word(at, word::VALUE_TYPES),
        };
        let value = match fields.get("value") {
            None => Some(""),
            Some(at) => self.process_text(at, VALUE_BYTES_MAX),
        };
        let (kind, text) = (kind?, value?);
        if self.strict
            && let Some(at) = fields.get("value")
            && !fits(kind, text)
        {
            let type_word = word::write(&kind);
            self.fault(
                at,
                FaultKind::BadValue,
                format!("{} is no {type_word}", quoted(text)),
                None,
            );
        }
        let text = text.to_owned();
        Some(Value { kind, text })
    }

    /// A list of names, or a map of names to types.
    pub(crate) fn outputs(&mut self, at: At<'_>) -> Option<IndexMap<String, Value>> {
        let View::List(items) = self.tree.view(at.node) else {
            return self.named(at, |reader, at, _| reader.output(at));
        };
        if !self.at_most(at, items.len(), ENTRIES_MAX) {
            return None;
        }
        let mut outputs = IndexMap::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let item_at = at.index(index, *item);
            let Some(name) = self.name(item_at) else {
                continue;
            };
            if outputs
                .insert(name.as_str().to_owned(), Value::default())
                .is_some()
            {
                self.fault(
                    item_at,
                    FaultKind::Duplicate,
                    format!("{} is there twice", quoted(name.as_str())),
                    None,
                );
            }
        }
        Some(outputs)
    }

    fn output(&mut self, at: At<'_>) -> Option<Value> {
        match self.tree.view(at.node) {
            View::Scalar(scalar) if scalar.is_null() => Some(Value::default()),
            View::Map(_) => self.typed(at, &OUTPUT_VALUE),
            View::Scalar(_) | View::List(_) => {
                let hint = "write `{ type: integer }`, or a list of names only".to_owned();
                self.wrong_shape(at, "`{ type, value }`", Some(hint));
                None
            }
        }
    }

    /// Environment variables.
    pub(crate) fn env(
        &mut self,
        at: At<'_>,
        task: Option<u32>,
    ) -> Option<IndexMap<String, String>> {
        self.named(at, |reader, at, _| {
            let text = reader.process_text(at, VALUE_BYTES_MAX)?;
            if let super::path::Path::Key(_, name) = at.path {
                reader.check_variable(at, name);
            }
            reader.text_with(at, text, task, Use::Value);
            Some(text.to_owned())
        })
    }

    fn check_variable(&mut self, at: At<'_>, name: &str) {
        if name.contains('=') {
            self.fault(
                at,
                FaultKind::BadName,
                "the name of a variable must not contain `=`",
                None,
            );
        }
        if name.starts_with("PORPOISE_") {
            self.note(
                at,
                "names that begin with `PORPOISE_` are Porpoise's own, which win".into(),
                None,
            );
        }
    }

    pub(crate) fn labels(&mut self, at: At<'_>) -> Option<BTreeMap<String, String>> {
        let labels = self.named(at, |reader, at, _| {
            reader.text(at, VALUE_BYTES_MAX).map(ToOwned::to_owned)
        })?;
        Some(labels.into_iter().collect())
    }
}

/// A value without a declared type.
fn bare(meaning: Meaning, text: &str) -> Value {
    let (kind, text) = match meaning {
        Meaning::Bool(value) => (ValueType::Boolean, value.to_string()),
        Meaning::Integer(number) => {
            let kind = if i32::try_from(number).is_ok() {
                ValueType::Integer
            } else {
                ValueType::Long
            };
            // Digits stay as they are written: `01` of a month is no `1`.
            let decimal = text.parse::<i64>().is_ok();
            (
                kind,
                if decimal {
                    text.to_owned()
                } else {
                    number.to_string()
                },
            )
        }
        Meaning::Number
            if text
                .bytes()
                .any(|b| !(b.is_ascii_digit() || matches!(b, b'-' | b'+'))) =>
        {
            (ValueType::Double, text.to_owned())
        }
        // A whole number beyond 64 bits is a text: no digit is lost.
        Meaning::Number | Meaning::Text | Meaning::Null => (ValueType::Varchar, text.to_owned()),
    };
    Value { kind, text }
}

/// The value that a plain text stands for, when it has no declared type; the writer asks.
pub(crate) fn of_plain(text: &str) -> Value {
    bare(crate::tree::meaning(text), text)
}

/// Whether a text is of a type. What is empty or holds an expression is told at run time.
pub fn fits(kind: ValueType, text: &str) -> bool {
    if text.is_empty() || text.contains('$') {
        return true;
    }
    match kind {
        ValueType::Integer => text.parse::<i32>().is_ok(),
        ValueType::Long => text.parse::<i64>().is_ok(),
        ValueType::Float | ValueType::Double => text.parse::<f64>().is_ok(),
        ValueType::Boolean => matches!(text, "true" | "false"),
        ValueType::List => serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).is_ok(),
        ValueType::Varchar
        | ValueType::Date
        | ValueType::Time
        | ValueType::Timestamp
        | ValueType::File => true,
    }
}
