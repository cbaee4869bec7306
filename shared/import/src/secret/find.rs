//! Which parts of a text look like secrets.

use std::ops::Range;

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
const VALUE_CHARS_MIN: usize = 3;

/// How far after a word a value is looked for.
const LOOK_AHEAD_BYTES: usize = 256;

/// A part of a text that is a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<usize>,
    pub(super) reason: &'static str,
    /// What it is called where it stands.
    pub(super) name: String,
}

pub(super) fn is_secret_name(name: &str) -> bool {
    NAMES.iter().any(|part| name.contains(part))
}

/// Neither an expression, nor a placeholder, nor too short.
pub(super) fn is_literal(text: &str) -> bool {
    text.chars().count() >= VALUE_CHARS_MIN && !text.starts_with(['$', '{', '<', '%', '*', '#'])
}

/// Secrets within longer texts: scripts, JSON, connection strings.
pub(super) fn in_text(text: &str) -> Vec<Part> {
    let lower = text.to_ascii_lowercase();
    let mut parts = Vec::new();
    private_keys(&lower, &mut parts);
    aws_keys(text, &mut parts);
    logins(&lower, &mut parts);
    headers(&lower, &mut parts);
    arguments(&lower, &mut parts);
    assignments(text, &lower, &mut parts);
    parts.sort_by_key(|part| (part.range.start, std::cmp::Reverse(part.range.end)));
    let mut end = 0;
    parts.retain(|part| {
        let apart = part.range.start >= end;
        end = end.max(part.range.end);
        apart
    });
    parts
}

/// What follows each place where the word stands, up to a length, and where that begins: time stays in proportion.
fn after_each<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    text.match_indices(word).filter_map(move |(at, _)| {
        let start = at + word.len();
        let end = text.floor_char_boundary(start + LOOK_AHEAD_BYTES);
        Some((start, text.get(start..end)?))
    })
}

fn private_keys(lower: &str, parts: &mut Vec<Part>) {
    const END: &str = "-----end";
    let mut from = 0;
    while let Some(start) = lower.get(from..).and_then(|rest| rest.find("-----begin")) {
        let start = from + start;
        let rest = lower.get(start..).unwrap_or_default();
        let header = rest.lines().next().unwrap_or_default();
        let end = rest.find(END).map_or(rest.len(), |end| {
            let after = end + END.len();
            let dashes = rest.get(after..).and_then(|rest| rest.find("-----"));
            dashes.map_or(rest.len(), |dashes| after + dashes + 5)
        });
        from = start + end;
        if header.contains("private key") {
            parts.push(Part {
                range: start..from,
                reason: "a private key",
                name: "private-key".to_owned(),
            });
        }
    }
}

/// `AKIA` or `ASIA` and sixteen capitals and digits.
fn aws_keys(text: &str, parts: &mut Vec<Part>) {
    for word in ["AKIA", "ASIA"] {
        for (start, rest) in after_each(text, word) {
            let capital = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let count = rest.bytes().take_while(capital).count();
            if count >= 16 {
                parts.push(Part {
                    range: start - word.len()..start + count,
                    reason: "an access key of AWS",
                    name: "access-key".to_owned(),
                });
            }
        }
    }
}

/// `scheme://user:password@host`.
fn logins(lower: &str, parts: &mut Vec<Part>) {
    for (start, rest) in after_each(lower, "://") {
        let end = rest.find(['/', ' ', '"', '\'', '\n', '?']);
        let authority = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let login = authority.rsplit_once('@').map(|(login, _)| login);
        let Some((user, password)) = login.and_then(|login| login.split_once(':')) else {
            continue;
        };
        if is_literal(password) {
            let from = start + user.len() + 1;
            parts.push(Part {
                range: from..from + password.len(),
                reason: "the password in an address",
                name: "password".to_owned(),
            });
        }
    }
}

fn headers(lower: &str, parts: &mut Vec<Part>) {
    for word in ["bearer ", "basic "] {
        let mut end = 0;
        for (start, _) in after_each(lower, word) {
            if start < end {
                continue;
            }
            let value = value_of(lower.get(start..).unwrap_or_default());
            if value.len() >= 16 && is_literal(value) {
                end = start + value.len();
                parts.push(Part {
                    range: start..end,
                    reason: "what stands in an authorization header",
                    name: "authorization".to_owned(),
                });
            }
        }
    }
}

