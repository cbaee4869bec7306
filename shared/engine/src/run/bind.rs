//! Statements as DolphinScheduler writes them: `${name}` and `'${name}'` are values that are bound, `!{name}` is written
//! into the text as it is, whatever it holds.
//!
//! Source: `SqlTask.getSqlAndSqlParamsMap` of the versions 2.0 to 3.2: quotes that touch a placeholder belong to it.

use porpoise_expression::{Piece, Template};
use porpoise_model::ValueType;
use porpoise_model::job::Statement;

/// What names stand for.
pub(super) struct Names<'a> {
    /// The text of a value.
    pub(super) value: &'a dyn Fn(&str) -> Result<String, String>,
    /// What it is declared as.
    pub(super) declared: &'a dyn Fn(&str) -> ValueType,
    /// A text with its dates.
    pub(super) script: &'a dyn Fn(&str) -> Result<String, String>,
}

/// The statement with its values beside it.
///
/// # Errors
/// A name is not known.
pub(super) fn bind(text: &str, names: &Names<'_>) -> Result<Statement, String> {
    let mut bound = Statement::default();
    // Behind a placeholder: quotes that touch it go with it.
    let mut open = false;
    let template = Template::parse(text);
    for piece in template.pieces() {
        match piece {
            Piece::Literal(literal) => {
                let literal = if open {
                    unquoted_start(literal)
                } else {
                    literal
                };
                open = splice(literal, names, &mut bound)?;
            }
            Piece::Parameter { name, span } => {
                let written = text.get(span).unwrap_or_default();
                drop_quotes(&mut bound.text);
                bound.text.push('?');
                bound.arguments.push((names.value)(written)?);
                bound.types.push((names.declared)(name));
                open = true;
            }
            Piece::Secret { span, .. } => {
                bound.text.push_str(text.get(span).unwrap_or_default());
                open = false;
            }
            Piece::Date { span, .. } => {
                let written = text.get(span).unwrap_or_default();
                bound.text.push_str(&(names.script)(written)?);
                open = false;
            }
        }
    }
    if bound.types.iter().all(|kind| *kind == ValueType::Varchar) {
        bound.types.clear();
    }
    Ok(bound)
}

/// Adds a text with its `!{name}`; whether it ends with one.
fn splice(text: &str, names: &Names<'_>, bound: &mut Statement) -> Result<bool, String> {
    let mut rest = text;
    let mut open = false;
    while let Some((before, after)) = rest.split_once("!{") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        let before = if open { unquoted_start(before) } else { before };
        bound.text.push_str(before);
        drop_quotes(&mut bound.text);
        let written = format!("${{{name}}}");
        bound.text.push_str(&(names.value)(&written)?);
        rest = after;
        open = true;
    }
    let rest_ = if open { unquoted_start(rest) } else { rest };
    bound.text.push_str(rest_);
    Ok(open && rest.is_empty())
}

fn drop_quotes(text: &mut String) {
    let kept = text.trim_end_matches(['\'', '"']).len();
    text.truncate(kept);
}

fn unquoted_start(text: &str) -> &str {
    text.trim_start_matches(['\'', '"'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Result<(String, Vec<String>), String> {
        let value = |written: &str| match written {
            "${day}" => Ok("20261121".to_owned()),
            "${ids}" => Ok("[1,2]".to_owned()),
            "${table}" => Ok("orders; drop table users".to_owned()),
            other => Err(format!("unknown {other}")),
        };
        let declared = |name: &str| {
            if name == "ids" {
                ValueType::List
            } else {
                ValueType::Varchar
            }
        };
        let script = |text: &str| Ok(text.replace("$[yyyy]", "2026"));
        let names = Names {
            value: &value,
            declared: &declared,
            script: &script,
        };
        let bound = bind(text, &names)?;
        assert_eq!(bound.types.is_empty(), !text.contains("${ids}"));
        Ok((bound.text, bound.arguments))
    }

    #[test]
    fn values_are_bound_with_the_quotes_around_them_and_raw_ones_are_written_out() {
        for (text, wanted, values) in [
            ("select 1", "select 1", &[][..]),
            (
                "where d = '${day}' and e = ${day}",
                "where d = ? and e = ?",
                &["20261121", "20261121"],
            ),
            ("where d in (${ids});", "where d in (?);", &["[1,2]"]),
            ("where d = \"${day}\"", "where d = ?", &["20261121"]),
            (
                "from !{table} where d='${day}'",
                "from orders; drop table users where d=?",
                &["20261121"],
            ),
            ("from '!{table}'", "from orders; drop table users", &[]),
            (
                "where y = $[yyyy] and d = ''${day}'' or 'x'",
                "where y = 2026 and d = ? or 'x'",
                &["20261121"],
            ),
            ("'${day}''${day}'", "??", &["20261121", "20261121"]),
        ] {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            assert_eq!(bound(text).unwrap(), (wanted.to_owned(), values), "{text}");
        }
        assert!(bound("where a = ${dya}").unwrap_err().contains("dya"));
        assert!(bound("from !{tabel}").unwrap_err().contains("tabel"));
    }
}
