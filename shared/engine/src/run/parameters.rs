//! Parameters and texts of tasks: resolved when a run begins, and rendered when an attempt is dispatched.
//!
//! Precedence, the first that knows a name wins: the task's own parameters, outputs of tasks above (`${task.output}`),
//! the run's parameters, those of the project, built-ins. From DolphinScheduler 3.2 on, what a run was started with comes
//! before all of them. Native scripts are passed as they are; values reach them as environment variables
//! (docs/adr/0004-values.md).

mod handed;
mod known;
mod project;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use porpoise_expression::{Dialect, Instant, Scope, Template, Unknown, Value};
use porpoise_model::ValueType;
use porpoise_model::job::{SqlMore, Statement, Work};
use porpoise_model::workflow::{Kind, Task, Workflow};

use super::bind::{Names, bind};
use super::mapped::dynamic_of;
use super::state::State;
use crate::Plan;
use crate::effect::{NewRun, Trigger};

pub use handed::{elements, handed_down, results};
pub use known::{Given, Known, Source, known};
pub use project::{Named, may_name, named_of};

/// A task with every expression resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// What to do.
    pub work: Work,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Files in its folder, and where they come from.
    pub files: BTreeMap<String, String>,
}

impl Rendered {
    /// The task as it is written.
    pub fn plain(kind: &Kind) -> Self {
        let same = |text: &str| Ok(text.to_owned());
        // nothing is resolved, so nothing fails
        let work = kind.work(&same, &same).unwrap_or(Work::Noop);
        Self {
            work,
            env: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// What expressions of a run are read with.
struct Reading {
    dialect: Dialect,
    instant: Instant,
}

impl Reading {
    fn of(new: &NewRun, workflow: &Workflow) -> Result<Self, String> {
        let dialect = workflow
            .dialect
            .parse::<Dialect>()
            .map_err(|error| error.to_string())?;
        let zone = TimeZone::get(&new.timezone)
            .map_err(|_| format!("no time zone is named `{}`", new.timezone))?;
        Ok(Self {
            dialect,
            instant: Instant::at(new.logical_date, zone),
        })
    }

    fn unknown(&self) -> Unknown {
        if self.dialect.is_native() {
            Unknown::Fault
        } else {
            Unknown::Keep
        }
    }

    fn render(&self, text: &str, scope: &dyn Scope, unknown: Unknown) -> Result<String, String> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let template = Template::parse(text);
        porpoise_expression::render(&template, scope, &self.instant, self.dialect, unknown)
            .map_err(|error| error.to_string())
    }
}

/// The parameters of a run, in the order of the definition, start-up ones in place of the definition's.
///
/// # Errors
/// Every parameter that cannot be resolved, with the reason, in one text.
pub fn resolve(new: &NewRun, workflow: &Workflow) -> Result<Vec<(String, String)>, String> {
    let reading = Reading::of(new, workflow)?;
    let of_project = of_project(new, reading.dialect);
    let declared = workflow.parameters.iter();
    let declared = declared.map(|(name, value)| (name.as_str(), value.text.as_str()));
    let named = of_project.iter();
    let named = named.map(|(name, text)| (name.as_str(), *text));
    let declared = named.chain(declared);
    let given = new
        .parameters
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let (instant, dialect) = (&reading.instant, reading.dialect);
    let resolved = match &new.trigger {
        // What another run hands down is resolved, and may hold what its tasks have set.
        Trigger::Parent { .. } => {
            porpoise_expression::resolve_with_data(declared, given, instant, dialect)
        }
        Trigger::Schedule { .. }
        | Trigger::Manual
        | Trigger::Api
        | Trigger::Backfill { .. }
        | Trigger::Test => {
            porpoise_expression::resolve_parameters(declared, given, instant, dialect)
        }
    };
    let mut resolved = resolved.map_err(|errors| all_errors(&errors))?;
    // They stay beside the run's own.
    let declared = |name: &str| workflow.parameters.contains_key(name);
    resolved.retain(|(name, _)| declared(name) || !of_project.contains_key(name));
    Ok(resolved)
}

/// Parameters of the project that parameters of a workflow can name when a run begins. In the dialects of
/// `DolphinScheduler` what is not known then stays as it is written until a task names it.
fn of_project(new: &NewRun, dialect: Dialect) -> BTreeMap<String, &str> {
    let all = new.project_parameters.iter().flatten();
    let all = all.filter(|_| dialect.is_native());
    all.map(|(name, value)| {
        (
            project::full(name, dialect).into_owned(),
            value.text.as_str(),
        )
    })
    .collect()
}

fn all_errors(errors: &[porpoise_expression::ParameterError]) -> String {
    let texts = errors.iter();
    let texts: Vec<String> = texts
        .map(|error| format!("{error}: {}", error.source))
        .collect();
    texts.join("; ")
}

/// The parameters of another version that a run does not have yet: those that it has stand in place of that version's.
///
/// # Errors
/// As of [`resolve`].
pub(super) fn resolve_new(
    new: &NewRun,
    workflow: &Workflow,
    known: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, String> {
    let reading = Reading::of(new, workflow)?;
    let of_project = of_project(new, reading.dialect);
    let named = of_project.iter();
    let named = named.map(|(name, text)| (name.as_str(), *text));
    let declared = workflow.parameters.iter();
    let declared = declared.map(|(name, value)| (name.as_str(), value.text.as_str()));
    let declared = named.chain(declared);
    let known_texts = known.iter();
    let known_texts = known_texts.map(|(name, text)| (name.as_str(), text.as_str()));
    let (instant, dialect) = (&reading.instant, reading.dialect);
    let resolved = porpoise_expression::resolve_with_data(declared, known_texts, instant, dialect);
    let mut resolved = resolved.map_err(|errors| all_errors(&errors))?;
    let wanted = |name: &str| workflow.parameters.contains_key(name) && !known.contains_key(name);
    resolved.retain(|(name, _)| wanted(name));
    Ok(resolved)
}

/// Whether a task can be rendered.
///
/// # Errors
/// What cannot be resolved, and why.
pub fn check(state: &State, plan: &Plan, task: u32) -> Result<(), String> {
    if plan.has_texts(task) {
        render(state, plan, task).map(|_| ())
    } else {
        Ok(())
    }
}

/// Renders a task for its next attempt.
///
/// # Errors
/// What cannot be resolved, and why.
pub fn render(state: &State, plan: &Plan, task: u32) -> Result<Rendered, String> {
    let definition = plan
        .task(task)
        .ok_or_else(|| format!("there is no task at index {task}"))?;
    if !plan.has_texts(task) {
        return Ok(Rendered::plain(&definition.kind));
    }
    let (reading, scope) = reading(state, plan, task)?;
    let env = environment(&reading, &scope, state)?;
    let script = |text: &str| {
        if scope.native {
            Ok(text.to_owned())
        } else {
            reading.render(text, &scope, Unknown::Keep)
        }
    };
    let value = |text: &str| reading.render(text, &scope, reading.unknown());
    let work = definition.kind.work(&script, &value)?;
    let work = match &definition.kind {
        Kind::Sql { .. } if scope.native => typed(work, &definition.kind, &scope),
        Kind::Sql { .. } => bound(work, &definition.kind, &reading, &scope)?,
        Kind::Noop
        | Kind::Sleep { .. }
        | Kind::Shell { .. }
        | Kind::Python { .. }
        | Kind::Command { .. }
        | Kind::Spark { .. }
        | Kind::Hive { .. }
        | Kind::Http(_)
        | Kind::Function { .. }
        | Kind::StateMachine { .. }
        | Kind::Switch { .. }
        | Kind::Conditions { .. }
        | Kind::Approval { .. }
        | Kind::Dependent { .. }
        | Kind::Workflow { .. }
        | Kind::External { .. } => work,
    };
    let files = definition.files.iter().map(|(name, address)| {
        let address = value(address).map_err(|error| unresolved(name, &error))?;
        Ok((name.clone(), address))
    });
    let files = files.collect::<Result<_, String>>()?;
    Ok(Rendered { work, env, files })
}

/// The arguments of a statement, each with what it is declared as: one that is nothing but a name, as that is.
fn typed(mut work: Work, kind: &Kind, scope: &TaskScope<'_>) -> Work {
    if let (Kind::Sql { arguments, .. }, Work::Sql { more, .. }) = (kind, &mut work) {
        let name = |text: &'_ String| -> ValueType {
            let name = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            name.map_or(ValueType::Varchar, |name| scope.declared(name))
        };
        let types: Vec<ValueType> = arguments.iter().map(name).collect();
        if types.iter().any(|kind| *kind != ValueType::Varchar) {
            let mut with = more.take().map_or_else(SqlMore::default, |more| *more);
            with.types = types;
            *more = with.boxed();
        }
    }
    work
}

/// The same in a dialect of DolphinScheduler, where statements name their values themselves.
fn bound(
    mut work: Work,
    kind: &Kind,
    reading: &Reading,
    scope: &TaskScope<'_>,
) -> Result<Work, String> {
    let (
        Kind::Sql {
            statement: text,
            before,
            after,
            arguments: own,
            ..
        },
        Work::Sql {
            statement,
            arguments,
            more,
            ..
        },
    ) = (kind, &mut work)
    else {
        return Ok(work);
    };
    let names = Names {
        value: &|text| reading.render(text, scope, Unknown::Fault),
        declared: &|name| scope.declared(name),
        script: &|text| reading.render(text, scope, Unknown::Keep),
    };
    let several = |texts: &[String]| -> Result<Vec<Statement>, String> {
        texts.iter().map(|text| bind(text, &names)).collect()
    };
    let main = bind(text, &names)?;
    if !own.is_empty() && !main.arguments.is_empty() {
        return Err("a statement has values in its text, or beside it, but not both".to_owned());
    }
    *statement = main.text;
    if own.is_empty() {
        *arguments = main.arguments;
    }
    let mut with = more.take().map_or_else(SqlMore::default, |more| *more);
    with.types = main.types;
    with.before = several(before)?;
    with.after = several(after)?;
    *more = with.boxed();
    Ok(work)
}

/// The values that a task can look at, each with its declared type.
pub(super) struct Values<'a> {
    reading: Reading,
    scope: TaskScope<'a>,
}

impl<'a> Values<'a> {
    /// Of a task that is ready.
    ///
    /// # Errors
    /// A parameter of its own cannot be resolved.
    pub(super) fn of(state: &'a State, plan: &'a Plan, task: u32) -> Result<Self, String> {
        let (reading, scope) = reading(state, plan, task)?;
        Ok(Self { reading, scope })
    }