/// What programs are given: `-u user:x` of curl, `-px` of mysql, `--password x` of many.
fn arguments(lower: &str, parts: &mut Vec<Part>) {
    let mut push = |from: usize, value: &str| {
        if is_literal(value) {
            parts.push(Part {
                range: from..from + value.len(),
                reason: "the password in an argument",
                name: "password".to_owned(),
            });
        }
    };
    let of_curl = ["-u ", "--user ", "-u '", "-u \""].into_iter();
    for word in of_curl.filter(|_| lower.contains("curl")) {
        for (start, rest) in after_each(lower, word) {
            let value = value_of(rest);
            if let Some((user, password)) =
                value.split_once(':').filter(|(user, _)| !user.is_empty())
            {
                push(start + user.len() + 1, password);
            }
        }
    }
    for (start, rest) in after_each(lower, "mysql") {
        let line = rest.lines().next().unwrap_or_default();
        for (offset, after) in after_each(line, " -p") {
            push(start + offset, value_of(after));
        }
    }
    for word in ["--password ", "--passwd ", "--token ", "--secret "] {
        for (start, rest) in after_each(lower, word) {
            let value = rest.trim_start_matches([' ', '"', '\'']);
            push(start + rest.len() - value.len(), value_of(value));
        }
    }
}

/// `="x"`, `': 'x'`, `\": \"x\"`.
fn assignments(text: &str, lower: &str, parts: &mut Vec<Part>) {
    for name in NAMES {
        let mut end = 0;
        for (start, rest) in after_each(lower, name) {
            if start < end {
                continue;
            }
            let Some(offset) = assigned(rest) else {
                continue;
            };
            let from = start + offset;
            let value = value_of(text.get(from..).unwrap_or_default());
            if is_code(&value.to_ascii_lowercase()) || !is_literal(value) {
                continue;
            }
            end = from + value.len();
            parts.push(Part {
                range: from..end,
                reason: "a password or key within a text",
                name: name.to_owned(),
            });
        }
    }
}

/// Where the value begins that is assigned to a name that ends here or soon.
fn assigned(rest: &str) -> Option<usize> {
    let whole = rest.len();
    // The rest of the name: `password_prod=`.
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let rest = rest.trim_start_matches(['"', '\'', '\\', ']', ' ']);
    let value = rest.strip_prefix([':', '='])?;
    let value = value.trim_start_matches([' ', '"', '\'', '\\', '=', '>']);
    Some(whole - value.len())
}

fn is_code(value: &str) -> bool {
    value.contains(['(', '[']) || value.starts_with("os.") || value == "null" || value == "none"
}

/// The text up to where a value ends.
fn value_of(text: &str) -> &str {
    let end = text.find([
        '"', '\'', '\\', ' ', '\n', '\r', '\t', ',', ';', '&', '}', ')',
    ]);
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text with its secrets replaced by stars.
    fn starred(text: &str) -> String {
        let mut starred = text.to_owned();
        for part in in_text(text).into_iter().rev() {
            starred.replace_range(part.range, "***");
        }
        starred
    }

    #[test]
    fn secrets_in_texts_are_found_whole_and_nothing_beside() {
        for (text, expected) in [
            (
                r#"{"username":"u","password":"hunter22"}"#,
                r#"{"username":"u","password":"***"}"#,
            ),
            (
                r#"{\"password\": \"hunter22\"}"#,
                r#"{\"password\": \"***\"}"#,
            ),
            (
                "export DB_PASSWORD=hunter22 X=1",
                "export DB_PASSWORD=*** X=1",
            ),
            ("'password' = 'hunter22'", "'password' = '***'"),
            ("mysql://root:hunter22@db/x", "mysql://root:***@db/x"),
            (
                "curl -H 'Authorization: Bearer abcdefghijklmnopqrst'",
                "curl -H 'Authorization: Bearer ***'",
            ),
            ("AWS AKIAABCDEFGHIJKLMNOP.", "AWS ***."),
            (
                "k=\"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\";",
                "k=\"***\";",
            ),
            (
                "token=a1b2c3 then secret: d4e5f6",
                "token=*** then secret: ***",
            ),
            ("password=Ünïcodé2 x", "password=*** x"),
            ("curl -u shop:hunter22 x -u me", "curl -u shop:*** x -u me"),
            (
                "mysql -h db -uroot -phunter22 x",
                "mysql -h db -uroot -p*** x",
            ),
            ("psql --password hunter22 x", "psql --password *** x"),
        ] {
            assert_eq!(starred(text), expected);
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
            "date -u +%F:%T; sort -u a:b -p x",
            "count tokens: 5",
        ] {
            assert_eq!(starred(text), text);
        }
    }
}
