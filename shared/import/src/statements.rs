//! Archives of SQL files: a workflow with a task for each file, as DolphinScheduler imports them since 3.0.
//!
//! Remarks in a file say what its task is called (`-- name: load`), which tasks it follows (`-- upstream: a, b`) and which
//! data source it uses (`-- datasource: dwh`). Source: `importSqlProcessDefinition` of its API server; that it cuts the
//! last character off every statement is not done here: a semicolon at the end goes, nothing else.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::{Value, json};

use crate::fault::{ImportFaults, Problems};
use crate::json;

/// What a task follows that follows nothing.
const ROOT: &str = "root";

/// Whether a file may be one of an archive of statements.
pub fn is_statement(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

/// The workflow of an archive of SQL files, as a file of the Python SDK: import it under a name that ends with `.yaml`.
/// It is called as the archive is, without its ending.
///
/// # Errors
/// A file that is no text, or holds no statement.
pub fn statements<'f>(
    archive: &str,
    files: impl Iterator<Item = (&'f str, &'f [u8])>,
) -> Result<Vec<u8>, ImportFaults> {
    let tasks = files.map(|(path, bytes)| Statement::read(archive, path, bytes));
    let tasks = tasks.collect::<Result<Vec<_>, _>>()?;
    let has_root = tasks.iter().any(|task| task.name == ROOT);
    let tasks: Vec<_> = tasks.iter().map(|task| task.task(has_root)).collect();
    let name = Path::new(archive).file_stem().and_then(OsStr::to_str);
    let workflow = json!({"workflow": {"name": name.unwrap_or(archive)}, "tasks": tasks});
    // JSON is YAML
    Ok(workflow.to_string().into_bytes())
}

/// A file.
#[derive(Debug)]
struct Statement {
    name: String,
    upstream: Vec<String>,
    data_source: Option<String>,
    text: String,
}

impl Statement {
    fn read(archive: &str, path: &str, bytes: &[u8]) -> Result<Self, ImportFaults> {
        let file = format!("{archive}/{path}");
        let text = json::text(bytes).map_err(|problems| problems.locate(&file, "", None))?;
        let stem = Path::new(path).file_stem().and_then(OsStr::to_str);
        let mut statement = Self {
            name: stem.unwrap_or(path).to_owned(),
            upstream: Vec::new(),
            data_source: None,
            text: String::new(),
        };
        for line in text.lines() {
            let line = statement.told(line);
            if !line.is_empty() {
                statement.text.push_str(line);
                statement.text.push('\n');
            }
        }
        let text = statement.text.trim_end();
        let text = text.strip_suffix(';').unwrap_or(text).trim_end();
        if text.trim().is_empty() {
            let message = "there is no statement in this file".to_owned();
            return Err(Problems::one(None, message).locate(&file, "", None));
        }
        statement.text = text.to_owned();
        Ok(statement)
    }

    /// The line without a remark that says something of the task.
    fn told<'l>(&mut self, line: &'l str) -> &'l str {
        let Some((before, remark)) = line.split_once("-- ") else {
            return line;
        };
        let Some((key, value)) = remark.split_once(':') else {
            return line;
        };
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => value.clone_into(&mut self.name),
            "upstream" => {
                let names = value.split(',').map(str::trim);
                let names = names.filter(|name| !name.is_empty());
                self.upstream = names.map(str::to_owned).collect();
            }
            "datasource" => self.data_source = Some(value.to_owned()),
            _ => return line,
        }
        before.trim_end()
    }

    fn task(&self, has_root: bool) -> Value {
        let follows_nothing = !has_root && self.upstream == [ROOT];
        let mut task =
            json!({"name": self.name, "task_type": "Sql", "sql": self.text, "sql_type": "1"});
        if let Some(fields) = task.as_object_mut() {
            if !follows_nothing && !self.upstream.is_empty() {
                fields.insert("deps".to_owned(), json!(self.upstream));
            }
            if let Some(name) = &self.data_source {
                fields.insert("datasource_name".to_owned(), json!(name));
            }
        }
        task
    }
}