    /// The value of a name, or `None` if it has none.
    pub(super) fn get(&self, name: &str) -> Option<(String, ValueType)> {
        let text = format!("${{{name}}}");
        let text = self
            .reading
            .render(&text, &self.scope, Unknown::Fault)
            .ok()?;
        Some((text, self.scope.declared(name)))
    }
}

/// What a task's texts are read with.
fn reading<'a>(
    state: &'a State,
    plan: &'a Plan,
    task: u32,
) -> Result<(Reading, TaskScope<'a>), String> {
    let (reading, mut scope) = base(state, plan, task)?;
    scope.own = Some(own_parameters(&reading, &scope)?);
    Ok((reading, scope))
}

/// The same before the task's own parameters are resolved.
fn base<'a>(
    state: &'a State,
    plan: &'a Plan,
    task: u32,
) -> Result<(Reading, TaskScope<'a>), String> {
    let definition = plan
        .task(task)
        .ok_or_else(|| format!("there is no task at index {task}"))?;
    let new = state.new.as_deref().ok_or("the run does not exist yet")?;
    let reading = Reading::of(new, plan.workflow())?;
    let dialect = reading.dialect;
    let native = dialect.is_native();
    let started_by = match new.trigger {
        Trigger::Manual | Trigger::Api | Trigger::Backfill { .. } => {
            !native && !dialect.is_before_3_2()
        }
        Trigger::Schedule { .. } | Trigger::Parent { .. } | Trigger::Test => false,
    };
    let scope = TaskScope {
        state,
        plan,
        task: definition,
        index: task,
        dialect,
        native,
        start: started_by.then_some(&new.parameters),
        own: None,
        except: None,
    };
    Ok((reading, scope))
}

