//! PROCEDURE: a call on a data source. What it gives comes back as a row, as that of any statement.
//!
//! Source: `ProcedureTask` of the versions 2.0 to 3.3: `method` is a call as JDBC has it, `call load(${day}, ${rows})`,
//! also in braces, whose places are parameters of the task, IN or OUT; in 1.x they are `?`, in the order of the parameters.
//! What a function gives is the first: `${rate} = call rate(${day})`.

use porpoise_model::limits::SCRIPT_BYTES_MAX;
use porpoise_model::workflow::Kind;
use serde_json::Map;

use super::Mapper;
use super::sql::OnSource;
use crate::json::At;
use crate::report::{Rule, Topic};

/// Whose procedures give values by variables of the connection.
const LIKE_MYSQL: [&str; 2] = ["MYSQL", "MARIADB"];
/// Whose procedures give values as a row.
const LIKE_POSTGRESQL: [&str; 1] = ["POSTGRESQL"];

/// A call, and whether its values have the names of the procedure's own parameters.
struct Call {
    statement: String,
    own_names: bool,
}

impl<'t> Mapper<'t> {
    /// The call; `None` if it is kept whole.
    pub(super) fn procedure(&mut self, params: At<'t>) -> Option<OnSource> {
        let method = params.some("method")?;
        let call = call(params, method.text()?)?;
        let target = self.data_source(params)?;
        for (key, at) in params.entries() {
            match key {
                "localParams" | "type" | "datasource" | "datasourceName" => {}
                "method" => _ = at.used(),
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                _ => self.without_counterpart(key, at),
            }
        }
        if call.own_names {
            let message = "what the procedure gives has the names of its own parameters";
            self.notes.add(method, Topic::Procedure, "", message);
        }
        let kind = Kind::Sql {
            statement: call.statement,
            arguments: Vec::new(),
            database: None,
            request: Map::new(),
            before: Vec::new(),
            after: Vec::new(),
            rows: None,
            limit: None,
        };
        Some(OnSource { kind, target })
    }
}

fn call(params: At<'_>, method: &str) -> Option<Call> {
    let engine = params.some("type")?.text()?.to_ascii_uppercase();
    let by_variables = LIKE_MYSQL.contains(&&*engine);
    if !by_variables && !LIKE_POSTGRESQL.contains(&&*engine) {
        return None;
    }
    let text = method.trim().trim_end_matches(';').trim_end();
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let text = inner.unwrap_or(text).trim();
    let text = text.trim_end_matches(';').trim_end();
    if text.len() > SCRIPT_BYTES_MAX {
        return None;
    }
    let parameters: Vec<(String, bool)> = params
        .get("localParams")
        .into_iter()
        .flat_map(At::items)
        .map(|each| {
            let name = each.some("prop")?.text()?.to_owned();
            let way = each.some("direct").and_then(At::text).unwrap_or("IN");
            Some((name, way.eq_ignore_ascii_case("OUT")))
        })
        .collect::<Option<_>>()?;
    let text = named(text, &parameters)?;
    if let Some((result, call)) = text.split_once('=')
        && let Some(result) = result
            .trim()
            .strip_prefix("${")
            .and_then(|name| name.strip_suffix('}'))
    {
        return function(result, call, &parameters, by_variables);
    }
    after_call(&text)?;
    let mut given = Vec::new();
    let mut statement = text.clone();
    for (name, _) in parameters.iter().filter(|(_, out)| *out) {
        let place = format!("${{{name}}}");
        if !text.contains(&place) {
            continue;
        }
        if !is_plain(name) {
            return None;
        }
        let with = if by_variables {
            format!("@{name}")
        } else {
            "null".to_owned()
        };
        statement = statement
            .replace(&format!("'{place}'"), &with)
            .replace(&place, &with);
        given.push(name.as_str());
    }
    if by_variables && !given.is_empty() {
        let columns: Vec<String> = given
            .iter()
            .map(|name| format!("@{name} as `{name}`"))
            .collect();
        statement = format!("{statement};\nselect {}", columns.join(", "));
    }
    Some(Call {
        statement,
        own_names: !by_variables && !given.is_empty(),
    })
}

/// What `${result} = call rate(${day})` gives, as a row. What else it would hand back has no place there.
fn function(
    result: &str,
    call: &str,
    parameters: &[(String, bool)],
    by_variables: bool,
) -> Option<Call> {
    let call = after_call(call.trim())?;
    let mut out = parameters.iter().filter(|(_, out)| *out);
    let is_given = out.next().is_some_and(|(name, _)| name == result);
    if !is_given || out.next().is_some() || !is_plain(result) {
        return None;
    }
    if !is_one_call(call) || call.contains(&format!("${{{result}}}")) {
        return None;
    }
    let quote = if by_variables { '`' } else { '"' };
    Some(Call {
        statement: format!("select {call} as {quote}{result}{quote}"),
        own_names: false,
    })
}

/// Whether a text is a name with arguments, and nothing else: something may follow it.
fn is_one_call(text: &str) -> bool {
    let Some((name, arguments)) = text.split_once('(') else {
        return false;
    };
    let name = name.trim_end();
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || ['_', '.', '$', '`', '"'].contains(&c));
    let strange = ["--", "/*", ";", "#"];
    let mut depth = 1_i32;
    let mut ends_at = None;
    for (at, c) in arguments.char_indices() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 {
            ends_at = ends_at.or(Some(at));
        }
    }
    // a parenthesis in a quoted argument is not worth another look: the task is kept whole
    let is_whole = ends_at.is_some_and(|at| at + 1 == arguments.len());
    is_name && depth == 0 && is_whole && !strange.iter().any(|mark| text.contains(mark))
}

/// What is called.
fn after_call(text: &str) -> Option<&str> {
    let (word, called) = text.split_once(char::is_whitespace)?;
    let is_call = word.eq_ignore_ascii_case("call");
    is_call
        .then(|| called.trim())
        .filter(|called| !called.is_empty())
}

/// The text with names instead of `?`, which stand for the parameters in their order.
fn named(text: &str, parameters: &[(String, bool)]) -> Option<String> {
    if text.contains("${") || !text.contains('?') {
        return Some(text.to_owned());
    }
    let mut pieces = text.split('?');
    let mut named = pieces.next()?.to_owned();
    let mut parameters = parameters.iter();
    for piece in pieces {
        let (name, _) = parameters.next()?;
        named.extend(["${", name.as_str(), "}", piece]);
    }
    parameters.next().is_none().then_some(named)
}

/// What can be the name of a variable without quotes.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
