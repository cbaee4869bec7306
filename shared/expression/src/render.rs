//! Templates become texts: first `${...}`, then `$[...]`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::date;
use crate::dialect::Dialect;
use crate::fault::{DateProblem, ExpressionError, UnknownName, shortened};
use crate::instant::{Instant, builtin};
use crate::scan::{self, inside, part};
use crate::scope::{Scope, Value};
use crate::template::{NESTING_MAX, SECRET_PREFIX, Template};

/// How many bytes values and dates may add to one text, so that values that name each other twice cannot explode.
pub const EXPANSION_BYTES_MAX: usize = 256 * 1024;

/// How many values may be within each other.
pub const EXPANSION_DEPTH_MAX: usize = 64;

/// What happens to a name that is not known, and to a date expression that cannot be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// An unknown name is a fault. Whether such a date expression is one, the dialect says.
    Fault,
    /// Both stay as written, in every dialect: in script bodies `${HOME}` and `$[1+1]` belong to the shell.
    Keep,
}

/// A rendered text and the secrets that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text; references to secrets stand in it as they were written.
    pub text: String,
    /// The secrets to put in, in order. A `${secret:...}` elsewhere in the text came from [`Value::Data`]
    /// and is only text: whoever resolves secrets must go by this list.
    pub secrets: Vec<SecretReference>,
}

/// Where a rendered text needs a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// What followed `secret:`.
    pub name: String,
    /// The bytes of `${secret:NAME}` in the rendered text.
    pub span: Range<usize>,
}

/// Renders a template. See [`render_with_secrets`].
///
/// # Errors
/// As there.
pub fn render(
    template: &Template,
    scope: &dyn Scope,
    instant: &Instant,
    dialect: Dialect,
    unknown: Unknown,
) -> Result<String, ExpressionError> {
    render_with_secrets(template, scope, instant, dialect, unknown).map(|rendered| rendered.text)
}

/// Renders a template and says where secrets stand in the result.
///
/// A name is looked up in `scope`, then among [`builtin`]s. Under [`Unknown::Keep`] a placeholder whose name is not
/// known stays as written with all that is in it: `${x:-${day}}` is left to the shell.
///
/// # Errors
/// Values in a circle, too large or too deep; under [`Unknown::Fault`] all unknown names at once, or else, in
/// `porpoise/1`, all date expressions that cannot be evaluated at once.
pub fn render_with_secrets(
    template: &Template,
    scope: &dyn Scope,
    instant: &Instant,
    dialect: Dialect,
    unknown: Unknown,
) -> Result<Rendered, ExpressionError> {
    let rules = Rules {
        instant,
        dialect,
        unknown,
    };
    Expansion::new(scope, rules, EXPANSION_BYTES_MAX).render(template.text())
}

/// What holds for a whole rendering.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) instant: &'a Instant,
    pub(crate) dialect: Dialect,
    pub(crate) unknown: Unknown,
}

impl Rules<'_> {
    fn dates_may_stay(self) -> bool {
        self.unknown == Unknown::Keep || !self.dialect.is_native()
    }
}

/// A text in the making.
#[derive(Default)]
struct Draft {
    text: String,
    /// Secrets and data: nothing in them is read. In order.
    closed: Vec<Range<usize>>,
    secrets: Vec<Range<usize>>,
}

impl Draft {
    fn push_closed(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        let span = start..self.text.len();
        self.closed.push(span.clone());
        span
    }

    fn push_secret(&mut self, placeholder: &str) {
        let span = self.push_closed(placeholder);
        self.secrets.push(span);
    }
}

/// One rendering, or several that share a budget.
pub(crate) struct Expansion<'a> {
    scope: &'a dyn Scope,
    rules: Rules<'a>,
    limit: usize,
    /// Bytes that values may still add.
    left: usize,
    /// The names whose values are being expanded, from the outside in.
    path: Vec<String>,
    missing: Vec<UnknownName>,
    missed: BTreeSet<(Option<String>, String)>,
    /// How often a name was not found.
    misses: usize,
}

impl<'a> Expansion<'a> {
    pub(crate) fn new(scope: &'a dyn Scope, rules: Rules<'a>, limit: usize) -> Self {
        Self {
            scope,
            rules,
            limit,
            left: limit,
            path: Vec::new(),
            missing: Vec::new(),
            missed: BTreeSet::new(),
            misses: 0,
        }
    }

    /// Renders the value of a parameter, so that its own name closes a circle.
    pub(crate) fn render_value(
        &mut self,
        name: &str,
        text: &str,
    ) -> Result<Rendered, ExpressionError> {
        self.path = vec![name.to_owned()];
        self.render(text)
    }

    fn render(&mut self, text: &str) -> Result<Rendered, ExpressionError> {
        let mut draft = Draft::default();
        self.missed.clear();
        self.missing.clear();
        self.expand(text, 0, &mut draft)?;
        if !self.missing.is_empty() {
            let names = std::mem::take(&mut self.missing);
            return Err(ExpressionError::Unknown { names });
        }
        self.put_dates(&draft)
    }

    fn expand(
        &mut self,
        text: &str,
        nesting: usize,
        draft: &mut Draft,
    ) -> Result<(), ExpressionError> {
        let mut done = 0;
        for span in scan::parameters(text) {
            draft.text.push_str(part(text, done..span.start));
            done = span.end;
            self.put(text, span, nesting, draft)?;
        }
        draft.text.push_str(part(text, done..text.len()));
        Ok(())
    }

