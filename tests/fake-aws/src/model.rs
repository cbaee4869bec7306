//! The service models: what a request and an answer may look like.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use indexmap::IndexMap;
use regex::Regex;
use serde::Deserialize;

/// A service, as far as it is faked.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    /// Its operations, by name.
    pub(crate) operations: IndexMap<String, Operation>,
    /// What they take and give, by name.
    pub(crate) shapes: BTreeMap<String, Shape>,
    /// The patterns of shapes, compiled.
    #[serde(skip)]
    patterns: BTreeMap<String, Regex>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) input: String,
    pub(crate) output: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Structure,
    List,
    Map,
    String,
    Integer,
    Long,
    Double,
    Boolean,
    Timestamp,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) required: Vec<String>,
    #[serde(default)]
    pub(crate) members: IndexMap<String, Member>,
    pub(crate) member: Option<Member>,
    pub(crate) key: Option<Member>,
    pub(crate) value: Option<Member>,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pattern: Option<String>,
    #[serde(rename = "enum")]
    pub(crate) words: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) union: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) shape: String,
    pub(crate) location: Option<String>,
    #[serde(rename = "locationName")]
    pub(crate) location_name: Option<String>,
}

impl Model {
    fn read(text: &str) -> Self {
        let mut model: Self = serde_json::from_str(text).unwrap_or_else(|error| {
            unreachable!("a model of this crate is not as extract.py writes it: {error}")
        });
        for (name, shape) in &model.shapes {
            if let Some(pattern) = &shape.pattern {
                model.patterns.insert(name.clone(), compiled(pattern));
            }
        }
        model
    }

    /// A shape that the model names.
    pub(crate) fn shape(&self, name: &str) -> &Shape {
        self.shapes
            .get(name)
            .unwrap_or_else(|| unreachable!("the model names `{name}` and does not have it"))
    }

    pub(crate) fn pattern(&self, name: &str) -> Option<&Regex> {
        self.patterns.get(name)
    }
}

/// The whole of a value has to match, which may have several lines. Characters beyond 16 bits are written as two in the
/// models; here they are one.
fn compiled(pattern: &str) -> Regex {
    let pattern = pattern
        .replace(r"\uD800\uDBFF-\uDC00\uDFFF", r"\x{10000}-\x{10FFFF}")
        .replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\x{10000}-\x{10FFFF}");
    Regex::new(&format!("(?s)^(?:{pattern})$"))
        .unwrap_or_else(|error| unreachable!("the pattern `{pattern}` of a model: {error}"))
}

/// EMR Serverless, 2021-07-13.
pub(crate) static EMR_SERVERLESS: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("../model/emr-serverless.json")));

/// Athena, 2017-05-18.
pub(crate) static ATHENA: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("../model/athena.json")));

#[cfg(test)]
mod tests {
    use super::{ATHENA, EMR_SERVERLESS};

    #[test]
    fn both_models_are_read_with_all_their_patterns() {
        assert!(
            EMR_SERVERLESS
                .pattern("ClientToken")
                .unwrap()
                .is_match("a.b-c_D")
        );
        assert!(
            !EMR_SERVERLESS
                .pattern("ClientToken")
                .unwrap()
                .is_match("a b")
        );
        assert!(
            EMR_SERVERLESS
                .pattern("Query")
                .unwrap()
                .is_match("\nselect 1\n")
        );
        assert!(ATHENA.pattern("WorkGroupName").unwrap().is_match("primary"));
        for model in [&*EMR_SERVERLESS, &*ATHENA] {
            for operation in model.operations.values() {
                assert!(model.shapes.contains_key(&operation.input));
                assert!(model.shapes.contains_key(&operation.output));
            }
        }
    }
}
