//! The parameters of a workflow, resolved once when a run starts.

use std::collections::{BTreeMap, BTreeSet};

use crate::dialect::Dialect;
use crate::fault::ExpressionError;
use crate::instant::Instant;
use crate::render::{Expansion, Rules, Unknown};
use crate::scope::{Scope, Value};

/// How many bytes values may add to all parameters of a run together.
pub const PARAMETERS_BYTES_MAX: usize = 1024 * 1024;

/// A parameter that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot resolve parameter `{name}`")]
pub struct ParameterError {
    /// The parameter.
    pub name: String,
    /// Why.
    #[source]
    pub source: ExpressionError,
}

/// Resolves the parameters of a workflow, for all tasks, retries and reruns of a run.
///
/// Each may refer to any other, before or after it, and to the built-ins. `overrides`, given at the start of the run,
/// replace declared texts of the same name and are read as these are; those of other names are added at the end
/// (whether they are allowed is the caller's to say). The result has the order of `declared`. Of two declared with
/// one name the last holds.
///
/// In `porpoise/1` an unknown name is a fault; in the DolphinScheduler dialects it stays as written, since it may be
/// known when a task starts. `dolphinscheduler/3.1` and those before resolve only texts that begin with `$`.
///
/// # Errors
/// Every fault of every parameter, each where it was made: not again at the parameters that refer to it.
pub fn resolve_parameters<'a>(
    declared: impl IntoIterator<Item = (&'a str, &'a str)>,
    overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    instant: &Instant,
    dialect: Dialect,
) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
    let (order, texts) = merged(declared, overrides, BTreeSet::new());
    resolve(order, &texts, instant, dialect)
}

/// The same, but `data`, given instead of overrides, is put in as it is: whatever stands in it is only text.
///
/// # Errors
/// Every fault of every parameter that is declared and not given.
pub fn resolve_with_data<'a>(
    declared: impl IntoIterator<Item = (&'a str, &'a str)>,
    data: impl IntoIterator<Item = (&'a str, &'a str)>,
    instant: &Instant,
    dialect: Dialect,
) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
    let data: Vec<_> = data.into_iter().collect();
    let names = data.iter().map(|(name, _)| *name).collect();
    let (order, texts) = merged(declared, data, names);
    resolve(order, &texts, instant, dialect)
}

fn resolve(
    order: Vec<&str>,
    texts: &Texts<'_>,
    instant: &Instant,
    dialect: Dialect,
) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
    let rules = Rules {
        instant,
        dialect,
        unknown: if dialect.is_native() {
            Unknown::Fault
        } else {
            Unknown::Keep
        },
    };
    let mut expansion = Expansion::new(texts, rules, PARAMETERS_BYTES_MAX);
    let mut resolved = Vec::with_capacity(order.len());
    let mut faults = Faults::default();
    for name in order {
        let text = texts.all.get(name).copied().unwrap_or_default();
        if texts.data.contains(name) || is_frozen(text, dialect) {
            resolved.push((name.to_owned(), text.to_owned()));
            continue;
        }
        match expansion.render_value(name, text) {
            Ok(rendered) => resolved.push((name.to_owned(), rendered.text)),
            Err(error) => faults.add(name, text, error),
        }
    }
    faults.none().map(|()| resolved)
}

fn is_frozen(text: &str, dialect: Dialect) -> bool {
    if dialect.is_before_3_2() {
        !text.starts_with('$')
    } else {
        !text.contains('$')
    }
}

struct Texts<'a> {
    all: BTreeMap<&'a str, &'a str>,
    /// Those in which nothing is expanded.
    data: BTreeSet<&'a str>,
}

impl Scope for Texts<'_> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        let text = (*self.all.get(name)?).into();
        Some(if self.data.contains(name) {
            Value::Data(text)
        } else {
            Value::Text(text)
        })
    }
}

/// The names in their order, each once, and the texts that hold.
fn merged<'a>(
    declared: impl IntoIterator<Item = (&'a str, &'a str)>,
    overrides: impl IntoIterator<Item = (&'a str, &'a str)>,
    data: BTreeSet<&'a str>,
) -> (Vec<&'a str>, Texts<'a>) {
    let mut order = Vec::new();
    let mut all = BTreeMap::new();
    for (name, text) in declared.into_iter().chain(overrides) {
        if all.insert(name, text).is_none() {
            order.push(name);
        }
    }
    (order, Texts { all, data })
}

/// The faults of all parameters, without the echoes in parameters that refer to faulty ones.
#[derive(Default)]
struct Faults {
    own: Vec<ParameterError>,
    echoes: Vec<ParameterError>,
    circles: BTreeSet<Vec<String>>,
}

impl Faults {
    fn add(&mut self, name: &str, text: &str, error: ExpressionError) {
        let (source, is_own) = match error {
            ExpressionError::Unknown { names } => {
                let (own, others): (Vec<_>, Vec<_>) = names
                    .into_iter()
                    .partition(|unknown| unknown.within.as_deref() == Some(name));
                let is_own = !own.is_empty();
                let names = if is_own { own } else { others };
                (ExpressionError::Unknown { names }, is_own)
            }
            ExpressionError::Circle { path } => {
                let is_new = self.circles.insert(members(&path));
                (ExpressionError::Circle { path }, is_new)
            }
            ExpressionError::Dates { problems } => {
                (ExpressionError::Dates { problems }, text.contains("$["))
            }
            ExpressionError::TooLarge { limit } => {
                (ExpressionError::TooLarge { limit }, self.own.is_empty())
            }
            ExpressionError::TooDeep { limit } => (ExpressionError::TooDeep { limit }, true),
        };
        let name = name.to_owned();
        let list = if is_own {
            &mut self.own
        } else {
            &mut self.echoes
        };
        list.push(ParameterError { name, source });
    }