/// The secrets that a task's definition names: in its own texts, and in the parameters of the workflow and of the
/// project.
pub fn secrets(new: &NewRun, workflow: &Workflow, task: &Task) -> BTreeSet<String> {
    let of_project = new.project_parameters.iter().flat_map(BTreeMap::values);
    let parameters = workflow.parameters.values().chain(task.parameters.values());
    let parameters = parameters.chain(of_project);
    let texts = parameters.map(|value| &value.text).chain(task.env.values());
    let texts = texts.map(String::as_str).chain(task.kind.texts());
    let texts = texts.filter(|text| text.contains("${secret:"));
    let named = |text: &str| -> Vec<String> {
        let template = Template::parse(text);
        template
            .secrets()
            .map(|secret| secret.name.to_owned())
            .collect()
    };
    texts.flat_map(named).collect()
}

/// The task's parameters, without those that what the run was started with replaces.
fn own_parameters(
    reading: &Reading,
    scope: &TaskScope<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let names = scope.task.parameters.keys();
    names
        .filter(|name| scope.started_with(name).is_none())
        .map(|name| Ok((name.clone(), own(reading, scope, name)?)))
        .collect()
}

/// A parameter of the task. If it names itself, it means the run's of that name.
fn own(reading: &Reading, scope: &TaskScope<'_>, name: &str) -> Result<String, String> {
    let scope = TaskScope {
        except: Some(name),
        own: None,
        ..*scope
    };
    let declared = scope.task.parameters.get(name);
    let text = declared.map_or("", |value| value.text.as_str());
    named(name, reading.render(text, &scope, reading.unknown())).map(|(_, value)| value)
}

