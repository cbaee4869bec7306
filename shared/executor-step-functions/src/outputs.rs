//! What an execution hands on.

use porpoise_model::Value;
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::value::{Outputs, ValueType};
use serde_json::Value as Json;

/// The outputs of an execution that succeeded:
///
/// - `execution_arn`
/// - `output`: all of its output, as JSON
/// - each member of its output by its name, if it is an object
///
/// What is larger than a value may be is left out.
pub(crate) fn outputs(arn: &str, output: Option<&str>) -> Outputs {
    let mut outputs = Outputs::new();
    let output = output.and_then(|text| serde_json::from_str::<Json>(text).ok());
    for (name, member) in output.iter().filter_map(Json::as_object).flatten() {
        outputs.extend(value(member).map(|value| (name.clone(), value)));
    }
    let whole = output
        .as_ref()
        .map(|output| (of_json(output), output.to_string()));
    if let Some((kind, text)) = whole
        && text.len() <= VALUE_BYTES_MAX
    {
        outputs.insert("output".to_owned(), Value { kind, text });
    }
    outputs.insert("execution_arn".to_owned(), Value::text(arn));
    outputs
}

/// A member as a value; nothing is none.
fn value(member: &Json) -> Option<Value> {
    let text = match member {
        Json::Null => return None,
        Json::String(text) => text.clone(),
        Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => member.to_string(),
    };
    let kind = of_json(member);
    (text.len() <= VALUE_BYTES_MAX).then_some(Value { kind, text })
}

fn of_json(json: &Json) -> ValueType {
    match json {
        Json::Bool(_) => ValueType::Boolean,
        Json::Number(number) if number.is_i64() => ValueType::Long,
        Json::Number(_) => ValueType::Double,
        Json::Array(_) => ValueType::List,
        Json::Null | Json::String(_) | Json::Object(_) => ValueType::Varchar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_become_outputs_and_what_is_too_large_does_not() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let output = format!(
            r#"{{"rows": 42, "share": 0.5, "day": "2026-11-21", "done": true, "list": [1], "map": {{"a": 1}}, "none": null, "long": "{long}"}}"#
        );
        let outputs = outputs("arn", Some(&output));
        let seen: Vec<_> = outputs
            .iter()
            .map(|(name, value)| (name.as_str(), value.kind, value.text.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("day", ValueType::Varchar, "2026-11-21"),
                ("done", ValueType::Boolean, "true"),
                ("execution_arn", ValueType::Varchar, "arn"),
                ("list", ValueType::List, "[1]"),
                ("map", ValueType::Varchar, r#"{"a":1}"#),
                ("rows", ValueType::Long, "42"),
                ("share", ValueType::Double, "0.5"),
            ]
        );
        let whole = super::outputs("arn", Some("[1, 2]"));
        assert_eq!(whole["output"].text, "[1,2]");
    }
}
