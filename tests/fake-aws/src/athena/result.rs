//! What is told of queries, and their rows.

use serde_json::{Value, json};

use super::Athena;
use super::query::{Query, State};
use crate::answer::Fault;
use crate::clock::{between, seconds};
use crate::emr::{copy, text};

/// The largest page of a list.
const PAGE: usize = 50;

impl Athena {
    pub(super) fn get(&self, input: &Value) -> Result<Value, Fault> {
        let (id, query) = self.query(input)?;
        Ok(json!({"QueryExecution": view(id, query)}))
    }

    pub(super) fn batch_get(&self, input: &Value) -> Value {
        let ids = input.get("QueryExecutionIds").and_then(Value::as_array);
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for id in ids.into_iter().flatten().filter_map(Value::as_str) {
            match self.queries.get(id) {
                Some(query) => known.push(view(id, query)),
                None => unknown.push(json!({
                    "QueryExecutionId": id,
                    "ErrorCode": "INVALID_INPUT",
                    "ErrorMessage": format!("QueryExecution {id} was not found"),
                })),
            }
        }
        json!({"QueryExecutions": known, "UnprocessedQueryExecutionIds": unknown})
    }

    pub(super) fn list(&self, input: &Value) -> Result<Value, Fault> {
        let workgroup = input
            .get("WorkGroup")
            .and_then(Value::as_str)
            .unwrap_or("primary");
        self.workgroup(workgroup)?;
        let number = |name: &str| input.get(name).and_then(Value::as_u64);
        let most = number("MaxResults").map_or(PAGE, |most| usize::try_from(most).unwrap_or(PAGE));
        let token = input.get("NextToken").and_then(Value::as_str);
        let behind = token.and_then(|token| token.parse::<usize>().ok());
        let all = self.queries.iter().enumerate().rev();
        let of_group = all.filter(|(_, (_, query))| query.workgroup == workgroup);
        let mut rest = of_group
            .filter(|(index, _)| behind.is_none_or(|behind| *index < behind))
            .peekable();
        let page: Vec<(usize, &String)> = rest
            .by_ref()
            .take(most)
            .map(|(index, (id, _))| (index, id))
            .collect();
        // the model has no empty list of ids, so none is told by leaving it out
        let mut answer = json!({});
        if !page.is_empty() {
            let ids: Vec<&String> = page.iter().map(|(_, id)| *id).collect();
            answer["QueryExecutionIds"] = json!(ids);
        }
        if let (Some(_), Some((last, _))) = (rest.peek(), page.last()) {
            answer["NextToken"] = json!(last.to_string());
        }
        Ok(answer)
    }

    /// The rows, with the names of the columns as the first of a query that reads.
    pub(super) fn results(&self, input: &Value) -> Result<Value, Fault> {
        let (_, query) = self.query(input)?;
        if query.state != State::Succeeded {
            let state = query.state.word();
            let message = format!("Query did not finish successfully. Final query state: {state}");
            return Err(Fault::invalid("INVALID_QUERY_STATUS_ERROR", &message));
        }
        let columns = &query.script.columns;
        let reads = query.statement() != "DDL";
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let header: Option<Vec<String>> = (query.statement() == "DML").then_some(names);
        let rows = query.script.rows.iter().filter(|_| reads).cloned();
        let rows: Vec<Vec<String>> = header.into_iter().chain(rows).collect();
        let most = input
            .get("MaxResults")
            .and_then(Value::as_u64)
            .unwrap_or(1000);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let token = input.get("NextToken").and_then(Value::as_str);
        let from = token.map_or(Some(0), |token| token.parse::<usize>().ok());
        let from = from.ok_or_else(|| Fault::invalid("INVALID_INPUT", "Malformed token"))?;
        let cell = |cell: &String| {
            if cell == "NULL" {
                json!({})
            } else {
                json!({"VarCharValue": cell})
            }
        };
        let row = |row: &Vec<String>| json!({"Data": row.iter().map(cell).collect::<Vec<_>>()});
        let page: Vec<Value> = rows.iter().skip(from).take(most).map(row).collect();
        let info = |(name, kind): &(String, String)| {
            json!({
                "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
                "Type": kind, "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": false,
            })
        };
        let columns: Vec<Value> = columns.iter().filter(|_| reads).map(info).collect();
        let next = from + page.len();
        let mut answer = json!({
            "UpdateCount": 0,
            "ResultSet": {"Rows": page, "ResultSetMetadata": {"ColumnInfo": columns}},
        });
        if next < rows.len() {
            answer["NextToken"] = json!(next.to_string());
        }
        Ok(answer)
    }
}

fn view(id: &str, query: &Query) -> Value {
    let mut status = json!({
        "State": query.state.word(),
        "SubmissionDateTime": seconds(query.submitted),
    });
    if let Some(why) = &query.why {
        status["StateChangeReason"] = json!(why);
    }
    let mut statistics = json!({});
    if let Some(ended) = query.ended {
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let started = query.started.unwrap_or(ended);
        status["CompletionDateTime"] = seconds(ended);
        statistics = json!({
            "EngineExecutionTimeInMillis": millis(query.ran()),
            "DataScannedInBytes": if query.started.is_some() { query.script.scanned } else { 0 },
            "TotalExecutionTimeInMillis": millis(between(query.submitted, ended)),
            "QueryQueueTimeInMillis": millis(between(query.submitted, started)),
            "ServiceProcessingTimeInMillis": 0,
        });
    }
    if query.state == State::Failed {
        let category = query.script.category;
        status["AthenaError"] = json!({
            "ErrorCategory": category, "ErrorType": 1, "Retryable": category == 1,
            "ErrorMessage": query.why,
        });
    }
    let folder = query.output.trim_end_matches('/');
    let end = if query.statement() == "DML" {
        "csv"
    } else {
        "txt"
    };
    let mut view = json!({
        "QueryExecutionId": id,
        "Query": text(&query.input, "QueryString"),
        "StatementType": query.statement(),
        "ResultConfiguration": {"OutputLocation": format!("{folder}/{id}.{end}")},
        "Status": status,
        "Statistics": statistics,
        "WorkGroup": query.workgroup,
        "EngineVersion": {
            "SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3",
        },
    });
    let members = [
        "QueryExecutionContext",
        "ExecutionParameters",
        "ResultReuseConfiguration",
    ];
    copy(&query.input, &members, &mut view);
    view
}
