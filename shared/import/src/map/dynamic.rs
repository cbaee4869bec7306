//! Tasks that run another workflow for each element of lists: `DYNAMIC`, since 3.2.
//!
//! They become `workflow` with `for_each` where the files tell which one that is. Else they are kept whole.
//!
//! Source: `DynamicLogicTask.generateParameterGroup` of 3.2: each character of the separator separates, space around a
//! value goes, and so do empty ones; the values of the last list change fastest.

use indexmap::IndexMap;
use porpoise_model::Name;
use porpoise_model::limits::{
    MAPPED_ELEMENTS_MAX, MAPPED_LISTS_BYTES_MAX, MAPPED_LISTS_MAX, MAPPED_PARALLEL_MAX,
};
use porpoise_model::workflow::{Each, Items, Kind};

use super::Mapper;
use crate::json::At;
use crate::report::{Rule, Topic};

/// What such tasks are called.
pub(super) const DYNAMIC: &str = "DYNAMIC";

const LISTS: &str = "listParameters";
const AT_MOST: &str = "maxNumOfSubWorkflowInstances";
const PARALLEL: &str = "degreeOfParallelism";
const WITHOUT: &str = "filterCondition";

/// What separates values where nothing is said: `StringUtils.split` takes white space.
const SPACE: &str = " \t\n\r";

impl<'t> Mapper<'t> {
    /// The task as another workflow for each element, if it is known which, and for what.
    pub(super) fn dynamic(&mut self, params: At<'t>, own: Option<i64>) -> Option<Kind> {
        let lists = lists(params)?;
        let at_most = number(params, AT_MOST, MAPPED_ELEMENTS_MAX)?;
        let parallel = number(params, PARALLEL, 1)?;
        let without = without(params)?;
        let workflow = self.called(params, own)?;
        for (key, at) in params.entries() {
            match key {
                "localParams" => {}
                LISTS | AT_MOST | PARALLEL | WITHOUT => {
                    at.used();
                }
                _ if super::child::names_workflow(key) => {
                    at.used();
                }
                _ if at.is_hollow() => at.ignored(Rule::Empty),
                _ => self.notes.cover(
                    at,
                    Topic::UnknownTaskParameter,
                    key,
                    "the parameter has no counterpart",
                ),
            }
        }
        let each = Each {
            lists,
            without,
            at_most: self.within(params, AT_MOST, at_most, MAPPED_ELEMENTS_MAX),
            parallel: self.within(params, PARALLEL, parallel, MAPPED_PARALLEL_MAX),
        };
        Some(Kind::Workflow {
            workflow,
            each: Some(Box::new(each)),
        })
    }

    /// A number that is not larger than what is possible here.
    fn within(&mut self, params: At<'t>, key: &str, number: u32, most: u32) -> u32 {
        if number > most {
            let message = format!("`{key}` is {number}, at most {most} are possible here");
            let at = params.get(key).unwrap_or(params);
            self.notes.add(at, Topic::MappedLimit, key, message);
        }
        number.min(most)
    }
}

/// The lists, by the names of their parameters. `None`: DolphinScheduler could not run the task either, or they are more
/// than is possible here.
fn lists(params: At<'_>) -> Option<IndexMap<String, Items>> {
    let mut lists = IndexMap::new();
    for item in params.get(LISTS)?.items() {
        let name: Name = item.get("name")?.text()?.trim().parse().ok()?;
        let text = item.get("value").and_then(At::scalar)?;
        let separator = item.some("separator").map(At::scalar);
        let separator = separator.unwrap_or_else(|| Some(SPACE.to_owned()))?;
        let fits = text.len() <= MAPPED_LISTS_BYTES_MAX && !text.contains('\0');
        // nobody hands a secret to another run
        let possible = fits && !text.contains("${secret:");
        let items = if separator.is_empty() {
            Items::Values(vec![text])
        } else {
            let separator = Some(separator);
            Items::Text { text, separator }
        };
        let twice = lists.insert(name.to_string(), items).is_some();
        if twice || !possible {
            return None;
        }
    }
    (1..=MAPPED_LISTS_MAX)
        .contains(&lists.len())
        .then_some(lists)
}

fn number(params: At<'_>, key: &str, usual: u32) -> Option<u32> {
    let Some(at) = params.some(key) else {
        return Some(usual);
    };
    let number = u32::try_from(at.integer()?).ok()?;
    (number > 0).then_some(number)
}

fn without(params: At<'_>) -> Option<Vec<String>> {
    let Some(at) = params.some(WITHOUT) else {
        return Some(Vec::new());
    };
    let text = at.scalar()?;
    let values = text.split(',').map(str::trim);
    let values = values.filter(|value| !value.is_empty());
    let values: Vec<String> = values.map(ToOwned::to_owned).collect();
    let most = usize::try_from(MAPPED_ELEMENTS_MAX).unwrap_or(usize::MAX);
    (values.len() <= most).then_some(values)
}
