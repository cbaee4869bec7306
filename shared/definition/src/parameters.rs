//! Reading parameters of a project: a map of names to values, YAML or JSON, as `parameters` of a workflow.

use std::collections::BTreeMap;

use porpoise_model::Value;

use crate::fault::Faults;
use crate::read::one_document;
use crate::tree::{Meaning, View};

/// Reads parameters of a project: each name with its value, or with `null`: it is to be taken away. `file_name` serves
/// messages.
///
/// # Errors
/// Every fault of the file: nothing is taken from a file that has one.
pub fn read_parameters(
    file_name: &str,
    bytes: &[u8],
) -> Result<BTreeMap<String, Option<Value>>, Faults> {
    let what = "parameters are one document: a map of names to values";
    let (read, _) = one_document(&file_name.into(), bytes, what, |reader, at| {
        let read = reader.named(at, |reader, at, _| {
            if let View::Scalar(scalar) = reader.tree.view(at.node)
                && scalar.meaning() == Meaning::Null
            {
                return Some(None);
            }
            reader.parameter(at).map(Some)
        });
        read.unwrap_or_default()
    })?;
    Ok(read.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use porpoise_model::ValueType;

    use super::*;

    #[test]
    fn values_have_types_and_null_takes_away() {
        let file = "region: eu\nbatch: 500\nfrom: { type: date, value: 2026-01-01 }\nold: null\n";
        let read = read_parameters("p.yaml", file.as_bytes()).unwrap();
        let typed = |kind, text: &str| {
            let text = text.to_owned();
            Some(Value { kind, text })
        };
        let expected = [
            ("batch", typed(ValueType::Integer, "500")),
            ("from", typed(ValueType::Date, "2026-01-01")),
            ("old", None),
            ("region", typed(ValueType::Varchar, "eu")),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(read, BTreeMap::from(expected));
    }

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let names = ["region", "null", "1", "<<", "- a", "a: b", "参数", "x # y"];
        let texts = [
            "",
            "eu",
            "null",
            "~",
            "500",
            "0.5",
            "true",
            "2026-01-01",
            "a: b # c",
            " x ",
            "a\nb\n",
            "${secret:project-x}",
            "$[yyyyMMdd-1]",
            "[1, 2]",
            "\t\"'\\",
        ];
        for kind in [
            ValueType::Varchar,
            ValueType::Integer,
            ValueType::Boolean,
            ValueType::Date,
            ValueType::List,
        ] {
            for text in texts.into_iter().filter(|text| crate::fits(kind, text)) {
                let value = |()| Value {
                    kind,
                    text: text.to_owned(),
                };
                let given: BTreeMap<String, Value> =
                    names.map(|name| (name.to_owned(), value(()))).into();
                let written = crate::write_parameters(&given);
                let read = read_parameters("p.yaml", written.as_bytes()).unwrap();
                let expected: BTreeMap<_, _> = given
                    .into_iter()
                    .map(|(name, value)| (name, Some(value)))
                    .collect();
                assert_eq!(read, expected, "{written}");
            }
        }
        let none = crate::write_parameters(&BTreeMap::new());
        assert!(
            read_parameters("p.yaml", none.as_bytes())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once() {
        let file = "a: [1]\n\"b\\0\": x\nc: { typ: date }\n";
        let faults = read_parameters("p.yaml", file.as_bytes()).unwrap_err();
        let paths: Vec<_> = faults
            .faults
            .iter()
            .map(|f| f.place.path.as_str())
            .collect();
        assert_eq!(paths, ["a", "\"b\\u{0}\"", "c", "c.typ"], "{faults:?}");
    }
}