    /// Puts in what one placeholder stands for.
    fn put(
        &mut self,
        text: &str,
        span: Range<usize>,
        nesting: usize,
        draft: &mut Draft,
    ) -> Result<(), ExpressionError> {
        let written = part(text, span.clone());
        if inside(written).starts_with(SECRET_PREFIX) {
            draft.push_secret(written);
            return Ok(());
        }
        let Some(name) = self.name(inside(written), nesting)? else {
            draft.text.push_str(written);
            return Ok(());
        };
        match self.value(&name)? {
            Some(Value::Data(value)) => {
                draft.push_closed(&value);
            }
            Some(Value::Text(value)) => {
                self.enter(&name, nesting)?;
                self.expand(&value, nesting, draft)?;
                self.path.pop();
            }
            None => {
                self.miss(&name, span);
                draft.text.push_str(written);
            }
        }
        Ok(())
    }

    /// The name that stands in a placeholder; `None` if a name within it is unknown, which is already noted.
    fn name<'t>(
        &mut self,
        written: &'t str,
        nesting: usize,
    ) -> Result<Option<Cow<'t, str>>, ExpressionError> {
        if nesting >= NESTING_MAX || !written.contains("${") {
            return Ok(Some(Cow::Borrowed(written)));
        }
        let misses = self.misses;
        let mut draft = Draft::default();
        self.expand(written, nesting.saturating_add(1), &mut draft)?;
        Ok((misses == self.misses).then_some(Cow::Owned(draft.text)))
    }

    fn value(&mut self, name: &str) -> Result<Option<Value<'a>>, ExpressionError> {
        let builtin = || builtin(name, self.rules.instant);
        let value = self
            .scope
            .lookup(name)
            .or_else(|| builtin().map(|text| Value::Text(text.into())));
        if let Some(Value::Text(text) | Value::Data(text)) = &value {
            self.charge(text.len().max(1))?; // also an empty one: this bounds the work
        }
        Ok(value)
    }

    fn miss(&mut self, name: &str, span: Range<usize>) {
        self.misses = self.misses.saturating_add(1);
        if self.rules.unknown == Unknown::Keep {
            return;
        }
        let unknown = UnknownName {
            name: shortened(name),
            span,
            within: self.path.last().cloned(),
        };
        let key = (unknown.within.clone(), unknown.name.clone());
        if self.missed.insert(key) {
            self.missing.push(unknown);
        }
    }

    fn enter(&mut self, name: &str, nesting: usize) -> Result<(), ExpressionError> {
        if let Some(start) = self.path.iter().position(|outer| outer == name) {
            let mut path: Vec<_> = self.path.iter().skip(start).cloned().collect();
            path.push(name.to_owned());
            return Err(ExpressionError::Circle { path });
        }
        if self.path.len().saturating_add(nesting) >= EXPANSION_DEPTH_MAX {
            return Err(ExpressionError::TooDeep {
                limit: EXPANSION_DEPTH_MAX,
            });
        }
        self.path.push(name.to_owned());
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or(ExpressionError::TooLarge { limit: self.limit })?;
        Ok(())
    }

    fn put_dates(&mut self, draft: &Draft) -> Result<Rendered, ExpressionError> {
        let mut rendered = Dated::new(draft);
        let mut problems = Vec::new();
        for span in scan::dates(&draft.text, &draft.closed) {
            let expression = inside(part(&draft.text, span.clone()));
            match date::evaluate(expression, self.rules.instant, self.rules.dialect) {
                Ok(date) => {
                    self.charge(date.len().saturating_sub(span.len()))?;
                    rendered.replace(span, &date);
                }
                Err(_) if self.rules.dates_may_stay() => {}
                Err(error) => problems.push(DateProblem {
                    expression: shortened(expression),
                    error,
                }),
            }
        }
        if problems.is_empty() {
            Ok(rendered.end())
        } else {
            Err(ExpressionError::Dates { problems })
        }
    }
}

/// A copy of a draft with some ranges replaced, which keeps track of its secrets.
struct Dated<'a> {
    draft: &'a Draft,
    secrets: std::slice::Iter<'a, Range<usize>>,
    done: usize,
    rendered: Rendered,
}

impl<'a> Dated<'a> {
    fn new(draft: &'a Draft) -> Self {
        Self {
            draft,
            secrets: draft.secrets.iter(),
            done: 0,
            rendered: Rendered {
                text: String::with_capacity(draft.text.len()),
                secrets: Vec::new(),
            },
        }
    }

    fn replace(&mut self, span: Range<usize>, with: &str) {
        self.copy_to(span.start);
        self.rendered.text.push_str(with);
        self.done = span.end;
    }

    fn end(mut self) -> Rendered {
        self.copy_to(self.draft.text.len());
        self.rendered
    }

    /// Copies the draft up to byte `end`, with the secrets in it. Those in what was replaced are gone.
    fn copy_to(&mut self, end: usize) {
        let start = self.rendered.text.len();
        let from = self.done..end;
        self.rendered
            .text
            .push_str(part(&self.draft.text, from.clone()));
        while let Some(secret) = self.secrets.as_slice().first() {
            if secret.end > end {
                break;
            }
            self.secrets.next();
            if secret.start < from.start {
                continue;
            }
            let placeholder = part(&self.draft.text, secret.clone());
            let name = inside(placeholder).strip_prefix(SECRET_PREFIX);
            let at = secret
                .start
                .saturating_sub(from.start)
                .saturating_add(start);
            self.rendered.secrets.push(SecretReference {
                name: name.unwrap_or_default().to_owned(),
                span: at..at.saturating_add(placeholder.len()),
            });
        }
        self.done = end;
    }
}

#[cfg(test)]
mod tests;
