//! Parameters of workflows and tasks.

use indexmap::IndexMap;
use porpoise_model::limits::{ENTRIES_MAX, VALUE_BYTES_MAX};
use porpoise_model::{Name, Value, ValueType};

use super::Mapper;
use super::child::can_stand;
use super::scalar::{Words, plain};
use crate::json::{At, Content};
use crate::report::Topic;

/// Parameters by direction.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) inward: IndexMap<String, Value>,
    pub(super) outward: IndexMap<String, Value>,
    /// The target that the task's own parameters name.
    pub(super) target: Option<String>,
}

/// Parameters and outputs of a workflow.
#[derive(Debug, Default)]
pub(super) struct Globals {
    pub(super) parameters: IndexMap<String, Value>,
    pub(super) outputs: IndexMap<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

pub(super) const DIRECTIONS: Words<Direction> = &[("IN", Direction::In), ("OUT", Direction::Out)];

pub(crate) const TYPES: Words<ValueType> = &[
    ("VARCHAR", ValueType::Varchar),
    ("INTEGER", ValueType::Integer),
    ("LONG", ValueType::Long),
    ("FLOAT", ValueType::Float),
    ("DOUBLE", ValueType::Double),
    ("DATE", ValueType::Date),
    ("TIME", ValueType::Time),
    ("TIMESTAMP", ValueType::Timestamp),
    ("BOOLEAN", ValueType::Boolean),
    ("LIST", ValueType::List),
    ("FILE", ValueType::File),
];

/// A parameter as it is written.
struct Property<'t> {
    at: At<'t>,
    name: String,
    direction: Direction,
    value: Value,
}

impl<'t> Mapper<'t> {
    /// The parameters of a workflow, and its outputs. OUT ones are both: what a task sets under that name is handed to
    /// the workflow above, or else the value of the parameter.
    pub(super) fn globals(&mut self, definition: At<'t>) -> Globals {
        let mut globals = Globals::default();
        for property in self.properties(definition, "globalParams") {
            let name = &property.name;
            if property.direction == Direction::Out && can_stand(name) {
                let message = format!("`{name}` is handed to the workflow above");
                self.notes.add(property.at, Topic::GlobalOut, name, message);
                let output = Value {
                    kind: property.value.kind,
                    text: format!("${{{name}}}"),
                };
                globals.outputs.insert(name.clone(), output);
            }
            self.put(&mut globals.parameters, property);
        }
        globals
    }

    /// The parameters of a task.
    pub(super) fn locals(&mut self, params: At<'t>) -> Parameters {
        let mut locals = Parameters::default();
        for property in self.properties(params, "localParams") {
            match property.direction {
                Direction::Out => self.put(&mut locals.outward, property),
                Direction::In if property.value.text.is_empty() => {
                    let message = format!("`{}` has no value and hides none", property.name);
                    self.notes
                        .add(property.at, Topic::EmptyParameter, &property.name, message);
                }
                Direction::In => self.put(&mut locals.inward, property),
            }
        }
        locals
    }

    fn put(&mut self, into: &mut IndexMap<String, Value>, property: Property<'t>) {
        let Property {
            at, name, value, ..
        } = property;
        if into.insert(name.clone(), value).is_some() {
            let message = format!("an earlier `{name}` of the list gives way to this one");
            self.notes.add(at, Topic::Repeated, name, message);
        }
    }

    fn properties(&mut self, object: At<'t>, key: &str) -> Vec<Property<'t>> {
        let Some(list) = object.get(key) else {
            return Vec::new();
        };
        let count = list.items().count();
        if count > ENTRIES_MAX {
            self.fault(
                list,
                format!("{count} parameters, at most {ENTRIES_MAX} are allowed"),
                None,
            );
            return Vec::new();
        }
        list.items().filter_map(|at| self.property(at)).collect()
    }

    fn property(&mut self, at: At<'t>) -> Option<Property<'t>> {
        let prop = at.get("prop");
        let name = prop
            .and_then(plain)
            .and_then(|text| text.trim().parse::<Name>().ok());
        let (Some(name), Some(prop)) = (name, prop) else {
            self.notes.cover(
                at,
                Topic::NamelessParameter,
                "",
                "the parameter has no name that could be used",
            );
            return None;
        };
        prop.used();
        let direction = self.word(at, "direct", DIRECTIONS, Direction::In);
        let kind = self.word(at, "type", TYPES, ValueType::Varchar);
        let text = self.text_of(at.get("value"))?;
        let value = Value { kind, text };
        Some(Property {
            at,
            name: name.to_string(),
            direction,
            value,
        })
    }

    /// The text of a value. No message ever holds it.
    fn text_of(&mut self, value: Option<At<'t>>) -> Option<String> {
        let Some(at) = value else {
            return Some(String::new());
        };
        at.used();
        let text = match at.content() {
            Content::Null => String::new(),
            Content::Text(text) => (**text).to_owned(),
            Content::Number(_)
            | Content::Bool(_)
            | Content::Embedded(_)
            | Content::List(_)
            | Content::Object(_) => {
                self.notes
                    .add(at, Topic::Converted, "", "the value is a text now");
                at.to_value().to_string()
            }
        };
        if text.len() > VALUE_BYTES_MAX {
            let message = format!(
                "the value has {} bytes, at most {VALUE_BYTES_MAX} are allowed",
                text.len()
            );
            self.fault(
                at,
                message,
                Some("put it into a file that the task fetches"),
            );
            return None;
        }
        if text.contains('\0') {
            self.fault(at, "a NUL character cannot reach a process", None);
            return None;
        }
        Some(text)
    }
}
