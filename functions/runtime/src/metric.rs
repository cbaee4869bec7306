//! Metrics in `CloudWatch`'s embedded format: a log line that becomes numbers. Their only dimension is the function.
//!
//! Source: user guide of `CloudWatch`, "Specification: embedded metric format".

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::Reader;
use crate::log;

/// Where the metrics are found.
pub const NAMESPACE: &str = "Porpoise";

/// Writes counts as one line, under the name of this function.
pub fn count(at: Timestamp, counts: &[(&str, usize)]) {
    let env = Reader::of_process();
    let function = env.optional("AWS_LAMBDA_FUNCTION_NAME");
    log::write(&line(&function.unwrap_or_default(), at, counts));
}

fn line(function: &str, at: Timestamp, counts: &[(&str, usize)]) -> String {
    let metrics = counts
        .iter()
        .map(|(name, _)| json!({"Name": name, "Unit": "Count"}));
    let metrics: Vec<Value> = metrics.collect();
    let mut line = Map::new();
    let about = json!({
        "Timestamp": at.as_millisecond(),
        "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["function"]], "Metrics": metrics}],
    });
    line.insert("_aws".to_owned(), about);
    line.insert("function".to_owned(), function.into());
    for (name, count) in counts {
        line.insert((*name).to_owned(), (*count).into());
    }
    Value::from(line).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_its_numbers_belong() {
        let at = Timestamp::from_millisecond(1_767_225_600_000).unwrap();
        let line = line(
            "porpoise-trigger",
            at,
            &[("OpenWithoutProgress", 12), ("Stuck", 0)],
        );
        insta::assert_snapshot!(line, @r#"{"_aws":{"Timestamp":1767225600000,"CloudWatchMetrics":[{"Namespace":"Porpoise","Dimensions":[["function"]],"Metrics":[{"Name":"OpenWithoutProgress","Unit":"Count"},{"Name":"Stuck","Unit":"Count"}]}]},"function":"porpoise-trigger","OpenWithoutProgress":12,"Stuck":0}"#);
    }
}