    /// An echo counts only if nothing else does: a date may be put together from texts that are right by themselves.
    fn none(self) -> Result<(), Vec<ParameterError>> {
        match (self.own.is_empty(), self.echoes.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(self.echoes),
            (false, _) => Err(self.own),
        }
    }
}

/// The names on a circle, wherever it was entered.
fn members(path: &[String]) -> Vec<String> {
    let mut members: Vec<_> = path.iter().skip(1).cloned().collect();
    members.sort();
    members
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::fault::UnknownName;

    fn resolved(
        declared: &[(&str, &str)],
        overrides: &[(&str, &str)],
        dialect: Dialect,
    ) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let instant = Instant::local("2024-02-29T01:02:03".parse().unwrap(), zone).unwrap();
        let (declared, overrides) = (declared.iter().copied(), overrides.iter().copied());
        resolve_parameters(declared, overrides, &instant, dialect)
    }

    fn native(declared: &[(&str, &str)]) -> Result<Vec<(String, String)>, Vec<ParameterError>> {
        resolved(declared, &[], Dialect::Porpoise1)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
        expected.iter().map(owned).collect()
    }

    fn messages(errors: &[ParameterError]) -> Vec<String> {
        let shown = |error: &ParameterError| format!("{}: {}", error.name, error.source);
        errors.iter().map(shown).collect()
    }

    #[test]
    fn parameters_refer_to_each_other_in_any_order() {
        let found = native(&[
            ("path", "/in/${day}/${table}"),
            ("day", "$[yyyy-MM-dd-${back}]"),
            ("back", "1"),
            ("table", "orders"),
            ("biz", "${system.biz.date}"),
        ]);
        let expected = [
            ("path", "/in/2024-02-28/orders"),
            ("day", "2024-02-28"),
            ("back", "1"),
            ("table", "orders"),
            ("biz", "20240228"),
        ];
        assert_eq!(found, Ok(pairs(&expected)));
    }

    #[test]
    fn overrides_replace_and_are_read_too() {
        let declared = [("a", "1"), ("b", "${a}")];
        let overrides = [("new", "${b}!"), ("a", "$[yyyy]")];
        for dialect in Dialect::ALL {
            let found = resolved(&declared, &overrides, dialect);
            let expected = [("a", "2024"), ("b", "2024"), ("new", "2024!")];
            assert_eq!(found, Ok(pairs(&expected)), "{dialect}");
        }
    }

    #[test]
    fn a_circle_is_reported_once_with_its_path() {
        let errors = native(&[("c", "${a}"), ("a", "${b}"), ("b", "${a}"), ("s", "${s}")]);
        let errors = errors.unwrap_err();
        let expected = [
            "c: parameters refer to each other in a circle: `a -> b -> a`",
            "s: parameters refer to each other in a circle: `s -> s`",
        ];
        assert_eq!(messages(&errors), expected);
    }

    #[test]
    fn every_fault_is_reported_where_it_was_made() {
        let errors = native(&[
            ("uses", "${bad} ${late}"),
            ("bad", "${nope} ${x.y}"),
            ("late", "$[yyyyl]"),
            ("fine", "1"),
        ])
        .unwrap_err();
        let expected = [
            "bad: no parameter is named `nope`, `x.y`",
            "late: cannot evaluate `$[yyyyl]`: `l` is no date letter; put text into single quotes, at byte 4",
        ];
        assert_eq!(messages(&errors), expected);
        let ExpressionError::Unknown { names } = &errors[0].source else {
            panic!("{errors:?}");
        };
        let nope = UnknownName {
            name: "nope".into(),
            span: 0..7,
            within: Some("bad".into()),
        };
        assert_eq!(names[0], nope);
    }

    #[test]
    fn a_date_put_together_from_sound_texts_is_a_fault_too() {
        let errors = native(&[("p", "${a}[l]"), ("a", "$")]).unwrap_err();
        assert_eq!(messages(&errors).len(), 1);
    }

    #[test]
    fn unknown_names_stay_for_the_task_in_dolphinscheduler() {
        let declared = [("a", "${system.task.instance.id}"), ("b", "$[l]")];
        for dialect in [Dialect::DolphinScheduler31, Dialect::DolphinScheduler32] {
            assert_eq!(resolved(&declared, &[], dialect), Ok(pairs(&declared)));
        }
    }

    #[test]
    fn only_texts_that_begin_with_a_dollar_are_resolved_in_3_1() {
        let declared = [("a", "x$[yyyy]"), ("b", "$[yyyy]")];
        let found = |dialect| resolved(&declared, &[], dialect).unwrap();
        let old = found(Dialect::DolphinScheduler31);
        assert_eq!(old, pairs(&[("a", "x$[yyyy]"), ("b", "2024")]));
        let new = found(Dialect::DolphinScheduler32);
        assert_eq!(new, pairs(&[("a", "x2024"), ("b", "2024")]));
    }

    #[test]
    fn all_parameters_together_are_bounded() {
        let large = "x".repeat(200_000);
        let names: Vec<_> = (0..50).map(|number| format!("p{number}")).collect();
        let mut declared = vec![("large", large.as_str())];
        declared.extend(names.iter().map(|name| (name.as_str(), "${large}")));
        let errors = native(&declared).unwrap_err();
        let limit = PARAMETERS_BYTES_MAX;
        let [error] = errors.as_slice() else {
            panic!("{} errors", errors.len());
        };
        assert_eq!(error.source, ExpressionError::TooLarge { limit });
    }
}
