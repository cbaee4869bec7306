//! What a query hands on: where its results are, and its first rows.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{
    ColumnInfo, QueryExecution, QueryExecutionStatistics, ResultSet, ResultSetMetadata,
    StatementType,
};
use porpoise_model::Value;
use porpoise_model::limits::VALUE_BYTES_MAX;
use porpoise_model::value::{Outputs, ValueType};
use serde_json::{Map, json};

use crate::error::Failure;

/// Outputs are part of a run's log: rows that take more bytes than this stay on S3 alone.
const ROWS_BYTES_MAX: usize = VALUE_BYTES_MAX;

/// The outputs of a query that succeeded:
///
/// - `result_location`, `query_execution_id`, `scanned_bytes`
/// - each column of the first row, by its name
/// - `rows`: a JSON list of the first rows, each an object of texts and nulls, if they are small
pub(crate) async fn outputs(
    client: &Client,
    query: &QueryExecution,
    rows_max: u16,
) -> Result<Outputs, Failure> {
    let mut outputs = Outputs::new();
    let mut set = |name: &str, value: Value| _ = outputs.insert(name.to_owned(), value);
    let id = query.query_execution_id().unwrap_or_default();
    set("query_execution_id", Value::text(id));
    let location = query
        .result_configuration()
        .and_then(|results| results.output_location());
    if let Some(location) = location {
        set("result_location", Value::text(location));
    }
    let scanned = query
        .statistics()
        .and_then(QueryExecutionStatistics::data_scanned_in_bytes);
    set(
        "scanned_bytes",
        Value {
            kind: ValueType::Long,
            text: scanned.unwrap_or_default().to_string(),
        },
    );
    if rows_max == 0 || query.statement_type() == Some(&StatementType::Ddl) {
        return Ok(outputs);
    }
    let get = client.get_query_results().query_execution_id(id);
    let answer = get
        .max_results(i32::from(rows_max) + 1)
        .send()
        .await
        .map_err(Failure::of)?;
    let reads = query.statement_type() == Some(&StatementType::Dml);
    let rows = answer
        .result_set()
        .map(|set| rows(set, reads))
        .unwrap_or_default();
    let text = json!(rows).to_string();
    if text.len() > ROWS_BYTES_MAX {
        return Ok(outputs);
    }
    for (name, value) in rows.first().into_iter().flatten() {
        if let Some(text) = value.as_str() {
            set(name, Value::text(text));
        }
    }
    set(
        "rows",
        Value {
            kind: ValueType::List,
            text,
        },
    );
    Ok(outputs)
}

/// The rows as objects. The first row of a query that reads has the names of the columns.
fn rows(set: &ResultSet, reads: bool) -> Vec<Map<String, serde_json::Value>> {
    let columns = set
        .result_set_metadata()
        .map(ResultSetMetadata::column_info)
        .unwrap_or_default();
    let names: Vec<&str> = columns.iter().map(ColumnInfo::name).collect();
    let rows = set.rows().iter().skip(usize::from(reads));
    let row = |row: &aws_sdk_athena::types::Row| {
        let cells = names.iter().zip(row.data());
        cells
            .map(|(name, cell)| ((*name).to_owned(), json!(cell.var_char_value())))
            .collect()
    };
    rows.map(row).collect()
}
