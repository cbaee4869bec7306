//! Statements as texts: where one ends, and where its values go.
//!
//! Quotes, comments and names in quotes are passed over, by the rules that the three databases have in common, and the
//! dollar quotes of PostgreSQL. A backslash is a character like any other but in MySQL, which is told.

use std::ops::Range;

/// What sort of SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tongue {
    Postgresql,
    Mysql,
    Sqlite,
}

/// Something outside of quotes and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// `?`
    Value,
    /// `;`
    End,
}

/// The statements of a text, without the `;` between them and without empty ones. What makes a trigger or a routine holds
/// `;` of its own, and goes to the end of the text.
pub(crate) fn statements(text: &str, tongue: Tongue) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut from = 0;
    for (mark, at) in marks(text, tongue) {
        let so_far = text.get(from..at).unwrap_or_default();
        if mark == Mark::End && !makes_a_routine(so_far, tongue) {
            statements.push(so_far);
            from = at + 1;
        }
    }
    statements.push(text.get(from..).unwrap_or_default());
    let statements = statements.into_iter().map(trimmed);
    statements.filter(|one| !is_empty(one, tongue)).collect()
}

fn trimmed(text: &str) -> &str {
    text.trim()
}

/// Nothing but comments.
fn is_empty(text: &str, tongue: Tongue) -> bool {
    let closed = closed(text, tongue);
    let mut at = 0;
    for (range, sort) in closed {
        let between = text.get(at..range.start).unwrap_or_default();
        if !between.trim().is_empty() || sort == Sort::Quote {
            return false;
        }
        at = range.end;
    }
    text.get(at..).unwrap_or_default().trim().is_empty()
}

fn makes_a_routine(text: &str, tongue: Tongue) -> bool {
    let start = closed(text, tongue)
        .iter()
        .take_while(|(_, sort)| *sort == Sort::Comment)
        .take_while(|(range, _)| {
            text.get(..range.start)
                .is_some_and(|before| only_comments(before, tongue))
        })
        .map(|(range, _)| range.end)
        .last()
        .unwrap_or_default();
    let words = text.get(start..).unwrap_or_default().split_whitespace();
    let words: Vec<String> = words.take(8).map(str::to_ascii_uppercase).collect();
    let mut words = words.iter().map(String::as_str);
    if words.next() != Some("CREATE") {
        return false;
    }
    words.any(|word| {
        matches!(
            word,
            "TRIGGER" | "PROCEDURE" | "FUNCTION" | "EVENT" | "PACKAGE"
        )
    }) && tongue != Tongue::Postgresql
}

fn only_comments(text: &str, tongue: Tongue) -> bool {
    is_empty(text, tongue)
}

/// Where the values of a statement go: the places of its `?`.
pub(crate) fn places(text: &str, tongue: Tongue) -> Vec<usize> {
    let marks = marks(text, tongue).into_iter();
    marks
        .filter(|(mark, _)| *mark == Mark::Value)
        .map(|(_, at)| at)
        .collect()
}

fn marks(text: &str, tongue: Tongue) -> Vec<(Mark, usize)> {
    let mut marks = Vec::new();
    let mut open = 0;
    let closed = closed(text, tongue);
    let ends = closed.into_iter().map(|(range, _)| range);
    for range in ends.chain(std::iter::once(text.len()..text.len())) {
        let part = text.get(open..range.start).unwrap_or_default();
        for (at, byte) in part.bytes().enumerate() {
            match byte {
                b'?' => marks.push((Mark::Value, open + at)),
                b';' => marks.push((Mark::End, open + at)),
                _ => {}
            }
        }
        open = range.end;
    }
    marks
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Quote,
    Comment,
}

/// What is in quotes, and comments. What has no end goes to the end of the text.
fn closed(text: &str, tongue: Tongue) -> Vec<(Range<usize>, Sort)> {
    let bytes = text.as_bytes();
    let mut closed = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let Some((end, sort)) = closed_from(text, at, tongue) else {
            at += 1;
            continue;
        };
        closed.push((at..end, sort));
        at = end;
    }
    closed
}

/// The end of the quote or comment that begins here.
fn closed_from(text: &str, at: usize, tongue: Tongue) -> Option<(usize, Sort)> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..)?;
    let sort = match rest {
        [b'\'' | b'"', ..] => {
            let escapes = tongue == Tongue::Mysql || has_escapes(bytes, at, tongue);
            return Some((quoted(bytes, at, escapes), Sort::Quote));
        }
        [b'`', ..] if tongue != Tongue::Postgresql => {
            return Some((quoted(bytes, at, false), Sort::Quote));
        }
        [b'[', ..] if tongue == Tongue::Sqlite => {
            return Some((after(text, at, "]"), Sort::Quote));
        }
        [b'$', ..] if tongue == Tongue::Postgresql => {
            return dollar(text, at).map(|end| (end, Sort::Quote));
        }
        [b'-', b'-', ..] => Sort::Comment,
        [b'#', ..] if tongue == Tongue::Mysql => Sort::Comment,
        [b'/', b'*', ..] => {
            return Some((
                block(bytes, at, tongue == Tongue::Postgresql),
                Sort::Comment,
            ));
        }
        _ => return None,
    };
    // MySQL wants a blank behind the dashes
    let dashes = rest.first() == Some(&b'-');
    let blank = rest.get(2).is_none_or(u8::is_ascii_whitespace);
    if tongue == Tongue::Mysql && dashes && !blank {
        return None;
    }
    Some((after(text, at, "\n"), sort))
}

