//! What a task can read by name, and where each value comes from.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use porpoise_expression::{Template, Unknown};
use porpoise_model::ValueType;

use super::{Reading, TaskScope, base, named};
use crate::Plan;
use crate::effect::Trigger;
use crate::run::state::State;

/// A name that a task can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The name.
    pub name: String,
    /// What it is declared as.
    pub kind: ValueType,
    /// Its value, and where that comes from.
    pub given: Given,
    /// Values of the same name that this one hides, the nearest first.
    pub hidden: Vec<Given>,
}

/// A value and its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Where it comes from.
    pub source: Source,
    /// As it is written there, if that is not the value itself.
    pub written: Option<String>,
    /// The value, or why there is none.
    pub value: Result<String, String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `env` of the task.
    Env,
    /// `parameters` of the task.
    Task,
    /// What a task above has set.
    Output,
    /// It was given when the run was started.
    Start,
    /// The run of the workflow above handed it down.
    Parent,
    /// `parameters` of the workflow, resolved when the run began.
    Workflow,
    /// A parameter of the project, as it was when the run was created.
    Project,
    /// Every run has it.
    BuiltIn,
}

impl Source {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Task => "task",
            Self::Output => "output",
            Self::Start => "start",
            Self::Parent => "parent",
            Self::Workflow => "workflow",
            Self::Project => "project",
            Self::BuiltIn => "builtin",
        }
    }
}

/// All that the next attempt of a task could read, by name: parameters of the run and its own, its environment, and
/// those outputs and built-ins that its texts name.
///
/// # Errors
/// The run has no time zone or dialect that is known.
pub fn known(state: &State, plan: &Plan, task: u32) -> Result<Vec<Known>, String> {
    let (reading, mut scope) = base(state, plan, task)?;
    let own: BTreeMap<&String, Result<String, String>> = scope
        .task
        .parameters
        .keys()
        .map(|name| (name, super::own(&reading, &scope, name)))
        .collect();
    let sound = own
        .iter()
        .filter(|(name, _)| scope.started_with(name).is_none())
        .filter_map(|(name, value)| Some(((*name).clone(), value.clone().ok()?)));
    scope.own = Some(sound.collect());
    let run = state.parameters.iter().flat_map(BTreeMap::keys);
    let mut names: BTreeSet<&str> = run.map(String::as_str).collect();
    names.extend(own.keys().map(|name| name.as_str()));
    names.extend(scope.task.env.keys().map(String::as_str));
    let read = read_by(&scope);
    names.extend(read.iter().map(String::as_str));
    let look = Look {
        reading: &reading,
        scope: &scope,
        own: &own,
    };
    Ok(names
        .into_iter()
        .filter_map(|name| look.known(name))
        .collect())
}

/// The names that the texts of a task hold, its script only where it is a template.
fn read_by(scope: &TaskScope<'_>) -> BTreeSet<String> {
    let found = RefCell::new(BTreeSet::new());
    let value = |text: &str| {
        let template = Template::parse(text);
        let names = template.references();
        let names = names.map(|reference| reference.name.to_owned());
        found.borrow_mut().extend(names);
        Ok(text.to_owned())
    };
    let script = |text: &str| {
        if scope.native {
            Ok(text.to_owned())
        } else {
            value(text)
        }
    };
    // Whatever its kind makes of texts that are not resolved, they have been looked at.
    let _ = scope.task.kind.work(&script, &value);
    for text in scope.task.env.values().chain(scope.task.files.values()) {
        let _ = value(text);
    }
    for own in scope.task.parameters.values() {
        let _ = value(&own.text);
    }
    found.into_inner()
}

struct Look<'a> {
    reading: &'a Reading,
    scope: &'a TaskScope<'a>,
    own: &'a BTreeMap<&'a String, Result<String, String>>,
}

impl Look<'_> {
    /// A name with all its values; `None`: nothing knows it.
    fn known(&self, name: &str) -> Option<Known> {
        let started = self.scope.started_with(name).is_some();
        let run = self.of_run(name);
        let (first, later) = if started { (run, None) } else { (None, run) };
        let values = [
            self.env(name),
            first,
            self.of_task(name),
            self.output(name),
            later,
            self.of_project(name),
            self.built_in(name),
        ];
        let mut values = values.into_iter().flatten();
        Some(Known {
            name: name.to_owned(),
            kind: self.scope.declared(name),
            given: values.next()?,
            hidden: values.collect(),
        })
    }

    fn env(&self, name: &str) -> Option<Given> {
        let text = self.scope.task.env.get(name)?;
        let value = self
            .reading
            .render(text, self.scope, self.reading.unknown());
        let value = named(name, value).map(|(_, value)| value);
        Some(given(Source::Env, Some(text), value))
    }

    fn of_task(&self, name: &str) -> Option<Given> {
        let (key, value) = self.own.get_key_value(&name.to_owned())?;
        let written = &self.scope.task.parameters.get(*key)?.text;
        // An empty one hides nothing in the dialects of DolphinScheduler.
        let counts = self.scope.native || !written.is_empty();
        counts.then(|| given(Source::Task, Some(written), value.clone()))
    }

    fn output(&self, name: &str) -> Option<Given> {
        let value = self.scope.output(name)?.text.clone();
        Some(given(Source::Output, None, Ok(value)))
    }

    fn of_run(&self, name: &str) -> Option<Given> {
        let value = self.scope.state.parameters.as_ref()?.get(name)?.clone();
        let new = self.scope.state.new.as_deref()?;
        let declared = self.scope.plan.workflow().parameters.get(name);
        let (source, written) = match (new.parameters.get(name), &new.trigger) {
            (Some(_), Trigger::Parent { .. }) => (Source::Parent, None),
            (
                Some(text),
                Trigger::Schedule { .. }
                | Trigger::Manual
                | Trigger::Api
                | Trigger::Backfill { .. }
                | Trigger::Test,
            ) => (Source::Start, Some(text)),
            (None, _) => (Source::Workflow, declared.map(|declared| &declared.text)),
        };
        Some(given(source, written, Ok(value)))
    }

    fn of_project(&self, name: &str) -> Option<Given> {
        let written = &self.scope.of_project(name)?.text;
        let value = self
            .reading
            .render(written, self.scope, self.reading.unknown());
        Some(given(Source::Project, Some(written), value))
    }

    fn built_in(&self, name: &str) -> Option<Given> {
        let of_task = || self.scope.system(name).filter(|_| !self.scope.native);
        let nothing: BTreeMap<String, String> = BTreeMap::new();
        let text = format!("${{{name}}}");
        let rendered = || self.reading.render(&text, &nothing, Unknown::Fault).ok();
        let value = of_task().or_else(rendered)?;
        Some(given(Source::BuiltIn, None, Ok(value)))
    }
}

fn given(source: Source, written: Option<&String>, value: Result<String, String>) -> Given {
    let written = written.filter(|written| value.as_ref() != Ok(written));
    Given {
        source,
        written: written.cloned(),
        value,
    }
}
