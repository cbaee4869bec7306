//! The JSON Schema of a definition, made from the tables of fields.

use porpoise_model::limits::{ENTRIES_MAX, NAME_CHARS_MAX, TASKS_MAX};
use serde_json::{Map, Value, json};

use crate::field::{Field, Object, Shape};
use crate::fields;

const DURATION_PATTERN: &str =
    r"^(0|(?=[0-9])([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?)$";

/// The JSON Schema (draft 2020-12) of a definition file with one workflow, as text.
///
/// It describes shapes. What tasks say of each other, cron, time zones and expressions are left to
/// [`read`](crate::read()).
pub fn schema() -> String {
    let mut definitions = Map::new();
    let root = object(&fields::WORKFLOW, &mut definitions);
    let mut schema = Map::new();
    schema.insert(
        "$schema".into(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".into(), json!("Porpoise workflow definition"));
    if let Value::Object(root) = root {
        schema.extend(root);
    }
    definitions.sort_keys();
    schema.insert("$defs".into(), Value::Object(definitions));
    format!("{:#}\n", Value::Object(schema))
}

fn object(object: &Object, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in object.fields {
        properties.insert(field.name.into(), described(field, definitions));
    }
    let mut schema = Map::new();
    schema.insert("description".into(), json!(object.about));
    schema.insert("type".into(), json!("object"));
    schema.insert("additionalProperties".into(), json!(false));
    schema.insert("properties".into(), Value::Object(properties));
    if !object.required.is_empty() {
        schema.insert("required".into(), json!(object.required));
    }
    if !object.one_of.is_empty() {
        let choices: Vec<_> = object
            .one_of
            .iter()
            .map(|name| json!({"required": [name]}))
            .collect();
        schema.insert("oneOf".into(), json!(choices));
    }
    Value::Object(schema)
}

fn described(field: &Field, definitions: &mut Map<String, Value>) -> Value {
    let mut schema = shape(&field.shape, definitions);
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".into(), json!(field.about));
    }
    schema
}

fn shape(shape_: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape_ {
        Shape::Name => json!({
            "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": NAME_CHARS_MAX
        }),
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer(from, to) => json!({"type": "integer", "minimum": from, "maximum": to}),
        Shape::Duration => json!({"anyOf": [
            {"type": "string", "pattern": DURATION_PATTERN, "examples": ["90s", "5m", "1h30m", "2d"]},
            {"const": 0}
        ]}),
        Shape::Instant => json!({
            "type": "string", "examples": ["2026-01-01", "2026-01-01 06:00:00", "2026-01-01T05:00:00Z"]
        }),
        Shape::Word(words) => {
            let choices: Vec<_> = words
                .iter()
                .map(|(word, about)| json!({"const": word, "description": about}))
                .collect();
            json!({"oneOf": choices})
        }
        Shape::Null => json!({"type": "null"}),
        Shape::List(item) => json!({"type": "array", "items": shape(item, definitions)}),
        Shape::Map(value) => map(value, 0, ENTRIES_MAX, definitions),
        Shape::Named(value) => map(value, 1, TASKS_MAX, definitions),
        Shape::Object(inner) => {
            if !definitions.contains_key(inner.name) {
                // What holds itself finds itself here.
                definitions.insert(inner.name.into(), Value::Null);
                let schema = object(inner, definitions);
                definitions.insert(inner.name.into(), schema);
            }
            json!({"$ref": format!("#/$defs/{}", inner.name)})
        }
        Shape::OneOf(shapes) => {
            let choices: Vec<_> = shapes
                .iter()
                .map(|choice| shape(choice, definitions))
                .collect();
            json!({"anyOf": choices})
        }
        Shape::Anything => json!({}),
    }
}

fn map(value: &Shape, least: usize, most: usize, definitions: &mut Map<String, Value>) -> Value {
    json!({
        "type": "object",
        "propertyNames": {"minLength": 1, "maxLength": NAME_CHARS_MAX},
        "minProperties": least,
        "maxProperties": most,
        "additionalProperties": shape(value, definitions)
    })
}
