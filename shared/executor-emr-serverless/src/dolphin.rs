//! Tasks that were imported from DolphinScheduler, as requests.
//!
//! What EMR Serverless has no word for is refused, never left out: queues and modes of deployment are, because an
//! application takes their place.

use porpoise_ports::target::object;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The request of a task of this type with these parameters.
///
/// # Errors
/// What can't be said on EMR Serverless, and what to do.
pub(crate) fn request(
    kind: &str,
    parameters: &str,
    settings: &Settings,
) -> Result<Map<String, Value>, String> {
    match kind {
        "SPARK" => spark(&read(kind, parameters)?, settings),
        "HIVECLI" => hive_cli(&read(kind, parameters)?, settings),
        "SQL" => sql(&read(kind, parameters)?),
        "EMR_SERVERLESS" => emr_serverless(&read(kind, parameters)?, settings),
        other => Err(format!(
            "EMR Serverless runs tasks of type SPARK, HIVECLI, EMR_SERVERLESS, and SQL on Hive, not {other}: give the \
             task another target"
        )),
    }
}

fn read<'a, T: Deserialize<'a>>(kind: &str, parameters: &'a str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(parameters);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        format!(
            "the parameters of this {kind} task cannot be read at `{path}`: {}",
            error.inner()
        )
    })
}

/// A file: 3.1 and older name it by its id, later ones by its path.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    id: Option<i64>,
    resource_name: Option<String>,
    res: Option<String>,
}

