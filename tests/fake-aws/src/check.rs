//! A value against its shape.

use serde_json::Value;

use crate::model::{Kind, Model, Shape};

/// What is wrong with `value` as a `shape`, in the words of the services.
pub(crate) fn faults(model: &Model, shape: &str, value: &Value) -> Vec<String> {
    check(model, shape, value, false)
}

/// The same for an answer, where the services themselves leave texts empty that their models want filled.
pub(crate) fn faults_of_answer(model: &Model, shape: &str, value: &Value) -> Vec<String> {
    check(model, shape, value, true)
}

fn check(model: &Model, shape: &str, value: &Value, empty: bool) -> Vec<String> {
    let mut check = Check {
        model,
        empty,
        faults: Vec::new(),
    };
    check.value(shape, value, "");
    check.faults
}

struct Check<'a> {
    model: &'a Model,
    /// Whether texts may be empty.
    empty: bool,
    faults: Vec<String>,
}

impl Check<'_> {
    fn fault(&mut self, path: &str, constraint: impl std::fmt::Display) {
        let at = if path.is_empty() { "request" } else { path };
        self.faults.push(format!(
            "Value at '{at}' failed to satisfy constraint: {constraint}"
        ));
    }

    fn value(&mut self, name: &str, value: &Value, path: &str) {
        let shape = self.model.shape(name);
        match shape.kind {
            Kind::Structure => self.structure(shape, value, path),
            Kind::List => self.list(shape, value, path),
            Kind::Map => self.map(shape, value, path),
            Kind::String => self.string(name, shape, value, path),
            Kind::Integer | Kind::Long => match value.as_i64() {
                Some(number) => self.range(shape, number, path, "value"),
                None => self.fault(path, "Member must be an integer"),
            },
            Kind::Double | Kind::Timestamp if !value.is_number() => {
                self.fault(path, "Member must be a number");
            }
            Kind::Boolean if !value.is_boolean() => {
                self.fault(path, "Member must be a boolean");
            }
            Kind::Double | Kind::Timestamp | Kind::Boolean => {}
        }
    }

    fn structure(&mut self, shape: &Shape, value: &Value, path: &str) {
        let Some(members) = value.as_object() else {
            return self.fault(path, "Member must be a structure");
        };
        for name in &shape.required {
            if members.get(name).is_none_or(Value::is_null) {
                self.fault(&join(path, name), "Member must not be null");
            }
        }
        for (name, value) in members {
            let path = join(path, name);
            match shape.members.get(name) {
                None => self.fault(&path, "Member is not known to the service model"),
                Some(_) if value.is_null() => {}
                Some(member) => self.value(&member.shape, value, &path),
            }
        }
        if shape.union && members.values().filter(|value| !value.is_null()).count() != 1 {
            self.fault(path, "Exactly one member of a union must be set");
        }
    }

    fn list(&mut self, shape: &Shape, value: &Value, path: &str) {
        let Some(items) = value.as_array() else {
            return self.fault(path, "Member must be a list");
        };
        self.length(shape, items.len(), path);
        for (index, item) in items.iter().enumerate() {
            if let Some(member) = &shape.member {
                self.value(&member.shape, item, &format!("{path}.{}.member", index + 1));
            }
        }
    }

    fn map(&mut self, shape: &Shape, value: &Value, path: &str) {
        let Some(entries) = value.as_object() else {
            return self.fault(path, "Member must be a map");
        };
        self.length(shape, entries.len(), path);
        for (name, value) in entries {
            let path = join(path, name);
            if let Some(key) = &shape.key {
                self.value(&key.shape, &Value::String(name.clone()), &path);
            }
            if let Some(member) = &shape.value {
                self.value(&member.shape, value, &path);
            }
        }
    }

    fn string(&mut self, name: &str, shape: &Shape, value: &Value, path: &str) {
        let Some(text) = value.as_str() else {
            return self.fault(path, "Member must be a string");
        };
        if self.empty && text.is_empty() {
            return;
        }
        self.length(shape, text.chars().count(), path);
        if let Some(words) = &shape.words
            && !words.iter().any(|word| word == text)
        {
            let words = words.join(", ");
            self.fault(
                path,
                format!("Member must satisfy enum value set: [{words}]"),
            );
        }
        if let Some(pattern) = self.model.pattern(name)
            && !pattern.is_match(text)
        {
            let pattern = pattern.as_str();
            self.fault(
                path,
                format!("Member must satisfy regular expression pattern: {pattern}"),
            );
        }
    }

    fn length(&mut self, shape: &Shape, length: usize, path: &str) {
        self.range(
            shape,
            i64::try_from(length).unwrap_or(i64::MAX),
            path,
            "length",
        );
    }

    #[expect(
        clippy::as_conversions,
        clippy::cast_precision_loss,
        reason = "limits of models are far below where numbers of this type lose digits"
    )]
    fn range(&mut self, shape: &Shape, number: i64, path: &str, what: &str) {
        if let Some(min) = shape.min.filter(|min| (number as f64) < *min) {
            let constraint = format!("Member must have {what} greater than or equal to {min}");
            self.fault(path, constraint);
        }
        if let Some(max) = shape.max.filter(|max| (number as f64) > *max) {
            let constraint = format!("Member must have {what} less than or equal to {max}");
            self.fault(path, constraint);
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::faults;
    use crate::model::EMR_SERVERLESS;

    #[test]
    fn every_sort_of_constraint_is_told_with_its_place() {
        let request = json!({
            "applicationId": "UPPER",
            "clientToken": "x".repeat(65),
            "jobDriver": {"sparkSubmit": {"entryPoint": "a.py", "entrypoint": 1}, "hive": {}},
            "mode": "NEVER",
            "executionTimeoutMinutes": 1_000_001,
            "tags": {"k": 7},
        });
        let faults = faults(&EMR_SERVERLESS, "StartJobRunRequest", &request).join("\n");
        for wanted in [
            "'executionRoleArn' failed to satisfy constraint: Member must not be null",
            "'applicationId' failed to satisfy constraint: Member must satisfy regular expression",
            "'clientToken' failed to satisfy constraint: Member must have length less than or equal to 64",
            "'jobDriver.sparkSubmit.entrypoint' failed to satisfy constraint: Member is not known",
            "'jobDriver.hive.query' failed to satisfy constraint: Member must not be null",
            "'jobDriver' failed to satisfy constraint: Exactly one member",
            "'mode' failed to satisfy constraint: Member must satisfy enum value set: [BATCH, STREAMING]",
            "'executionTimeoutMinutes' failed to satisfy constraint: Member must have value less than or equal to 1000000",
            "'tags.k' failed to satisfy constraint: Member must be a string",
        ] {
            assert!(faults.contains(wanted), "{wanted}\nis not in\n{faults}");
        }
    }
}
