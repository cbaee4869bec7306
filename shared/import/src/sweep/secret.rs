//! Texts that look like they hold a secret. What is found is never shown: the path and the reason are.

use crate::json::{At, Content};
use crate::report::{Notes, Topic};

/// Parts of names whose values are secrets.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "accesskey",
    "access_key",
    "apikey",
    "api_key",
    "private_key",
    "credential",
];

/// Text up to which a value cannot be a secret.
const VALUE_CHARS_MIN: usize = 4;

/// How far after a word a value is looked for.
const LOOK_AHEAD_BYTES: usize = 256;

/// Looks through the parameters of a workflow and its tasks.
pub(super) fn look(element: At<'_>, notes: &mut Notes) {
    let definition = element.get("processDefinition");
    if let Some(globals) = definition.and_then(|definition| definition.get("globalParams")) {
        walk(globals, notes);
    }
    for task in element
        .get("taskDefinitionList")
        .into_iter()
        .flat_map(At::items)
    {
        task.get("taskParams")
            .into_iter()
            .for_each(|params| walk(params, notes));
    }
}

fn walk(at: At<'_>, notes: &mut Notes) {
    match at.content() {
        Content::Text(text) => {
            if let Some(reason) = reason(at, text) {
                notes.add(
                    at,
                    Topic::Secret,
                    reason,
                    format!("this looks like {reason}"),
                );
            }
        }
        Content::List(_) | Content::Object(_) => at.children().for_each(|child| walk(child, notes)),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Embedded(_) => {}
    }
}

fn reason(at: At<'_>, text: &str) -> Option<&'static str> {
    let named = is_secret_name(&name_of(at)) && is_literal(text);
    named
        .then_some("a value whose name says that it is secret")
        .or_else(|| in_text(text))
}

/// The name of a value: that of its parameter where it is the `value` of one.
fn name_of(at: At<'_>) -> String {
    let key = at.key().unwrap_or_default();
    let prop = at
        .parent()
        .and_then(|parent| parent.get("prop"))
        .and_then(At::text);
    prop.filter(|_| key == "value")
        .unwrap_or(key)
        .to_ascii_lowercase()
}

fn is_secret_name(name: &str) -> bool {
    NAMES.iter().any(|part| name.contains(part))
}

/// Neither an expression, nor a placeholder, nor too short.
fn is_literal(text: &str) -> bool {
    text.chars().count() >= VALUE_CHARS_MIN && !text.starts_with(['$', '{', '<', '%', '*', '#'])
}

/// Secrets within longer texts: scripts, JSON, connection strings.
fn in_text(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.contains("-----begin") && lower.contains("private key") {
        return Some("a private key");
    }
    if has_aws_key(text) {
        return Some("an access key of AWS");
    }
    if has_login(&lower) {
        return Some("an address with a password");
    }
    if ["bearer ", "basic "]
        .iter()
        .any(|word| after_each(&lower, word).any(|rest| value_of(rest).len() >= 16))
    {
        return Some("an authorization header");
    }
    let assigned = NAMES
        .iter()
        .any(|name| after_each(&lower, name).any(is_assignment));
    assigned.then_some("a password or key within a text")
}

/// What follows each place where the word stands, up to a length: time stays in proportion to the text.
fn after_each<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let start = at + word.len();
        let end = text.floor_char_boundary(start + LOOK_AHEAD_BYTES);
        text.get(start..end)
    })
}

/// `="x"`, `': 'x'`, `\": \"x\"`, ` x` after `--password`.
fn is_assignment(rest: &str) -> bool {
    // The rest of the name: `password_prod=`.
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let rest = rest.trim_start_matches(['"', '\'', '\\', ']', ' ']);
    let Some(value) = rest.strip_prefix([':', '=']) else {
        return false;
    };
    let value = value_of(value.trim_start_matches([' ', '"', '\'', '\\', '=', '>']));
    let is_code = value.contains(['(', '['])
        || value.starts_with("os.")
        || value == "null"
        || value == "none";
    is_literal(value) && !is_code
}

/// The text up to where a value ends.
fn value_of(text: &str) -> &str {
    let end = text.find([
        '"', '\'', '\\', ' ', '\n', '\r', '\t', ',', ';', '&', '}', ')',
    ]);
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// `AKIA` or `ASIA` and sixteen capitals and digits.
fn has_aws_key(text: &str) -> bool {
    ["AKIA", "ASIA"].iter().any(|word| {
        after_each(text, word).any(|rest| {
            rest.bytes()
                .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                .count()
                >= 16
        })
    })
}

/// `scheme://user:password@host`.
fn has_login(lower: &str) -> bool {
    after_each(lower, "://").any(|rest| {
        let authority = rest
            .split(['/', ' ', '"', '\'', '\n', '?'])
            .next()
            .unwrap_or_default();
        let login = authority.rsplit_once('@').map(|(login, _)| login);
        login
            .and_then(|login| login.split_once(':'))
            .is_some_and(|(_, password)| is_literal(password))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_texts_are_seen() {
        for text in [
            r#"{"username":"u","password":"hunter22"}"#,
            r#"{\"password\": \"hunter22\"}"#,
            "export DB_PASSWORD=hunter22",
            "'password' = 'hunter22'",
            "mysql://root:hunter22@db/x",
            "curl -H 'Authorization: Bearer abcdefghijklmnopqrst'",
            "AWS AKIAABCDEFGHIJKLMNOP",
            "-----BEGIN RSA PRIVATE KEY-----",
        ] {
            assert!(in_text(text).is_some(), "{text}");
        }
    }

    #[test]
    fn references_to_secrets_are_none() {
        for text in [
            "password=${db_password}",
            "password = os.environ['P']",
            "token = get_token()",
            "echo the password is wrong",
            "https://example.com/a:b@c",
            "count tokens: 5",
        ] {
            assert_eq!(in_text(text), None, "{text}");
        }
    }
}
