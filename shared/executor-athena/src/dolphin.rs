//! Tasks that were imported from DolphinScheduler, as statements.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SqlTask {
    r#type: Option<String>,
    sql: Option<String>,
    pre_statements: Option<Vec<String>>,
    post_statements: Option<Vec<String>>,
}

/// The statement of a task of this type with these parameters.
///
/// # Errors
/// What can't be said on Athena, and what to do.
pub(crate) fn statement(kind: &str, parameters: &str) -> Result<String, String> {
    if kind != "SQL" {
        return Err(format!(
            "Athena runs tasks of type SQL, not {kind}: give the task another target"
        ));
    }
    let mut reader = serde_json::Deserializer::from_str(parameters);
    let read: Result<SqlTask, _> = serde_path_to_error::deserialize(&mut reader);
    let task = read.map_err(|error| {
        let path = error.path().to_string();
        format!(
            "the parameters of this SQL task cannot be read at `{path}`: {}",
            error.inner()
        )
    })?;
    let engine = task.r#type.unwrap_or_default().to_ascii_uppercase();
    if !matches!(engine.as_str(), "ATHENA" | "PRESTO" | "TRINO") {
        return Err(format!(
            "Athena runs SQL that was written for ATHENA, PRESTO or TRINO, not for {engine}: give the task another target"
        ));
    }
    let around = [task.pre_statements, task.post_statements];
    let mut around = around.iter().flatten().flatten();
    if around.any(|statement| !statement.trim().is_empty()) {
        return Err("Athena takes one statement a query: make a task of each statement before and after it \
                    (`preStatements`, `postStatements`)"
            .to_owned());
    }
    let sql = task.sql.unwrap_or_default();
    let sql = sql.trim().trim_end_matches(';').trim_end();
    if sql.is_empty() {
        return Err("the task has no statement (`sql`)".to_owned());
    }
    Ok(sql.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::statement;

    #[test]
    fn one_statement_is_taken_and_more_are_refused() {
        let task = |more: serde_json::Value| {
            let mut task = json!({"type": "ATHENA", "sql": "select 1;\n", "sqlType": "0", "preStatements": []});
            for (name, value) in more.as_object().unwrap() {
                task[name] = value.clone();
            }
            statement("SQL", &task.to_string())
        };
        assert_eq!(task(json!({})).unwrap(), "select 1");
        for (more, wanted) in [
            (json!({"type": "HIVE"}), "not for HIVE"),
            (json!({"preStatements": ["use a"]}), "preStatements"),
            (json!({"sql": " "}), "no statement"),
            (json!({"sql": 7}), "`sql`"),
        ] {
            let error = task(more).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(statement("SPARK", "{}").unwrap_err().contains("not SPARK"));
    }
}