/// PostgreSQL's `E'…'`.
fn has_escapes(bytes: &[u8], at: usize, tongue: Tongue) -> bool {
    let before = |back: usize| at.checked_sub(back).and_then(|at| bytes.get(at));
    let marked = matches!(before(1), Some(b'e' | b'E'));
    let word = before(2).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    tongue == Tongue::Postgresql && bytes.get(at) == Some(&b'\'') && marked && !word
}

fn after(text: &str, at: usize, end: &str) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.find(end)
        .map_or(text.len(), |found| at + found + end.len())
}

/// A quote that is doubled is one within.
fn quoted(bytes: &[u8], at: usize, escapes: bool) -> usize {
    let quote = bytes.get(at).copied();
    let mut next = at + 1;
    while let Some(byte) = bytes.get(next).copied() {
        next += 1;
        if escapes && byte == b'\\' {
            next += 1;
        } else if Some(byte) == quote {
            if bytes.get(next).copied() == quote {
                next += 1;
            } else {
                return next;
            }
        }
    }
    bytes.len()
}

/// PostgreSQL's comments nest.
fn block(bytes: &[u8], at: usize, nests: bool) -> usize {
    let mut depth = 0_usize;
    let mut next = at;
    while let Some(rest) = bytes.get(next..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"/*") && (nests || depth == 0) {
            depth += 1;
            next += 2;
        } else if rest.starts_with(b"*/") {
            depth = depth.saturating_sub(1);
            next += 2;
            if depth == 0 {
                return next;
            }
        } else {
            next += 1;
        }
    }
    bytes.len()
}

/// `$tag$ … $tag$`; `$1` is none.
fn dollar(text: &str, at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let (tag, _) = rest.split_once('$')?;
    let first = tag.chars().next();
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !first.is_some_and(|c| c.is_ascii_digit());
    let before = at
        .checked_sub(1)
        .and_then(|before| text.as_bytes().get(before));
    if !is_tag || before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return None;
    }
    let mark = format!("${tag}$");
    Some(after(text, at + mark.len(), &mark).max(at + mark.len()))
}

#[cfg(test)]
mod tests {
    use super::Tongue::{Mysql, Postgresql, Sqlite};
    use super::*;

    #[test]
    fn statements_end_outside_of_quotes_and_comments_only() {
        for (text, tongue, wanted) in [
            ("select 1;", Postgresql, vec!["select 1"]),
            (
                "insert into t values (';', \"a;b\"); -- ; \nselect 2 /* ; */;;",
                Sqlite,
                vec![
                    "insert into t values (';', \"a;b\")",
                    "-- ; \nselect 2 /* ; */",
                ],
            ),
            (
                "select 'it''s;';select 2",
                Sqlite,
                vec!["select 'it''s;'", "select 2"],
            ),
            (
                r"select 'a\';b';select 2",
                Mysql,
                vec![r"select 'a\';b'", "select 2"],
            ),
            (
                r"select 'a\';select 2",
                Postgresql,
                vec![r"select 'a\'", "select 2"],
            ),
            (
                r"select E'a\';b';x",
                Postgresql,
                vec![r"select E'a\';b'", "x"],
            ),
            (
                "do $x$ begin; end; $x$; y",
                Postgresql,
                vec!["do $x$ begin; end; $x$", "y"],
            ),
            (
                "select /* /* ; */ ; */ 1",
                Postgresql,
                vec!["select /* /* ; */ ; */ 1"],
            ),
            ("# ;\nselect 5--1;\n", Mysql, vec!["# ;\nselect 5--1"]),
            (
                "create trigger a begin x; y; end; z",
                Sqlite,
                vec!["create trigger a begin x; y; end; z"],
            ),
            ("-- only this", Sqlite, vec![]),
            ("begin; x; commit", Sqlite, vec!["begin", "x", "commit"]),
            ("select ';", Sqlite, vec!["select ';"]),
        ] {
            assert_eq!(statements(text, tongue), wanted, "{text}");
        }
    }

    #[test]
    fn values_go_where_question_marks_stand_outside_of_quotes() {
        for (text, tongue, wanted) in [
            ("select ?, '?', \"?\", ? -- ?", Postgresql, vec![7, 20]),
            ("select `?`, ?", Mysql, vec![12]),
            ("select [?], ?", Sqlite, vec![12]),
            ("select $$?$$, $1, ?", Postgresql, vec![18]),
        ] {
            assert_eq!(places(text, tongue), wanted, "{text}");
        }
    }

    #[test]
    fn no_text_can_make_it_panic() {
        let pieces = [
            "'", "\"", "`", "$", "$$", "a", "é", "\\", "--", "/*", "*/", ";", "?", "\n", "[", "#",
        ];
        let mut text = String::new();
        for round in 0..4_000_usize {
            text.push_str(pieces[(round * 7 + round / 13) % pieces.len()]);
            if text.len() > 40 {
                text.clear();
            }
            for tongue in [Postgresql, Mysql, Sqlite] {
                let _ = (statements(&text, tongue), places(&text, tongue));
            }
        }
    }
}
