//! Parameters of the project: which of them a run can name.
//!
//! In `porpoise/1` they are named `${project.NAME}`; in the dialects of `DolphinScheduler` from 3.2 on, which has them,
//! by their bare names, where nothing but built-ins comes after them. A run keeps those that it can name as they were
//! when it was created, so that its retries and reruns see what its first attempts saw.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::{Dialect, PROJECT_PREFIX, Template};
use porpoise_model::Value;
use porpoise_model::workflow::Workflow;

use crate::effect::NewRun;

/// What stands between `${` and `}` in the texts of a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// Names that are known beforehand.
    names: BTreeSet<String>,
    /// Some are put together of others.
    composed: bool,
}

impl Named {
    /// By a version, wherever it may name one.
    pub fn by(workflow: &Workflow) -> Self {
        let mut named = Self::default();
        // A version that was stored can be written as JSON.
        named.gather(&serde_json::to_value(workflow).unwrap_or_default());
        named
    }

    /// No deeper than a definition may be.
    fn gather(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
            }
            serde_json::Value::String(text) => self.read(text),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.gather(item)),
            serde_json::Value::Object(members) => {
                members.values().for_each(|member| self.gather(member));
            }
        }
    }

    fn read(&mut self, text: &str) {
        if !text.contains("${") {
            return;
        }
        let template = Template::parse(text);
        let names = template.references();
        self.names.extend(names.map(|found| found.name.to_owned()));
        self.composed |= template.composes();
    }
}

/// The name of a parameter of the project that a name means, in a dialect.
pub(super) fn meant(name: &str, dialect: Dialect) -> Option<&str> {
    if dialect.is_native() {
        name.strip_prefix(PROJECT_PREFIX)
    } else {
        (!dialect.is_before_3_2()).then_some(name)
    }
}

/// Whether a run could name a parameter of its project: who creates it has to look at them only then.
pub fn may_name(new: &NewRun, workflow: &Workflow, named: &Named) -> bool {
    let Ok(dialect) = workflow.dialect.parse::<Dialect>() else {
        return false;
    };
    let free =
        |name: &String| meant(name, dialect).is_some() && !workflow.parameters.contains_key(name);
    named.composed
        || named.names.iter().any(free)
        || new.parameters.values().any(|text| text.contains("${"))
}

/// Those parameters of the project that a run can name, also by way of each other; `None`: none.
pub fn named_of(
    new: &NewRun,
    workflow: &Workflow,
    named: &Named,
    all: &BTreeMap<String, Value>,
) -> Option<BTreeMap<String, Value>> {
    let dialect = workflow.dialect.parse::<Dialect>().ok()?;
    let mut reached = named.clone();
    new.parameters.values().for_each(|text| reached.read(text));
    if !dialect.is_native() && dialect.is_before_3_2() {
        return None;
    }
    let mut kept = BTreeMap::new();
    loop {
        let wanted = |name: &str| reached.composed || reached.names.contains(&*full(name, dialect));
        let more = all.iter().filter(|(name, _)| !kept.contains_key(*name));
        let more: Vec<_> = more.filter(|(name, _)| wanted(name)).collect();
        if more.is_empty() {
            break;
        }
        for (name, value) in more {
            reached.read(&value.text);
            kept.insert(name.clone(), value.clone());
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// What a parameter of the project is called in a dialect that knows them.
pub(super) fn full(name: &str, dialect: Dialect) -> Cow<'_, str> {
    if dialect.is_native() {
        Cow::Owned(format!("{PROJECT_PREFIX}{name}"))
    } else {
        Cow::Borrowed(name)
    }
}
