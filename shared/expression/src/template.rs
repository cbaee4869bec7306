//! A text and its placeholders.

use std::ops::Range;

use crate::scan::{self, inside, part};

/// How deep names may be nested in names, as in `${a_${b}}`. What is deeper is taken as the text of a name.
pub const NESTING_MAX: usize = 16;

/// What marks a reference to a secret: `${secret:NAME}`.
pub(crate) const SECRET_PREFIX: &str = "secret:";

/// What stands before the name of a parameter of the project in `porpoise/1`: `${project.NAME}`.
pub const PROJECT_PREFIX: &str = "project.";

/// A text with placeholders. Every text is a template; what is not understood is literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    /// The outermost `${...}`.
    parameters: Vec<Range<usize>>,
    /// `$[...]`, which may contain some of `parameters`.
    dates: Vec<Range<usize>>,
}

/// A part of a text. Spans are bytes of the text, brackets included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Stays as it is.
    Literal(&'a str),
    /// `${name}`; the name may itself hold placeholders.
    Parameter {
        /// What stands in the brackets.
        name: &'a str,
        /// Where.
        span: Range<usize>,
    },
    /// `${secret:NAME}`, which stays as written.
    Secret {
        /// What follows `secret:`.
        name: &'a str,
        /// Where.
        span: Range<usize>,
    },
    /// `$[...]`; the expression may hold parameters.
    Date {
        /// What stands in the brackets.
        expression: &'a str,
        /// Where.
        span: Range<usize>,
    },
}

/// The use of a name that is known before anything is rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference<'a> {
    /// A parameter, or a task and its output with a dot between them.
    pub name: &'a str,
    /// Where the `${...}` stands, in bytes.
    pub span: Range<usize>,
}

impl Template {
    /// Finds the placeholders of a text, in time proportional to its length.
    pub fn parse(text: &str) -> Self {
        let parameters = scan::parameters(text);
        let dates = scan::dates(text, &parameters);
        Self {
            text: text.into(),
            parameters,
            dates,
        }
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether rendering gives the text itself, whatever the scope.
    pub fn is_literal(&self) -> bool {
        self.dates.is_empty()
            && !self
                .pieces()
                .any(|piece| matches!(piece, Piece::Parameter { .. }))
    }

    /// The text piece by piece, nothing left out.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut spans: Vec<(bool, &Range<usize>)> = self.dates.iter().map(|s| (true, s)).collect();
        spans.extend(self.parameters.iter().map(|span| (false, span)));
        spans.sort_by_key(|(_, span)| span.start);
        let mut pieces = Vec::new();
        let mut done = 0;
        for (is_date, span) in spans {
            if span.start < done {
                continue; // a parameter within a date
            }
            if done < span.start {
                pieces.push(Piece::Literal(part(&self.text, done..span.start)));
            }
            pieces.push(self.piece(is_date, span.clone()));
            done = span.end;
        }
        if done < self.text.len() {
            pieces.push(Piece::Literal(part(&self.text, done..self.text.len())));
        }
        pieces.into_iter()
    }

    fn piece(&self, is_date: bool, span: Range<usize>) -> Piece<'_> {
        let inside = inside(part(&self.text, span.clone()));
        match inside.strip_prefix(SECRET_PREFIX) {
            _ if is_date => Piece::Date {
                expression: inside,
                span,
            },
            Some(name) => Piece::Secret { name, span },
            None => Piece::Parameter { name: inside, span },
        }
    }

    /// Every name that the text uses, in order. Of `${a_${b}}` only `b` is known before rendering; secrets are none.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let mut found = Vec::new();
        for span in &self.parameters {
            gather(part(&self.text, span.clone()), span.start, 0, &mut found);
        }
        found.into_iter()
    }

    /// Whether a name in it is put together of others, as in `${a_${b}}`: it is not known before rendering.
    pub fn composes(&self) -> bool {
        self.parameters
            .iter()
            .any(|span| inside(part(&self.text, span.clone())).contains("${"))
    }

    /// Every secret that the text refers to, in order, with the bytes of its `${secret:NAME}`.
    pub fn secrets(&self) -> impl Iterator<Item = Reference<'_>> {
        self.parameters.iter().filter_map(|span| {
            let name = inside(part(&self.text, span.clone())).strip_prefix(SECRET_PREFIX)?;
            Some(Reference {
                name,
                span: span.clone(),
            })
        })
    }
}

/// Adds the references of one `${...}` that starts at byte `at` of the text.
fn gather<'a>(placeholder: &'a str, at: usize, nesting: usize, found: &mut Vec<Reference<'a>>) {
    let name = inside(placeholder);
    if name.starts_with(SECRET_PREFIX) {
        return;
    }
    let inner = if nesting < NESTING_MAX {
        scan::parameters(name)
    } else {
        Vec::new()
    };
    if inner.is_empty() {
        let span = at..at.saturating_add(placeholder.len());
        found.push(Reference { name, span });
    }
    for span in inner {
        let start = at.saturating_add(2).saturating_add(span.start);
        gather(part(name, span), start, nesting.saturating_add(1), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_its_pieces() {
        let template = Template::parse("a ${b.c} $[yyyy-${n}]${secret:DB}!");
        let pieces: Vec<_> = template.pieces().collect();
        assert_eq!(
            pieces,
            [
                Piece::Literal("a "),
                Piece::Parameter {
                    name: "b.c",
                    span: 2..8
                },
                Piece::Literal(" "),
                Piece::Date {
                    expression: "yyyy-${n}",
                    span: 9..21
                },
                Piece::Secret {
                    name: "DB",
                    span: 21..33
                },
                Piece::Literal("!"),
            ]
        );
    }

    #[test]
    fn references_are_the_names_that_are_known_beforehand() {
        let text = "${a} $[yyyy-${n}] ${x_${y}_${z}} ${secret:DB${q}} ${unclosed";
        let template = Template::parse(text);
        let references: Vec<_> = template.references().collect();
        let names: Vec<_> = references.iter().map(|found| found.name).collect();
        assert_eq!(names, ["a", "n", "y", "z"]);
        assert!(template.composes());
        assert!(!Template::parse("${a} $[yyyy-${n}]").composes());
        for found in &references {
            assert_eq!(text[found.span.clone()], format!("${{{}}}", found.name));
        }
        let secrets: Vec<_> = template.secrets().map(|found| found.name).collect();
        assert_eq!(secrets, ["DB${q}"]);
    }

    #[test]
    fn a_text_is_literal_if_nothing_in_it_is_replaced() {
        assert!(Template::parse("cost: 5 $ {a} [b] ${secret:DB} $[x").is_literal());
        assert!(!Template::parse("${a}").is_literal());
        assert!(!Template::parse("$[a]").is_literal());
    }
}