fn named(name: &str, value: Result<String, String>) -> Result<(String, String), String> {
    match value {
        Ok(value) => Ok((name.to_owned(), value)),
        Err(error) => Err(unresolved(name, &error)),
    }
}

fn unresolved(name: &str, error: &impl std::fmt::Display) -> String {
    format!("cannot resolve `{name}`: {error}")
}

/// Parameters of the run and of the task, and what the task declares as its environment; later ones win.
fn environment(
    reading: &Reading,
    scope: &TaskScope<'_>,
    state: &State,
) -> Result<BTreeMap<String, String>, String> {
    let mut env = state.parameters.clone().unwrap_or_default();
    let own = scope.own.clone().unwrap_or_default().into_iter();
    env.extend(own.filter(|(_, text)| scope.native || !text.is_empty()));
    for (name, text) in &scope.task.env {
        let (name, value) = named(name, reading.render(text, scope, reading.unknown()))?;
        env.insert(name, value);
    }
    Ok(env)
}

/// The names that a task's texts may use.
struct TaskScope<'a> {
    state: &'a State,
    plan: &'a Plan,
    task: &'a Task,
    index: u32,
    dialect: Dialect,
    native: bool,
    /// What the run was started with, if that comes before all else (DolphinScheduler from 3.2 on).
    start: Option<&'a BTreeMap<String, String>>,
    /// The task's own parameters, once they are resolved.
    own: Option<BTreeMap<String, String>>,
    /// The task's own parameter that is being resolved.
    except: Option<&'a str>,
}

