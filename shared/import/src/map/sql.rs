//! SQL: statements on a data source, which an export names by its id alone.

use porpoise_model::limits::{ENTRIES_MAX, SCRIPT_BYTES_MAX};
use porpoise_model::workflow::Kind;
use serde_json::Map;

use super::Mapper;
use crate::json::At;
use crate::report::{Rule, Topic};

/// What runs on a cluster of its own kind, by a target that knows the whole task.
const KEPT_WHOLE: [&str; 3] = ["HIVE", "SPARK", "KYUUBI"];
/// What targets speak: those of data sources, and Athena. Several have taken over the protocol of another.
const SPOKEN: [&str; 11] = [
    "POSTGRESQL",
    "REDSHIFT",
    "MYSQL",
    "MARIADB",
    "DORIS",
    "STARROCKS",
    "OCEANBASE",
    "SQLITE",
    "ATHENA",
    "PRESTO",
    "TRINO",
];
/// The most rows that can be asked for.
const ROWS_MAX: i64 = 1_000_000;

/// What a task says of the mail that it would send.
const MAIL: [&str; 6] = [
    "title",
    "groupId",
    "showType",
    "receivers",
    "receiversCc",
    "warningGroupId",
];

/// A statement, and the target that it is for.
pub(super) struct OnSource {
    pub(super) kind: Kind,
    pub(super) target: String,
}

/// What the target is called that stands for a data source, until somebody says which one it is.
pub(crate) fn target_of_source(key: &str) -> String {
    format!("dolphinscheduler-datasource-{key}")
}

impl<'t> Mapper<'t> {
    /// The statement; `None` if it is kept whole.
    pub(super) fn sql(&mut self, params: At<'t>) -> Option<OnSource> {
        let kind = read(params)?;
        let target = self.data_source(params)?;
        let mails = params.get("sendEmail").and_then(At::boolean) == Some(true);
        for (key, at) in params.entries() {
            match key {
                "localParams" | "type" | "datasource" | "datasourceName" => {}
                "sql" | "displayRows" | "limit" => _ = at.used(),
                // each item says something, and an empty one nothing
                "preStatements" | "postStatements" => {
                    for item in at.items() {
                        if item.is_hollow() {
                            item.ignored(Rule::Empty);
                        } else {
                            item.used();
                        }
                    }
                    at.ignored(Rule::Empty);
                }
                "segmentSeparator" if separator(params).is_some() => _ = at.used(),
                "segmentSeparator" => at.ignored(Rule::Default),
                // whether there are rows is what the statement says
                "sqlType" => at.ignored(Rule::Implied),
                "sendEmail" if !mails => at.ignored(Rule::Off),
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                _ if MAIL.contains(&key) && !mails => at.ignored(Rule::Off),
                _ => self.without_counterpart(key, at),
            }
        }
        Some(OnSource { kind, target })
    }

    /// The target that stands for a data source, which has an id, or in files of the SDK and of SQL a name alone.
    pub(super) fn data_source(&mut self, params: At<'t>) -> Option<String> {
        let name = params.some("datasourceName");
        let at = params.some("datasource").or(name)?;
        let key = at.scalar()?;
        let target = target_of_source(&key);
        target.parse::<porpoise_model::Name>().ok()?;
        at.used();
        let engine = params.some("type");
        let kind = engine.and_then(At::text).unwrap_or_default();
        engine.map(At::used);
        let named = name.filter(|_| params.some("datasource").is_some());
        let called = named.and_then(|name| {
            let text = name.text()?;
            name.used();
            Some(format!(
                ", which is called `{}` there",
                crate::fault::short(text)
            ))
        });
        for empty in ["type", "datasource", "datasourceName"] {
            params
                .get(empty)
                .inspect(|empty| empty.ignored(Rule::Empty));
        }
        let called = called.unwrap_or_default();
        let kind = crate::fault::short(kind);
        let (before, behind) = match &*kind {
            "" => (String::new(), String::new()),
            kind => (format!("{kind} "), format!(" ({kind})")),
        };
        let spoken = kind.is_empty() || SPOKEN.contains(&&*kind.to_ascii_uppercase());
        let unspoken = if spoken {
            String::new()
        } else {
            format!(", and no target speaks {kind} yet")
        };
        let message =
            format!("the {before}data source {key}{called} is the target `{target}`{unspoken}");
        let subject = format!("{target}{behind}");
        self.notes.add(at, Topic::DataSource, subject, message);
        Some(target)
    }
}

fn read(params: At<'_>) -> Option<Kind> {
    let engine = params.some("type").map(At::text);
    let engine = engine.map_or(Some(""), |engine| engine)?;
    let engine = engine.to_ascii_uppercase();
    if KEPT_WHOLE.contains(&engine.as_str()) {
        return None;
    }
    let number = |key: &str| match params.some(key).filter(|at| !at.is_empty()) {
        None => Some(None),
        Some(at) => {
            let number = at
                .integer()
                .filter(|number| (0..=ROWS_MAX).contains(number))?;
            Some(u32::try_from(number).ok().filter(|number| *number > 0))
        }
    };
    let statement = text(params.get("sql")?)?;
    let statement = match separator(params) {
        Some(separator) => statement.split(separator).collect::<Vec<_>>().join(";\n"),
        None => statement,
    };
    Some(Kind::Sql {
        statement,
        arguments: Vec::new(),
        database: None,
        request: Map::new(),
        before: texts(params, "preStatements")?,
        after: texts(params, "postStatements")?,
        rows: number("displayRows")?.filter(|rows| *rows != 10),
        limit: number("limit")?,
    })
}

/// What stands between statements, if it is something else than `;` (3.0 and 3.1).
fn separator(params: At<'_>) -> Option<&str> {
    let separator = params.some("segmentSeparator")?.text()?;
    (!separator.is_empty() && separator.trim() != ";").then_some(separator)
}

fn texts(params: At<'_>, key: &str) -> Option<Vec<String>> {
    let items = params.get(key).into_iter().flat_map(At::items);
    let items = items.filter(|item| !item.is_hollow());
    let texts: Option<Vec<String>> = items.map(text).collect();
    texts.filter(|texts| texts.len() <= ENTRIES_MAX)
}

/// What can be a statement. Nobody hands a secret to one, so what holds a reference to one is kept whole.
fn text(at: At<'_>) -> Option<String> {
    let text = at.text()?;
    let can_be =
        !text.trim().is_empty() && text.len() <= SCRIPT_BYTES_MAX && !text.contains("${secret:");
    can_be.then(|| text.to_owned())
}