impl File {
    fn address(&self, settings: &Settings) -> Result<String, String> {
        let imported = &settings.imported;
        if let Some(path) = self
            .resource_name
            .as_ref()
            .or(self.res.as_ref())
            .filter(|path| !path.is_empty())
        {
            if path.starts_with("s3://") {
                return Ok(path.clone());
            }
            let folder = imported.resources.as_ref().ok_or_else(|| {
                format!(
                    "the file `{path}` has no address: set `imported.resources` in the settings of the target to the \
                     folder on S3 that it is in"
                )
            })?;
            let (folder, path) = (folder.trim_end_matches('/'), path.trim_start_matches('/'));
            return Ok(format!("{folder}/{path}"));
        }
        let id = self.id.ok_or("the task names no file")?.to_string();
        imported.resource_ids.get(&id).cloned().ok_or_else(|| {
            format!("the file with id {id} has no address: set `imported.resource_ids.{id}` in the settings of the target")
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spark {
    program_type: Option<String>,
    main_class: Option<String>,
    main_jar: Option<File>,
    main_args: Option<String>,
    others: Option<String>,
    app_name: Option<String>,
    driver_cores: Option<Value>,
    driver_memory: Option<String>,
    num_executors: Option<Value>,
    executor_memory: Option<String>,
    executor_cores: Option<Value>,
    raw_script: Option<String>,
    sql_execution_type: Option<String>,
    namespace: Option<String>,
    resource_list: Option<Vec<File>>,
}

fn spark(task: &Spark, settings: &Settings) -> Result<Map<String, Value>, String> {
    if filled(task.namespace.as_ref()).is_some() {
        return Err("the task runs Spark on Kubernetes: give it a target there".to_owned());
    }
    let (entry_point, arguments) = if task.program_type.as_deref() == Some("SQL") {
        spark_sql(task, settings)?
    } else {
        let jar = task.main_jar.as_ref();
        let jar = jar.ok_or("the task has no program (`mainJar`)")?;
        let arguments = filled(task.main_args.as_ref()).map(words).transpose()?;
        (jar.address(settings)?, arguments.unwrap_or_default())
    };
    let mut submit = Vec::new();
    if let Some(class) = filled(task.main_class.as_ref()) {
        submit.push(format!("--class {class}"));
    }
    let number = |value: &Option<Value>| match value.as_ref()? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let settings_of_spark = [
        ("spark.driver.cores", number(&task.driver_cores)),
        (
            "spark.driver.memory",
            filled(task.driver_memory.as_ref()).map(str::to_owned),
        ),
        ("spark.executor.instances", number(&task.num_executors)),
        (
            "spark.executor.memory",
            filled(task.executor_memory.as_ref()).map(str::to_owned),
        ),
        ("spark.executor.cores", number(&task.executor_cores)),
        ("spark.app.name", filled(task.app_name.as_ref()).map(quoted)),
    ];
    let set = settings_of_spark.into_iter();
    submit.extend(set.filter_map(|(name, value)| Some(format!("--conf {name}={}", value?))));
    submit.extend(filled(task.others.as_ref()).map(str::to_owned));
    let submit = json!({
        "entryPoint": entry_point,
        "entryPointArguments": arguments,
        "sparkSubmitParameters": (!submit.is_empty()).then(|| submit.join(" ")),
    });
    Ok(driver("sparkSubmit", &submit))
}

fn spark_sql(task: &Spark, settings: &Settings) -> Result<(String, Vec<String>), String> {
    let program = settings.imported.sql_program.clone().ok_or(
        "Spark on EMR Serverless takes programs, not SQL: put a program on S3 that runs its first argument as SQL, and \
         set `imported.sql_program` in the settings of the target to its address",
    )?;
    let script = if task.sql_execution_type.as_deref() == Some("FILE") {
        let file = task.resource_list.iter().flatten().next();
        let file = file.ok_or("the task names no file with its SQL (`resourceList`)")?;
        file.address(settings)?
    } else {
        let script = filled(task.raw_script.as_ref());
        script
            .ok_or("the task has no SQL (`rawScript`)")?
            .to_owned()
    };
    Ok((program, vec![script]))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CliTask {
    hive_cli_task_execution_type: Option<String>,
    hive_sql_script: Option<String>,
    hive_cli_options: Option<String>,
    resource_list: Option<Vec<File>>,
}

fn hive_cli(task: &CliTask, settings: &Settings) -> Result<Map<String, Value>, String> {
    let query = if task.hive_cli_task_execution_type.as_deref() == Some("FILE") {
        let file = task.resource_list.iter().flatten().next();
        let file = file.ok_or("the task names no file with its script (`resourceList`)")?;
        file.address(settings)?
    } else {
        let script = filled(task.hive_sql_script.as_ref());
        script
            .ok_or("the task has no script (`hiveSqlScript`)")?
            .to_owned()
    };
    let options = filled(task.hive_cli_options.as_ref());
    let hive = json!({"query": query, "parameters": options});
    Ok(driver("hive", &hive))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SqlTask {
    r#type: Option<String>,
    sql: Option<String>,
    sql_type: Option<Value>,
    pre_statements: Option<Vec<String>>,
    post_statements: Option<Vec<String>>,
    udfs: Option<String>,
}

fn sql(task: &SqlTask) -> Result<Map<String, Value>, String> {
    let kind = task.r#type.as_deref().unwrap_or_default();
    if !kind.eq_ignore_ascii_case("HIVE") {
        return Err(format!(
            "EMR Serverless runs SQL on Hive, not on {kind}: give the task another target"
        ));
    }
    let is_query = matches!(&task.sql_type, Some(kind) if *kind == json!("0") || *kind == json!(0));
    if is_query {
        return Err("the task wants the rows of a query, which EMR Serverless does not give: let Athena run it, or \
                    make it a non-query that writes a table"
            .to_owned());
    }
    if filled(task.udfs.as_ref()).is_some() {
        return Err("the task uses functions of DolphinScheduler's catalogue (`udfs`): create them in its first \
                    statements (`preStatements`) instead"
            .to_owned());
    }
    let before = task.pre_statements.iter().flatten();
    let after = task.post_statements.iter().flatten();
    let statements = before.chain(&task.sql).chain(after);
    let statements = statements.map(|statement| statement.trim().trim_end_matches(';'));
    let statements: Vec<&str> = statements
        .filter(|statement| !statement.is_empty())
        .collect();
    if statements.is_empty() {
        return Err("the task has no statement (`sql`)".to_owned());
    }
    Ok(driver("hive", &json!({"query": statements.join(";\n")})))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EmrServerless {
    application_id: Option<String>,
    execution_role_arn: Option<String>,
    job_name: Option<String>,
    start_job_run_request_json: Option<String>,
}

/// What its request may say that is ours to say.
const OURS: [&str; 3] = ["applicationId", "clientToken", "name"];

fn emr_serverless(task: &EmrServerless, settings: &Settings) -> Result<Map<String, Value>, String> {
    if let (Some(theirs), Some(ours)) = (
        filled(task.application_id.as_ref()),
        settings.application_id.as_deref(),
    ) && theirs != ours
    {
        return Err(format!(
            "the task is for application `{theirs}`, its target for `{ours}`: give the task the target of its application"
        ));
    }
    let text = filled(task.start_job_run_request_json.as_ref()).unwrap_or("{}");
    let mut request =
        object(text).map_err(|fault| fault.within("startJobRunRequestJson").to_string())?;
    request.retain(|name, _| !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)));
    if let Some(role) = filled(task.execution_role_arn.as_ref()) {
        request.shift_remove("ExecutionRoleArn");
        request.insert("executionRoleArn".to_owned(), json!(role));
    }
    if let Some(name) = filled(task.job_name.as_ref()) {
        let tags = if request.contains_key("Tags") {
            "Tags"
        } else {
            "tags"
        };
        let tags = request.entry(tags).or_insert_with(|| json!({}));
        if let Some(tags) = tags.as_object_mut() {
            let allowed = |char: char| char.is_ascii_alphanumeric() || " /_.:=+@-".contains(char);
            let name: String = name
                .chars()
                .take(256)
                .map(|char| if allowed(char) { char } else { '_' })
                .collect();
            tags.entry("job_name").or_insert_with(|| json!(name));
        }
    }
    Ok(request)
}

fn driver(kind: &str, value: &Value) -> Map<String, Value> {
    let mut request = Map::new();
    request.insert("jobDriver".to_owned(), json!({kind: value}));
    request
}

/// A text that says something.
fn filled(text: Option<&String>) -> Option<&str> {
    text.map(|text| text.trim()).filter(|text| !text.is_empty())
}

fn quoted(text: &str) -> String {
    if text.contains(char::is_whitespace) {
        format!("\"{}\"", text.replace('"', "\\\""))
    } else {
        text.to_owned()
    }
}

/// Arguments as a shell would tell them apart: blanks separate, quotes and backslashes join.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut open) = (Vec::new(), None::<String>, None);
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (open, char) {
            (Some(quote), char) if char == quote => open = None,
            (None, '\'' | '"') => {
                open = Some(char);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().extend(chars.next());
            }
            (None, char) if char.is_whitespace() => words.extend(word.take()),
            (_, char) => word.get_or_insert_default().push(char),
        }
    }
    if let Some(quote) = open {
        return Err(format!(
            "the arguments (`mainArgs`) open a quote {quote} that they do not close"
        ));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{request, words};
    use crate::settings::Settings;

    fn settings() -> Settings {
        serde_json::from_value(json!({
            "application_id": "00f1",
            "imported": {
                "resources": "s3://res/ds/",
                "resource_ids": {"9": "s3://res/a.jar"},
                "sql_program": "s3://res/sql.py",
            },
        }))
        .unwrap()
    }

    fn translate(kind: &str, parameters: &serde_json::Value) -> Result<serde_json::Value, String> {
        request(kind, &parameters.to_string(), &settings()).map(serde_json::Value::Object)
    }

    #[test]
    fn spark_tasks_become_spark_submits() {
        let jar = json!({
            "programType": "SCALA", "mainClass": "a.B", "mainJar": {"id": 9}, "deployMode": "cluster",
            "mainArgs": "--dt 20260101 'two words'", "others": "--conf spark.sql.shuffle.partitions=8",
            "appName": "b", "driverCores": 1, "driverMemory": "512M", "numExecutors": "2", "executorMemory": "2G",
            "executorCores": 2, "queue": "", "localParams": [],
        });
        let wanted = json!({"jobDriver": {"sparkSubmit": {
            "entryPoint": "s3://res/a.jar",
            "entryPointArguments": ["--dt", "20260101", "two words"],
            "sparkSubmitParameters": "--class a.B --conf spark.driver.cores=1 --conf spark.driver.memory=512M \
                --conf spark.executor.instances=2 --conf spark.executor.memory=2G --conf spark.executor.cores=2 \
                --conf spark.app.name=b --conf spark.sql.shuffle.partitions=8",
        }}});
        assert_eq!(translate("SPARK", &jar).unwrap(), wanted);
        let sql = json!({"programType": "SQL", "mainClass": "", "rawScript": "insert into t select 1", "mainJar": null});
        let sql = translate("SPARK", &sql).unwrap();
        let submit = &sql["jobDriver"]["sparkSubmit"];
        assert_eq!(submit["entryPoint"], "s3://res/sql.py");
        assert_eq!(
            submit["entryPointArguments"],
            json!(["insert into t select 1"])
        );
        let python = json!({"programType": "PYTHON", "mainJar": {"resourceName": "/jobs/load.py"}});
        let python = translate("SPARK", &python).unwrap();
        assert_eq!(
            python["jobDriver"]["sparkSubmit"]["entryPoint"],
            "s3://res/ds/jobs/load.py"
        );
    }

    #[test]
    fn hive_tasks_become_queries() {
        let cli = json!({"hiveCliTaskExecutionType": "SCRIPT", "hiveSqlScript": "select 1", "hiveCliOptions": "--hivevar a=b"});
        let wanted =
            json!({"jobDriver": {"hive": {"query": "select 1", "parameters": "--hivevar a=b"}}});
        assert_eq!(translate("HIVECLI", &cli).unwrap(), wanted);
        let file = json!({"hiveCliTaskExecutionType": "FILE", "resourceList": [{"resourceName": "/q.hql"}]});
        let file = translate("HIVECLI", &file).unwrap();
        assert_eq!(file["jobDriver"]["hive"]["query"], "s3://res/ds/q.hql");
        let sql = json!({
            "type": "HIVE", "sqlType": "1", "sql": "insert into t select 1;",
            "preStatements": ["set a=b"], "postStatements": [],
        });
        let sql = translate("SQL", &sql).unwrap();
        assert_eq!(
            sql["jobDriver"]["hive"]["query"],
            "set a=b;\ninsert into t select 1"
        );
    }

    #[test]
    fn requests_of_their_own_kind_are_kept_but_for_what_is_ours() {
        let task = json!({
            "applicationId": "00f1", "executionRoleArn": "arn:aws:iam::111122223333:role/x", "jobName": "nightly (1)",
            "startJobRunRequestJson": r#"{"ClientToken": "t", "Name": "n", "JobDriver": {"SparkSubmit": {"EntryPoint": "s3://a"}}}"#,
        });
        let wanted = json!({
            "JobDriver": {"SparkSubmit": {"EntryPoint": "s3://a"}},
            "executionRoleArn": "arn:aws:iam::111122223333:role/x",
            "tags": {"job_name": "nightly _1_"},
        });
        assert_eq!(translate("EMR_SERVERLESS", &task).unwrap(), wanted);
    }

    #[test]
    fn what_cannot_be_said_is_refused_with_a_way_out() {
        let refused = [
            ("FLINK", json!({}), "another target"),
            (
                "SQL",
                json!({"type": "MYSQL", "sql": "select 1"}),
                "not on MYSQL",
            ),
            (
                "SQL",
                json!({"type": "HIVE", "sqlType": "0", "sql": "select 1"}),
                "let Athena run it",
            ),
            (
                "SQL",
                json!({"type": "HIVE", "sqlType": "1", "sql": "x", "udfs": "1"}),
                "preStatements",
            ),
            (
                "SPARK",
                json!({"mainJar": {"id": 7}}),
                "imported.resource_ids.7",
            ),
            (
                "SPARK",
                json!({"mainJar": {"id": 9}, "mainArgs": "'a"}),
                "do not close",
            ),
            (
                "SPARK",
                json!({"mainJar": {"id": 9}, "mainArgs": 7}),
                "`mainArgs`",
            ),
            (
                "SPARK",
                json!({"mainJar": {"id": 9}, "namespace": "{\"name\":\"n\"}"}),
                "Kubernetes",
            ),
            ("HIVECLI", json!({"hiveSqlScript": " "}), "hiveSqlScript"),
            (
                "EMR_SERVERLESS",
                json!({"applicationId": "00f2"}),
                "application `00f2`",
            ),
            (
                "EMR_SERVERLESS",
                json!({"startJobRunRequestJson": "[]"}),
                "no JSON object",
            ),
        ];
        for (kind, parameters, wanted) in refused {
            let error = translate(kind, &parameters).unwrap_err();
            assert!(error.contains(wanted), "{kind}: {error}");
        }
    }

    #[test]
    fn arguments_are_told_apart_as_a_shell_does() {
        let told = words(r#"a  "b c" d\ e '' f"g"'h'"#).unwrap();
        assert_eq!(told, ["a", "b c", "d e", "", "fgh"]);
    }
}