impl TaskScope<'_> {
    /// The value of a name that the run was started with, if that comes before all else.
    fn started_with(&self, name: &str) -> Option<&String> {
        self.start.filter(|start| start.contains_key(name))?;
        self.state.parameters.as_ref()?.get(name)
    }

    /// The output that `task.output` names.
    fn output(&self, name: &str) -> Option<&porpoise_model::Value> {
        if let Some(task) = dynamic_of(name).filter(|_| !self.native) {
            return self.state.outputs.get(&self.plan.find(task)?)?.get(name);
        }
        let (task, output) = name.rsplit_once('.')?;
        let outputs = self.state.outputs.get(&self.plan.find(task)?)?;
        outputs.get(output)
    }

    /// What the value of a name is declared as, in the order in which values are looked for. A parameter of the task's
    /// own that is nothing but another name is declared as that one is, unless it says more.
    fn declared(&self, name: &str) -> ValueType {
        let own = self.task.parameters.get(name);
        if let Some(own) = own.filter(|_| self.started_with(name).is_none()) {
            let inner = own
                .text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            return match inner {
                Some(inner) if own.kind == ValueType::Varchar && inner != name => {
                    self.output(inner).map_or(own.kind, |output| output.kind)
                }
                Some(_) | None => own.kind,
            };
        }
        let of_run = || self.plan.workflow().parameters.get(name);
        let declared = self.output(name).or_else(of_run);
        let declared = declared.or_else(|| self.of_project(name));
        declared.map_or(ValueType::Varchar, |value| value.kind)
    }

    /// The parameter of the project that a name means.
    fn of_project(&self, name: &str) -> Option<&porpoise_model::Value> {
        let known = self.state.new.as_deref()?.project_parameters.as_ref()?;
        known.get(project::meant(name, self.dialect)?)
    }

    /// What DolphinScheduler knows of the run and the task by itself.
    fn system(&self, name: &str) -> Option<String> {
        let new = self.state.new.as_deref()?;
        let workflow = self.plan.workflow();
        match name {
            "system.task.instance.id" => Some(self.state.next(self.index).key(new.run).to_string()),
            "system.task.definition.name" => Some(self.task.name.to_string()),
            "system.workflow.instance.id" => Some(new.run.to_string()),
            "system.workflow.definition.name" => Some(workflow.name.to_string()),
            "system.project.name" => Some(workflow.project.to_string()),
            _ => None,
        }
    }
}

impl Scope for TaskScope<'_> {
    fn lookup(&self, name: &str) -> Option<Value<'_>> {
        if let Some(text) = self.started_with(name) {
            return Some(Value::Text(Cow::Borrowed(text)));
        }
        if let Some(own) = self
            .own
            .as_ref()
            .and_then(|own| own.get(name))
            .filter(|own| self.native || !own.is_empty())
        {
            return Some(Value::Data(Cow::Borrowed(own)));
        }
        let text = self
            .task
            .parameters
            .get(name)
            .filter(|_| self.own.is_none() && self.except != Some(name));
        if let Some(text) = text.filter(|own| self.native || !own.text.is_empty()) {
            return Some(Value::Text(Cow::Borrowed(&text.text)));
        }
        if let Some(output) = self.output(name) {
            return Some(Value::Data(Cow::Borrowed(&output.text)));
        }
        let of_run = self
            .state
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.get(name));
        match of_run {
            Some(text) if self.native => Some(Value::Data(Cow::Borrowed(text))),
            Some(text) => Some(Value::Text(Cow::Borrowed(text))),
            None => match self.of_project(name) {
                Some(value) => Some(Value::Text(Cow::Borrowed(&value.text))),
                None if self.native => None,
                None => self.system(name).map(|text| Value::Data(Cow::Owned(text))),
            },
        }
    }
}
